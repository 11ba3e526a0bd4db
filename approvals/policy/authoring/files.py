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

from django.utils.translation import gettext as _

from approvals.models import ActionType
from approvals.models.policy import Impact
from approvals.policy.authoring.fields import ACTION_TYPE, BAND, CAPACITY, CURRENCY, RULE, TERMS, TIER, Row
from approvals.policy.authoring.shapes import DURATION, LEVEL, NUMBER, SettingShape, object_schema
from approvals.policy.rules.paths import not_known_sentence
from approvals.values import durations
from approvals.values.schema import Fault, Validator, pick

# A table of a TOML file.
Table: TypeAlias = dict[str, Any]


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
        "types": {one["name"]: _type_row({"domain": own, "pack": pack, **one}) for one in table.get("action", [])},
        "rules": _rule_rows(table),
        "tiers": {str(one["level"]): _tier_row(one) for one in table.get("tier", [])},
        "rates": {code: CURRENCY.read({"rate": rate})["rate"] for code, rate in table.get("rates", {}).items()},
    }
    return PolicyFile(snapshot, bool(table.get("whole")), domains, table.get("scenario", []))


# --- Rows


def _type_row(table: Table) -> Row:
    bands = table.get("threshold", {})
    return {
        **ACTION_TYPE.read(table),
        "rules": _rule_rows(table),
        "thresholds": {impact: BAND.read(band) for impact, band in bands.items()},
    }


def _rule_rows(table: Table) -> list[Row]:
    return sorted(map(RULE.read, table.get("rule", [])), key=lambda row: str(row["name"]))


def _tier_row(table: Table) -> Row:
    below = {
        "capacities": map(CAPACITY.read, table.get("capacity", [])),
        "terms": map(TERMS.read, table.get("terms", [])),
    }
    return {
        **TIER.read(table),
        **{name: sorted(rows, key=lambda row: str(row["domain"] or "")) for name, rows in below.items()},
    }


# --- What a file may look like


def _shape() -> Table:
    """JSON Schema of a file."""
    text: Table = {"type": "string"}
    rules = _list(RULE.schema())
    bands = object_schema(dict.fromkeys(Impact.values, BAND.schema()), required=[])
    named = {"name": SettingShape().schema(ActionType._meta.get_field("name"))}
    action = ACTION_TYPE.schema({**named, "rule": rules, "threshold": bands}, required=["name"])
    below = {"terms": _list(TERMS.schema()), "capacity": _list(CAPACITY.schema())}
    tier = TIER.schema({"level": LEVEL, **below}, required=["level"])
    domain = object_schema(
        {"slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,40}$"}, "name": {**text, "maxLength": 80}},
        required=["slug", "name"],
    )
    rates = {"type": "object", "propertyNames": {"pattern": "^[A-Z]{3}$"}, "additionalProperties": NUMBER}
    return object_schema(
        {
            "whole": {"type": "boolean"},
            "domain": {"anyOf": [domain, _list(domain)]},
            "rates": rates,
            "tier": _list(tier),
            "rule": rules,
            "action": _list(action),
            "scenario": {"type": "array"},
        },
        required=[],
    )


def _list(items: Table) -> Table:
    return {"type": "array", "items": items}


def _misshapen(table: Table) -> list[str]:
    if odd := next(_dates(table, ()), None):
        return [_("%(place)s: a date is written in quotes.") % {"place": odd}]
    shape = _shape()
    messages = []
    for fault in Validator(shape, formats={DURATION: lambda text: not _no_duration(text)}).check(table):
        location, field_names = _location(fault, table, shape)
        mend = fault.message
        if "not known" in mend:
            mend = not_known_sentence(fault.pointer.rsplit("/", 1)[-1], field_names)
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
            yield _("action “%(name)s”, domain: %(mend)s") % {**entry, "mend": not_known_sentence(name, list(domains))}
    for entry in table.get("tier", []):
        for part in ("capacity", "terms"):
            for queue in entry.get(part, []):
                if (name := queue.get("domain")) and name not in domains:
                    facts = {**entry, "part": part, "mend": not_known_sentence(name, list(domains))}
                    yield _("tier %(level)d, %(part)s: %(mend)s") % facts


def _homeless_stages(table: Table, domains: Mapping[str, str]) -> Iterator[str]:
    every = [*table.get("rule", []), *(rule for one in table.get("action", []) for rule in one.get("rule", []))]
    for rule in every:
        for number, stage in enumerate(rule.get("stage", []), 1):
            if stage.get("domain") and stage["domain"] not in domains:
                message = _("rule “%(name)s”, stage %(number)d: %(mend)s")
                mend = not_known_sentence(stage["domain"], list(domains))
                yield message % {"name": rule["name"], "number": number, "mend": mend}


def _twice(table: Table) -> Iterator[str]:
    lists = [("tier", "level", table.get("tier", [])), ("action", "name", table.get("action", []))]
    lists += [("rule", "name", found) for found in [table.get("rule", []), *(a.get("rule", []) for a in lists[1][2])]]
    for word, key, entries in lists:
        names = [one[key] for one in entries]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            yield _("%(word)s “%(name)s” stands there twice.") % {"word": word, "name": name}


def _dates(value: object, path: tuple[str, ...]) -> Iterator[str]:
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
