"""Revisions by a person, and a row to compare."""

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval
from tests.conftest import replace_arguments
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401

UNDO = {"name": "take_back", "args": {"order": "456"}}
PROSE = {
    "summary": "two cables",
    "reasoning": "both broken",
    "context": {"ticket": 12},
    "signals": {"stated_confidence": 0.9},
    "current": {"amount": 0},
    "preconditions": {"order_status": "delivered"},
    "undo": UNDO,
    "rename_to": ("repay",),
    "remember": ["always"],
}


def args(amount: float, order: str = "456") -> dict:
    return {"order": order, "amount": amount, "currency": "EUR"}


def modify(approval: Approval, by, amount: float, order: str = "456", **verdict_input: object) -> Approval:
    verdict_input = VerdictInput(edits=replace_arguments(args(amount, order)), **verdict_input)
    return decide(card_version_of(load(approval.pk)), by=by, verdict="modify", verdict_input=verdict_input)
