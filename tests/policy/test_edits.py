"""Edits as operations of RFC 6902: exact in value and type, strict about where, and nothing else is touched."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from approvals.values.edits import BadEdit, Operation, apply, changed_paths, operations, read_operations, same

KEYS = some.text(max_size=3) | some.sampled_from(["", "a/b", "m~n", "~1", "0", "-", "a.b", "\n", "__proto__"])
NUMBERS = some.integers(-3, 3) | some.floats(allow_nan=False, allow_infinity=False, width=16)
VALUES = some.recursive(
    some.none() | some.booleans() | NUMBERS | some.text(max_size=3),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def exact_json(value) -> str:
    """A value as JSON spells it: 1, 1.0 and true are three."""
    return json.dumps(value, sort_keys=True)


@given(VALUES, VALUES)
def test_the_operations_between_two_values_make_the_second_of_the_first(before, after):
    kept = copy.deepcopy(before)

    assert exact_json(apply(before, operations(before, after))) == exact_json(after)
    assert exact_json(before) == exact_json(kept)


@given(VALUES, VALUES)
def test_operations_survive_the_wire(before, after):
    sent = json.dumps([operation.as_json() for operation in operations(before, after)])

    assert exact_json(apply(before, read_operations(json.loads(sent)))) == exact_json(after)


@given(VALUES)
def test_no_difference_is_no_operation(value):
    assert operations(value, copy.deepcopy(value)) == []
    assert same(value, copy.deepcopy(value))


@given(VALUES, VALUES)
def test_something_is_changed_exactly_where_there_is_an_operation(before, after):
    assert (
        bool(operations(before, after))
        == bool(changed_paths(before, after))
        == (exact_json(before) != exact_json(after))
    )


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        ({"a": 1}, {"a": 1.0}, [{"op": "replace", "path": "/a", "value": 1.0}]),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
        ({"a": [0]}, {"a": [False]}, [{"op": "replace", "path": "/a/0", "value": False}]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a/b": 1, "c": 2}, {"a/b": 3, "c": 2}, [{"op": "replace", "path": "/a~1b", "value": 3}]),
        ({"m~n": 2}, {}, [{"op": "remove", "path": "/m~0n"}]),
        ({"": 1}, {"": 2}, [{"op": "replace", "path": "/", "value": 2}]),
        ([1, 2, 3], [1, 3], [{"op": "remove", "path": "/1"}]),
        ([1, 3], [1, 2, 3], [{"op": "add", "path": "/1", "value": 2}]),
        ([{"a": 1}, {"b": 2}], [{"a": 5}, {"b": 2}], [{"op": "replace", "path": "/0/a", "value": 5}]),
        ({}, {"a": None}, [{"op": "add", "path": "/a", "value": None}]),
        (None, {}, [{"op": "replace", "path": "", "value": {}}]),
    ],
)  # fmt: skip
def test_an_edit_names_what_differs_and_nothing_else(before, after, sent):
    assert exact_json([operation.as_json() for operation in operations(before, after)]) == exact_json(sent)


@pytest.mark.parametrize(
    ("value", "operation"),
    [
        ({"a": 1}, Operation("remove", "/b")),
        ({"a": 1}, Operation("replace", "/b", 2)),
        ({"a": 1}, Operation("add", "/b/c", 2)),
        ({"a": 1}, Operation("replace", "/a/b", 2)),
        ({"a": "text"}, Operation("replace", "/a/0", "T")),
        ([1], Operation("replace", "/1", 2)),
        ([1], Operation("replace", "/-", 2)),
        ([1], Operation("add", "/2", 2)),
        ([1], Operation("remove", "/00")),
        ([1], Operation("remove", "/+0")),
        ([1], Operation("remove", "/-1")),
        ([1], Operation("remove", "/²")),
        ({}, Operation("remove", "")),
    ],
)
def test_what_is_not_there_is_not_edited(value, operation):
    with pytest.raises(BadEdit) as refused:
        apply(value, [operation])

    assert refused.value.fault.pointer == "/0"


def test_an_entry_is_added_at_the_end_and_the_whole_replaced():
    assert apply([1], [Operation("add", "/-", 2)]) == [1, 2]
    assert apply({"a": 1}, [Operation("replace", "", [])]) == []


@pytest.mark.parametrize(
    "sent",
    [
        {},
        "x",
        [1],
        [{"op": "move", "path": "/a", "from": "/b"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/a~2", "value": 1}],
        [{"op": "add", "path": "/a~", "value": 1}],
        [{"op": "add", "path": "/a"}],
        [{"op": "remove"}],
        [{"op": ["add"], "path": "/a", "value": 1}],
        [{"op": "remove", "path": "/a"}] * 10_001,
    ],
)
def test_what_is_no_edit_is_refused(sent):
    with pytest.raises(BadEdit):
        read_operations(sent)
