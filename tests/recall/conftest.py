"""Approvals that were released and not used: by Alice, by policy, by a plan or a standing approval."""

import json
from collections.abc import Callable, Sequence

import pytest

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution.recall import recall
from approvals.models import ActionType, Agent, Approval, ApprovalRequest, User
from approvals.requests import intake
from approvals.requests.submission import Item, Receipt, Submission
from tests.permits.conftest import (  # noqa: F401
    Executor,
    api,
    approved_executor,
    conforms,
    executor,
    executor_of,
    nothing_remembered,
    refused,
    stranger,
)
from tests.plans.conftest import kinds, mail, plan, propose_step, step  # noqa: F401

WHY = VerdictInput(message="The customer cancelled.", reason="not_needed")


def fresh(approval: Approval) -> Approval:
    return load(approval.pk)


def take_back(approval: Approval, *, by: User, verdict_input: VerdictInput = WHY) -> Approval:
    """Recall it as a person whose card shows it as it is."""
    return recall(card_version_of(fresh(approval)), by=by, verdict_input=verdict_input)


def approve(approval: Approval, *, by: User) -> Approval:
    return decide(card_version_of(approval), by=by, verdict="approve")


def document(approval: Approval, name: str = "recalled_answer") -> dict:
    """The request's newest decision document, or its first: document(approval, "answer")."""
    return json.loads(getattr(ApprovalRequest.objects.get(pk=approval.request_id), name))


@pytest.fixture
def auto_approved_type(action_type) -> ActionType:
    """What policy lets pass by itself."""
    return action_type("label", strategy="never", reversibility="reversible", tier_id=1)


@pytest.fixture
def propose_many(robot) -> Callable[[str, int], Sequence[Approval]]:
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
