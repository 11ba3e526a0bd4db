"""The page of one run: what it did, what waits in it now, what comes next, and what can be undone."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy as told

from approvals.db import times
from approvals.decisions import guidance
from approvals.execution import agent_pause, rollback
from approvals.models import Approval, Guidance, PlannedStep, Run, Step, User
from approvals.models.policy import Verdict
from approvals.models.states import ItemType, Source, Status
from approvals.people import access, authorities
from approvals.values.characters import plain
from console.inbox import rows
from console.runs.summaries import STATES, Titles, with_state

MOST = 300  # entries of the line


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One place of the line: a step, something asked, or what a plan says comes next.

    `approval` is there only for who may read it.
    """

    state: str
    title: str
    at: datetime | None
    key: str = ""
    undo: str = ""
    step: Step | None = None
    approval: Approval | None = None
    may_close: bool = False

    @property
    def label(self) -> str:
        return str(LABELS[self.state])

    @property
    def icon(self) -> str:
        return ICONS.get(self.state, "minus")


LABELS = {
    "started": told("a step of a run", "Under way"),
    "done": told("a step of a run", "Done"),
    "failed": told("a step of a run", "Failed"),
    "undoing": told("a step of a run", "To be undone"),
    "undone": told("a step of a run", "Undone"),
    "stuck": told("a step of a run", "Undo failed"),
    "closed": told("a step of a run", "Closed by hand"),
    "waiting": told("a step of a run", "Waits for a person"),
    "held": told("a step of a run", "Decided, not told yet"),
    "approved": told("a step of a run", "Approved"),
    "rejected": told("a step of a run", "Rejected"),
    "refused": told("a step of a run", "Refused by policy"),
    "expired": told("a step of a run", "Nobody decided"),
    "cancelled": told("a step of a run", "Withdrawn"),
    "stopped": told("a step of a run", "Ended with the run"),
    "recalled": told("a step of a run", "Recalled"),
    "next": told("a step of a run", "Next, by the plan"),
}
ICONS = {
    "started": "hourglass",
    "done": "check",
    "failed": "late",
    "undoing": "undo",
    "undone": "undo",
    "stuck": "late",
    "closed": "person",
    "recalled": "undo",
    "waiting": "clock",
    "held": "clock",
    "approved": "check",
    "rejected": "cross",
    "refused": "cross",
    "stopped": "cross",
    "expired": "hourglass",
    "next": "next",
}


class RunPage:
    """One run as one person sees it now. Each part is read when the template asks for it."""

    def __init__(self, run: Run, user: User) -> None:
        self.run = run
        self.user = user
        self.now = times.now()

    @property
    def title(self) -> str:
        """What the browser's tab says."""
        return plain(str(self.run))

    @cached_property
    def authority(self) -> authorities.Authority:
        return authorities.authority_of(self.user)

    @cached_property
    def state(self) -> str:
        return str(with_state(Run.objects.filter(pk=self.run.pk), self.now).values_list("state", flat=True).get())

    @property
    def state_label(self) -> str:
        return str(STATES[self.state])

    @cached_property
    def steps(self) -> list[Step]:
        return list(self.run.steps.select_related("approval", "closed_by", "run").order_by("position").defer("context"))

    @cached_property
    def _approvals(self) -> dict[object, Approval]:
        """Everything asked in it that this person may read, by id."""
        mine = access.readable_to(self.user, self.authority).filter(request__run=self.run)
        return {one.pk: one for one in rows.with_row_relations(mine).order_by("-created_at")[:MOST]}

    @cached_property
    def entries(self) -> list[RunEntry]:
        """Steps and what was asked beside them, by time; then what the plan says comes next."""
        titles = Titles()
        stepped = {step.approval_id for step in self.steps if step.approval_id}
        entries = [self._of_step(step, titles) for step in self.steps]
        entries += [self._of_approval(approval) for pk, approval in self._approvals.items() if pk not in stepped]
        entries.sort(key=lambda entry: entry.at or self.now)
        # A state that waits is always at the end of what was: everything before it happened.
        entries.sort(key=lambda entry: entry.state in ("waiting", "held"))
        return [*entries[-MOST:], *self._next(titles)]

    @property
    def cut(self) -> bool:
        return len(self.steps) + len(self._approvals) > MOST

    @property
    def waiting(self) -> list[RunEntry]:
        return [one for one in self.entries if one.state == "waiting"]

    @property
    def undoable(self) -> list[RunEntry]:
        """What can be undone and was not asked to be, newest first."""
        return [one for one in reversed(self.entries) if one.state == "done" and one.undo]

    @property
    def stuck(self) -> list[RunEntry]:
        return [one for one in self.entries if one.state == "stuck"]

    @property
    def overdue(self) -> list[RunEntry]:
        late = self.now - rollback.OVERDUE
        return [
            entry
            for entry in self.entries
            if entry.state == "undoing" and entry.step and entry.step.undo_asked_at and entry.step.undo_asked_at <= late
        ]

    def _of_step(self, step: Step, titles: Titles) -> RunEntry:
        approval = self._approvals.get(step.approval_id) if step.approval_id else None
        hidden = step.approval_id is not None and approval is None
        title = approval.proposal.headline if approval and approval.proposal else titles.of(step.action)
        approvals = [*filter(None, [approval])] if step.approval_id else [*self._approvals.values()]
        if hidden:
            title = _("A step that was asked in another queue")
        return RunEntry(
            state=step.status,
            title=title or step.key,
            at=step.started_at,
            key="" if hidden else step.key,
            undo="" if hidden else titles.of(step.undo),
            step=step,
            approval=approval,
            may_close=rollback.may_close(step, approvals, self.authority, now=self.now),
        )

    def _of_approval(self, approval: Approval) -> RunEntry:
        title = approval.proposal.headline if approval.proposal else str(approval.action_type or "")
        return RunEntry(_state_of(approval, self.run), title, approval.created_at, approval=approval)

    def _next(self, titles: Titles) -> list[RunEntry]:
        """What an approved plan of this run lets pass, and nothing did yet."""
        if self.run.stopped_at is not None:
            return []
        plans = [one.pk for one in self._approvals.values() if one.item_type == ItemType.PLAN]
        ahead = PlannedStep.objects.filter(plan__in=plans, used_by=None, expires_at__gt=self.now)
        begun_keys = {step.key for step in self.steps}
        return [
            RunEntry(
                "next",
                titles.of(planned_step.action) or planned_step.step,
                None,
                key=planned_step.step,
                undo=titles.of(planned_step.undo),
            )
            for planned_step in ahead.order_by("plan_id", "position")[:MOST]
            if planned_step.step not in begun_keys
        ]

    # --- Words for the agent

    @cached_property
    def advice(self) -> list[Guidance]:
        """Newest first; what was said about an approval only for who may read that."""
        mine = Q(approval=None) | Q(approval__in=[*self._approvals])
        given = Guidance.objects.filter(mine, run=self.run).select_related("user").order_by("-given_at", "-pk")
        return list(given[:50])

    @cached_property
    def may_guide(self) -> bool:
        return self.run.stopped_at is None and guidance.may_advise(self.run.pk, self.user)

    @cached_property
    def may_pause(self) -> bool:
        """Whether this person has a page of the agent to go to."""
        return agent_pause.pausable_by(self.user, self.authority).filter(pk=self.run.shown_agent.pk).exists()

    @cached_property
    def version(self) -> str:
        """Changes whenever something that the page shows does: a page that knows it needs nothing new."""
        seen: list[object] = [self.state, len(self.overdue), len(self.entries)]
        seen += [(one.pk, one.status, one.attempts, one.undone_at) for one in self.steps]
        seen += [(one.pk, one.event_seq) for one in self._approvals.values()]
        seen += [(one.pk, one.read_at) for one in self.advice]
        return sha256(repr(seen).encode()).hexdigest()[:16]


def _state_of(approval: Approval, run: Run) -> str:
    match approval.status:
        case Status.PENDING:
            return "waiting"
        case Status.HELD:
            return "held"
        case Status.EXPIRED:
            return "expired"
        case Status.CANCELLED | Status.SUPERSEDED:
            return "stopped" if run.stopped_at is not None else "cancelled"
        case Status.RECALLED:
            return "recalled"
        case Status.EXECUTED:
            return "done"
        case Status.FAILED:
            return "failed"
        case Status.COMPENSATED:
            return "undone"
    if approval.verdict == Verdict.REJECT:
        return "refused" if approval.source == Source.POLICY else "rejected"
    return "approved"
