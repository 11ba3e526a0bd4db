"""A rule from its columns to what it sees: what may not be saved, what it finds of its run and of the time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from approvals.models import Rule
from approvals.policy import snapshot
from approvals.policy.assessment import History, RunPast, assess, recall
from approvals.policy.authoring import documents, validation
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from approvals.policy.rules.expressions import BadExpression, compiled_expression
from approvals.policy.rules.readings import explained

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "amount": {"type": "number"},
        "order": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": False, "properties": {"sku": {"type": "string"}}},
        },
        "address": {"$ref": "#/definitions/address"},
    },
    "definitions": {
        "address": {"type": "object", "additionalProperties": False, "properties": {"city": {"type": "string"}}}
    },
}


def complaints(text, schema=SCHEMA, **columns):
    return [sentence for _, sentence in validation.of_rule({"expression": text, **columns}, schema, "Refund")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "args.amuont > 5.0",
            "Line 1, column 5: The arguments of “Refund” have no args.amuont. Did you mean args.amount?",
        ),
        ("value > 1.0 && args.address.town == 'x'", "have no args.address.town"),
        ("args.lines.exists(l, l.skuu == 'x')", "have no args.lines[].skuu"),
        ("args.lines[0].skuu == 'x'", "have no args.lines[].skuu"),
        ("has(args.amuont)", "have no args.amuont"),
        ("run.rejectd > 5", "There is no run.rejectd. Did you mean run.rejected?"),
        ("run.hour > 5", "There is no run.hour. There are: run.key, run.name, run.step, run.proposed"),
        ("signals.luck > 0.5", "There is no signals.luck"),
        ("run.steps > 'five'", "“>” does not go with a whole number and text. By the schema run.steps = whole number"),
        ("args.order > 5.0", "“>” does not go with text and a number. By the schema args.order = text"),
        ("now.getHours('Berlin/Europe') > 5", 'would always fail: write a time zone as "Europe/Berlin"'),
        ("now > timestamp('tomorrow')", 'Line 1, column 17: timestamp("tomorrow") would always fail'),
        ("args.order.matches('(')", "write a regular expression of the RE2 kind"),
        ("now - duration('1 day') > now", 'write a span as "36h"'),
        ("args.lines.all(a, args.lines.all(b, a != b))", "Give args.lines a “maxItems” in the schema"),
    ],
)
def test_what_cannot_work_is_refused_where_it_stands(text, complaint):
    assert complaint in " ".join(complaints(text))


@pytest.mark.parametrize(
    "text",
    [
        "args.lines.exists(l, l.sku == 'x') && args.address.city != 'y'",
        "run.steps > 5 && run.minutes < 30 && run.key != ''",
        "now.getDayOfWeek('Europe/Berlin') in [5, 6]",
        "run.steps > 2.5",
        "args.amount > 250",
        "has(context.anything.at.all)",
    ],
)
def test_what_can_work_is_not(text):
    assert complaints(text) == []


def test_a_rule_is_compiled_once_for_all_that_is_asked_of_it(compiles):
    text = "value > 1.0 && args.amount < 250.0 && now > timestamp('2026-12-24T00:00:00Z')"

    assert complaints(text, effect="allow") == []
    assert explained(text, SCHEMA) != text
    assert compiles == [text]


@pytest.mark.django_db
def test_a_whole_policy_is_validated_and_loaded_with_one_compile_a_rule(published, compiles):
    document = documents.snapshot_of_tables()
    rules = [rule for type in document["types"].values() for rule in type["rules"]] + document["rules"]

    assert validation.faults(document) == []
    Rule.objects.create(name="new", expression='agent == "mallory"', effect="block", message="Not Mallory.")
    snapshot.publish(by=None, note="new")
    snapshot.current()

    assert sorted(compiles) == sorted({*(rule["when"] for rule in rules), 'agent == "mallory"'})


def test_an_unknown_name_has_a_nearest():
    with pytest.raises(BadExpression, match="“valeu” is not known; did you mean “value”"):
        compiled_expression("valeu > 1.0")
    with pytest.raises(BadExpression, match="did you mean “startsWith”"):
        compiled_expression("currency.startswith('E')")
    with pytest.raises(BadExpression, match="“>” does not go with a time and a whole number"):
        compiled_expression("now > 5")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("signals.stated_confidence > 0.9", "signals.stated_confidence is"),
        ("signals[args.order] > 0.9", "signals is"),
        ("context.ok && run.rejected == 0", "context, run is"),
        ("has(signals.tool_validity) || value < 5.0", "signals.tool_validity is"),
    ],
)
def test_no_rule_lets_pass_by_what_the_agent_says_of_itself(text, named):
    [complaint] = complaints(text, effect="allow")

    assert f"An agent must not talk itself through: {named} the agent's own word." in complaint
    assert complaints(text, effect="review") == []


def test_a_rule_may_let_pass_by_what_is_ours():
    text = "value < 5.0 && signals.precedent > 0.9 && signals.impact > 0.5 && agent == 'a' && now.getHours() < 18"

    assert complaints(text, effect="allow") == []


# --- What it sees


def test_a_rule_sees_what_its_run_did_before(make_question, kind, rule):
    type = kind(
        rules=(
            rule("run.key == 'thread-7' && run.name == 'Nightly' && run.step == 'pay'", name="named"),
            rule("run.proposed == 12 && run.rejected == 2 && run.steps == 5 && run.minutes == 90", name="counted"),
            rule("run.rejected > 2", name="not"),
        )
    )
    question = make_question(type, run="thread-7", run_name="Nightly", run_step="pay")
    past = RunPast(proposed=12, rejected=2, steps=5, since=timedelta(minutes=90, seconds=59))

    assessment = assess(question, History(run=past))

    assert [match.name for match in assessment.matched] == ["named", "counted"]
    # A rehearsal sees what was seen then.
    assert [match.name for match in recall(question, assessment.as_json()).matched] == ["named", "counted"]


def test_outside_a_run_there_is_nothing_and_nothing_fails(make_question, kind, rule):
    type = kind(rules=(rule("run.key != '' || run.steps > 0 || run.minutes > 0"),))

    assert assess(make_question(type), History()).matched == []


@pytest.mark.parametrize(
    ("at", "frozen"),
    [
        (datetime(2026, 11, 27, 15, 59, tzinfo=UTC), False),  # Friday, 16:59 in Berlin
        (datetime(2026, 11, 27, 16, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 28, 3, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 3, 15, 0, tzinfo=UTC), True),  # summer time: 17:00
        (datetime(2026, 11, 30, 16, 0, tzinfo=UTC), False),
    ],
)
def test_a_freeze_window_is_a_rule(make_question, kind, rule, policy, at, frozen):
    zone = '"Europe/Berlin"'
    friday = f"now.getDayOfWeek({zone}) == 5 && now.getHours({zone}) >= 17"
    type = kind(strategy="never", rules=(rule(f"{friday} || now.getDayOfWeek({zone}) in [0, 6]", effect="block"),))
    question = replace(make_question(type), now=at)

    routing = route(question, assess(question, History()), policy, AgentStanding(level=2))

    assert (routing.route == "reject") == frozen
