from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from approvals.policy.rules.expressions import BadExpression, Facts, compiled_expression
from approvals.policy.rules.fit import unknown_paths

FACTS = Facts(
    args={"amount": "420.00", "count": 3, "share": 0.5, "tags": ["new"], "lines": list(range(300))},
    value=Decimal("420.00"),
    currency="EUR",
    agent="robot",
    action="refund",
    signals={"stated_confidence": 0.9, "precedent": 0.25},
    context={"freeze": True},
    run={"key": "thread-7", "name": "Night", "step": "pay", "proposed": 4, "rejected": 1, "steps": 3, "minutes": 90},
    now=datetime(2026, 11, 27, 16, 30, tzinfo=UTC),  # a Friday
)


@pytest.mark.parametrize(
    "text",
    [
        "value > 250.0",
        "double(args.amount) > 250.0",
        'currency == "EUR" && agent == "robot" && action == "refund"',
        'has(args.tags) && "new" in args.tags',
        "!has(args.nothing)",
        "signals.precedent < 0.5",
        "context.freeze",
        "double(args.count) * 1.5 > 4.0",
        "value > 250",
        'run.key == "thread-7" && run.name == "Night" && run.step == "pay"',
        "run.proposed == 4 && run.rejected > 0 && run.steps < 4 && run.minutes >= 90",
        'now.getDayOfWeek("Europe/Berlin") == 5 && now.getHours("Europe/Berlin") == 17 && now.getHours() == 16',
        'now > timestamp("2026-11-27T17:00:00+01:00") && now < timestamp("2026-12-24T00:00:00Z")',
        'now - duration("1h") < timestamp("2026-11-27T16:00:00Z")',
    ],
)
def test_a_rule_that_is_true_holds(text):
    assert compiled_expression(text).holds(FACTS) is True


def test_a_rule_that_is_false_does_not_hold():
    assert compiled_expression("value > 1000.0").holds(FACTS) is False


@pytest.mark.parametrize(
    "text",
    [
        "args.nothing > 5",  # an error that the library returns as a truthy value
        "args.amount > 250.0",  # a string against a number
        "args.count * 1.5 > 3.0",  # a whole number times a fraction
        "args.count",  # a number is not a boolean
        'args.amount.matches("(")',
        "args.lines[999] == 1",
        "1 / (args.count - 3) == 1",
        "9223372036854775807 + args.count > 0",
        "args.lines.all(x, args.lines.all(y, args.lines.all(z, x + y + z >= 0)))",  # over budget
    ],
)
def test_a_rule_that_fails_could_not_be_told(text):
    assert compiled_expression(text).holds(FACTS) is None


def test_an_integer_beyond_64_bits_could_not_be_told():
    assert compiled_expression("args.count > 5").holds(replace(FACTS, args={"count": 2**70})) is None


def test_arguments_that_are_no_object_could_not_be_told():
    assert compiled_expression("args.count > 5").holds(replace(FACTS, args="refund everything")) is None


def test_no_value_is_null():
    without = replace(FACTS, value=None)
    assert compiled_expression("value == null").holds(without) is True
    assert compiled_expression("value > 250.0").holds(without) is None


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("value >", 1, 8),
        ("valeu > 1.0", 1, 1),
        ("value > 1.0 &&\n  currency == 5", 2, 12),
        ("1 + 1", 1, 1),
        ('"text"', 1, 1),
        ("", 1, 1),
        ("true || " * 1000 + "true", 1, 4000),
    ],
)
def test_what_does_not_compile_is_refused_with_its_place(text, line, column):
    with pytest.raises(BadExpression) as refused:
        compiled_expression(text)
    assert (refused.value.line, refused.value.column) == (line, column)
    assert refused.value.message


def test_paths_that_the_schema_closes_out_are_named():
    schema = {
        "additionalProperties": False,
        "properties": {
            "amount": {"type": "string"},
            "customer": {"additionalProperties": False, "properties": {"id": {}}},
            "free": {"type": "object"},
        },
    }
    text = 'args.amuont > 1 && args.customer.nmae == "args.no" && args.free.any.thing && args.amount.startsWith("4")'
    assert unknown_paths(compiled_expression(text), schema) == ["args.amuont", "args.customer.nmae"]
    assert unknown_paths(compiled_expression(text), {}) == []
