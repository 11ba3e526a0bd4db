"""Who approves one after the other: the demands of several rules become one order, and nothing asked is lost."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policy import stages
from approvals.policy.assess import RuleMatch
from approvals.policy.routing import Standing, once_more, route
from approvals.policy.snapshot import Stage

TWO = Standing(level=2)
ONE, TWO_LEGAL = Stage(1, "commerce"), Stage(2, "legal")


def match(*asked, **changes):
    facts = {"name": "big", "effect": "review", "tier": None, "approvers": 1, "message": "Big."}
    return RuleMatch(**{**facts, "stages": asked, **changes})


def asks(routing):
    return [(one.tier, one.domain, one.approvers) for one in routing.stages]


# --- Routing


def test_a_rule_asks_one_after_the_other(ask, weighed, policy):
    routing = route(ask(), weighed(matched=[match(Stage(1), TWO_LEGAL)]), policy, TWO)

    assert (routing.route, routing.reason_code, routing.strict) == ("review", "high_risk", True)
    assert asks(routing) == [(1, "commerce", 1), (2, "legal", 1)]
    assert (routing.tier, routing.domain, routing.approvers) == (1, "commerce", 1)
    assert routing.reasons[-1] == "Two stages: tier 1 commerce, then tier 2 legal."


def test_how_many_of_a_stage_is_said(ask, weighed, policy):
    three = [Stage(1), Stage(2, "legal", 2), Stage(3, "finance")]
    routing = route(ask(), weighed(matched=[match(*three)]), policy, TWO)

    said = "Three stages: tier 1 commerce, then tier 2 legal (2 people), then tier 3 finance."
    assert routing.reasons[-1] == said
    assert not [reason for reason in routing.reasons if reason.endswith("people must approve.")]


def test_the_first_stage_may_be_of_another_field(ask, weighed, policy):
    routing = route(ask(), weighed(matched=[match(TWO_LEGAL, Stage(3))]), policy, TWO)
    assert (routing.tier, routing.domain) == (2, "legal")


def test_one_stage_is_no_order_and_may_name_another_field(ask, weighed, policy):
    routing = route(ask(), weighed(matched=[match(Stage(2, "legal", 2))]), policy, TWO)

    assert (routing.stages, routing.tier, routing.domain, routing.approvers) == ((), 2, "legal", 2)
    assert routing.reasons[-2:] == ["Tier 2 legal decides this.", "2 people must approve."]


@pytest.mark.parametrize("effect", ["review", "flag"])
@pytest.mark.parametrize("demand", [{"asked": (Stage(1), TWO_LEGAL)}, {"typed": True}])
def test_stages_and_a_typed_value_ask_a_person_whatever_the_strategy(ask, weighed, policy, kind, demand, effect):
    demand = dict(demand)
    rule = match(*demand.pop("asked", ()), effect=effect, **demand)
    routing = route(ask(kind(strategy="never")), weighed("1", "1", matched=[rule]), policy, Standing(level=4))
    assert (routing.route, routing.strict) == ("review", True)


def test_a_rule_that_failed_asks_for_its_stages_all_the_same(ask, weighed, policy):
    routing = route(ask(), weighed(matched=[match(Stage(1), TWO_LEGAL, failed=True)]), policy, TWO)
    assert len(routing.stages) == 2


def test_what_is_refused_or_passes_asks_for_no_stages(ask, weighed, policy, kind):
    blocked = [match(Stage(1), TWO_LEGAL), match(effect="block", name="no")]
    assert route(ask(), weighed(matched=blocked), policy, TWO).stages == ()
    assert route(ask(kind(strategy="never")), weighed(), policy, TWO).stages == ()


def test_a_typed_value_is_said_unless_the_gate_asks_for_it_anyway(ask, weighed, policy, kind):
    rule = [match(typed=True)]
    routing = route(ask(), weighed(matched=rule), policy, TWO)
    assert (routing.typed, routing.reasons[-1]) == (True, "Who approves this types a value.")

    manual = route(ask(kind(gate="manual", strategy="always")), weighed(matched=rule), policy, TWO)
    assert manual.typed
    assert "Who approves this types a value." not in manual.reasons


def test_a_question_is_answered_once_by_the_highest_of_the_stages(ask, weighed, policy, kind):
    question = ask(kind(gate="clarify", allowed=("answer", "skip")))
    rule = match(Stage(1), TWO_LEGAL, Stage(1, "finance"), typed=True)
    routing = route(question, weighed(matched=[rule]), policy, TWO)
    assert (routing.stages, routing.tier, routing.domain, routing.typed) == ((), 2, "legal", False)


# --- Several demands at once


def test_of_two_rules_the_lower_tier_comes_first():
    a, b = [Stage(1, "commerce"), Stage(3, "commerce")], [Stage(2, "legal")]
    assert [one.tier for one in stages.merged([a, b])] == [1, 2, 3]
    assert stages.merged([a, b]) == stages.merged([b, a])


def test_each_rule_keeps_its_own_order():
    assert stages.merged([[Stage(3, "legal"), Stage(1, "commerce")]]) == (Stage(3, "legal"), Stage(1, "commerce"))
    both = stages.merged([[Stage(3, "legal"), Stage(1, "commerce")], [Stage(2, "finance")]])
    assert both.index(Stage(3, "legal")) < both.index(Stage(1, "commerce"))


def test_the_same_queue_is_asked_once_with_the_higher_number():
    found = stages.merged([[Stage(1, "commerce", 2), TWO_LEGAL], [ONE, Stage(2, "legal", 3)]])
    assert found == (Stage(1, "commerce", 2), Stage(2, "legal", 3))


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
    assert stages.met((ONE, TWO_LEGAL), flat) == becomes


def test_the_highest_stage_of_a_field_is_the_one_that_rises():
    found = stages.met((Stage(2, "commerce"), ONE, TWO_LEGAL), Stage(3, "commerce", 2))
    assert found == (Stage(3, "commerce", 2), ONE, TWO_LEGAL)


def test_the_value_and_the_type_are_met_within_the_stages(ask, weighed, policy, kind):
    from decimal import Decimal

    rule = match(Stage(1), TWO_LEGAL)
    big = route(ask(value=Decimal(6000)), weighed(matched=[rule]), policy, TWO)
    assert asks(big) == [(2, "commerce", 1), (2, "legal", 1)]

    two_people = route(ask(kind(approvers=2)), weighed(matched=[rule]), policy, TWO)
    assert asks(two_people) == [(1, "commerce", 2), (2, "legal", 1)]

    other = route(ask(), weighed(matched=[rule, match(name="more", tier=3)]), policy, TWO)
    assert asks(other) == [(3, "commerce", 1), (2, "legal", 1)]


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
    assert stages.both(before, now) == becomes


queues = st.builds(
    Stage, tier=st.integers(1, 3), domain=st.sampled_from(["commerce", "legal"]), approvers=st.integers(1, 3)
)
orders = st.lists(queues, min_size=1, max_size=4, unique_by=lambda one: (one.tier, one.domain)).map(tuple)


@given(several=st.lists(orders, min_size=1, max_size=3), flat=queues)
def test_whatever_is_merged_covers_every_part_of_it(several, flat):
    found = stages.merged(several)
    assert all(stages.covers(found, one) for one in several)
    assert len({(one.tier, one.domain) for one in found}) == len(found)
    assert stages.covers(stages.met(found, flat), found)
    first = several[0]
    places = [next(at for at, one in enumerate(found) if (one.tier, one.domain) == (s.tier, s.domain)) for s in first]
    assert places == sorted(places)


@given(before=orders, now=orders)
def test_whatever_is_asked_again_covers_what_was_asked(before, now):
    assert stages.covers(stages.both(before, now), before)


def test_covering_asks_each_of_a_stage_of_its_own():
    for order in permutations([ONE, TWO_LEGAL]):
        assert stages.covers(order, (ONE, TWO_LEGAL))
    assert not stages.covers((TWO_LEGAL,), (ONE, TWO_LEGAL))
    assert not stages.covers((Stage(2, "commerce"),), (ONE, ONE))


def test_what_comes_back_asks_all_its_stages_again(ask, weighed, policy, kind):
    passing = route(ask(kind(strategy="never")), weighed(), policy, TWO)
    back = once_more(passing, (ONE, TWO_LEGAL), domain="commerce", gate="hard", typed=True, reason="It moved.")

    assert (back.route, back.stages, back.typed, back.strict) == ("review", (ONE, TWO_LEGAL), True, True)
    assert back.reasons == ["It moved.", "Two stages: tier 1 commerce, then tier 2 legal."]
