"""What a person found on looking afterwards: it is fine, or it should not have been.

An objection takes back a permit that nobody has used, and asks for what ran to be undone. Within the window of
something that goes on unless stopped it is a veto: it ends the run, as a reviewer's stop does. People and the clock
may come at once: whoever's UPDATE finds the look open has it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from approvals import audit, recorded, times
from approvals.models import Approval, Audit, Event, Outcome, Pause, Step, User
from approvals.models.approval import Status
from approvals.policy.schema import Fault, Json
from approvals.review import access, audits, incidents, outbox, runs
from approvals.review.claims import note_of, put
from approvals.review.errors import BadVerdict, NotAllowed, ReviewError
from approvals.review.settle import settle
from approvals.review.withdrawing import NO_VERDICT

FINE, OBJECTED = Audit.Finding.FINE, Audit.Finding.OBJECTED
LONGEST = 4000
MOST = 500  # looks at once


class AlreadyFound(ReviewError):
    """Somebody else looked first, or the clock ended the window."""

    def __init__(self, audit: Audit) -> None:
        super().__init__(how_it_ended(audit))


@dataclass(frozen=True, slots=True)
class Words:
    """What goes with a finding. `undo`: ask for what ran to be undone, where a step says how. `severity` opens an
    incident with the same note, empty for none."""

    note: str = ""
    undo: bool = True
    severity: str = ""


@transaction.atomic
def find(ids: Collection[UUID], *, by: User, finding: str, words: Words = Words()) -> list[Approval]:
    """Record what a person found of these approvals; returns those that nobody had looked at before, newest first.

    Raises NotAllowed where one of them is not this person's to look at, BadVerdict for an objection without words,
    AlreadyFound where none was left.
    """
    looks = list(Audit.objects.filter(pk__in=ids).select_related("approval", "by").order_by("-opened_at", "-pk")[:MOST])
    authority = access.authority_of(by)
    if not looks or not all(audits.may_find(one, authority) for one in looks):
        raise NotAllowed(_("There is nothing here for you to look at."))
    words = _checked(finding, words)
    now = _held(looks, finding)
    taken = [one for one in looks if _takes(one, by=by, finding=finding, note=words.note, now=now)]
    if not taken:
        raise AlreadyFound(Audit.objects.select_related("by").get(pk=looks[0].pk))
    if finding == FINE:
        return [_fine(one, by=by, note=words.note, now=now) for one in taken]
    return _objected(taken, by=by, words=words, now=now)


def _checked(finding: str, words: Words) -> Words:
    note, faults = words.note.strip(), []
    if finding not in (FINE, OBJECTED):
        raise BadVerdict([Fault("/finding", _("Fine, or objected."))])
    if finding == OBJECTED and not note:
        faults.append(Fault("/note", _("Say what is wrong; the agent's people read it.")))
    if len(note) > LONGEST:
        faults.append(Fault("/note", _("At most %(most)d characters.") % {"most": LONGEST}))
    if faults:
        raise BadVerdict(faults)
    return Words(note, words.undo, words.severity)


def _held(looks: Sequence[Audit], finding: str) -> datetime:
    """Hold what the finding changes, to the end of the transaction; returns the time from which it is held.

    Approvals, then runs, then pauses, as everywhere. Without their keys: a step that is told of meanwhile names one.
    """
    pks = [one.pk for one in looks]
    list(Approval.objects.filter(pk__in=pks).order_by("pk").select_for_update(no_key=True).values_list("pk"))
    if finding == OBJECTED:
        pauses = {one.approval.pause_id for one in looks}
        runs.lock(pauses)
        list(Pause.objects.filter(pk__in=pauses).order_by("pk").select_for_update().values_list("pk"))
    return times.now()


def _takes(look: Audit, *, by: User, finding: str, note: str, now: datetime) -> bool:
    in_time = ~Q(why=Audit.Why.VETO) | Q(until__gt=now)
    still = Audit.objects.filter(in_time, pk=look.pk, finding=Audit.Finding.OPEN)
    return still.update(finding=finding, by=by, at=now, note=note) == 1


def _fine(look: Audit, *, by: User, note: str, now: datetime) -> Approval:
    facts: dict[str, Json] = {"why": look.why, "finding": FINE}
    return _said(look, Event.Kind.AUDITED, facts, by=by, note=note, now=now)


# --- Objections


def _objected(looks: Sequence[Audit], *, by: User, words: Words, now: datetime) -> list[Approval]:
    moved = [_object(one, by=by, words=words, now=now) for one in looks]
    vetoed = {one.run_id: audit.Actor.person(by) for one in looks if one.why == Audit.Why.VETO and one.run_id}
    ended = runs.halt(vetoed, now=now)
    if ended:
        settle(ended, now=now)
    _tell(looks, stopped=vetoed.keys())
    if words.severity:
        for one in moved:
            if access.may_have_run(one):
                incidents.open_incident(one, by=by, severity=words.severity, text=words.note)
    return moved


def _object(look: Audit, *, by: User, words: Words, now: datetime) -> Approval:
    """One objection: its permit is taken back if nobody used it, else what ran by it is to be undone."""
    approval = Approval.objects.select_related("pause").get(pk=look.pk)
    unused = approval.status == Status.RELEASED and approval.consumed_at is None
    facts: dict[str, Json] = {"why": look.why, "finding": OBJECTED}
    sets: dict[str, object] = {"faulted_at": now}
    outcome = None
    if unused:
        facts["permit"] = "taken back"
        outcome = _skipped(approval, by=by, now=now)
        sets |= {"status": Status.SKIPPED} if outcome else {"status": Status.CANCELLED, **NO_VERDICT}
    elif words.undo or look.why in audits.RAN_AHEAD:
        step = Step.objects.filter(approval=approval, status=Step.Status.DONE, undo__isnull=False)
        if step.update(status=Step.Status.UNDOING, undo_asked_at=now):
            facts["undo"] = "asked"
    kind = Event.Kind.VETOED if look.why == Audit.Why.VETO else Event.Kind.AUDITED
    return _said(look, kind, facts, by=by, note=words.note, now=now, sets=sets, outcome=outcome)


def _skipped(approval: Approval, *, by: User, now: datetime) -> Outcome | None:
    """The outcome of an approval whose permit nobody used, where its agent was told of it; None where it was not."""
    pause = approval.pause
    if pause.status == Pause.Status.PENDING and pause.decide != Pause.Decide.INDEPENDENTLY:
        return None
    return Outcome.objects.create(approval=approval, result=Outcome.Result.SKIPPED, reported_at=now, reported_by=by)


def _said(
    look: Audit,
    kind: str,
    facts: dict[str, Json],
    *,
    by: User,
    note: str,
    now: datetime,
    sets: dict[str, object] | None = None,
    outcome: Outcome | None = None,
) -> Approval:
    written = note_of(Approval(pk=look.pk), by=by, text=note, now=now) if note else None
    digests = recorded.beside(outcome=outcome, note=written)
    move = audit.Move(look.pk, kind, audit.Actor.person(by), {}, sets or {}, facts, digests)
    [moved] = audit.move([move], now=now)
    if written:
        put(written, moved)
    return moved


def _tell(looks: Sequence[Audit], *, stopped: Collection[object]) -> None:
    """Tell the agents: their requests were answered long ago, so nothing else would."""
    found = Approval.objects.select_related("pause__run").in_bulk([one.pk for one in looks])
    outbox.tell(
        [
            outbox.News(
                approval.agent_id,
                outbox.VETOED if look.why == Audit.Why.VETO else outbox.OBJECTED,
                {
                    "request": str(approval.pause_id),
                    "item": approval.item,
                    "run": approval.pause.run.key if approval.pause.run else None,
                    "stopped": look.run_id in stopped,
                },
                approval.pk,
                approval.pause.callback_url,
            )
            for look in looks
            for approval in [found[look.pk]]
        ]
    )


def how_it_ended(look: Audit) -> str:
    """One sentence: who looked at it, or that its time was over."""
    if look.by is None or look.at is None:
        return _("The time to stop it is over.")
    said = {
        FINE: _("%(who)s looked at this at %(at)s UTC and found it fine."),
        OBJECTED: _("%(who)s objected to this at %(at)s UTC."),
        Audit.Finding.RECALLED: _("%(who)s recalled this at %(at)s UTC, before it ran."),
    }[Audit.Finding(look.finding)]
    return said % {"who": look.by.name, "at": date_format(look.at, "H:i:s")}
