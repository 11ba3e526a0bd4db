"""Rows of lists: one template, neutral to the viewer, the same on the page, in a fragment and over the socket."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.template.loader import render_to_string
from django.utils import translation

from approvals.db import times
from approvals.models import AgentQuestion, Approval

# Texts and arguments are not for lists; of what a row names beside the approval itself, only these columns are read:
# without them each list asked for 270.
_LEFT_OUT = {"assessment", "reasons", "search_words"}
_NAMED = {
    "agent": ("name", "paused_at"),
    "action_type": ("title",),
    "domain": ("name",),
    "tier": ("name", "next"),
    "proposal": ("revision", "headline"),
    "recall": ("reason", "message", "recalled_at"),
    **dict.fromkeys(("claimed_by", "decided_by", "originally_approved_by", "recall__user"), ("username", "first_name")),
}
_COLUMNS = [
    *(field.name for field in Approval._meta.concrete_fields if field.name not in _LEFT_OUT),
    *(f"{relation}__{name}" for relation, names in _NAMED.items() for name in names),
]


class State(TypedDict):
    """What an open card is compared with: another version, status or tier is another card."""

    id: str
    seq: int
    status: str
    version: str
    tier: int
    claim: str


def state_of(approval: Approval) -> State:
    return State(
        id=str(approval.pk),
        seq=approval.event_seq,
        status=approval.status,
        version=approval.version,
        tier=approval.tier_id,
        claim=str(approval.claimed_by_id or ""),
    )


def with_row_relations(approvals: QuerySet[Approval]) -> QuerySet[Approval]:
    """With what a row names, and without what it does not."""
    # Who asked the agent something and has its answer.
    answered = AgentQuestion.objects.filter(answered_at__isnull=False).only("approval", "user")
    named = approvals.select_related(*_NAMED).prefetch_related(Prefetch("inquiries", answered, "answered"))
    return named.only(*_COLUMNS)


def render(approval: Approval, now: datetime) -> str:
    """The row in the active language. Holds no permission, no token and nothing of the viewer's."""
    return render_to_string("_row.html", {"approval": approval, "now": now})


def render_rows(ids: Iterable[UUID], language: str) -> list[tuple[Approval, str]]:
    """Rows as they are now; unknown ids are left out."""
    now = times.now()
    with translation.override(language):
        approvals = with_row_relations(Approval.objects.filter(pk__in=list(ids)))
        return [(approval, render(approval, now)) for approval in approvals]


class Row(State):
    """One row as every page of one language gets it; whose it may be is checked by queue and agent."""

    queue: str
    agent: str
    stage: int
    tier_name: str
    title: str
    due: str
    arrived: str
    escalated: bool
    html: str
