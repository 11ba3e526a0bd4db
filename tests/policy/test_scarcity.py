"""A queue without room, or without anybody: the last step of routing, and what it may never let run."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from approvals.policy.assess import RuleMatch
from approvals.policy.routing import Routing, Standing, route
from approvals.policy.scarcity import ROOM, Queue, Queues, settled
from approvals.policy.snapshot import CapacityPolicy

FULL, EMPTY, BOTH = Queue(waiting=10), Queue(waiting=3, manned=False), Queue(waiting=10, manned=False)
TWO = Standing(level=2)


def match(effect="review", *, tier=None, approvers=1, failed=False):
    return RuleMatch("big", effect, tier, approvers, "Because.", failed)


@pytest.fixture
def limited(policy):
    """limited("reject", "pass"): tier 1 of commerce takes ten; what holds when it is full, and when nobody is there."""

    def make(when_full="queue", when_empty="queue", limit=10):
        capacity = {"commerce": CapacityPolicy(limit, when_full, when_empty)}
        return replace(policy, tiers={**policy.tiers, 1: replace(policy.tiers[1], capacities=capacity)})

    return make


@pytest.fixture
def sent(ask, kind, weighed, limited):
    """sent(FULL, "pass", gate="soft"): where a reversible one of low impact that asks a person is routed."""

    def make(queue, when_full="queue", when_empty="queue", *, impact="low", matched=(), level=2, limit=10, **type):
        question = ask(kind(**{"strategy": "always", **type}))
        assessment = replace(weighed(matched=list(matched)), impact=impact)
        queues = Queues({(1, "commerce"): queue})
        policy = limited(when_full, when_empty, limit)
        return settled(
            route(question, assessment, policy, Standing(level=level)),
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
def test_a_queue_enters_the_mode_that_was_declared(sent, queue, when_full, when_empty, expected):
    assert sent(queue, when_full, when_empty).route == expected


def test_one_below_the_limit_waits_and_at_the_limit_does_not(sent):
    assert sent(Queue(waiting=9), "reject").route == "review"
    assert sent(Queue(waiting=10), "reject").route == "reject"


def test_who_is_refused_is_told_why_and_when_to_come_back(sent, now):
    routing = sent(replace(FULL, back_at=now + timedelta(minutes=20)), "reject")

    assert routing.reason_code == "degraded"
    assert routing.reasons[0] == (
        "Tier 1 commerce is full (10 of 10 wait), so this was not taken; come back after 2026-11-20 09:20 UTC."
    )
    assert "always asks" in routing.reasons[1]
    assert routing.audit == ""


def test_what_passes_is_looked_at_afterwards(sent):
    routing = sent(EMPTY, when_empty="pass")

    assert (routing.reason_code, routing.audit) == ("degraded", "degraded")
    assert routing.reasons[0].startswith("Nobody is on duty in tier 1 commerce; this can be undone")


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
def test_only_the_reversible_of_lowest_impact_passes(sent, reversibility, impact, gate):
    for queue in (FULL, EMPTY):
        routing = sent(queue, "pass", "pass", reversibility=reversibility, impact=impact, gate=gate)
        assert (routing.route, routing.audit) == ("review", "")


def test_silence_lets_nothing_run_that_something_stricter_asks_for(sent):
    demands = [match("review"), match("flag", tier=1), match("flag", approvers=2), match(failed=True)]
    for demand in demands:
        assert sent(EMPTY, when_empty="pass", matched=[demand]).route == "review"
    assert sent(EMPTY, when_empty="pass", level=1).route == "review"
    assert sent(EMPTY, when_empty="pass", approvers=2).route == "review"
    assert sent(EMPTY, when_empty="pass", gate="clarify").route == "review"


def test_the_strict_may_be_refused_for_want_of_room(sent):
    routing = sent(FULL, "reject", matched=[match("review")])

    assert (routing.route, routing.reason_code) == ("reject", "degraded")


def test_what_needs_nobody_is_not_asked_for_room(sent):
    assert sent(BOTH, "reject", "reject", strategy="never").reason_code == "passed"


def test_a_queue_that_was_not_measured_has_room(ask, kind, weighed, limited):
    routing = route(ask(kind(strategy="always")), weighed(), limited("reject", "reject"), TWO)

    assert routing.route == "review"
    ROOM.take(1, "commerce")
    assert ROOM.of(1, "commerce") is None


def test_what_is_routed_fills_the_queue(sent):
    queues = Queues({(1, "commerce"): Queue(waiting=9)})
    queues.take(1, "commerce")
    queues.take(2, "commerce")

    assert queues.of(1, "commerce") == Queue(waiting=10)


def test_stages_wait_in_the_queue_of_the_first(limited):
    staged = Routing("review", "hard", 1, 1, "high_risk", strict=True, domain="commerce")
    queues = Queues({(1, "commerce"): FULL})
    facts = {"reversibility": "reversible", "impact": "low", "policy": limited("reject"), "queues": queues}

    assert settled(staged, domain="legal", **facts).route == "reject"


def test_what_is_no_action_never_passes(limited):
    """A question has no answer by that, and a plan that nobody read covers nothing."""
    waits = Routing("review", "hard", 1, 1, "fixed")
    facts = {"reversibility": "reversible", "impact": "low", "policy": limited("pass", "pass")}
    for queue in (FULL, EMPTY):
        queues = Queues({(1, "commerce"): queue})
        assert settled(waits, domain="commerce", queues=queues, action=False, **facts).route == "review"
        assert settled(waits, domain="commerce", queues=queues, **facts).route == "auto"
