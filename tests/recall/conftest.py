"""Approvals that were released and not used: by Alice, by policy, by a plan or a standing approval."""

import json
from collections.abc import Callable, Sequence

import pytest

from approvals.models import ActionType, Agent, Approval, Pause, User
from approvals.review import decisions, intake
from approvals.review.decisions import Words, decide, seen
from approvals.review.recall import recall
from approvals.review.submission import Item, Receipt, Submission
from tests.permits.conftest import (  # noqa: F401
    Executor,
    api,
    approved,
    bought,
    conforms,
    executor_of,
    nothing_remembered,
    refused,
    stranger,
)
from tests.plans.conftest import carry_out, kinds, mail, plan, step  # noqa: F401

WHY = Words(message="The customer cancelled.", reason="not_needed")


def fresh(approval: Approval) -> Approval:
    return decisions.load(approval.pk)


def take_back(approval: Approval, *, by: User, words: Words = WHY) -> Approval:
    """Recall it as a person whose card shows it as it is."""
    return recall(seen(fresh(approval)), by=by, words=words)


def approve(approval: Approval, *, by: User) -> Approval:
    return decide(seen(approval), by=by, verdict="approve")


def document(approval: Approval, name: str = "recalled_answer") -> dict:
    """The request's newest decision document, or its first: document(approval, "answer")."""
    return json.loads(getattr(Pause.objects.get(pk=approval.pause_id), name))


@pytest.fixture
def passing(action_type) -> ActionType:
    """What policy lets pass by itself."""
    return action_type("label", strategy="never", reversibility="reversible", tier_id=1)


@pytest.fixture
def many(robot) -> Callable[[str, int], Sequence[Approval]]:
    """Have robot propose so many at once, each in a request of its own: many("label", 1000)."""

    def make(action: str, count: int, *, agent: Agent = robot, **fields: object) -> list[Approval]:
        made: list[Approval] = []
        for start in range(0, count, 250):
            items = [
                Item(id="call_1", action=action, args={"order": str(number), "amount": 1, "currency": "EUR"})
                for number in range(start, min(start + 250, count))
            ]
            answers = intake.submit(agent, [Submission((item,), f"sha256:{item.args}", **fields) for item in items])
            assert all(isinstance(answer, Receipt) for answer in answers), answers
            made += [answer.approvals[0] for answer in answers]
        return made

    return make
