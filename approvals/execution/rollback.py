"""Undoing what a run did: what its agent reports, who is told when it does not come about, and its end by hand."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals import links
from approvals.db import times
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.execution.agent_reports import record_reversal as reverse_approval
from approvals.history import audit
from approvals.history.facts import Closed, Stuck, Undo
from approvals.models import Agent, Approval, Delivery, Run, Step, User
from approvals.notify import alarms
from approvals.people import authorities
from approvals.values.characters import plain
from approvals.values.schema import Fault

log = logging.getLogger(__name__)

TRIES = 3  # failures before people are told; the agent may go on trying
OVERDUE = timedelta(minutes=10)
LONGEST_NOTE = 1000
STUCK_ALARM, OVERDUE_ALARM = "undo.stuck", "undo.overdue"
ALARMS = (STUCK_ALARM, OVERDUE_ALARM)
_SET = 500  # rows of one transaction
_LONGEST_ERROR = 500


class NothingUndoesIt(ReviewError):
    """The agent said of this step that nothing undoes it."""


class UndoAlreadyClosed(ReviewError):
    """The undo is over: it succeeded, or a person closed it by hand."""


# --- The agent's reports


@transaction.atomic
def report(step: Step, *, by: Agent, succeeded: bool, detail: str = "") -> Step:
    """Record an attempt to undo a step. A success ends it; failures count, and the third one tells people.

    An agent may undo what nobody asked it to undo. Raises NothingUndoesIt, UndoAlreadyClosed.
    """
    now = times.now()
    # Approval before step, as everywhere: an outcome may be reported at the same moment.
    approval = Approval.objects.select_for_update().filter(steps=step).first()
    step = Step.objects.select_for_update(of=("self",)).select_related("run").get(pk=step.pk)
    if step.undo is None:
        raise NothingUndoesIt("Nothing undoes this step, as it was told of.")
    if step.status == Step.Status.CLOSED:
        raise UndoAlreadyClosed("A person closed the undo of this step by hand; there is nothing left to undo.")
    if step.status == Step.Status.UNDONE:
        if succeeded:
            return step
        raise UndoAlreadyClosed("This step was reported as undone before; the first report stands.")
    if succeeded:
        step.status, step.undone_at = Step.Status.UNDONE, now
        step.undo_asked_at = step.undo_asked_at or now
        if approval is not None:
            reverse_approval(approval, by=by, now=now, step=step.key)
    else:
        _failed(step, approval, detail, by=by, now=now)
    step.save()
    return step


def _failed(step: Step, approval: Approval | None, detail: str, *, by: Agent, now: datetime) -> None:
    step.attempts = min(step.attempts + 1, 30_000)
    step.last_error = detail[:_LONGEST_ERROR]
    step.undo_asked_at = step.undo_asked_at or now
    if step.status == Step.Status.STUCK:
        return
    step.status = Step.Status.UNDOING
    if step.attempts >= TRIES:
        step.status, step.alarmed_at = Step.Status.STUCK, now
        if approval is not None:
            _record_event(approval.pk, Stuck, audit.Actor.of(by), step, now=now)
        log.error("step %s of run %s could not be undone in %d attempts", step.pk, step.run_id, step.attempts)
        _tell(STUCK_ALARM, {step.run_id: by.pk}, now=now)


def _record_event(approval_id: UUID, kind: type[Undo], actor: audit.Actor, step: Step, *, now: datetime) -> None:
    facts = kind(step=step.key, attempts=step.attempts)
    audit.move_one(audit.Move(approval_id, facts, actor, expect={}), now=now)


# --- Undos that nobody reports


def alarm() -> int:
    """Say once of each undo that was asked for too long ago that nobody reports it; returns how many.

    The clock calls it; two at once are harmless.
    """
    count = 0
    while True:
        with transaction.atomic():
            now = times.now()
            late = Step.objects.filter(status=Step.Status.UNDOING, alarmed_at=None, undo_asked_at__lte=now - OVERDUE)
            rows = list(
                late.select_for_update(skip_locked=True, of=("self",)).select_related("run").order_by("pk")[:_SET]
            )
            Step.objects.filter(pk__in=[row.pk for row in rows]).update(alarmed_at=now)
            runs = {row.run_id: row.run.agent_id for row in rows}
            for run in runs:
                log.error("run %s was to be undone, and its agent says nothing of it", run)
            _tell(OVERDUE_ALARM, runs, now=now)
        count += len(rows)
        if len(rows) < _SET:
            return count


def overdue(now: datetime) -> Q:
    """The steps that people have to look at: stuck, or asked to be undone too long ago."""
    return Q(status=Step.Status.STUCK) | Q(status=Step.Status.UNDOING, undo_asked_at__lte=now - OVERDUE)


def _tell(topic: str, runs: dict[UUID, UUID], *, now: datetime) -> None:
    """A mail for each run, given with its agent, to the agent's operators and to managers."""
    if not runs:
        return
    people = alarms.by_mail()
    operators = people.filter(operated_agents__in=set(runs.values())).values_list("operated_agents", "pk")
    managers = {person.pk: person for person in people.filter(is_manager=True)}
    recipients = managers | people.in_bulk([pk for _, pk in operators])
    alarms.raise_alarm(
        topic,
        [
            (recipients[person], {"payload": {"run": str(run)}})
            for run, agent in runs.items()
            for person in sorted({pk for of, pk in operators if of == agent} | managers.keys())
        ],
        now=now,
    )


def letter(delivery: Delivery) -> tuple[str, str] | None:
    """Subject and body of an alarm, no arguments; None when nothing of the run is left to undo."""
    run = Run.objects.select_related("agent").filter(pk=delivery.payload.get("run")).first()
    if run is None:
        return None
    count = run.steps.filter(overdue(times.now())).count()
    if not count:
        return None
    subject = _("A run of %(agent)s could not be undone") % {"agent": run.agent.name}
    body = ngettext(
        "%(count)d step of the run “%(run)s” of %(agent)s was to be undone and is not.",
        "%(count)d steps of the run “%(run)s” of %(agent)s were to be undone and are not.",
        count,
    ) % {"count": count, "run": plain(str(run))[:120], "agent": run.agent.name}
    link = links.link(links.Page.RUN, run.pk)
    return subject, body + "\n" + _("Its agent may go on trying; a person can close it by hand:") + f"\n\n{link}\n"


# --- A person's word


def may_close(step: Step, approvals: Sequence[Approval], authority: authorities.Authority, *, now: datetime) -> bool:
    """True where a person has to look at this step's undo, and this one may: who decides its approval, or manages.

    `approvals` is that approval; of a step that nobody was asked about, those of its run.
    """
    late = step.undo_asked_at is not None and step.undo_asked_at <= now - OVERDUE
    if step.status != Step.Status.STUCK and not (step.status == Step.Status.UNDOING and late):
        return False
    if authority.manager:
        return True
    return any(authority.decides(approval.tier_id, approval.domain_id, approval.agent_id) for approval in approvals)


@transaction.atomic
def close(step: Step, *, by: User, note: str) -> Step:
    """Close an undo that does not come about with what a person did instead. Raises NotAllowed, BadVerdict."""
    now = times.now()
    step = Step.objects.select_for_update(of=("self",)).select_related("approval").get(pk=step.pk)
    approvals = [step.approval] if step.approval else _approvals(step.run_id)
    if not may_close(step, approvals, authorities.authority_of(by), now=now):
        raise NotAllowed(_("There is nothing here for you to close."))
    note = note.strip()
    if not note or len(note) > LONGEST_NOTE:
        most = {"most": LONGEST_NOTE}
        raise BadVerdict([Fault("/note", _("Say what you did instead, in at most %(most)d characters.") % most)])
    step.status, step.closed_by, step.closed_at, step.closed_note = Step.Status.CLOSED, by, now, note
    step.save(update_fields=["status", "closed_by", "closed_at", "closed_note"])
    # History is kept by approvals: of a step that nobody was asked about it stands in that of the newest one.
    approval_id = step.approval_id or next((approval.pk for approval in _approvals(step.run_id)), None)
    if approval_id is not None:
        _record_event(approval_id, Closed, audit.Actor.person(by), step, now=now)
    return step


def _approvals(run_id: UUID) -> Sequence[Approval]:
    of_run = Approval.objects.filter(request__run=run_id).order_by("-created_at", "-pk")
    return list(of_run.only("pk", "tier_id", "domain_id", "agent_id")[:50])
