"""While a breaker is open everything asks; it closes by a manager alone, after a trial that was declared."""

from datetime import timedelta

import pytest

from approvals.autonomy import breakers
from approvals.autonomy.breakers import TrialNotPassed
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import Approval, Breaker, Delivery, SystemAuditEvent
from approvals.notify import letters


@pytest.fixture
def tags(action_type):
    return action_type("tag", strategy="never", reversibility="reversible", level=2)


@pytest.mark.parametrize(
    ("scope", "asks"), [("pair", "review auto"), ("agent", "review auto"), ("type", "review review")]
)
def test_it_asks_for_its_pair_its_agent_or_its_action_of_everybody(scope, asks, tags, robot, propose, open_breaker):
    other = type(robot).objects.create(name="other")
    open_breaker(robot if scope != "type" else None, tags if scope != "agent" else None)

    assert [propose(action="tag", agent=agent).route for agent in (robot, other)] == asks.split()


def test_an_agents_breaker_covers_every_action_and_a_pairs_only_its_own(tags, refunds, robot, propose, open_breaker):
    breaker = open_breaker(robot, refunds)
    assert propose(action="tag").route == "auto"
    Breaker.objects.filter(pk=breaker.pk).update(action_type=None)
    assert propose(action="tag").reasons[0]["code"] == "breaker_open"


def test_another_version_does_not_escape_it(tags, robot, propose, open_breaker):
    open_breaker(robot, tags)

    assert propose(action="tag", model="newer").route == "review"


def test_it_opens_once_and_tells_managers_and_the_tier_at_once(robot, refunds, mia, alice, bob, otto, mailoutbox):
    opened = [
        breakers.open_by_hand(
            Breaker(agent=robot, action_type=refunds, why="It invents orders.", trial_decisions=20, trial_wrong=1),
            by=mia,
        )
        for _ in range(2)
    ]

    assert opened == [True, False]
    assert SystemAuditEvent.objects.filter(kind="breaker_opened", actor="user:mia").count() == 1
    for delivery in Delivery.objects.filter(topic="breaker.opened"):
        letters.deliver(str(delivery.pk))
    assert {address for mail in mailoutbox for address in mail.to} == {"mia@example.com", "alice@example.com"}
    assert "of 20 considered decisions at most 1" in mailoutbox[0].body


@pytest.mark.parametrize("role", ["alice", "carol", "otto"])
def test_reviewers_and_auditors_open_none(role, request, robot, refunds):
    with pytest.raises(NotAllowed):
        breakers.open_by_hand(
            Breaker(agent=robot, why="x", trial_decisions=20, trial_wrong=1), by=request.getfixturevalue(role)
        )


def decided(propose, count, *, by, verdict="approve", seconds=30):
    for _ in range(count):
        approval = propose(key=None)
        decide(card_version_of(approval), by=by, verdict=verdict, verdict_input=VerdictInput(message="No."))
        Approval.objects.filter(pk=approval.pk).update(viewed=timedelta(seconds=seconds))


def test_it_closes_by_a_manager_after_its_trial(robot, refunds, propose, mia, alice, otto, open_breaker):
    decided(propose, 2, by=alice)  # before it was opened: no part of the trial
    breaker = open_breaker(robot, refunds, trial_decisions=5, trial_wrong=1)
    decided(propose, 3, by=alice)
    decided(propose, 2, by=alice, seconds=1)  # nobody read these
    decided(propose, 1, by=alice, verdict="reject", seconds=0)  # a rejection counts however quick
    assert breakers.trial_of(breaker) == breakers.Trial(5, 1, considered=4, wrong=1)
    with pytest.raises(TrialNotPassed, match="lacks 1"):
        breakers.close(breaker.pk, by=mia)

    decided(propose, 1, by=alice)
    with pytest.raises(NotAllowed):
        breakers.close(breaker.pk, by=otto)
    closed = breakers.close(breaker.pk, by=mia)

    assert closed.closed_by == mia
    [event] = SystemAuditEvent.objects.filter(kind="breaker_closed")
    assert (event.actor, event.detail["decisions"], event.detail["wrong"]) == ("user:mia", 5, 1)
    assert breakers.close(breaker.pk, by=mia).closed_at == closed.closed_at


def test_a_trial_that_failed_takes_another_one(robot, refunds, propose, mia, alice, open_breaker):
    breaker = open_breaker(robot, refunds, trial_decisions=5, trial_wrong=0)
    decided(propose, 1, by=alice, verdict="reject")
    decided(propose, 4, by=alice)
    with pytest.raises(TrialNotPassed, match="another trial"):
        breakers.close(breaker.pk, by=mia)
    with pytest.raises(BadVerdict):
        breakers.declare_trial(breaker.pk, by=mia, decisions=4, wrong=0)

    again = breakers.declare_trial(breaker.pk, by=mia, decisions=6, wrong=1)

    assert breakers.trial_of(again) == breakers.Trial(6, 1, considered=0, wrong=0)
    assert again.trial_began_at > breaker.trial_began_at


def test_who_operates_the_agent_does_not_close_it(robot, refunds, mia, open_breaker):
    robot.operators.add(mia)
    of_all = open_breaker(None, refunds)

    assert not breakers.may_close(mia, open_breaker(robot, refunds))
    assert not breakers.may_close(mia, of_all)


def test_nobody_is_told_of_a_breaker_that_is_closed_again(robot, refunds, mia, mailoutbox):
    breaker = Breaker(agent=robot, action_type=refunds, why="x", trial_decisions=5, trial_wrong=1)
    breakers.open_by_hand(breaker, by=mia)
    Breaker.objects.update(closed_at=times.now(), closed_by=mia)
    for delivery in Delivery.objects.filter(topic="breaker.opened"):
        letters.deliver(str(delivery.pk))

    assert not mailoutbox
