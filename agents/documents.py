"""A request as its agent reads it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from agents import confidence
from approvals import times
from approvals.models import Approval, Audit, Inquiry, Outcome, Pause
from approvals.models.approval import DECIDED, OPEN, Route, Status
from approvals.models.policy import Silence
from approvals.policy.codes import AHEAD, DEGRADED
from approvals.policy.schema import Json
from approvals.review import answers, inquiries, pace

_ANY = UUID(int=0)
_RESULTS = {
    Status.EXECUTED: Outcome.Result.SUCCEEDED,
    Status.FAILED: Outcome.Result.FAILED,
    Status.SKIPPED: Outcome.Result.SKIPPED,
    Status.COMPENSATED: Outcome.Result.COMPENSATED,
}
# What happens when nobody has decided by `expires_at`, for whoever writes an agent.
AT_DEADLINE = {
    Silence.REJECT: "Nothing runs; the item is expired, which is no rejection by a person.",
    Silence.ESCALATE: (
        "If there is a higher tier that has not seen it, it goes there once, with that tier's time (expires_at then "
        "changes). If nobody decides there either, nothing runs."
    ),
    Silence.APPROVE: "It is approved by silence and may run.",
    Silence.PROCEED: "It is approved by silence and may run; a person looks at it afterwards.",
    Silence.BEST_GUESS: "Your best guess is the answer.",
}
NO_DEADLINE = "There is none: it stays in the queue, and nothing runs without an answer."


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
        told["decision"] = json.loads(answers.newest(pause))
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


def staged(approval: Approval) -> dict[str, Json]:
    """Who approves one after the other and where it stands among them, counted from 1; and whether a value is typed."""
    return {
        "stages": approval.stages,
        "stage": approval.stage + 1 if approval.stages else None,
        "typed": approval.typed,
    }


def _item(approval: Approval) -> dict[str, Json]:
    told: dict[str, Json] = {
        "id": approval.item,
        "action": approval.action_type_id,
        "status": word_for(approval.status),
        "route": approval.route,
        "gate": approval.gate,
        "tier": approval.tier_id,
        "domain": approval.domain_id,
        "approvers": approval.approvers,
        "votes": approval.votes,
        **staged(approval),
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
    if approval.reason_code == AHEAD:
        look = approval.audit
        until = look.until if look.why == Audit.Why.VETO else None
        told["ahead"] = {"why": look.why, "until": moment(until), "finding": look.finding}
    if approval.status in OPEN:
        told["at_deadline"] = AT_DEADLINE[Silence(approval.on_timeout)] if approval.expires_at else NO_DEADLINE
        wait = pace.expected_wait(approval, times.roughly())
        if wait is not None:
            told["expected_wait_s"] = round(wait, 1)
    elif approval.reason_code == DEGRADED and approval.route == Route.REJECT:
        back_at = (approval.assessment.get("scarcity") or {}).get("back_at")
        told["retry_at"] = moment(datetime.fromisoformat(back_at)) if back_at else None
    return told
