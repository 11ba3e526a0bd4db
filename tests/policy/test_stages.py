"""Who approves one after the other: the demands of several rules become one order, and nothing asked is lost."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policy import stages
from approvals.policy.assessed import RuleMatch
from approvals.policy.compiled_policy import Stage
from approvals.policy.reasons import WorldMoved
from approvals.policy.routing import reroute, route
from approvals.policy.routing_decision import AgentStanding
from tests.conftest import sentences_of

TWO = AgentStanding(level=2)
ONE, TWO_LEGAL = Stage(1, "commerce"), Stage(2, "legal")


def match(*stages_of_rule, **changes):
    facts = {"name": "big", "effect": "review", "tier": None, "approvers": 1, "message": "Big."}
    return RuleMatch(**{**facts, "stages": stages_of_rule, **changes})


def stages_of(routing):
    return [(one.tier, one.domain, one.approvers) for one in routing.stages]


# --- Routing


def test_a_rule_asks_one_after_the_other(make_question, make_assessment, policy):
    routing = route(make_question(), make_assessment(matched=[match(Stage(1), TWO_LEGAL)]), policy, TWO)

    assert (routing.route, routing.reason_code, routing.strict) == ("review", "high_risk", True)
    assert stages_of(routing) == [(1, "commerce", 1), (2, "legal", 1)]
    assert (routing.tier, routing.domain, routing.approvers) == (1, "commerce", 1)
    assert sentences_of(routing.reasons)[-1] == "Two stages: tier 1 commerce, then tier 2 legal."


def test_how_many_of_a_stage_is_said(make_question, make_assessment, policy):
    three = [Stage(1), Stage(2, "legal", 2), Stage(3, "finance")]
    routing = route(make_question(), make_assessment(matched=[match(*three)]), policy, TWO)

    sentence = "Three stages: tier 1 commerce, then tier 2 legal (2 people), then tier 3 finance."
    assert sentences_of(routing.reasons)[-1] == sentence
    assert not [reason for reason in sentences_of(routing.reasons) if reason.endswith("people must approve.")]


def test_the_first_stage_may_be_of_another_field(make_question, make_assessment, policy):
    routing = route(make_question(), make_assessment(matched=[match(TWO_LEGAL, Stage(3))]), policy, TWO)
    assert (routing.tier, routing.domain) == (2, "legal")


def test_one_stage_is_no_order_and_may_name_another_field(make_question, make_assessment, policy):
    routing = route(make_question(), make_assessment(matched=[match(Stage(2, "legal", 2))]), policy, TWO)

    assert (routing.stages, routing.tier, routing.domain, routing.approvers) == ((), 2, "legal", 2)
    assert sentences_of(routing.reasons)[-2:] == ["Tier 2 legal decides this.", "2 people must approve."]


@pytest.mark.parametrize("effect", ["review", "flag"])
@pytest.mark.parametrize("demand", [{"asked": (Stage(1), TWO_LEGAL)}, {"typed": True}])
def test_stages_and_a_typed_value_ask_a_person_whatever_the_strategy(
    make_question, make_assessment, policy, kind, demand, effect
):
    demand = dict(demand)
    rule = match(*demand.pop("asked", ()), effect=effect, **demand)
    routing = route(
        make_question(kind(strategy="never")), make_assessment("1", "1", matched=[rule]), policy, AgentStanding(level=4)
    )
    assert (routing.route, routing.strict) == ("review", True)


def test_a_rule_that_failed_asks_for_its_stages_all_the_same(make_question, make_assessment, policy):
    routing = route(make_question(), make_assessment(matched=[match(Stage(1), TWO_LEGAL, failed=True)]), policy, TWO)
    assert len(routing.stages) == 2


def test_what_is_refused_or_passes_asks_for_no_stages(make_question, make_assessment, policy, kind):
    blocked = [match(Stage(1), TWO_LEGAL), match(effect="block", name="no")]
    assert route(make_question(), make_assessment(matched=blocked), policy, TWO).stages == ()
    assert route(make_question(kind(strategy="never")), make_assessment(), policy, TWO).stages == ()


def test_a_typed_value_is_said_unless_the_gate_asks_for_it_anyway(make_question, make_assessment, policy, kind):
    rule = [match(typed=True)]
    routing = route(make_question(), make_assessment(matched=rule), policy, TWO)
    assert (routing.typed, sentences_of(routing.reasons)[-1]) == (True, "Who approves this types a value.")

    manual = route(make_question(kind(gate="manual", strategy="always")), make_assessment(matched=rule), policy, TWO)
    assert manual.typed
    assert "Who approves this types a value." not in sentences_of(manual.reasons)


def test_a_question_is_answered_once_by_the_highest_of_the_stages(make_question, make_assessment, policy, kind):
    question = make_question(kind(gate="clarify", allowed=("answer", "skip")))
    rule = match(Stage(1), TWO_LEGAL, Stage(1, "finance"), typed=True)
    routing = route(question, make_assessment(matched=[rule]), policy, TWO)
    assert (routing.stages, routing.tier, routing.domain, routing.typed) == ((), 2, "legal", False)


# --- Several demands at once


def test_of_two_rules_the_lower_tier_comes_first():
    a, b = [Stage(1, "commerce"), Stage(3, "commerce")], [Stage(2, "legal")]
    assert [one.tier for one in stages.merge([a, b])] == [1, 2, 3]
    assert stages.merge([a, b]) == stages.merge([b, a])


def test_each_rule_keeps_its_own_order():
    assert stages.merge([[Stage(3, "legal"), Stage(1, "commerce")]]) == (Stage(3, "legal"), Stage(1, "commerce"))
    both = stages.merge([[Stage(3, "legal"), Stage(1, "commerce")], [Stage(2, "finance")]])
    assert both.index(Stage(3, "legal")) < both.index(Stage(1, "commerce"))


def test_the_same_queue_is_asked_once_with_the_higher_number():
    merged_stages = stages.merge([[Stage(1, "commerce", 2), TWO_LEGAL], [ONE, Stage(2, "legal", 3)]])
    assert merged_stages == (Stage(1, "commerce", 2), Stage(2, "legal", 3))


@pytest.mark.parametrize(
    ("flat", "becomes"),
    [
        (Stage(1, "commerce"), (ONE, TWO_LEGAL)),  # asked already
        (Stage(2, "commerce"), (Stage(2, "commerce"), TWO_LEGAL)),  # by its own people, not by those of another field
        (Stage(1, "commerce", 2), (Stage(1, "commerce", 2), TWO_LEGAL)),
        (Stage(2, "finance"), (ONE, TWO_LEGAL)),  # not more than every stage asks
        (Stage(3, "finance"), (ONE, TWO_LEGAL, Stage(3, "finance"))),
        (Stage(1, "finance", 2), (ONE, TWO_LEGAL, Stage(1, "finance", 2))),
    ],
)
def test_a_demand_without_stages_is_met(flat, becomes):
    assert stages.with_flat_demand((ONE, TWO_LEGAL), flat) == becomes


def test_the_highest_stage_of_a_field_is_the_one_that_rises():
    met_stages = stages.with_flat_demand((Stage(2, "commerce"), ONE, TWO_LEGAL), Stage(3, "commerce", 2))
    assert met_stages == (Stage(3, "commerce", 2), ONE, TWO_LEGAL)


def test_the_value_and_the_type_are_met_within_the_stages(make_question, make_assessment, policy, kind):
    from decimal import Decimal

    rule = match(Stage(1), TWO_LEGAL)
    big = route(make_question(value=Decimal(6000)), make_assessment(matched=[rule]), policy, TWO)
    assert stages_of(big) == [(2, "commerce", 1), (2, "legal", 1)]

    two_people = route(make_question(kind(approvers=2)), make_assessment(matched=[rule]), policy, TWO)
    assert stages_of(two_people) == [(1, "commerce", 2), (2, "legal", 1)]

    other = route(make_question(), make_assessment(matched=[rule, match(name="more", tier=3)]), policy, TWO)
    assert stages_of(other) == [(3, "commerce", 1), (2, "legal", 1)]


@pytest.mark.parametrize(
    ("before", "now", "becomes"),
    [
        ((ONE,), (Stage(2, "commerce", 2),), (Stage(2, "commerce", 2),)),
        ((Stage(2, "commerce"),), (Stage(1, "commerce", 2),), (Stage(2, "commerce", 2),)),
        ((ONE,), (TWO_LEGAL,), (ONE, TWO_LEGAL)),  # another field now: the first one stays
        ((ONE, TWO_LEGAL), (ONE,), (ONE, TWO_LEGAL)),  # the rule matches no more: its stages stay
        ((ONE, TWO_LEGAL), (Stage(3, "commerce"),), (Stage(3, "commerce"), TWO_LEGAL)),
        ((Stage(2, "commerce"),), (ONE, TWO_LEGAL), (Stage(2, "commerce"), TWO_LEGAL)),
        ((ONE, TWO_LEGAL), (ONE, Stage(3, "finance")), (ONE, TWO_LEGAL, Stage(3, "finance"))),
    ],
)
def test_nothing_that_was_asked_becomes_less(before, now, becomes):
    assert stages.merged_with(before, now) == becomes


queues = st.builds(
    Stage, tier=st.integers(1, 3), domain=st.sampled_from(["commerce", "legal"]), approvers=st.integers(1, 3)
)
orders = st.lists(queues, min_size=1, max_size=4, unique_by=lambda stage: (stage.tier, stage.domain)).map(tuple)


@given(several=st.lists(orders, min_size=1, max_size=3), flat=queues)
def test_whatever_is_merged_covers_every_part_of_it(several, flat):
    merged_stages = stages.merge(several)
    assert all(stages.asks_at_least(merged_stages, one) for one in several)
    assert len({(one.tier, one.domain) for one in merged_stages}) == len(merged_stages)
    assert stages.asks_at_least(stages.with_flat_demand(merged_stages, flat), merged_stages)
    first = several[0]
    places = [
        next(at for at, one in enumerate(merged_stages) if (one.tier, one.domain) == (s.tier, s.domain)) for s in first
    ]
    assert places == sorted(places)


@given(before=orders, now=orders)
def test_whatever_is_asked_again_covers_what_was_asked(before, now):
    assert stages.asks_at_least(stages.merged_with(before, now), before)


def test_covering_asks_each_of_a_stage_of_its_own():
    for order in permutations([ONE, TWO_LEGAL]):
        assert stages.asks_at_least(order, (ONE, TWO_LEGAL))
    assert not stages.asks_at_least((TWO_LEGAL,), (ONE, TWO_LEGAL))
    assert not stages.asks_at_least((Stage(2, "commerce"),), (ONE, ONE))


def test_what_comes_back_asks_all_its_stages_again(make_question, make_assessment, policy, kind):
    passing = route(make_question(kind(strategy="never")), make_assessment(), policy, TWO)
    back = reroute(passing, (ONE, TWO_LEGAL), domain="commerce", gate="hard", typed=True, reason=WorldMoved(("order",)))

    assert (back.route, back.stages, back.typed, back.strict) == ("review", (ONE, TWO_LEGAL), True, True)
    assert sentences_of(back.reasons) == [
        "This was approved, and then the world moved: order is no longer what it was.",
        "Two stages: tier 1 commerce, then tier 2 legal.",
    ]
