"""Policy as a TOML file that a person reads and writes: the six packs, and what is exported and taken in.

A file names tiers, rates, action types with their rules, and rules of all. `whole = true`: it is all there is, and what
it does not name is switched off; else it adds to what is there. Reading gives the rows of a snapshot; what was written
reads back as exactly the snapshot that it was.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _

from approvals.models import ActionType, Capacity, Rule, Tier
from approvals.policy.authoring import documents
from approvals.policy.authoring.documents import Row
from approvals.policy.authoring.validation import unknown
from approvals.values import durations
from approvals.values.schema import Fault, Validator, pick

# A table of a TOML file.
Table: TypeAlias = dict[str, Any]

_DURATION = "duration in words"
_HOUR = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_NUMBER = {"anyOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}, {"type": "number", "minimum": 0}]}


class BadFile(ValueError):
    """The file cannot be used; each sentence names the place and the mend."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = tuple(sentences)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What a file says. `snapshot` holds whole rows, but only of what the file names."""

    snapshot: Row
    whole: bool = False
    domains: Mapping[str, str] = field(default_factory=dict)  # short name: name
    scenarios: Sequence[Table] = ()


def read(text: str, *, pack: str = "") -> PolicyFile:
    """Read a file. `pack` is the name of action types that name none. Raises BadFile; looks at no database."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadFile([_("This is no TOML: %(error)s.") % {"error": str(error).rstrip(".")}]) from error
    if wrong := _misshapen(table):
        raise BadFile(wrong)
    domain_tables = table.get("domain", [])
    domains = {
        one["slug"]: one["name"] for one in ([domain_tables] if isinstance(domain_tables, dict) else domain_tables)
    }
    own = domain_tables["slug"] if isinstance(domain_tables, dict) else ""
    if wrong := [*_homeless(table, own, domains), *_homeless_stages(table, domains), *_twice(table)]:
        raise BadFile(wrong)
    snapshot: Row = {
        "types": {one["name"]: _type_row(one, pack, own) for one in table.get("action", [])},
        "rules": _rule_rows(table.get("rule", [])),
        "tiers": {str(one["level"]): _tier_row(one) for one in table.get("tier", [])},
        "rates": {code: documents.number(str(rate)) for code, rate in table.get("rates", {}).items()},
    }
    return PolicyFile(snapshot, bool(table.get("whole")), domains, table.get("scenario", []))


# --- Rows


def _type_row(table: Table, pack: str, domain: str) -> Row:
    row: Row = {name: table.get(name, _plain(documents.default_of(name))) for name in documents.AS_THEY_ARE}
    schema = table.get("schema", {})
    row["schema"] = json.loads(schema) if isinstance(schema, str) else schema
    row["pack"] = table.get("pack", pack)
    for name in documents.SPANS:
        length = durations.read(table[name]) if name in table else documents.default_of(name)
        row[name] = None if length is None else length.total_seconds()
    for name in documents.NUMBERS:
        value = table.get(name, documents.default_of(name))
        row[name] = None if value is None else documents.number(str(value))
    return {
        **row,
        "domain": table.get("domain", domain),
        "tier": table["tier"],
        "rules": _rule_rows(table.get("rule", [])),
        "thresholds": {
            impact: [documents.number(str(band["auto"])), documents.number(str(band["review"]))]
            for impact, band in table.get("threshold", {}).items()
        },
    }


def _rule_rows(tables: Sequence[Table]) -> list[Row]:
    return [
        {
            "name": table["name"],
            "effect": table["effect"],
            "tier": table.get("tier"),
            "approvers": table.get("approvers", 1),
            "stages": [
                {"tier": stage["tier"], "domain": stage.get("domain", ""), "approvers": stage.get("approvers", 1)}
                for stage in table.get("stage", [])
            ],
            "typed": table.get("typed", False),
            "message": table["message"],
            "when": table["when"],
        }
        for table in sorted(tables, key=lambda table: str(table["name"]))
    ]


def _tier_row(table: Table) -> Row:
    return {
        "name": table["name"],
        **_terms_row(table),
        **{name: durations.read(table[name]).total_seconds() for name in ("hold", "claim")},
        "next": table.get("next"),
        "second_factor": table.get("second_factor", False),
        "capacities": [
            {
                "domain": capacity.get("domain"),
                "limit": capacity.get("limit"),
                **{
                    name: capacity.get(name, str(documents.default_of(name, Capacity)))
                    for name in ("when_full", "when_empty")
                },
            }
            for capacity in sorted(table.get("capacity", []), key=lambda capacity: str(capacity.get("domain") or ""))
        ],
        "terms": [
            {"domain": terms["domain"], **_terms_row(terms)}
            for terms in sorted(table.get("terms", []), key=lambda terms: str(terms["domain"]))
        ],
    }


def _terms_row(table: Table) -> Row:
    ceiling = table.get("ceiling")
    return {
        "ceiling": None if ceiling is None else documents.number(str(ceiling)),
        "sla": durations.read(table["sla"]).total_seconds(),
        **{name: table.get(name, documents.default_of(name, Tier)) for name in documents.TIER_HOURS},
    }


def _plain(value: Any) -> Any:
    return [str(one) for one in value] if isinstance(value, list) else value


# --- What a file may look like


def _shape() -> Table:
    """JSON Schema of a file, from the columns themselves."""
    text: Table = {"type": "string"}
    duration = {"type": "string", "format": _DURATION}
    level = {"type": "integer", "minimum": 1, "maximum": 9}
    approvers = {"type": "integer", "minimum": 1, "maximum": 5}
    rule = _object(
        {
            "name": _column(Rule, "name"),
            "when": _column(Rule, "expression"),
            "effect": _column(Rule, "effect"),
            "message": _column(Rule, "message"),
            "tier": level,
            "approvers": approvers,
            "stage": {
                "type": "array",
                "items": _object({"tier": level, "domain": text, "approvers": approvers}, required=["tier"]),
            },
            "typed": {"type": "boolean"},
        },
        required=["name", "when", "effect", "message"],
    )
    band = _object({"auto": _NUMBER, "review": _NUMBER}, required=["auto", "review"])
    bands = _object(dict.fromkeys(("low", "medium", "high"), band))
    action = {
        **{name: _column(ActionType, name) for name in ["name", *documents.AS_THEY_ARE]},
        **dict.fromkeys(documents.SPANS, duration),
        **dict.fromkeys(documents.NUMBERS, _NUMBER),
        "schema": {"type": ["object", "string"]},
        "domain": text,
        "tier": level,
        "rule": {"type": "array", "items": rule},
        "threshold": bands,
    }
    terms = {
        "ceiling": _NUMBER,
        "sla": duration,
        "working": {"type": "boolean"},
        **{name: {"type": "string", "pattern": _HOUR} for name in ("opens", "closes")},
        "workdays": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 7}},
        "time_zone": {**text, "minLength": 1, "maxLength": 64},
    }
    tier = {
        "level": level,
        "name": {**text, "minLength": 1, "maxLength": 80},
        **terms,
        **dict.fromkeys(("hold", "claim"), duration),
        "next": level,
        "second_factor": {"type": "boolean"},
        "terms": {"type": "array", "items": _object({"domain": text, **terms}, required=["domain", "sla"])},
        "capacity": {
            "type": "array",
            "items": _object(
                {
                    "domain": text,
                    "limit": {"type": "integer", "minimum": 1},
                    **{name: _column(Capacity, name) for name in ("when_full", "when_empty")},
                }
            ),
        },
    }
    domain = _object(
        {"slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,40}$"}, "name": {**text, "maxLength": 80}},
        required=["slug", "name"],
    )
    return _object(
        {
            "whole": {"type": "boolean"},
            "domain": {"anyOf": [domain, {"type": "array", "items": domain}]},
            "rates": {"type": "object", "propertyNames": {"pattern": "^[A-Z]{3}$"}, "additionalProperties": _NUMBER},
            "tier": {
                "type": "array",
                "items": _object(tier, required=["level", "name", "sla", "hold", "claim"]),
            },
            "rule": {"type": "array", "items": rule},
            "action": {
                "type": "array",
                "items": _object(action, required=["name", "title", "headline", "reversibility", "strategy", "tier"]),
            },
            "scenario": {"type": "array"},
        }
    )


def _object(properties: Table, *, required: Sequence[str] = ()) -> Table:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _column(model: type[models.Model], name: str) -> Table:
    """JSON Schema of what this column holds."""
    column = next(field for field in model._meta.concrete_fields if field.name == name)
    if isinstance(column, models.JSONField):
        listed = isinstance(column.get_default(), list)
        return {"type": "array", "items": {"type": "string"}} if listed else {"type": "object"}
    if isinstance(column, models.BooleanField):
        return {"type": "boolean"}
    if isinstance(column, models.IntegerField):
        shape: Table = {"type": "integer"}
        for validator in column.validators:
            if isinstance(validator, MinValueValidator | MaxValueValidator):
                shape["minimum" if isinstance(validator, MinValueValidator) else "maximum"] = validator.limit_value
        return shape
    if column.choices:
        return {"enum": [str(value) for value, _label in column.flatchoices]}
    shape = {"type": "string", "minLength": int(not column.blank)}
    if isinstance(column, models.SlugField):
        shape["pattern"] = "^[-a-zA-Z0-9_]*$"
    return shape | ({"maxLength": column.max_length} if column.max_length else {})


def _misshapen(table: Table) -> list[str]:
    if odd := next(_dates(table, ()), None):
        return [_("%(place)s: a date is written in quotes.") % {"place": odd}]
    shape = _shape()
    messages = []
    for fault in Validator(shape, formats={_DURATION: lambda text: not _no_duration(text)}).check(table):
        location, field_names = _location(fault, table, shape)
        mend = unknown(fault.pointer.rsplit("/", 1)[-1], field_names) if "not known" in fault.message else fault.message
        if fault.keyword == "format":
            mend = _no_duration(str(pick(table, fault.pointer)))
        messages.append(f"{location}: {mend}" if location else mend)
    return messages or [*_bad_text(table)]


def _no_duration(text: str) -> str:
    """Why this is no duration; empty: it is one."""
    try:
        durations.read(text)
    except durations.NoDuration as error:
        return str(error)
    return ""


def _bad_text(table: Table) -> Iterator[str]:
    for action in table.get("action", []):
        if isinstance(action.get("schema"), str):
            try:
                fine = isinstance(json.loads(action["schema"]), dict)
            except ValueError:
                fine = False
            if not fine:
                yield _("action “%(name)s”, schema: as text it is a JSON object.") % {"name": action["name"]}


def _homeless(table: Table, own: str, domains: Mapping[str, str]) -> Iterator[str]:
    for entry in table.get("action", []):
        name = entry.get("domain", own)
        if not name:
            yield _("action “%(name)s”: name its domain.") % entry
        elif name not in domains:
            yield _("action “%(name)s”, domain: %(mend)s") % {**entry, "mend": unknown(name, list(domains))}
    for entry in table.get("tier", []):
        for part in ("capacity", "terms"):
            for queue in entry.get(part, []):
                if (name := queue.get("domain")) and name not in domains:
                    facts = {**entry, "part": part, "mend": unknown(name, list(domains))}
                    yield _("tier %(level)d, %(part)s: %(mend)s") % facts


def _homeless_stages(table: Table, domains: Mapping[str, str]) -> Iterator[str]:
    every = [*table.get("rule", []), *(rule for one in table.get("action", []) for rule in one.get("rule", []))]
    for rule in every:
        for number, stage in enumerate(rule.get("stage", []), 1):
            if stage.get("domain") and stage["domain"] not in domains:
                message = _("rule “%(name)s”, stage %(number)d: %(mend)s")
                mend = unknown(stage["domain"], list(domains))
                yield message % {"name": rule["name"], "number": number, "mend": mend}


def _twice(table: Table) -> Iterator[str]:
    lists = [("tier", "level", table.get("tier", [])), ("action", "name", table.get("action", []))]
    lists += [("rule", "name", found) for found in [table.get("rule", []), *(a.get("rule", []) for a in lists[1][2])]]
    for word, key, entries in lists:
        names = [one[key] for one in entries]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            yield _("%(word)s “%(name)s” stands there twice.") % {"word": word, "name": name}


def _dates(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _dates(child, (*path, key))
    elif isinstance(value, list):
        for number, child in enumerate(value, 1):
            yield from _dates(child, (*path, str(number)))
    elif not isinstance(value, str | int | float | bool):
        yield " / ".join(path)


def _location(fault: Fault, table: Table, shape: Table) -> tuple[str, list[str]]:
    """Where in the file, in words (`action “refund”, rule “big”, tier`), and the fields that are known there."""
    parts: list[str] = []
    here: Any = table
    shape_here: Any = shape
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in fault.pointer.split("/")][1:] or [""]
    for part in path:
        if isinstance(here, list):
            here, shape_here = here[int(part)], shape_here.get("items", {})
            name = here.get("name") if isinstance(here, Mapping) else None
            parts[-1] += f" “{name}”" if isinstance(name, str) else f" {int(part) + 1}"
        else:
            here = here.get(part) if isinstance(here, Mapping) else None
            shape_here = shape_here.get("properties", {}).get(part, {})
            parts.append(part)
    if last:
        if isinstance(here, list) and last.isdecimal() and parts:
            parts[-1] += f" {int(last) + 1}"
        else:
            parts.append(last)
    return ", ".join(parts), list(shape_here.get("properties", {}))
