"""Runs as lists and cards tell of them: where each stands, what was done in it, and what can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict

from django.db.models import Case, CharField, Exists, F, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.db import times
from approvals.execution import rollback, runs
from approvals.models import ActionType, Approval, ApprovalRequest, PlannedStep, Run, Step, User
from approvals.people import access, authorities
from approvals.values import schema
from approvals.values.characters import plain
from approvals.values.schema import Json

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

QUIET = timedelta(hours=1)
_NAMED = 4  # steps that the card names

STUCK, UNDOING, STOPPED, WAITING, UNDONE, ENDED, RUNNING, OVER = (
    "stuck", "undoing", "stopped", "waiting", "undone", "ended", "running", "over",
)  # fmt: skip
STATES = {
    STUCK: gettext_lazy("Undo failed"),
    UNDOING: gettext_lazy("To be undone"),
    WAITING: gettext_lazy("Waits for a person"),
    RUNNING: gettext_lazy("Running"),
    STOPPED: gettext_lazy("Stopped"),
    UNDONE: gettext_lazy("Undone"),
    ENDED: gettext_lazy("Ended"),
    OVER: gettext_lazy("Quiet"),
}


# --- Where it stands


class RunState(TypedDict):
    """What `with_state` knows of a run beside its columns."""

    state: str
    last_at: datetime


def with_state(queryset: QuerySet[Run], now: datetime) -> QuerySet[WithAnnotations[Run, RunState]]:
    """Each with its `state` and the time of the last news of it."""
    steps = Step.objects.filter(run=OuterRef("pk"))
    requests = ApprovalRequest.objects.filter(run=OuterRef("pk"))
    # Each the end of an index: a run may have ten thousand requests, and nobody reads them to see when the last came.
    last = Greatest(
        "created_at",
        *(_last(steps, moment) for moment in ("started_at", "done_at", "undone_at")),
        *(_last(requests, moment) for moment in ("created_at", "closed_at")),
    )
    return queryset.annotate(last_at=last).annotate(
        state=Case(
            When(Exists(steps.filter(status=Step.Status.STUCK)), then=Value(STUCK)),
            When(Exists(steps.filter(status=Step.Status.UNDOING)), then=Value(UNDOING)),
            When(stopped_at__isnull=False, then=Value(STOPPED)),
            When(Exists(requests.filter(status=ApprovalRequest.Status.PENDING)), then=Value(WAITING)),
            When(Exists(steps.filter(status=Step.Status.UNDONE)), then=Value(UNDONE)),
            # What was heard since goes on again, whatever was said of its end.
            When(ended_at__gte=F("last_at"), then=Value(ENDED)),
            When(last_at__gt=now - QUIET, then=Value(RUNNING)),
            default=Value(OVER),
            output_field=CharField(),
        )
    )


def _last(rows: QuerySet[Step] | QuerySet[ApprovalRequest], moment: str) -> Subquery:
    return Subquery(rows.filter(**{f"{moment}__isnull": False}).order_by(f"-{moment}").values(moment)[:1])


def needing_people(user: User, authority: authorities.Authority | None = None) -> QuerySet[Run]:
    """The runs this person sees in which something was to be undone and is not."""
    late = Step.objects.filter(rollback.overdue(times.now())).values("run")
    return access.runs_of(user, authority).filter(pk__in=late)


class Titles:
    """What an action does, in the words of its action type; an unknown one is told by its name and arguments."""

    @cached_property
    def _templates(self) -> Mapping[str, str]:
        return dict(ActionType.objects.values_list("name", "headline"))

    def of(self, action: Json) -> str:
        if not isinstance(action, Mapping) or not action.get("name"):
            return ""
        name, args = str(action["name"]), action.get("args")
        template = self._templates.get(name)
        if template:
            return schema.headline(template, args)
        placeholders = [f"{key} {{{key}}}" for key in args if key.isidentifier()] if isinstance(args, Mapping) else []
        title = plain(name).replace("_", " ")
        return schema.headline(f"{title}: {', '.join(placeholders[:3])}" if placeholders else title, args)


# --- On a card


@dataclass(frozen=True, slots=True)
class RunPosition:
    """Where an approval stands in its run."""

    run: Run
    number: int
    total: int | None
    done: str
    undoable: str

    @property
    def sentence(self) -> str:
        facts = {"number": self.number, "total": self.total, "run": str(self.run)}
        if self.total:
            return _("Step %(number)d of %(total)d of “%(run)s”") % facts
        return _("Step %(number)d of “%(run)s”") % facts


def position_of(approval: Approval) -> RunPosition | None:
    """In one line, for a card; None for what belongs to no run."""
    run = approval.request.run
    if run is None:
        return None
    steps = list(run.steps.order_by("position").only("key", "status", "undo", "position", "approval_id", "run_id"))
    mine = next((step.position for step in steps if step.approval_id == approval.pk), None)
    number = mine or len(steps) + 1
    planned = PlannedStep.objects.filter(plan__request__run=run).count()
    before = [step for step in steps if step.position < number]
    return RunPosition(
        run=run,
        number=number,
        total=max(planned, number) if planned else None,
        done=_named([one.key for one in before if one.status == Step.Status.DONE]),
        undoable=_named([one.key for one in reversed(before) if one.status in _UNDOABLE and one.undo]),
    )


_UNDOABLE = (Step.Status.DONE, Step.Status.UNDOING, Step.Status.STUCK)


def _named(keys: Sequence[str]) -> str:
    more = len(keys) - _NAMED
    return ", ".join([*keys[:_NAMED], _("%d more") % more] if more > 0 else keys)


@dataclass(frozen=True, slots=True)
class PendingUndo:
    """What a rejection would undo: the step, and the undo in words."""

    step: str
    undo_title: str


def pending_undos(approval: Approval) -> list[PendingUndo]:
    """What the agent is asked to undo when this is rejected, newest first."""
    if approval.request.run_id is None:
        return []
    titles = Titles()
    return [PendingUndo(step.key, titles.of(step.undo)) for step in runs.undoable(approval.request.run_id)]
