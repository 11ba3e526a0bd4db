"""The controls made from a schema, and what is typed in them: any schema gives a form, only what is typed changes."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from approvals.values.edits import apply, operations
from console.controls import build, editing
from console.controls.build import all_controls, controls_of, position_id
from console.controls.editing import NoEdit, UnreadableInput, posted_draft, read_number, with_original_line_breaks
from console.controls.schemas import shape_of

CASES = Path(__file__).parents[1] / "cases"
TOOLS = json.loads((CASES / "tool-schemas.json").read_text())["cases"]
BROKEN = [
    {"properties": []},
    {"properties": {"a": 5, "b": True, "c": False, "d": []}},
    {"type": 5},
    {"type": ["string", ["x"], None]},
    {"enum": "x"},
    {"enum": []},
    {"x-order": [[1]]},
    {"required": [[1]]},
    {"$ref": "#"},
    {"$ref": 5},
    {"$ref": "https://example.com/schema"},
    {"$ref": "#/nowhere"},
    {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    {"allOf": {}, "anyOf": 5, "oneOf": [5, None, []]},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"items": 5, "prefixItems": {"a": 1}, "additionalProperties": [1], "patternProperties": {"x": 5}},
    {"properties": {"a": {"maxLength": "x", "title": 5, "description": [], "format": 7, "default": {"x": 1}}}},
    {"oneOf": [{"oneOf": [{"oneOf": [{"oneOf": [{"$ref": "#"}]}]}]}]},
]
VALUES = [{}, {"a": "x", "b": [1, {"c": 2}], "c": None}, [], [[[]]], None, 5, "x", True]


def sent(*entries, edits=(), **form) -> dict[str, str]:
    return {"edits": json.dumps(list(edits)), "touched": json.dumps(list(entries)), **form}


def exact_json(value) -> str:
    return json.dumps(value, sort_keys=True)


def control(schema, value, at) -> build.Control:
    return next(one for one in all_controls(controls_of(schema, (value,))) if one.at == at)


@pytest.mark.parametrize("schema", BROKEN)
def test_no_schema_and_no_value_is_beyond_the_form(schema):
    for value in VALUES:
        listed = list(all_controls(controls_of(schema, (value,))))
        assert listed
        assert json.loads(build.as_json(schema, value).text) == value
        assert posted_draft(schema, (value,), sent()).edits == []
    assert list(all_controls(controls_of(schema, ())))


@given(
    some.recursive(
        some.none() | some.booleans() | some.integers(-5, 5) | some.text(max_size=3) | some.floats(allow_nan=False),
        lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3),
        max_leaves=10,
    ),
    some.sampled_from([case["schema"] for case in TOOLS.values()] + BROKEN),
)
def test_each_control_names_a_place_of_its_own(value, schema):
    names = [one.at for one in all_controls(controls_of(schema, (value,)))]

    assert len(names) == len(set(names))
    assert all(name.isascii() and name.isprintable() for name in names)


def test_the_fields_stand_in_the_schemas_order_and_the_others_behind():
    schema = {"type": "object", "properties": {"z": {}, "a": {"title": "The A"}, "m": {}}}
    value = {"extra": 1, "a": 2, "m": 3, "z": 4}

    assert [one.label for one in controls_of(schema, (value,)).fields] == ["z", "The A", "m", "extra"]
    assert list(json.loads(build.as_json(schema, value).text)) == ["z", "a", "m", "extra"]


def test_a_reference_is_followed_and_a_circle_ends():
    node = {"type": "object", "properties": {"node": {"$ref": "#/$defs/a%20node"}, "n": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"node": {"$ref": "#/$defs/a%20node"}}, "$defs": {"a node": node}}
    assert control(schema, {"node": {"node": {}}}, "/node/node/n").reading == "absent"
    deep: dict = {}
    for _ in range(30):
        deep = {"node": deep}
    assert any(one.kind == "json" for one in all_controls(controls_of(schema, (deep,))))


@pytest.mark.parametrize(
    ("schema", "value", "offers"),
    [
        ({"type": "string"}, "x", []),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "x", ["text", "null"]),
        ({"type": ["string", "integer"]}, 5, ["text", "integer"]),
        ({"type": ["number", "integer"]}, 5, []),
        ({"type": "integer"}, "x", ["text", "integer"]),
        ({}, None, ["text", "number", "true", "false", "json", "null"]),
        ({"type": ["string", "object"]}, "x", ["text", "json"]),
    ],
)
def test_a_box_says_what_it_may_be(schema, value, offers):
    whole = {"type": "object", "properties": {"v": schema}, "required": ["v"]}

    assert [name for name, _label in control(whole, {"v": value}, "/v").readings] == offers


@pytest.mark.parametrize(
    ("schema", "value", "labels", "chosen"),
    [
        ({"enum": [0.5, 1.0, 2.0]}, 2, ["2", "0.5", "1.0", "2.0"], "2"),
        ({"enum": ["a", None]}, None, ["a", "null"], "null"),
        ({"type": ["boolean", "null"]}, None, ["true", "false", "null"], "null"),
        ({"oneOf": [{"const": "l", "title": "Low"}, {"const": "h", "title": "High"}]}, "h", ["Low", "High"], "High"),
        ({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}, "b", ["a", "b", "null"], "b"),
        ({"enum": [{"a": 1}, [2], False]}, {"a": 1}, ['{"a": 1}', "[2]", "false"], '{"a": 1}'),
        ({"const": "x", "title": "Kind"}, "x", ["x"], "x"),
    ],
)
def test_a_choice_offers_what_the_schema_lists_and_always_what_stands_there(schema, value, labels, chosen):
    whole = {"type": "object", "properties": {"v": schema}, "required": ["v"]}
    choices = control(whole, {"v": value}, "/v").choices

    assert [choice.label for choice in choices] == labels
    assert [choice.label for choice in choices if choice.chosen] == [chosen]


def test_absent_null_and_empty_are_each_in_reach():
    schema = {"type": "object", "properties": {"t": {"type": ["string", "null"]}}}
    for start in ({}, {"t": None}, {"t": ""}, {"t": "x"}):
        for entry, end in (("absent", {}), ("null", {"t": None}), ("text", {"t": ""})):
            draft = posted_draft(schema, (start,), sent(["/t", entry, ""]))
            assert exact_json(draft.value[0]) == exact_json(end)


@pytest.mark.parametrize(
    ("start", "act", "at", "end"),
    [
        ({"l": ["a", "b"]}, "remove", "/l/0", {"l": ["b"]}),
        ({"l": []}, "remove", "/l", {}),
        ({"l": []}, "null", "/l", {"l": None}),
        ({"l": None}, "add", "/l", {"l": []}),
        ({}, "add", "/l", {"l": []}),
        ({}, "add", "/o", {"o": {}}),
        ({"rows": []}, "add", "/rows", {"rows": [{}]}),
        ({"rows": [{"a": 1}]}, "remove", "/rows/0", {"rows": []}),
    ],
)
def test_entries_and_groups_come_and_go(start, act, at, end):
    schema = {
        "type": "object",
        "properties": {
            "l": {"type": ["array", "null"], "items": {"type": "string"}},
            "o": {"type": "object", "properties": {"a": {"type": "integer"}}},
            "rows": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}},
        },
    }
    draft = posted_draft(schema, (start,), sent(act=act, act_at=at))

    assert exact_json(draft.value[0]) == exact_json(end)
    assert exact_json(apply(start, draft.edits)) == exact_json(end)


def test_what_is_typed_goes_before_the_press():
    schema = {"type": "object", "properties": {"l": {"type": "array", "items": {"type": "integer"}}}}
    entries = [["/l/1", "integer", "5"], ["/l/2", "integer", "9"]]
    draft = posted_draft(schema, ({"l": [1, 2]},), sent(*entries, act="remove", act_at="/l/0"))

    assert draft.value == ({"l": [5, 9]},)


def test_a_field_is_added_by_name_and_none_twice():
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    draft = posted_draft(schema, ({"a": "1"},), sent(["~/~new", "text", "2", "b/~\n"]))
    assert draft.value == ({"a": "1", "b/~\n": "2"},)

    for name in ("a", ""):
        draft = posted_draft(schema, ({"a": "1"},), sent(["~/~new", "text", "2", name]))
        assert draft.value == ({"a": "1"},)
        assert [fault.message for fault in draft.faults]
        kept = next(one for one in all_controls(draft.control) if one.named)
        assert (kept.name, kept.text, kept.touched) == (name, "2", True)


@pytest.mark.parametrize("text", ["", "x", "12,5", "+1", "1_0", "01", ".5", "0x1", "٣", "1e400", "9007199254740992"])
def test_what_is_no_number_or_would_be_rounded_is_refused(text):
    with pytest.raises(UnreadableInput):
        read_number(text)


def test_a_number_keeps_how_it_was_written():
    assert [exact_json(read_number(text)) for text in ("1", "1.0", " 12.50 ", "-0", "9007199254740991")] == [
        *("1", "1.0", "12.5", "0", "9007199254740991")
    ]


@given(some.lists(some.tuples(some.sampled_from(["", "a", "b"]), some.sampled_from(["\n", "\r\n", "\r"])), max_size=6))
def test_line_breaks_of_lines_that_stayed_are_kept(lines):
    before = "".join(map("".join, lines)) + "end"
    shown = re.sub("\r\n|\r", "\n", before)  # as a browser shows it, and gives it back

    assert with_original_line_breaks(before, shown) == before
    assert with_original_line_breaks(before, shown + "!") == before + "!"
    assert with_original_line_breaks(before, "!" + shown) == "!" + before


def test_a_line_more_in_a_text_with_other_breaks_changes_no_other_line():
    before = "\n\n## Steps\r\n1. open\n2. save\r\n"

    assert (
        with_original_line_breaks(before, "\n\n## Steps\n1. open\nnew\n2. save\n")
        .replace("new", "")
        .startswith("\n\n## Steps\r\n1. open\n")
    )
    assert (
        with_original_line_breaks(before, "\n\n## Steps\n1. open!\n2. save\n")
        == "\n\n## Steps\r\n1. open!\n2. save\r\n"
    )
    assert with_original_line_breaks(before, "\n\n## Steps\n2. save\n") == "\n\n## Steps\r\n2. save\r\n"


@pytest.mark.parametrize(
    "form",
    [
        {"edits": "nonsense"},
        {"edits": "{}"},
        {"edits": '[{"op": "remove", "path": "/nowhere"}]'},
        {"touched": '[["/nowhere", "text", ""]]'},
        {"touched": '[["/a", "spell", ""]]'},
        {"touched": '[["/a"]]'},
        {"touched": "[[1, 2, 3]]"},
        {"act": "remove", "act_at": "~"},
        {"act": "add", "act_at": "/a"},
        {"act": "burn", "act_at": "/a"},
    ],
)
def test_what_is_no_edit_of_the_form_is_refused(form):
    with pytest.raises(NoEdit):
        posted_draft({"type": "object", "properties": {"a": {"type": "string"}}}, ({"a": "x"},), form)


def test_the_json_tab_is_held_against_what_is_stored():
    value = {"a": 1.0, "b": {"c": [1, 2]}, "t": "x\r\n"}
    text = build.as_json({}, value).text.replace('"c": [\n      1', '"c": [\n      7')
    draft = posted_draft({}, (value,), sent(["~", "json", text], mode="raw", to="form"))

    assert [one.as_json() for one in draft.edits] == [{"op": "replace", "path": "/b/c/0", "value": 7}]
    assert draft.mode == "form"


def test_unreadable_json_stays_with_its_place():
    draft = posted_draft({}, ({"a": 1},), sent(["~", "json", '{"a": 1,}'], mode="raw", to="form"))

    assert draft.mode == "raw"
    assert draft.control.text == '{"a": 1,}'
    assert "line 1, column 9" in draft.control.error
    assert draft.edits == []


def test_a_thousand_fields_are_a_form():
    schema = {"type": "object", "properties": {f"f{n}": {"type": ["string", "null"]} for n in range(1500)}}
    value = {f"f{n}": "x" for n in range(1500)}

    assert len(controls_of(schema, (value,)).fields) == 1500
    assert posted_draft(schema, (value,), sent(["/f700", "text", "y"])).edits == operations(
        value, {**value, "f700": "y"}
    )


def test_places_survive_html():
    assert position_id("/a\r\nb/é") == "/a%0D%0Ab/%C3%A9"
    assert position_id("") == "~"
    assert editing.posted_draft({}, ({"a\rb": "x"},), sent(["/a%0Db", "text", "y"])).value == ({"a\rb": "y"},)
    assert shape_of({"type": "object"}, {}).grows
