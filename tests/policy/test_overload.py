"""A queue without room, or without anybody: the last step of routing, and what it may never let run."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from approvals.policy.assessed import RuleMatch
from approvals.policy.compiled_policy import CapacityPolicy
from approvals.policy.overload import UNLIMITED, Queue, Queues, apply_overload
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding, Routing
from tests.conftest import sentences_of

FULL, EMPTY, BOTH = Queue(waiting=10), Queue(waiting=3, staffed=False), Queue(waiting=10, staffed=False)
TWO = AgentStanding(level=2)


def match(effect="review", *, tier=None, approvers=1, failed=False):
    return RuleMatch("big", effect, tier, approvers, "Because.", failed)


@pytest.fixture
def policy_with_capacity(policy):
    """limited("reject", "pass"): tier 1 of commerce takes ten; what holds when it is full, and when nobody is there."""

    def make(when_full="queue", when_empty="queue", limit=10):
        capacity = {"commerce": CapacityPolicy(limit, when_full, when_empty)}
        return replace(policy, tiers={**policy.tiers, 1: replace(policy.tiers[1], capacities=capacity)})

    return make


@pytest.fixture
def route_under_load(make_question, kind, make_assessment, policy_with_capacity):
    """sent(FULL, "pass", gate="soft"): where a reversible one of low impact that asks a person is routed."""

    def make(queue, when_full="queue", when_empty="queue", *, impact="low", matched=(), level=2, limit=10, **type):
        question = make_question(kind(**{"strategy": "always", **type}))
        assessment = replace(make_assessment(matched=list(matched)), impact=impact)
        queues = Queues({(1, "commerce"): queue})
        policy = policy_with_capacity(when_full, when_empty, limit)
        return apply_overload(
            route(question, assessment, policy, AgentStanding(level=level)),
            domain=question.type.domain,
            reversibility=question.type.reversibility,
            impact=impact,
            policy=policy,
            queues=queues,
        )

    return make


@pytest.mark.parametrize(
    ("queue", "when_full", "when_empty", "expected"),
    [
        (Queue(waiting=9), "reject", "reject", "review"),
        (FULL, "reject", "queue", "reject"),
        (FULL, "pass", "queue", "auto"),
        (FULL, "queue", "reject", "review"),
        (EMPTY, "reject", "queue", "review"),
        (EMPTY, "queue", "reject", "reject"),
        (EMPTY, "queue", "pass", "auto"),
        # Both at once: what lets least run.
        (BOTH, "reject", "pass", "reject"),
        (BOTH, "pass", "reject", "reject"),
        (BOTH, "queue", "pass", "auto"),
    ],
)
def test_a_queue_enters_the_mode_that_was_declared(route_under_load, queue, when_full, when_empty, expected):
    assert route_under_load(queue, when_full, when_empty).route == expected


def test_one_below_the_limit_waits_and_at_the_limit_does_not(route_under_load):
    assert route_under_load(Queue(waiting=9), "reject").route == "review"
    assert route_under_load(Queue(waiting=10), "reject").route == "reject"


def test_who_is_refused_is_told_why_and_when_to_come_back(route_under_load, now):
    routing = route_under_load(replace(FULL, back_at=now + timedelta(minutes=20)), "reject")

    assert routing.reason_code == "degraded"
    assert sentences_of(routing.reasons)[0] == (
        "Tier 1 commerce is full (10 of 10 wait), so this was not taken; come back after 2026-11-20 09:20 UTC."
    )
    assert "always asks" in sentences_of(routing.reasons)[1]
    assert routing.post_review == ""


def test_what_passes_is_looked_at_afterwards(route_under_load):
    routing = route_under_load(EMPTY, when_empty="pass")

    assert (routing.reason_code, routing.post_review) == ("degraded", "degraded")
    assert sentences_of(routing.reasons)[0].startswith("Nobody is on duty in tier 1 commerce; this can be undone")


@pytest.mark.parametrize(
    ("reversibility", "impact", "gate"),
    [
        case
        for case in product(
            ["reversible", "partial", "irreversible"], ["low", "medium", "high"], ["hard", "soft", "manual"]
        )
        if case not in {("reversible", "low", "hard"), ("reversible", "low", "soft")}
    ],
)
def test_only_the_reversible_of_lowest_impact_passes(route_under_load, reversibility, impact, gate):
    for queue in (FULL, EMPTY):
        routing = route_under_load(queue, "pass", "pass", reversibility=reversibility, impact=impact, gate=gate)
        assert (routing.route, routing.post_review) == ("review", "")


def test_silence_lets_nothing_run_that_something_stricter_asks_for(route_under_load):
    demands = [match("review"), match("flag", tier=1), match("flag", approvers=2), match(failed=True)]
    for demand in demands:
        assert route_under_load(EMPTY, when_empty="pass", matched=[demand]).route == "review"
    assert route_under_load(EMPTY, when_empty="pass", level=1).route == "review"
    assert route_under_load(EMPTY, when_empty="pass", approvers=2).route == "review"
    assert route_under_load(EMPTY, when_empty="pass", gate="clarify").route == "review"


def test_the_strict_may_be_refused_for_want_of_room(route_under_load):
    routing = route_under_load(FULL, "reject", matched=[match("review")])

    assert (routing.route, routing.reason_code) == ("reject", "degraded")


def test_what_needs_nobody_is_not_asked_for_room(route_under_load):
    assert route_under_load(BOTH, "reject", "reject", strategy="never").reason_code == "passed"


def test_a_queue_that_was_not_measured_has_room(make_question, kind, make_assessment, policy_with_capacity):
    routing = route(
        make_question(kind(strategy="always")), make_assessment(), policy_with_capacity("reject", "reject"), TWO
    )

    assert routing.route == "review"
    UNLIMITED.take(1, "commerce")
    assert UNLIMITED.of(1, "commerce") is None


def test_what_is_routed_fills_the_queue(route_under_load):
    queues = Queues({(1, "commerce"): Queue(waiting=9)})
    queues.take(1, "commerce")
    queues.take(2, "commerce")

    assert queues.of(1, "commerce") == Queue(waiting=10)


def test_stages_wait_in_the_queue_of_the_first(policy_with_capacity):
    staged = Routing("review", "hard", 1, 1, "high_risk", strict=True, domain="commerce")
    queues = Queues({(1, "commerce"): FULL})
    facts = {"reversibility": "reversible", "impact": "low", "policy": policy_with_capacity("reject"), "queues": queues}

    assert apply_overload(staged, domain="legal", **facts).route == "reject"


def test_what_is_no_action_never_passes(policy_with_capacity):
    """A question has no answer by that, and a plan that nobody read covers nothing."""
    waits = Routing("review", "hard", 1, 1, "fixed")
    facts = {"reversibility": "reversible", "impact": "low", "policy": policy_with_capacity("pass", "pass")}
    for queue in (FULL, EMPTY):
        queues = Queues({(1, "commerce"): queue})
        assert apply_overload(waits, domain="commerce", queues=queues, action=False, **facts).route == "review"
        assert apply_overload(waits, domain="commerce", queues=queues, **facts).route == "auto"
