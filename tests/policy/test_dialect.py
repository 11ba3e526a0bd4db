"""A schema that an agent brings costs little to look at and little to check with, whatever it is."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from approvals.values import dialect
from approvals.values.schema import BadSchema

ROOT = Path(__file__).parents[2]


def doubling(word: str, levels: int = 40) -> dict:
    """Each level refers to the one below twice: 2^40 looks."""
    levels_of = {f"a{n}": {word: [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, levels)}
    return {"$defs": {"a0": {"type": "string"}, **levels_of}, "$ref": f"#/$defs/a{levels - 1}"}


def doubling_properties(levels: int = 40) -> dict:
    levels_of = {
        f"a{n}": {"properties": {"x": {"$ref": f"#/$defs/a{n - 1}"}, "y": {"$ref": f"#/$defs/a{n - 1}"}}}
        for n in range(1, levels)
    }
    return {"$defs": {"a0": {"type": "string"}, **levels_of}, "$ref": f"#/$defs/a{levels - 1}"}


HOSTILE = {
    **{f"doubling {word}": doubling(word) for word in ("allOf", "anyOf", "oneOf", "prefixItems")},
    "doubling properties": doubling_properties(),
    "doubling not": {
        "$defs": {"a0": {}, **{f"a{n}": {"not": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2}} for n in range(1, 40)}},
        "$ref": "#/$defs/a39",
    },
    "itself": {"$ref": "#"},
    "itself below": {"properties": {"a": {"$ref": "#"}}},
    "two of each other": {
        "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"items": {"$ref": "#/$defs/a"}}},
        "$ref": "#/$defs/a",
    },
    "a chain": {
        "$defs": {"a0": {}, **{f"a{n}": {"$ref": f"#/$defs/a{n - 1}"} for n in range(1, 300)}},
        "$ref": "#/$defs/a299",
    },
    "somewhere else": {"$ref": "https://example.org/schema.json"},
    "a file": {"$ref": "file:///etc/passwd"},
    "by an anchor": {"$defs": {"a": {"$anchor": "x"}}, "$ref": "#x"},
    "nowhere": {"$ref": "#/$defs/a"},
    "another base": {"$id": "https://example.org/", "$ref": "#/$defs/a", "$defs": {"a": {}}},
    "dynamically": {"$dynamicRef": "#x", "$dynamicAnchor": "x"},
    "recursively": {"$recursiveRef": "#"},
    "what was not looked at": {"anyOf": [{"properties": {"a": {}}}] * 20, "unevaluatedProperties": False},
    "501 places": {"anyOf": [{"type": "string"}] * 501},
    "deep": json.loads('{"items":' * 20 + "{}" + "}" * 20),
    "deeper than can be stored": json.loads('{"items":' * 60 + "{}" + "}" * 60),
    "large": {"enum": ["x" * 40_000]},
    "look-ahead": {"pattern": "^(?=a)a$"},
    "a back-reference": {"pattern": r"^(a)\1$"},
    "a pattern that grows": {"pattern": "((a{0,100}){0,100}){0,100}"},
    "a pattern of letters that grows": {"pattern": r"(?:\p{L}{100}){100}"},
    "a long pattern": {"pattern": "a" * 201},
    "many patterns": {"anyOf": [{"pattern": f"a{n}"} for n in range(51)]},
    "a pattern for names": {"patternProperties": {"(a{0,100}){0,1000}": {}}},
    "a format that compiles": {"format": "regex"},
    "no schema": {"type": "strnig"},
    "a schema that is none": {"properties": {"a": 7}},
    "an old draft": {"$schema": "http://json-schema.org/draft-03/schema#"},
}


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_could_cost_much_is_refused(schema):
    assert dialect.check_schema(schema)
    with pytest.raises(BadSchema):
        dialect.check(schema, "x")


LIMITED = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from approvals.values import dialect

for schema, value in json.load(sys.stdin):
    if not dialect.check_schema(schema):
        dialect.check(schema, value)
print("done")
"""
WIDE = [{"a": n, "b": "x" * 5} for n in range(1600)]
COSTLY = [
    # The most that passes: every place looks at every part of the largest value.
    [{"type": "array", "items": {"anyOf": [{"type": "boolean"}] * 490}}, WIDE],
    [{"type": "array", "items": {"oneOf": [{"type": "object", "properties": {"a": {"type": "integer"}}}] * 160}}, WIDE],
    [{"type": "array", "uniqueItems": True}, list(range(4900))],
    [{"type": "array", "items": {"allOf": [{"contains": {"const": 1}}] * 240}}, [[0]] * 2400],
    [{"anyOf": [{"pattern": f"^(a|b{{1,50}}){{1,{n}}}c$"} for n in range(1, 51)]}, "ab" * 30_000],
    [{"additionalProperties": {"pattern": r"^\w{1,100}$"}}, {f"k{n}": "ä" * 8 for n in range(2000)}],
    *[[schema, WIDE] for schema in HOSTILE.values()],
    *[[schema, "x"] for schema in HOSTILE.values()],
]


def test_it_all_ends_within_seconds_and_within_memory():
    """Ten seconds of a processor and 700 MB for all of it together, held by the system itself."""

    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        resource.setrlimit(resource.RLIMIT_AS, (700 * 2**20, 700 * 2**20))

    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(ROOT)],
        input=json.dumps(COSTLY),
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr[-2000:]


GOOD = {
    "text": ({"type": "string", "minLength": 1}, "a", ""),
    "a choice": ({"enum": ["a", "b"], "title": "Which", "x-hint": {"any": "thing"}}, "b", "c"),
    "a form": (
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["when"],
            "properties": {"when": {"$ref": "#/$defs/day"}, "then": {"$ref": "#/$defs/day"}},
            "$defs": {"day": {"type": "string", "format": "date"}},
        },
        {"when": "2026-11-21"},
        {"when": "tomorrow"},
    ),
    "a list": ({"type": "array", "items": {"type": "integer"}, "maxItems": 3}, [1, 2], ["a"]),
    "a pattern": ({"pattern": "^[A-Z]{2}[0-9]{1,10}$"}, "AB12", "ab"),
    "by a name with a slash": ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}}, None, 1),
    "into a list": ({"anyOf": [{"type": "integer"}, {"$ref": "#/anyOf/0"}]}, 1, "a"),
    "true": ({"properties": {"a": True, "b": False}}, {"a": 1}, {"b": 1}),
}


@pytest.mark.parametrize(("schema", "fits", "not_so"), GOOD.values(), ids=GOOD.keys())
def test_what_people_are_asked_with_is_taken(schema, fits, not_so):
    assert dialect.check_schema(schema) == []
    assert dialect.check(schema, fits) == []
    assert dialect.check(schema, not_so)


def test_a_value_is_bounded_too():
    assert dialect.check({}, "x" * 70_000)
    assert dialect.check({}, [0] * 5001)
    assert dialect.check({}, [0] * 4000) == []


def test_the_fault_is_pointed_at():
    [fault] = dialect.check_schema({"properties": {"a": {"items": {"$ref": "#/nowhere"}}}})
    assert fault.pointer == "/properties/a/items/$ref"
