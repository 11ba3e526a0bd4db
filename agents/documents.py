"""A request as its agent reads it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from agents import confidence, pace
from approvals.models import Approval, Inquiry, Outcome, Pause
from approvals.models.approval import DECIDED, OPEN, Status
from approvals.policy.schema import Json
from approvals.review import inquiries

_ANY = UUID(int=0)
_RESULTS = {
    Status.EXECUTED: Outcome.Result.SUCCEEDED,
    Status.FAILED: Outcome.Result.FAILED,
    Status.SKIPPED: Outcome.Result.SKIPPED,
    Status.COMPENSATED: Outcome.Result.COMPENSATED,
}


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def of_request(
    pause: Pause, approvals: Iterable[Approval], *, decision: bool = True, questions: Iterable[Inquiry] = ()
) -> dict[str, Json]:
    """The state of a request and of its items; once it is closed, with the decision inside unless told otherwise.

    `questions` are those of reviewers that wait for the agent's answer.
    """
    items = list(approvals)
    told: dict[str, Json] = {
        "id": str(pause.pk),
        "status": pause.status,
        "created_at": moment(pause.created_at),
        "closed_at": moment(pause.closed_at),
        "decide": pause.decide,
        "run": {"id": pause.run.key, "name": pause.run.name, "step": pause.step} if pause.run else None,
        "labels": pause.labels,
        "review_url": _url("approval", items[0].pk),
        "decision_url": _url("api_decision", pause.pk),
        "items": [_item(one) for one in items],
    }
    if asked := [inquiries.told(one) for one in questions]:
        told["questions"] = asked
    if decision and pause.answer:
        told["decision"] = json.loads(pause.answer)
    return told


def _url(name: str, pk: UUID) -> str:
    return settings.ASSENT_BASE_URL + _path(name).replace(str(_ANY), str(pk))


@cache
def _path(name: str) -> str:
    # Resolving the same two names took as long as the rest of the document.
    return reverse(name, args=[_ANY])


def where(approval: Approval) -> dict[str, Json]:
    """Where an approval waits: its request, the decision's address for the agent, the card's for people."""
    return {
        "request": str(approval.pause_id),
        "decision_url": _url("api_decision", approval.pause_id),
        "review_url": _url("approval", approval.pk),
    }


def word_for(status: str) -> str:
    """An approval's status as its agent may know it: a held verdict is still pending, what ran was decided."""
    if status in OPEN:
        return "pending"
    return "decided" if status in DECIDED else status


def _item(approval: Approval) -> dict[str, Json]:
    told: dict[str, Json] = {
        "id": approval.item,
        "action": approval.action_type_id,
        "status": word_for(approval.status),
        "route": approval.route,
        "gate": approval.gate,
        "tier": approval.tier_id,
        "revision": approval.revision,
        "action_digest": approval.digest,
        "reason_code": approval.reason_code,
        "reasons": approval.reasons,
        "confidence": confidence.told(approval.assessment),
        "shadow": approval.shadowed,
        "due_at": moment(approval.due_at),
        "expires_at": moment(approval.expires_at),
        "on_timeout": approval.on_timeout,
        "outcome": _RESULTS.get(Status(approval.status)),
    }
    if approval.status in OPEN:
        wait = pace.expected_wait(approval.tier_id, approval.domain_id)
        if wait is not None:
            told["expected_wait_s"] = round(wait)
    return told
