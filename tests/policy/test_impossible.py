"""Values that an argument can never have are refused when the rule is written, and complaints are in words."""

import pytest

from approvals.policy.rules.expressions import BadExpression, compiled_expression
from approvals.policy.rules.fit import unfit

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "line": {"type": "string", "enum": ["rail", "road"]},
        "mode": {"const": "dry"},
        "amount": {"type": "number", "minimum": 0, "maximum": 100},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "count": {"type": "integer", "multipleOf": 5},
        "price": {"type": "string", "pattern": "^[0-9]+[.][0-9]{2}$"},
        "note": {"type": ["string", "null"]},
        "loose": {},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"kind": {"$ref": "#/$defs/kind"}}}},
    },
    "$defs": {"kind": {"enum": ["a", "b", 3]}},
}


def complaints(text, schema=SCHEMA):
    return [bad.message for bad in unfit(compiled_expression(text), schema, "Freight")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('args.line == "boat"', 'args.line is never "boat"; it is one of: rail, road.'),
        ('args.line != "raod"', 'args.line is never "raod". Did you mean “road”?'),
        ('"boat" == args.line', 'args.line is never "boat"; it is one of: rail, road.'),
        ('args["line"] == "boat"', 'args["line"] is never "boat"; it is one of: rail, road.'),
        ('args.line in ["rail", "boat"]', 'args.line is never "boat"; it is one of: rail, road.'),
        ('has(args.line) && !(args.line == "boat")', 'args.line is never "boat"; it is one of: rail, road.'),
        ('args.lines.exists(l, l.kind == "c")', 'l.kind is never "c"; it is one of: a, b, 3.'),
        ("args.amount > 500.0", "args.amount is never > 500.0 by the schema's own limits."),
        ("args.amount > 100.0", "args.amount is never > 100.0 by the schema's own limits."),
        ("500.0 <= args.amount", "args.amount is never >= 500.0 by the schema's own limits."),
        ("args.amount < 0.0", "args.amount is never < 0.0 by the schema's own limits."),
        ("args.share >= 1.0", "args.share is never >= 1.0 by the schema's own limits."),
        ("args.share <= 0.0", "args.share is never <= 0.0 by the schema's own limits."),
    ],
)
def test_what_no_proposal_can_meet_is_refused_with_what_there_is(text, complaint):
    assert complaints(text) == [complaint]


@pytest.mark.parametrize(
    "text", ['args.mode == "wet"', "args.count == 7", 'args.price == "12"', "args.amount == 101.0"]
)
def test_whatever_the_schema_says_of_the_value_counts(text):
    [complaint] = complaints(text)
    assert " is never " in complaint


@pytest.mark.parametrize(
    "text",
    [
        'args.line == "rail"',
        'args.line in ["rail", "road"]',
        'args.mode == "dry"',
        "args.amount >= 100.0 || args.amount <= 0.0",
        "args.amount > 99.0",
        "args.count == 10",
        'args.price == "12.00"',
        'args.note == null || args.note == "boat"',
        'args.loose == "boat"',
        "args.lines.exists(l, l.kind == 3)",
        'args.line == args.note || currency == "EUR"',
        "value > 500.0",
    ],
)
def test_what_can_be_met_stands(text):
    assert complaints(text) == []


def test_without_a_schema_nothing_is_known():
    assert complaints('args.line == "boat"', {}) == []


def test_a_hint_for_a_text_amount_works():
    [complaint] = complaints("args.price > 250.0")
    assert "double(" not in complaint and "value" in complaint
    assert complaints("value > 250.0") == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("args.amount >", "it ends too early: something has to follow"),
        ("args.amount > 5 and true", "“and” does not belong here: write && for and"),
        ("(args.amount > 5", "it ends too early: “)” is missing"),
        ("args.amount = 5", "write == to compare"),
        ('args.line == "boat', "a text begins here and has no closing quotation mark"),
        ("args amount", "“amount” does not belong here"),
        ("args.[0]", "“.[” does not belong here"),
        (
            "value > 1,000",
            "“,” does not belong here: write a number without separators and with a point: 1000.50",
        ),
        ("if true", "“if” does not belong here: write a choice as condition ? then : else"),
        ("value > 5€", "“€” means nothing here"),
        ("true ? false", "it ends too early: a choice is written condition ? then : else"),
        ("", "it ends too early: something has to follow"),
        ("args.x in [1, 2", "it ends too early: something has to follow"),
    ],
)
def test_the_parsers_complaints_are_in_words(text, complaint):
    with pytest.raises(BadExpression) as bad:
        compiled_expression(text)
    assert bad.value.message == complaint
    assert "expecting" not in str(bad.value) and "token" not in str(bad.value)
