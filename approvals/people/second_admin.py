"""What no admin does alone: to make a reviewer from tier 2 on, and to have a reviewer set a new password.

A second admin gives it or refuses. Where nobody else could, it is given at once: auditors hear of it, and what the
person decides says so for a week.
"""

from datetime import datetime, time, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.errors import NotAllowed
from approvals.history import audit
from approvals.models import Delivery, Membership, SecondAdminRequest, SystemAuditEvent, User
from approvals.notify import alarms
from approvals.people import invitations
from approvals.values.schema import Json

FROM_TIER = 2
NOTICE_FOR = timedelta(days=7)
ALARM = "given_alone"
What = SecondAdminRequest.What
_DUTY = ("duty_from", "duty_until", "duty_days")


def other_admins(admin: User) -> list[User]:
    """The other active people who may change who reviews what."""
    staff = User.objects.filter(is_active=True, is_staff=True).exclude(pk=admin.pk)
    return [one for one in staff if one.has_perm("approvals.change_membership")]


def may_answer(request: SecondAdminRequest, admin: User) -> bool:
    """Not who asked, and not whom it is about."""
    concerned = {request.asked_by_id, request.user_id}
    return request.given is None and admin.pk not in concerned and admin.has_perm("approvals.change_membership")


def waiting_for(admin: User) -> int:
    """How many requests this admin may answer."""
    if not admin.has_perm("approvals.change_membership"):
        return 0
    return SecondAdminRequest.objects.filter(given=None).exclude(Q(asked_by=admin) | Q(user=admin)).count()


def is_reset(person: User) -> bool:
    """Whether a link would be a reset: a reviewer who has a password."""
    return person.has_usable_password() and person.memberships.exists()


# --- Asking


def of_membership(member: Membership, *, by: User, replaces: Membership | None = None) -> SecondAdminRequest:
    """The request for a membership as it was typed; not stored yet."""
    duty = {name: _plain(getattr(member, name)) for name in _DUTY}
    return SecondAdminRequest(
        what=What.MEMBERSHIP,
        user_id=member.user_id,
        tier_id=member.tier_id,
        domain_id=member.domain_id,
        duty=duty,
        replaces=replaces,
        asked_by=by,
    )


def of_link(person: User, *, by: User) -> SecondAdminRequest:
    return SecondAdminRequest(what=What.LINK, user=person, asked_by=by)


@transaction.atomic
def ask(request: SecondAdminRequest) -> None:
    """Store it for a second admin."""
    request.asked_at = times.now()
    request.save()
    _record(SystemAuditEvent.Kind.PEOPLE_ASKED, request, by=request.asked_by)


@transaction.atomic
def record_given_alone(request: SecondAdminRequest) -> None:
    """Nobody else could be asked, and it was given: kept, and told to the auditors."""
    now = times.now()
    request.asked_at, request.given, request.closed_at = now, True, now
    request.save()
    _record(SystemAuditEvent.Kind.GIVEN_ALONE, request, by=request.asked_by)
    subject = {"payload": {"request": str(request.pk)}}
    alarms.raise_alarm(ALARM, [(person, subject) for person in alarms.by_mail().filter(is_auditor=True)], now=now)


# --- Answering


@transaction.atomic
def give(pk: UUID, *, by: User) -> None:
    """The second admin gives it: the membership is in force, or the link is sent. Raises NotAllowed."""
    request = _close(pk, by=by, given=True)
    if request.what == What.LINK:
        invitations.invite(request.user, by=audit.actor_of(by))
        return
    kind = SystemAuditEvent.Kind
    membership_key = {"user": request.user, "tier_id": request.tier_id, "domain_id": request.domain_id}
    there = Membership.objects.filter(**membership_key).first()  # given meanwhile by another request
    if there and request.replaces and there != request.replaces:
        request.replaces.delete()
    member = there or request.replaces or Membership()
    member.user, member.tier_id, member.domain_id = request.user, request.tier_id or 0, request.domain_id
    for name in _DUTY:
        setattr(member, name, _value(name, request.duty.get(name)))
    member.save()
    audit.record(
        kind.MEMBERSHIP_CHANGED if request.replaces else kind.MEMBERSHIP_ADDED,
        by=audit.actor_of(by),
        subject=f"user:{request.user.username}",
        detail={"tier": request.tier_id, "domain": request.domain_id, "asked_by": request.asked_by.username},
    )


@transaction.atomic
def refuse(pk: UUID, *, by: User) -> None:
    """Raises NotAllowed."""
    _record(SystemAuditEvent.Kind.PEOPLE_REFUSED, _close(pk, by=by, given=False), by=by)


def _close(pk: UUID, *, by: User, given: bool) -> SecondAdminRequest:
    request = SecondAdminRequest.objects.select_for_update(of=("self",)).select_related("user", "asked_by").get(pk=pk)
    if not may_answer(request, by):
        raise NotAllowed(_("Somebody else answers this: neither who asked nor whom it is about, and only once."))
    request.given, request.closed_by, request.closed_at = given, by, times.now()
    request.save()
    return request


# --- What is said of it


def given_alone(person: User | None, *, now: datetime) -> SecondAdminRequest | None:
    """What one admin alone gave this person within the last week, newest first."""
    if person is None:
        return None
    lately = SecondAdminRequest.objects.filter(user=person, given=True, closed_by=None, closed_at__gt=now - NOTICE_FOR)
    return lately.select_related("asked_by").order_by("-closed_at").first()


def letter(delivery: Delivery) -> tuple[str, str] | None:
    """Subject and body for an auditor."""
    related = SecondAdminRequest.objects.select_related("user", "asked_by", "tier", "domain")
    request = related.filter(pk=delivery.payload["request"]).first()
    if request is None:
        return None
    facts = {"admin": request.asked_by.username, "person": request.user.username, "what": str(request)}
    subject = _("%(admin)s alone changed what %(person)s may do") % facts
    body = _(
        "%(what)s\n\n%(admin)s gave it, and no second admin is active who could have been asked. What %(person)s "
        "decides says so for a week.\n"
    )
    return subject, body % facts


def _record(kind: SystemAuditEvent.Kind, request: SecondAdminRequest, *, by: User) -> None:
    detail: dict[str, Json] = {"what": request.what, "tier": request.tier_id, "domain": request.domain_id}
    audit.record(kind, by=audit.actor_of(by), subject=f"user:{request.user.username}", detail=detail)


def _plain(value: object) -> Json:
    return value.isoformat() if isinstance(value, time) else list(value) if isinstance(value, list) else None


def _value(name: str, value: Json) -> object:
    if name == "duty_days":
        return value or []
    return time.fromisoformat(str(value)) if value else None
