from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policy.assessment import assess
from approvals.policy.evaluation_input import History
from approvals.policy.precedent import signals
from approvals.policy.precedent.signals import Signal, composite
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from tests.conftest import flag_names

STATED = {"stated_confidence": 0.95, "tool_validity": 1.0, "retrieval_relevance": 0.9}


def signals_by_name(assessment):
    return {signal.name: signal for signal in assessment.signals}


def test_equal_stated_confidence_with_different_histories_takes_different_routes(make_question, policy):
    question = make_question(stated={"stated_confidence": 0.95})

    def routed(decided, approved):
        return route(
            question, assess(question, History(decided=decided, approved=approved)), policy, AgentStanding(level=2)
        )

    assert routed(decided=20, approved=20).route == "auto"
    assert routed(decided=20, approved=2).route == "review"
    assert routed(decided=0, approved=0).route == "review"


def test_a_perfect_agent_without_a_past_does_not_pass(make_question, policy, kind):
    question = make_question(kind(reversibility="partial"), stated=dict.fromkeys(signals.STATED, 1.0))
    assert route(question, assess(question, History()), policy, AgentStanding(level=2)).route == "review"


def test_an_agent_that_people_refuse_is_not_saved_by_its_own_numbers(make_question, kind):
    bad = History(decided=100, approved=0, proposed=100)
    question = make_question(
        kind(reversibility="partial"), value=Decimal(9000), stated=dict.fromkeys(signals.STATED, 1.0)
    )
    assessment = assess(question, bad)
    assert assessment.own < Decimal("0.60") <= assessment.composite


def test_the_default_weights(make_question):
    assessment = assess(make_question(stated=STATED), History(decided=10, approved=9, proposed=10))
    assert {name: signal.weight for name, signal in signals_by_name(assessment).items()} == signals.WEIGHTS
    assert [name for name, signal in signals_by_name(assessment).items() if signal.ours] == [
        "precedent",
        "policy",
        "impact",
    ]
    # (.15 x .95 + .20 x 1 + .20 x .9 + .25 x 10/14 + .20 x 1 + .20 x 1) / 1.20, and (… ours …) / .65
    assert assessment.composite == Decimal("0.917")
    assert assessment.own == Decimal("0.890")


def test_missing_signals_are_left_out_and_named(make_question):
    assessment = assess(make_question(stated={"tool_validity": 0.5}), History(decided=1, approved=1, proposed=1))
    assert assessment.missing == ["stated_confidence", "retrieval_relevance"]
    assert set(signals_by_name(assessment)) == {"tool_validity", "precedent", "policy", "impact"}


@pytest.mark.parametrize("nonsense", [1.7, -0.1, float("nan"), float("inf"), "high", None, True, [0.5]])
def test_a_number_that_is_no_share_counts_as_missing(make_question, nonsense):
    assert "stated_confidence" in assess(make_question(stated={"stated_confidence": nonsense}), History()).missing


def test_an_action_type_sets_its_own_weights(make_question, kind):
    only = dict.fromkeys(signals.WEIGHTS, 0) | {"stated_confidence": 1, "unknown": 5}
    assessment = assess(make_question(kind(weights=only), stated=STATED), History())
    assert assessment.composite == Decimal("0.95")
    assert assessment.own is None


def test_the_composite_is_rounded_down():
    assert composite([Signal("a", Decimal("0.8499999"), Decimal(1), True, "")]) == Decimal("0.849")
    assert composite([Signal("a", Decimal("0.85"), Decimal("0.15"), True, "")]) == Decimal("0.850")


shares = st.decimals(min_value=0, max_value=1, places=3)


@given(st.lists(st.tuples(shares, st.decimals(min_value=0, max_value=1, places=2)), max_size=6))
def test_the_composite_lies_between_its_parts(parts):
    score = composite([Signal("a", value, weight, True, "") for value, weight in parts])
    weighty = [value for value, weight in parts if weight]
    if not weighty:
        assert score is None
    else:
        assert min(weighty) - Decimal("0.001") <= score <= max(weighty)


@pytest.mark.parametrize(
    ("decided", "approved", "value"),
    [(0, 0, "0.25"), (1, 1, "0.4"), (6, 6, "0.7"), (200, 200, "0.985"), (10, 0, "0.071")],
)
def test_precedent_is_smoothed_from_one_in_four(make_question, decided, approved, value):
    signal = signals.precedent(make_question(), History(decided=decided, approved=approved))
    assert signal.value == Decimal(value)


@pytest.mark.parametrize(
    ("reversibility", "value", "band"),
    [
        ("reversible", "100.00", "low"),
        ("reversible", "100.01", "medium"),
        ("partial", "5000.00", "medium"),
        ("partial", "5000.01", "high"),
        ("partial", "-5000.01", "high"),
        ("reversible", None, "low"),
        ("partial", None, "medium"),
        ("irreversible", "1.00", "high"),
        ("irreversible", None, "high"),
    ],
)
def test_impact_bands(make_question, kind, reversibility, value, band):
    question = make_question(kind(reversibility=reversibility, value_path=""), value=value and Decimal(value))
    assert assess(question, History()).impact == band


def test_a_value_that_could_not_be_told_is_of_high_impact(make_question):
    assert assess(make_question(args={"amount": "lots"}, value=None), History()).impact == "high"


def test_impact_picks_the_thresholds(make_question, kind):
    type = kind(thresholds={"medium": (Decimal("0.95"), Decimal("0.70"))})
    assert assess(make_question(type, value=Decimal(500)), History()).thresholds == (Decimal("0.95"), Decimal("0.70"))
    assert assess(make_question(type, value=Decimal(5)), History()).thresholds == (Decimal("0.85"), Decimal("0.60"))


def test_rules_and_flags_lower_the_alignment(make_question, kind, rule):
    history = History(proposed=1, decided=1, approved=1)

    def alignment(*rules, past=history):
        return signals_by_name(assess(make_question(kind(rules=rules)), past))["policy"].value

    assert alignment() == 1
    assert alignment(rule("value > 1.0", effect="flag")) == Decimal("0.6")
    assert alignment(rule("value > 1.0")) == Decimal("0.3")
    assert alignment(rule("args.nothing > 1", effect="flag")) == Decimal("0.3")
    assert alignment(rule("value > 1.0", effect="block")) == 0
    assert alignment(past=replace(history, recent=9)) == Decimal("0.9")
    assert alignment(past=History()) == 1  # that it is the first time is the precedent's to say


def test_rules_see_stated_and_own_signals(make_question, kind, rule):
    type = kind(rules=(rule("signals.precedent < 0.5 && signals.impact == 1.0 && signals.stated_confidence > 0.9"),))
    assert assess(make_question(type, stated=STATED), History()).matched


def test_arguments_that_did_not_parse_are_not_blamed_on_the_rules(make_question, kind, rule):
    question = make_question(kind(rules=(rule("args.amount > 1"),)), args="{", parsed=False, value=None)
    assessment = assess(question, History())
    assert assessment.matched == []
    assert signals_by_name(assessment)["policy"].value == 0


def test_a_rule_that_no_longer_compiles_asks_a_person(make_question, kind, rule, policy):
    broken = replace(rule("value > 1.0"), expression=None)
    question = make_question(kind(strategy="never", rules=(broken,)))
    assert route(question, assess(question, History()), policy, AgentStanding(level=4)).route == "review"


def test_what_is_stored_names_every_part(make_question, kind, rule):
    stored = assess(make_question(kind(rules=(rule("value > 1.0"),)), stated=STATED), History()).as_json()
    assert set(stored) == {
        "signals",
        "missing",
        "composite",
        "own",
        "without_precedent",
        "flags",
        "rules",
        "impact",
        "thresholds",
        "run",
        "spent",
        "repeat",
        "observed",
    }
    assert stored["thresholds"] == {"auto": 0.85, "review": 0.6}
    assert flag_names(stored["flags"]) == {"first_time"}
