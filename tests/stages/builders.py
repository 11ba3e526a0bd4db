"""Verdicts and the state of stages."""

from approvals.decisions.verdict_input import VerdictInput
from tests.conftest import replace_arguments

NO = VerdictInput(message="no", reason="not_justified")
HALF = VerdictInput(edits=replace_arguments({"order": "456", "amount": 210, "currency": "EUR"}))


def stage_state(approval):
    return approval.stage, approval.tier_id, approval.domain_id, approval.votes, approval.approvers
