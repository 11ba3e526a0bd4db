"""A request as its agent reads it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from agents import confidence
from approvals.db import times
from approvals.decisions import agent_questions
from approvals.links import Page, link
from approvals.models import AgentQuestion, Approval, ApprovalRequest, Outcome, PostReview
from approvals.models.policy import Silence
from approvals.models.states import DECIDED, OPEN, Route, Status
from approvals.policy import messages
from approvals.policy.routing_codes import BEFORE_REVIEW, DEGRADED
from approvals.requests import decision_document
from approvals.values.schema import Json
from approvals.workload import expected_wait

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
    request: ApprovalRequest,
    approvals: Iterable[Approval],
    *,
    decision: bool = True,
    questions: Iterable[AgentQuestion] = (),
) -> dict[str, Json]:
    """The state of a request and of its items; once it is closed, with the decision inside unless told otherwise.

    `questions` are those of reviewers that wait for the agent's answer.
    """
    items = list(approvals)
    document: dict[str, Json] = {
        "id": str(request.pk),
        "status": request.status,
        "created_at": moment(request.created_at),
        "closed_at": moment(request.closed_at),
        "decide": request.decide,
        "run": {"id": request.run.key, "name": request.run.name, "step": request.step} if request.run else None,
        "labels": request.labels,
        "review_url": link(Page.CARD, items[0].pk),
        "decision_url": link(Page.DECISION, request.pk),
        "items": [_item(one) for one in items],
    }
    if open_questions := [agent_questions.api_question(one) for one in questions]:
        document["questions"] = open_questions
    if decision and request.answer:
        document["decision"] = json.loads(decision_document.newest_document(request))
    return document


def addresses_of(approval: Approval) -> dict[str, Json]:
    """Where an approval waits: its request, the decision's address for the agent, the card's for people."""
    return {
        "request": str(approval.request_id),
        "decision_url": link(Page.DECISION, approval.request_id),
        "review_url": link(Page.CARD, approval.pk),
    }


def agent_status(status: str) -> str:
    """An approval's status as its agent may know it: a held verdict is still pending, what ran was decided."""
    if status in OPEN:
        return "pending"
    return "decided" if status in DECIDED else status


def stage_fields(approval: Approval) -> dict[str, Json]:
    """Who approves one after the other and where it stands among them, counted from 1; and whether a value is typed."""
    return {
        "stages": approval.stages,
        "stage": approval.stage + 1 if approval.stages else None,
        "typed": approval.typed,
    }


def _item(approval: Approval) -> dict[str, Json]:
    document: dict[str, Json] = {
        "id": approval.item,
        "action": approval.action_type_id,
        "status": agent_status(approval.status),
        "route": approval.route,
        "gate": approval.gate,
        "tier": approval.tier_id,
        "domain": approval.domain_id,
        "approvers": approval.approvers,
        "votes": approval.votes,
        **stage_fields(approval),
        "revision": approval.revision,
        "action_digest": approval.digest,
        "reason_code": approval.reason_code,
        "reasons": messages.documents(approval.reasons),
        "confidence": confidence.confidence_document(approval.assessment),
        "shadow": messages.shadow_document(approval.shadowed),
        "due_at": moment(approval.due_at),
        "expires_at": moment(approval.expires_at),
        "on_timeout": approval.on_timeout,
        "outcome": _RESULTS.get(Status(approval.status)),
    }
    if approval.reason_code == BEFORE_REVIEW:
        look = approval.post_review
        until = look.until if look.why == PostReview.Why.VETO else None
        document["runs_before_review"] = {"why": look.why, "until": moment(until), "finding": look.finding}
    if approval.status in OPEN:
        document["at_deadline"] = AT_DEADLINE[Silence(approval.on_timeout)] if approval.expires_at else NO_DEADLINE
        wait = expected_wait.expected_wait(approval, times.local_now())
        if wait is not None:
            document["expected_wait_s"] = round(wait, 1)
    elif approval.reason_code == DEGRADED and approval.route == Route.REJECT:
        back_at = (approval.assessment.get("shortage") or {}).get("back_at")
        document["retry_at"] = moment(datetime.fromisoformat(back_at)) if back_at else None
    return document
