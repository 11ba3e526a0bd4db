"""An approval as a person's tool reads it: the same card as on the page."""

from datetime import datetime

from agents import confidence
from agents.documents import moment, stage_fields
from approvals.errors import ended_while_held, held_when_it_ended
from approvals.models import Approval, PostReview, Recall, User
from approvals.models.policy import Verdict
from approvals.models.states import ItemType, Status
from approvals.people import access, eligibility
from approvals.policy import messages, snapshot
from approvals.policy.flag_reasons import Flag
from approvals.requests import decision_document
from approvals.values.schema import Json


def entry(approval: Approval, *, now: datetime, content: bool = True) -> dict[str, Json]:
    """One row of the inbox. Without `content`: that it exists, and nothing of what it says."""
    proposal = approval.proposal if content else None
    title = approval.action_type.title if approval.action_type else ""
    run = approval.request.run if content else None
    return {
        "id": str(approval.pk),
        "request": str(approval.request_id),
        "item": approval.item if content else None,
        "run": {"id": run.key, "name": run.name, "step": approval.request.step} if run else None,
        "labels": approval.request.labels if content else {},
        "headline": proposal.headline if proposal else title,
        "action": approval.action_type_id,
        "item_type": approval.item_type,
        "agent": approval.agent.name,
        "kind": approval.shown_kind,
        "status": approval.status,
        "urgency": approval.urgency(now),
        "pending_s": max(0.0, round((now - approval.created_at).total_seconds(), 3)),
        "queue": approval.queue,
        "tier": approval.tier_id,
        "domain": approval.domain_id,
        "gate": approval.gate,
        **stage_fields(approval),
        "revision": approval.revision,
        "round": approval.round,
        "digest": approval.digest,
        "flags": _flags(approval) if content else [],
        "claimed_by": approval.claimed_by.name if approval.claimed_by else None,
        "created_at": moment(approval.created_at),
        "due_at": moment(approval.due_at),
        "expires_at": moment(approval.expires_at),
        "on_timeout": approval.on_timeout,
    }


def card(approval: Approval, *, reader: User, now: datetime) -> dict[str, Json]:
    """Everything a decision needs, as far as this person may see it."""
    content = access.sees_content(approval, reader)
    proposal = approval.proposal if content else None
    may = access.actions_for(approval, reader, now=now) if not eligibility.page_only(approval) else frozenset()
    question = proposal if proposal and approval.item_type == ItemType.QUESTION else None
    plan = proposal if proposal and approval.item_type == ItemType.PLAN else None
    return {
        **entry(approval, now=now, content=content),
        "siblings": [_sibling(other, reader) for other in _siblings(approval)],
        "arguments": proposal.args if proposal else None,
        "parsed": proposal.parsed if proposal else True,
        "allowed": [verdict for verdict in Verdict.values if verdict in may],
        "summary": proposal.summary if proposal else None,
        "reasoning": proposal.reasoning if proposal else None,
        "context": proposal.context if proposal else None,
        "current": proposal.current if proposal else None,
        "alternatives": proposal.alternatives if proposal else [],
        "attachments": proposal.attachments if proposal else [],
        "questions": _conversation(approval) if content else [],
        "question": {
            "prompt": question.prompt,
            "response_schema": question.schema,
            "best_guess": question.best_guess,
        }
        if question
        else None,
        "plan": {"steps": plan.steps} if plan else None,
        "remember": proposal.remember if proposal else [],
        "policy_text": kind.policy_text if (kind := snapshot.type_of(approval)) else "",
        "policy_version": approval.policy_id,
        "reason_code": approval.reason_code,
        "reasons": messages.documents(approval.reasons) if content else [],
        "signals": [confidence.signal_document(row) for row in approval.assessment.get("signals", ())]
        if content
        else [],
        "confidence": confidence.confidence_document(approval.assessment) if content else None,
        "shadow": messages.shadow_document(approval.shadowed) if content else None,
        "value": None if approval.value is None or not content else str(approval.value),
        "impact": approval.impact,
        "reversibility": approval.reversibility,
        "attempt": approval.attempt,
        "repeats": str(approval.repeats_id) if approval.repeats_id and content else None,
        "approvers": approval.approvers,
        "votes": approval.votes,
        "verdict": approval.verdict or None,
        "decided_by": approval.decided_by.name if approval.decided_by else None,
        "approved_by": decision_document.approved_by(approval) if content else [],
        "decided_at": moment(approval.decided_at),
        "held_until": moment(approval.hold_until),
        "may_recall": "recall" in access.actions_for(approval, reader, now=now),
        "recalled": _recalled(approval, content),
        "ended": _ended(approval),
        "post_review": _post_review(approval) if content else None,
        "timeline": [
            {
                "seq": event.seq,
                "kind": event.kind,
                "text": event.get_kind_display(),
                "actor": event.actor,
                "at": moment(event.at),
                "facts": event.facts if content else {},
            }
            for event in approval.events.order_by("seq")
        ],
    }


def _siblings(approval: Approval) -> list[Approval]:
    """The other items of its request, in the agent's order."""
    others = Approval.objects.filter(request=approval.request_id).exclude(pk=approval.pk).order_by("position")
    return list(others.select_related("proposal", "agent", "tier", "request", "action_type"))


def _sibling(other: Approval, reader: User) -> dict[str, Json]:
    """One of them: that it exists and how it stands, and what it says where this person may read that."""
    content = access.sees_content(other, reader)
    title = other.action_type.title if other.action_type else ""
    return {
        "id": str(other.pk),
        "item": other.item if content else None,
        "headline": other.proposal.headline if content and other.proposal else title,
        "status": other.status,
        "verdict": other.verdict or None,
    }


def _recalled(approval: Approval, content: bool) -> Json:
    recall = Recall.objects.select_related("user").filter(approval=approval).first()
    if recall is None:
        return None
    return {
        "by": recall.user.name,
        "tier": recall.tier_id,
        "reason": recall.reason,
        "message": recall.message if content else "",
        "at": moment(recall.recalled_at),
    }


def _ended(approval: Approval) -> Json:
    held = held_when_it_ended(approval) if approval.status == Status.CANCELLED else None
    return ended_while_held(held) if held else None


def _post_review(approval: Approval) -> Json:
    """Why it is looked at afterwards, and what was found."""
    look = PostReview.objects.select_related("by").filter(pk=approval.pk).first()
    if look is None:
        return None
    return {
        "why": look.why,
        "until": moment(look.until),
        "finding": look.finding,
        "by": look.by.name if look.by else None,
        "at": moment(look.at),
        "note": look.note,
    }


def _conversation(approval: Approval) -> list[Json]:
    return [
        {
            "text": inquiry.text,
            "from": inquiry.user.name,
            "asked_at": moment(inquiry.asked_at),
            "answer": inquiry.answer if inquiry.answered_at else None,
            "answered_at": moment(inquiry.answered_at),
        }
        for inquiry in approval.inquiries.select_related("user").order_by("asked_at", "pk")
    ]


def _flags(approval: Approval) -> list[Json]:
    return [
        {"name": flag.name, "text": messages.sentence(flag)}
        for flag in map(Flag.of_json, approval.assessment.get("flags", ()))
    ]
