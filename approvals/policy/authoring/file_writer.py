"""A snapshot as the TOML file that `files.read` reads back as exactly that snapshot."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from approvals.models import Tier
from approvals.policy.authoring import documents
from approvals.policy.authoring.documents import Row
from approvals.values import durations
from approvals.values.schema import Json

_BARE = re.compile(r"^[A-Za-z0-9_-]+$")
_PLAIN = re.compile(r"^[^'\x00-\x08\x0a-\x1f\x7f]*$")  # what a literal string holds
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}

# The order in which a reader wants to know; what it does not name follows in its own order.
_FIRST = ("title", "headline", "domain", "pack", "reversibility", "strategy", "gate", "tier", "approvers", "level")

# Written only where it is not what leaving it out means: most action types want nothing of it.
_QUIET = frozenset(
    {
        *(
            "every_steps",
            "every_time",
            "spend_limit",
            "spend_window",
            "spend_of",
            "runs_before_review",
            "sample",
            "shadow",
            "by_law",
            "required",
        ),
        *("baseline_path", "usual_times", "frequency_path", "frequency_from", "frequency_window"),
        *("burst_from", "burst_window", "rejects_repeats", "most_attempts"),
    }
)


def toml(snapshot: Row, domains: Mapping[str, str], *, heading: str = "") -> str:
    """The whole policy. `domains` are names by short name: only those that the policy uses are written."""
    lines = [*(f"# {line}" for line in heading.splitlines()), "", "whole = true"]
    for slug in sorted(documents.domains_of(snapshot)):
        lines += ["", "[[domain]]", *_pairs({"slug": slug, "name": domains.get(slug, slug)})]
    if snapshot["rates"]:
        lines += ["", "[rates]  # worth of one unit in base currency; the base has 1", *_pairs(snapshot["rates"])]
    for level, row in sorted(snapshot["tiers"].items(), key=lambda pair: int(pair[0])):
        spans = {name: _duration(row[name]) for name in ("hold", "claim")}
        pairs = {"level": int(level), "name": row["name"], **_terms(row), **spans, "next": row["next"]}
        pairs["second_factor"] = row.get("second_factor") or None  # left out where it is not demanded
        lines += ["", "[[tier]]", *_pairs(pairs)]
        for terms in row.get("terms", ()):
            lines += ["", "[[tier.terms]]", *_pairs({"domain": terms["domain"], **_terms(terms)})]
        for capacity in row.get("capacities", ()):
            lines += ["", "[[tier.capacity]]", *_pairs(capacity)]
    lines += _rules("rule", snapshot["rules"])
    for name, row in snapshot["types"].items():
        lines += _type(name, row)
    return "\n".join(lines).strip() + "\n"


def _terms(row: Row) -> dict[str, Any]:
    hours = {name: row.get(name) for name in documents.TIER_HOURS}
    own_hours = {name: value for name, value in hours.items() if value != documents.default_of(name, Tier)}
    return {"ceiling": row["ceiling"], "sla": _duration(row["sla"]), **own_hours}


def _type(name: str, row: Row) -> Iterator[str]:
    pairs: dict[str, Json] = {"name": name}
    own = [*_FIRST, *(key for key in row if key not in _FIRST)]
    for key in own:
        value = row.get(key)
        if key in _QUIET and value == _default_in_file(documents.default_of(key)):
            continue
        if key in documents.SPANS and value is not None:
            pairs[key] = _duration(row[key])
        elif key not in ("rules", "thresholds", "schema") and not _is_void(key, value):
            pairs[key] = value
    bands = {impact: dict(zip(("auto", "review"), band, strict=True)) for impact, band in row["thresholds"].items()}
    if bands:
        pairs["threshold"] = bands
    table = _as_table(row["schema"])
    if table is None:
        pairs["schema"] = json.dumps(row["schema"], indent=2, ensure_ascii=False)
    yield from ("", "[[action]]", *_pairs(pairs))
    if table is not None:
        yield from ("", "[action.schema]", *_pairs({key: table[key] for key in table if key != "properties"}))
        if "properties" in table:
            yield from ("[action.schema.properties]", *_pairs(table["properties"]))
    yield from _rules("action.rule", row["rules"])


def _rules(header: str, rule_rows: Sequence[Row]) -> Iterator[str]:
    for row in rule_rows:
        pairs = {name: row[name] for name in ("name", "when", "effect", "tier", "approvers", "message")}
        if row["approvers"] == 1:
            pairs.pop("approvers")
        if row.get("typed"):
            pairs["typed"] = True
        yield from ("", f"[[{header}]]", *_pairs(pairs))
        for stage in row.get("stages", ()):
            yield from ("", f"[[{header}.stage]]", *_pairs({key: value or None for key, value in stage.items()}))


def _default_in_file(default: Any) -> Any:
    """A column's default as the snapshot spells it."""
    if isinstance(default, timedelta):
        return default.total_seconds()
    return documents.number(default) if isinstance(default, str) and default[:1].isdigit() else default


def _is_void(key: str, value: Json) -> bool:
    """Nothing, where nothing is also what leaving it out means."""
    if value in ("", [], {}) and key in documents.AS_THEY_ARE:
        return bool(documents.default_of(key) == value)
    return value is None


def _as_table(schema: Json) -> dict[str, Any] | None:
    """The schema, where written as a table it reads back as it is, order included; None: only JSON says it."""
    if not isinstance(schema, dict) or schema.get("properties") == {}:
        return None  # a table of nothing is not written
    try:
        back = tomllib.loads(f"schema = {_value(schema)}")["schema"]
    except (TypeError, tomllib.TOMLDecodeError):
        return None
    # By their spelling, since 1 and true are equal to Python, and so are 1 and 1.0.
    return schema if json.dumps(back) == json.dumps(schema) else None


def _duration(seconds: float) -> str:
    return durations.written(timedelta(seconds=seconds))


def _pairs(table: Mapping[str, Json]) -> Iterator[str]:
    for key, value in table.items():
        if value is not None:
            yield f"{_key(key)} = {_value(value, lines=True)}"


def _key(key: str) -> str:
    return key if _BARE.match(key) else _text(key)


def _value(value: Json, *, lines: bool = False) -> str:
    """One value. Raises TypeError for null, which TOML has no word for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _lines(value) if lines and "\n" in value else _text(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_value, value)) + "]"
    raise TypeError(f"{value!r} has no place in a TOML file")


def _text(text: str) -> str:
    if ("\\" in text or '"' in text) and _PLAIN.match(text):
        return f"'{text}'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _lines(text: str) -> str:
    if "'''" not in text and not text.endswith("'") and _PLAIN.match(text.replace("\n", "").replace("'", "")):
        return f"'''\n{text}'''"
    escaped = "".join(one if one == "\n" else _escaped(one) for one in text)
    return f'"""\n{escaped}"""'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\u{ord(character):04x}" if ord(character) < 0x20 or ord(character) == 0x7F else character
