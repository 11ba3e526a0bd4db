"""What a verdict on a test case says of whoever gave it, and what history says of the case once it is over."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from approvals.history import audit
from approvals.history.facts import Disclosed
from approvals.models import Approval, Decision, SeededCase, User
from approvals.models.policy import GOING_ON, Verdict
from approvals.models.seeded import CaseOutcome
from approvals.models.states import Kind


def judge(approval: Approval, *, by: User, edited: Collection[str], now: datetime) -> None:
    """Close the test case that this person has just decided. `edited` are pointers into the arguments."""
    case = SeededCase.objects.get(approval=approval)
    case.load = Decision.decided_by_within_an_hour(by, now)
    _close([(case, approval, _outcome(case, approval.verdict, edited))], audit.Actor.person(by), by=by, now=now)


def close_unanswered(approvals: Iterable[Approval], *, now: datetime) -> None:
    """Close the test cases among approvals that ended with nobody's verdict.

    A fault that silence would have let run was missed by everybody.
    """
    by_id = {approval.pk: approval for approval in approvals if approval.kind == Kind.SEEDED}
    if not by_id:
        return
    cases = SeededCase.objects.filter(approval__in=by_id, outcome="")
    ended = [(case, by_id[case.approval_id]) for case in cases if case.approval_id]
    closing = [(case, approval, _silent(case, approval)) for case, approval in ended]
    _close(closing, audit.CLOCK, by=None, now=now)


def _outcome(case: SeededCase, verdict: str, edited: Collection[str]) -> CaseOutcome:
    """Found is what was rejected, or changed where it was wrong."""
    if not case.fault:
        return CaseOutcome.PASSED if verdict == Verdict.APPROVE else CaseOutcome.FALSE_ALARM
    changed = any(path == case.field or path.startswith(f"{case.field}/") for path in edited)
    stopped = verdict == Verdict.REJECT or (verdict == Verdict.MODIFY and changed)
    return CaseOutcome.FOUND if stopped else CaseOutcome.MISSED


def _silent(case: SeededCase, approval: Approval) -> CaseOutcome:
    return CaseOutcome.MISSED if case.fault and approval.on_timeout in GOING_ON else CaseOutcome.UNANSWERED


def _close(
    closing: Sequence[tuple[SeededCase, Approval, CaseOutcome]], actor: audit.Actor, *, by: User | None, now: datetime
) -> None:
    for case, _approval, outcome in closing:
        case.outcome, case.decided_by, case.closed_at = outcome, by, now
        case.save(update_fields=["outcome", "decided_by", "closed_at", "load"])
    audit.move(
        [
            audit.Move(approval.pk, Disclosed(case=case.pk, fault=case.fault, outcome=outcome.value), actor, expect={})
            for case, approval, outcome in closing
        ],
        now=now,
    )
