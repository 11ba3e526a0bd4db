"""Permits that were used, and of which nobody has said what came of it.

The executor died, or it never reports: the money may have moved. It is shown to people, alarmed once and closed by
one of them; it is never run again by itself.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from approvals import links
from approvals.db import times
from approvals.decisions.card_version import load
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.execution import runs, spending
from approvals.execution.agent_reports import STATUS_AFTER
from approvals.history import audit, recorded
from approvals.history.facts import Alarmed, Reported
from approvals.models import Approval, Delivery, Outcome, User
from approvals.models.policy import Verdict
from approvals.models.states import Status
from approvals.notify import alarms
from approvals.people import access, eligibility
from approvals.people.authorities import authority_of
from approvals.values import texts
from approvals.values.schema import Fault, Json

log = logging.getLogger(__name__)

ALARM = "unconfirmed"
SET = 200  # rows of one transaction


class AlreadyConfirmed(ReviewError):
    """Somebody else, or the agent, has said what came of it."""


# --- The alarm


def alarm() -> int:
    """Say once of each use that it was never confirmed: in its history, in the log, by mail to managers.

    Returns how many. The clock calls it; two at once are harmless.
    """
    count = 0
    while True:
        with transaction.atomic():
            now = times.now()
            rows = list(_unconfirmed_uses(now)[:SET])
            moved = _alarmed(rows, now=now)
        count += len(moved)
        if len(rows) < SET or not moved:
            return count


def _unconfirmed_uses(now: datetime) -> QuerySet[Approval]:
    used = Approval.objects.filter(status=Status.RELEASED, consumed_at__lte=now - settings.ASSENT_CONFIRM_AFTER)
    return used.filter(alarmed_at=None).order_by("consumed_at", "pk").select_for_update(skip_locked=True)


def _alarmed(rows: Sequence[Approval], *, now: datetime) -> list[Approval]:
    moved = audit.move(
        [
            audit.Move(
                approval.pk,
                Alarmed(),
                audit.CLOCK,
                expect={"status": Status.RELEASED, "alarmed_at": None},
                sets={"alarmed_at": now},
            )
            for approval in rows
        ],
        now=now,
    )
    managers = alarms.by_mail().filter(is_manager=True)
    recipients = list(managers) if moved else []
    alarms.raise_alarm(ALARM, [(person, {"approval": one}) for one in moved for person in recipients], now=now)
    for approval in moved:
        log.warning(
            "approval %s: its permit was used at %s, and nobody says what came of it", approval.pk, approval.consumed_at
        )
    return moved


def letter(delivery: Delivery) -> tuple[str, str] | None:
    """Subject and body for a manager, no arguments; None when it was confirmed meanwhile."""
    approval = load(delivery.approval_id) if delivery.approval_id else None
    if approval is None or approval.status != Status.RELEASED or approval.consumed_at is None:
        return None
    kind = approval.action_type.title if approval.action_type else approval.item_type
    subject = _("%(kind)s of %(agent)s: used, never confirmed") % {"kind": kind, "agent": approval.agent.name}
    body = _(
        "%(agent)s used its permit for %(kind)s at %(at)s UTC and has not said since what came of it.\n"
        "It may have run, or not. Look, and close it on its card:\n\n%(link)s\n"
    ) % {
        "agent": approval.agent.name,
        "kind": kind,
        "at": f"{approval.consumed_at:%Y-%m-%d %H:%M:%S}",
        "link": links.link(links.Page.CARD, approval.pk),
    }
    return subject, body


# --- A person's word


@transaction.atomic
def confirm(approval_id: UUID, *, by: User, ran: bool, note: str) -> Approval:
    """Close a use that nobody confirmed with what a person found out. Raises NotAllowed, BadVerdict, AlreadyConfirmed.

    The agent's own report afterwards is taken where it says the same, and a contradiction where it does not.
    """
    now = times.now()
    Approval.objects.select_for_update().get(pk=approval_id)
    approval = load(approval_id)
    if Outcome.objects.filter(approval=approval).exists():
        raise AlreadyConfirmed(_("What came of this was said meanwhile."))
    if "confirm" not in access.actions_for(approval, by, now=now):
        raise NotAllowed
    note = note.strip()
    if not note or len(note) > texts.MESSAGE:
        raise BadVerdict(
            [Fault("/note", _("Say how you know, in at most %(most)d characters.") % {"most": texts.MESSAGE})]
        )
    _record(approval, Outcome.Result.SUCCEEDED if ran else Outcome.Result.SKIPPED, note, {}, by=by, now=now)
    return load(approval_id)


def takes_outcome(approval: Approval) -> bool:
    """True where it was released to its agent, and nobody has said yet what came of it."""
    approved = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY, Verdict.ANSWER)
    return approval.status == Status.RELEASED and approved and eligibility.agent_knows(approval.request)


@transaction.atomic
def record_outcome(approval_id: UUID, *, by: User, result: str, note: str, happened_at: datetime | None) -> None:
    """Record what a manager knows from elsewhere, used permit or not. Raises NotAllowed, AlreadyConfirmed."""
    now = times.now()
    Approval.objects.select_for_update().get(pk=approval_id)
    approval = load(approval_id)
    authority = authority_of(by)
    if not authority.manager or approval.agent_id in authority.operates:
        raise NotAllowed
    if not takes_outcome(approval):
        raise AlreadyConfirmed(_("What came of this was said meanwhile, or it was not released."))
    data: dict[str, Json] = {"happened_at": happened_at.isoformat()} if happened_at else {}
    _record(approval, Outcome.Result(result), note, data, by=by, now=now)


def _record(
    approval: Approval, result: Outcome.Result, note: str, data: dict[str, Json], *, by: User, now: datetime
) -> None:
    outcome = Outcome.objects.create(
        approval=approval, result=result, detail=note, data=data, reported_at=now, reported_by=by
    )
    audit.move_held(
        audit.Move(
            approval.pk,
            Reported(result=result.value),
            audit.Actor.person(by),
            expect={"status": Status.RELEASED},
            sets={"status": STATUS_AFTER[result]},
            digests=recorded.related_digests(outcome=outcome),
        ),
        now=now,
    )
    spending.give_back(approval, result, by_person=True)
    if result == Outcome.Result.COMPENSATED:
        runs.mark_undone(approval, now=now)
