"""The agent revises while a person decides, on real PostgreSQL: one of them is first, and the other is told."""

from collections import Counter
from dataclasses import replace

import pytest

from approvals.decisions import agent_questions
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.errors import NoLongerPending, OutOfDate
from approvals.models import AgentQuestion, AuditEvent
from approvals.policy import snapshot
from approvals.requests.amend import NotAmendable, amend
from tests.checker import check
from tests.concurrency import together
from tests.decisions.test_races import winners
from tests.web import database_url

ROUNDS = 25

pytestmark = pytest.mark.django_db(transaction=True)


def args(amount):
    return {"order": "456", "amount": amount, "currency": "EUR"}


def revised(approval, robot, amount):
    return lambda: amend(approval.pk, lambda item: replace(item, args=args(amount)), by=robot)


def test_a_verdict_covers_the_revision_that_was_seen_or_none(propose, robot, alice):
    ends = Counter()
    for _ in range(ROUNDS):
        refund = propose()
        shown = card_version_of(refund)
        decided, amended = together(
            lambda: decide(shown, by=alice, verdict="approve"),  # noqa: B023  # used within the round
            revised(refund, robot, 300),
        )
        assert winners([decided, amended]) == 1
        after = load(refund.pk)
        if isinstance(amended, Exception):
            assert isinstance(amended, NotAmendable)
            assert (after.status, after.revision, after.proposal.args) == ("released", 1, args(420))
        else:
            assert isinstance(decided, OutOfDate)
            assert (after.status, after.revision, after.proposal.args) == ("pending", 2, args(300))
        ends[after.status] += 1
    assert check(database_url()) == []
    assert AuditEvent.objects.filter(kind="amended").count() == ends["pending"]


def test_the_second_of_two_approvals_against_a_revision(refunds, propose, robot, alice, bob):
    refunds.approvers = 2
    refunds.save()
    snapshot.publish(by=None, note="two people")
    for _ in range(ROUNDS):
        refund = propose()
        decide(card_version_of(refund), by=alice, verdict="approve")
        shown = card_version_of(load(refund.pk))
        results = together(
            lambda: decide(shown, by=bob, verdict="approve"),  # noqa: B023
            revised(refund, robot, 300),
        )
        assert winners(results) == 1
        after = load(refund.pk)
        assert (after.status, after.revision, after.votes) in (("released", 1, 2), ("pending", 2, 0))
    assert check(database_url()) == []


def test_two_revisions_at_once_follow_each_other(propose, robot):
    for _ in range(ROUNDS):
        refund = propose()
        results = together(revised(refund, robot, 300), revised(refund, robot, 200))
        assert winners(results) == 2
        after = load(refund.pk)
        assert after.revision == after.proposals.count() == 3
        assert after.events.filter(kind="amended").count() == 2
    assert check(database_url()) == []


def test_of_two_answers_at_once_one_stands(propose, robot, alice):
    for _ in range(ROUNDS):
        refund = propose()
        question = agent_questions.ask(refund.pk, by=alice, text="Which order?")
        results = together(
            lambda: agent_questions.answer(question, by=robot, text="456"),  # noqa: B023
            lambda: agent_questions.answer(question, by=robot, text="457"),  # noqa: B023
        )
        assert winners(results) == 1
        [stands] = [one.answer for one in results if isinstance(one, AgentQuestion)]
        assert AgentQuestion.objects.get(pk=question.pk).answer == stands
        assert refund.events.filter(kind="answered").count() == 1
    assert check(database_url()) == []


def test_a_question_against_a_verdict(propose, alice, bob):
    for _ in range(ROUNDS):
        refund = propose()
        shown = card_version_of(refund)
        decided, question = together(
            lambda: decide(shown, by=alice, verdict="approve"),  # noqa: B023
            lambda: agent_questions.ask(refund.pk, by=bob, text="Which order?"),  # noqa: B023
        )
        assert not isinstance(decided, Exception)  # a question holds nobody up
        assert isinstance(question, AgentQuestion | NoLongerPending)
        kinds = list(refund.events.order_by("seq").values_list("kind", flat=True))
        assert kinds[-1] == "decided"
    assert check(database_url()) == []
