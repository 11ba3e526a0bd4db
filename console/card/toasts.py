"""What a person is told in the corner of the page: what was done to which approval, and how long that can go back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from approvals.db import times
from approvals.models import Approval, Attempt, User
from approvals.models.policy import Verdict
from approvals.models.states import Kind, Status
from console.card import test_cases

MOST = 20  # offered again after a page was loaded

DONE = {
    Verdict.APPROVE: gettext_lazy("Approved"),
    Verdict.MODIFY: gettext_lazy("Approved with changes"),
    Verdict.REJECT: gettext_lazy("Rejected"),
    Verdict.ANSWER: gettext_lazy("Answered"),
    Verdict.SKIP: gettext_lazy("Skipped"),
}
BESIDE = {
    "undo": gettext_lazy("Taken back. It waits again."),
    "escalate": gettext_lazy("Escalated."),
    "snooze": gettext_lazy("Snoozed."),
    "ask": gettext_lazy("Asked. The deadline goes on."),
    "guide": gettext_lazy("Sent to the agent."),
    "incident": gettext_lazy("The incident is open."),
    "comment": gettext_lazy("The comment is there."),
    "grant": gettext_lazy("The standing approval is in force."),
    "recall": gettext_lazy("Recalled. The agent can no longer run it."),
    "claim": gettext_lazy("Taken over."),
    "confirm": gettext_lazy("Closed."),
}


@dataclass(frozen=True, slots=True)
class Toast:
    """`what` it concerns and what was done; `until` when, at `undo`, it can be taken back, in which version."""

    id: str
    what: str
    text: str
    undo: str = ""
    until: datetime | None = None
    version: str = ""
    approval: UUID | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.text}"


def toast_of(approval: Approval, text: str) -> Toast:
    """That something was done to an approval."""
    return Toast(str(approval.pk), _named(approval), text)


def verdict(approval: Approval, *, by: User, before: str = "") -> Toast:
    """That it was decided, with the seconds left to take it back while it is held."""
    done = DONE[Verdict(approval.verdict)]
    if approval.kind == Kind.SEEDED:
        return toast_of(approval, before + test_cases.sentence(approval.seeded_case))
    if approval.status == Status.HELD and approval.decided_by_id == by.pk:
        return Toast(
            str(approval.pk),
            _named(approval),
            before + _("%s. Goes to the agent in") % done,
            undo=reverse("card:undo", args=[approval.pk]),
            until=approval.hold_until,
            version=approval.version,
            approval=approval.pk,
        )
    return toast_of(approval, before + _("%s. Released to the agent.") % done)


def attempt(approval: Approval, recorded: Attempt) -> Toast:
    """What an attempt did whose answer was lost."""
    before = _("Recorded.") + " "
    if recorded.does in DONE and approval.verdict:
        return verdict(approval, by=recorded.user, before=before)
    done = DONE.get(Verdict(recorded.does)) if recorded.does in DONE else None
    return toast_of(approval, before + (f"{done}." if done else str(BESIDE.get(recorded.does, ""))))


def batch(key: UUID, approvals: Sequence[Approval]) -> Toast | None:
    """That several were decided at once; None where none of them can be taken back any more."""
    held = [approval for approval in approvals if approval.status == Status.HELD and approval.hold_until]
    if not held:
        return None
    kind = held[0].action_type
    several = {"n": len(held), "what": kind.title if kind else ""}
    return Toast(
        str(key),
        ngettext("%(n)d request: %(what)s", "%(n)d requests: %(what)s", len(held)) % several,
        _("%s. Goes to the agent in") % DONE[Verdict(held[0].verdict)],
        undo=reverse("batch:undo", args=[key]),
        until=max(approval.hold_until for approval in held if approval.hold_until),
    )


def held_by(user: User) -> list[Toast]:
    """Every verdict of a person that can still be taken back, newest first; those of one batch together."""
    held = list(
        Approval.objects.filter(status=Status.HELD, decided_by=user, hold_until__gt=times.now())
        .select_related("proposal", "action_type")
        .order_by("-decided_at", "-pk")
    )
    batches = _batches(user, held)
    groups: defaultdict[UUID, list[Approval]] = defaultdict(list)
    for approval in held:
        groups[batches.get(approval.pk, approval.pk)].append(approval)
    toasts = [batch(key, alike) if len(alike) > 1 else verdict(alike[0], by=user) for key, alike in groups.items()]
    return [toast for toast in toasts if toast][:MOST]


def _batches(user: User, held: Sequence[Approval]) -> Mapping[UUID, UUID]:
    """With which attempt each was decided, where it was decided with others."""
    attempts = Attempt.objects.filter(user=user, void=False, approval__in=held, does__in=[*DONE]).order_by("at")
    latest = dict(attempts.values_list("approval_id", "key"))
    together: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for approval_id, key in latest.items():
        together[key].append(approval_id)
    return {pk: key for key, ids in together.items() if len(ids) > 1 for pk in ids}


def _named(approval: Approval) -> str:
    """What it was, as its row says it."""
    kind = approval.action_type
    return approval.proposal.headline if approval.proposal else kind.title if kind else ""
