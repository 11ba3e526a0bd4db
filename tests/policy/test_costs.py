"""What a rule may cost is told from its text and the schema, before anything is evaluated."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from approvals.policy.rules.costs import MOST_ROUNDS, MOST_STEPS, cost_of, too_dear
from approvals.policy.rules.expressions import Facts, compiled_expression

TEXT = {"type": "string", "maxLength": 40}


def listed(most=None, items=None):
    return {"type": "array", "items": items or {"type": "integer"}, **({"maxItems": most} if most else {})}


def fields(**properties):
    return {"type": "object", "additionalProperties": False, "properties": properties}


OPEN = fields(lines=listed(), words=listed(items={"type": "string"}), text={"type": "string"}, other={"type": "string"})


def refused(text, schema=OPEN):
    return too_dear(compiled_expression(text), schema)


@pytest.mark.parametrize(
    "text",
    [
        "value > 250.0",
        "args.lines.all(x, x > 0)",
        "args.words.exists(x, !x.endsWith('@example.org'))",
        "size(args.lines) > 50",
        "args.text.matches('(?i)refund|voucher')",
        "context.lines.exists(x, x == 1) && run.steps < 5",
        "args.text in ['a', 'b']",
        "args.text + args.other == 'ab'",
    ],
)
def test_one_look_over_a_list_of_any_length_is_admitted(text):
    assert refused(text) is None


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("args.lines.all(x, args.lines.all(y, x != y))", "Give args.lines a “maxItems” in the schema"),
        ("args.lines.all(x, args.lines.all(y, x != y))", "drop the loop within the loop"),
        ("args.lines.filter(x, x > 5).size() > 2", "ask with exists(…) or all(…) instead of filter(…)"),
        ("context.lines.map(x, x) == [1]", "Ask with exists(…) or all(…) instead of map(…)"),
        ("args.lines.all(x, x in args.lines)", "Give args.lines a “maxItems”"),
        ("args.words.exists(x, x.matches('(?i)password'))", "Give args.words a “maxItems”"),
        ("args.text.matches(args.other)", "must be written in the rule"),
        ("args.text.matches('(a{1,60}){1,30}')", "Shorten the pattern"),
        ("args.lines.map(x, args.lines).all(y, y.all(z, z > 0))", "rounds through lists"),
        ("args.lines.filter(x, args.lines.exists(y, y > x))[0] == 1", "rounds through lists"),
        ("[1, 2].exists(i, args.lines.all(x, args.lines.all(y, x + y > i)))", "rounds through lists"),
    ],
)
def test_what_may_cost_too_much_is_refused_with_its_mend(text, mend):
    assert mend in str(refused(text))


def test_the_schema_bounds_it():
    text = "args.lines.all(x, args.lines.all(y, x <= y))"

    assert refused(text, fields(lines=listed(50))) is None
    assert refused(text, fields(lines=listed(200))) is not None
    assert refused("args.lines.map(x, x + 1).size() > 2", fields(lines=listed(100))) is None


def test_loops_beside_each_other_share_the_librarys_rounds():
    text = "args.lines.all(x, x > 0) && args.lines.all(x, x > 1)"

    assert refused(text, fields(lines=listed(4_900))) is None
    assert "10,400 rounds through lists; 9,999 are admitted" in str(refused(text, fields(lines=listed(5_200))))


def test_lists_within_lists_are_found_through_the_items():
    orders = listed(20, fields(lines=listed(20, fields(price={"type": "number"}))))
    text = "args.orders.all(o, o.lines.all(l, l.price > 0.0))"

    assert refused(text, fields(orders=orders)) is None
    assert refused(text, fields(orders=listed(20, fields(lines=listed())))) is not None


def test_the_place_of_the_dearest_part_is_named():
    complaint = refused("value > 1.0 &&\n  args.lines.all(x, args.lines.all(y, x != y))")

    assert (complaint.line, complaint.column) == (2, 3)
    assert complaint.message.startswith("args.lines.all(x, args.lines.all(y, x != y)): ")


def test_what_a_loop_calls_its_items_hides_a_list_of_that_name():
    assert refused("args.lines.all(context, context > 1)") is None


# The largest list each is admitted for, and the arguments that cost most.
DEAR = [
    ("args.a.all(x, args.a.all(y, x + y >= 0))", listed(80), list(range(80))),
    ("args.a.map(x, x + 1).size() > 0", listed(190), list(range(190))),
    ("args.a.filter(x, x >= 0).size() > 0", listed(310), list(range(310))),
    ("args.a.all(x, x in args.a)", listed(540), list(range(540))),
    ("args.a.all(x, x.matches('^w.*[0-9]$'))", listed(200, TEXT), [f"{'word' * 5}{n}" for n in range(200)]),
]


@pytest.mark.parametrize(("text", "schema", "worst"), DEAR)
def test_the_dearest_that_is_admitted_is_evaluated_and_not_given_up(text, schema, worst):
    expression, schema = compiled_expression(text), fields(a=schema)
    cost = cost_of(expression, schema)
    facts = Facts(
        args={"a": worst},
        value=Decimal(1),
        currency="EUR",
        agent="robot",
        action="refund",
        signals={},
        context={},
        run={},
        now=datetime(2026, 11, 27, tzinfo=UTC),
    )

    assert too_dear(expression, schema) is None
    assert MOST_STEPS / 2 < cost.steps <= MOST_STEPS and cost.rounds <= MOST_ROUNDS
    assert expression.holds(facts) is True
