"""An approval as a person's tool reads it: the same card as on the page."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agents import confidence
from agents.documents import moment, staged
from approvals.models import Approval, Audit, Recall, User
from approvals.models.approval import Status, Subject
from approvals.models.policy import Verdict
from approvals.policy import snapshot
from approvals.policy.schema import Json
from approvals.review import access, answers
from approvals.review.errors import ended_while_held, held_when_it_ended


def entry(approval: Approval, *, now: datetime, content: bool = True) -> dict[str, Json]:
    """One row of the inbox. Without `content`: that it exists, and nothing of what it says."""
    proposal = approval.proposal if content else None
    title = approval.action_type.title if approval.action_type else ""
    run = approval.pause.run if content else None
    return {
        "id": str(approval.pk),
        "request": str(approval.pause_id),
        "item": approval.item if content else None,
        "run": {"id": run.key, "name": run.name, "step": approval.pause.step} if run else None,
        "labels": approval.pause.labels if content else {},
        "headline": proposal.headline if proposal else title,
        "action": approval.action_type_id,
        "subject": approval.subject,
        "agent": approval.agent.name,
        "kind": approval.kind,
        "status": approval.status,
        "urgency": approval.urgency(now),
        "pending_s": max(0.0, round((now - approval.created_at).total_seconds(), 3)),
        "queue": approval.queue,
        "tier": approval.tier_id,
        "domain": approval.domain_id,
        "gate": approval.gate,
        **staged(approval),
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
    may = access.actions_for(approval, reader, now=now) if not access.page_only(approval) else frozenset()
    question = proposal if proposal and approval.subject == Subject.QUESTION else None
    plan = proposal if proposal and approval.subject == Subject.PLAN else None
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
        "questions": _talk(approval) if content else [],
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
        "reasons": approval.reasons if content else [],
        "signals": _listed(approval, "signals") if content else [],
        "confidence": confidence.told(approval.assessment) if content else None,
        "shadow": approval.shadowed if content else None,
        "value": None if approval.value is None or not content else str(approval.value),
        "impact": approval.impact,
        "reversibility": approval.reversibility,
        "attempt": approval.attempt,
        "repeats": str(approval.repeats_id) if approval.repeats_id and content else None,
        "approvers": approval.approvers,
        "votes": approval.votes,
        "verdict": approval.verdict or None,
        "decided_by": approval.decided_by.name if approval.decided_by else None,
        "approved_by": answers.approved_by(approval) if content else [],
        "decided_at": moment(approval.decided_at),
        "held_until": moment(approval.hold_until),
        "may_recall": "recall" in access.actions_for(approval, reader, now=now),
        "recalled": _recalled(approval, content),
        "ended": _ended(approval),
        "audit": _look(approval) if content else None,
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
    others = Approval.objects.filter(pause=approval.pause_id).exclude(pk=approval.pk).order_by("position")
    return list(others.select_related("proposal", "agent", "tier", "pause", "action_type"))


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


def _look(approval: Approval) -> Json:
    """Why it is looked at afterwards, and what was found."""
    look = Audit.objects.select_related("by").filter(pk=approval.pk).first()
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


def _listed(approval: Approval, name: str) -> list[Json]:
    found: Json = approval.assessment.get(name)
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else []


def _talk(approval: Approval) -> list[Json]:
    return [
        {
            "text": one.text,
            "from": one.user.name,
            "asked_at": moment(one.asked_at),
            "answer": one.answer if one.answered_at else None,
            "answered_at": moment(one.answered_at),
        }
        for one in approval.inquiries.select_related("user").order_by("asked_at", "pk")
    ]


def _flags(approval: Approval) -> list[Json]:
    return [
        {"name": str(flag.get("name", "")), "text": str(flag.get("text", ""))}
        for flag in _listed(approval, "flags")
        if isinstance(flag, Mapping)
    ]
