"""What a reviewer does with an approval short of deciding it: claim, release, comment, hand on."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.db.ids import new_id
from approvals.decisions import escalation, stages
from approvals.decisions.card_version import load
from approvals.errors import BadVerdict, NoLongerPending, NotAllowed, OutOfDate
from approvals.history import audit, recorded
from approvals.history.facts import Claimed, Commented, Escalated, Unclaimed
from approvals.models import Approval, Note, User
from approvals.models.approval import NO_CLAIM
from approvals.models.states import Status
from approvals.notify import notifications, outbox
from approvals.people import access, authorities
from approvals.policy import snapshot
from approvals.values import texts
from approvals.values.schema import Fault


@transaction.atomic
def claim(approval_id: UUID, *, by: User, take_over: bool = False) -> Approval:
    """Claim it ("I am reading this") for the tier's claim time; claiming again extends that.

    A colleague's claim is only taken over explicitly. Raises NotAllowed, NoLongerPending.
    """
    now = times.now()
    approval = load(approval_id)
    if approval.status != Status.PENDING:
        raise NoLongerPending(approval)
    may = access.actions_for(approval, by, now=now)
    if "claim" not in may and not (take_over and "take_over" in may):
        raise NotAllowed(_("%(who)s is reviewing this.") % {"who": _holder(approval)} if "take_over" in may else "")
    mine = approval.claimed_by_id == by.pk
    moved = audit.move_one(
        audit.Move(
            approval.pk,
            Claimed(extended=mine or None, taken_from=_holder(approval) if take_over and not mine else None),
            audit.Actor.person(by),
            expect={"status": Status.PENDING, "claimed_by_id": approval.claimed_by_id},
            sets={
                "claimed_by_id": by.pk,
                "claim_until": now + approval.tier.claim,
                "first_opened_at": approval.first_opened_at or now,
            },
        ),
        now=now,
        guard=audit.UNLESS_OVER,
    )
    if not moved:
        current = load(approval_id)
        if current.status == Status.PENDING:
            raise NotAllowed(_("%(who)s is reviewing this.") % {"who": _holder(current)})
        raise NoLongerPending(current)
    return load(approval_id)


def _holder(approval: Approval) -> str:
    return approval.claimed_by.name if approval.claimed_by else ""


@transaction.atomic
def release_claim(approval_id: UUID, *, by: User) -> Approval:
    """Return one's claim to the queue, whose time goes on. Raises NotAllowed where it is not one's own."""
    now = times.now()
    approval = load(approval_id)
    since = escalation.held_since([approval_id]).get(approval_id)
    due = escalation.due_after_idle_claim(approval, snapshot.load(approval.policy_id), since=since, now=now)
    moved = audit.move_one(
        audit.Move(
            approval_id,
            Unclaimed(),
            audit.Actor.person(by),
            expect={"status": Status.PENDING, "claimed_by_id": by.pk, "due_at": approval.due_at},
            sets={**NO_CLAIM, "due_at": due},
        ),
        now=now,
    )
    if not moved:
        raise NotAllowed
    return load(approval_id)


@transaction.atomic
def escalate(approval_id: UUID, *, by: User, note: str = "") -> Approval:
    """Hand it to the next tier now, with a note. Raises NotAllowed, BadVerdict, NoLongerPending."""
    now = times.now()
    approval = load(approval_id)
    if not authorities.authority_of(by).reviewed_its_queues(approval) and "escalate" not in access.actions_for(
        approval, by, now=now
    ):
        raise NotAllowed
    if approval.status != Status.PENDING or (approval.expires_at and approval.expires_at <= now):
        raise NoLongerPending(approval)
    _check(note)
    receiver = escalation.receiver_of(approval, snapshot.load(approval.policy_id), now=now)
    if receiver is None or "escalate" not in access.actions_for(approval, by, now=now):
        raise NotAllowed(_("Nobody above this tier could decide it."))
    written = note_of(approval, by=by, text=note, now=now) if note.strip() else None
    move = escalation_to(approval, receiver, audit.Actor.person(by), kept=True)
    move = replace(move, digests=recorded.related_digests(note=written))
    moved = audit.move_one(move, now=now, guard=audit.UNLESS_OVER)
    if not moved:
        current = load(approval_id)
        raise OutOfDate(current) if current.status == Status.PENDING else NoLongerPending(current)
    if written:
        save_note(written, moved)
    notifications.notify([moved], notifications.ESCALATED, now=now)
    outbox.notify_escalated([moved])
    return load(approval_id)


def escalation_to(
    approval: Approval,
    receiver: escalation.Receiver,
    actor: audit.Actor,
    *,
    kept: bool,
    expires_at: datetime | None = None,
) -> audit.Move:
    """The move of an escalation; `kept` False: the tier it leaves did not answer in time. `expires_at`: its new end."""
    return audit.Move(
        approval.pk,
        Escalated(from_tier=approval.tier_id, to_tier=receiver.tier.pk, due_at=receiver.due_at, expires_at=expires_at),
        actor,
        expect={
            "status": Status.PENDING,
            "tier_id": approval.tier_id,
            "round": approval.round,
            "revision": approval.revision,
            "stage": approval.stage,
        },
        sets={
            "tier_id": receiver.tier.pk,
            **stages.escalated_columns(approval, receiver.tier.pk),
            "due_at": receiver.due_at,
            "escalations": approval.escalations + 1,
            "breaches": approval.breaches + (0 if kept else 1),
            **NO_CLAIM,
        },
    )


@transaction.atomic
def comment(approval_id: UUID, *, by: User, text: str) -> Approval:
    """Write something beside the card for colleagues; the agent does not read it. Raises NotAllowed, BadVerdict."""
    now = times.now()
    approval = load(approval_id)
    if "comment" not in access.actions_for(approval, by, now=now):
        raise NotAllowed
    if not text.strip():
        raise BadVerdict([Fault("/text", _("Write something first."))])
    _check(text)
    note = note_of(approval, by=by, text=text, now=now)
    digests = recorded.related_digests(note=note)
    commented = audit.Move(approval.pk, Commented(), audit.Actor.person(by), expect={}, digests=digests)
    moved = audit.move_held(commented, now=now)
    save_note(note, moved)
    return load(approval_id)


def _check(text: str) -> None:
    if faults := texts.too_long("/text", text):
        raise BadVerdict(faults)


def note_of(approval: Approval, *, by: User, text: str, now: datetime) -> Note:
    """An unsaved note of what a person writes about an approval; `save_note` stores it once its event exists."""
    return Note(id=new_id(), approval=approval, user=by, text=text, created_at=now)


def save_note(note: Note, moved: Approval) -> None:
    """Store it beside the event that moved the approval."""
    note.seq = moved.event_seq
    note.save(force_insert=True)
