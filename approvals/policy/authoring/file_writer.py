"""A snapshot as the TOML file that `files.read` reads back as exactly that snapshot."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from approvals.policy.authoring import documents
from approvals.policy.authoring.fields import ACTION_TYPE, BAND, CAPACITY, RULE, TERMS, TIER, Row
from approvals.values.schema import Json

_BARE = re.compile(r"^[A-Za-z0-9_-]+$")
_PLAIN = re.compile(r"^[^'\x00-\x08\x0a-\x1f\x7f]*$")  # what a literal string holds
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def toml(snapshot: Row, domains: Mapping[str, str], *, heading: str = "") -> str:
    """The whole policy. `domains` are names by short name: only those that the policy uses are written."""
    lines = [*(f"# {line}" for line in heading.splitlines()), "", "whole = true"]
    for slug in sorted(documents.domains_of(snapshot)):
        lines += ["", "[[domain]]", *_pairs({"slug": slug, "name": domains.get(slug, slug)})]
    if snapshot["rates"]:
        lines += ["", "[rates]  # worth of one unit in base currency; the base has 1", *_pairs(snapshot["rates"])]
    for level, row in sorted(snapshot["tiers"].items(), key=lambda pair: int(pair[0])):
        lines += ["", "[[tier]]", *_pairs({"level": int(level), **TIER.written(row)})]
        for terms in row["terms"]:
            lines += ["", "[[tier.terms]]", *_pairs(TERMS.written(terms))]
        for capacity in row["capacities"]:
            lines += ["", "[[tier.capacity]]", *_pairs(CAPACITY.written(capacity))]
    lines += _rules("rule", snapshot["rules"])
    for name, row in snapshot["types"].items():
        lines += _type(name, row)
    return "\n".join(lines).strip() + "\n"


def _type(name: str, row: Row) -> Iterator[str]:
    pairs = {"name": name, **ACTION_TYPE.written(row)}
    pairs.pop("schema", None)
    if row["thresholds"]:
        pairs["threshold"] = {impact: BAND.written(band) for impact, band in row["thresholds"].items()}
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
        pairs = RULE.written(row)
        stages = pairs.pop("stage", ())
        yield from ("", f"[[{header}]]", *_pairs(pairs))
        for stage in stages:
            yield from ("", f"[[{header}.stage]]", *_pairs(stage))


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


def _pairs(table: Mapping[str, Json]) -> Iterator[str]:
    for key, value in table.items():
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
