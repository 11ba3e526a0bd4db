"""Being away: entered by oneself, with somebody who stands in, and ended by coming back.

Lending is not granting: by one's own word only a colleague of the same fields may stand in, who then decides there
under the own name. Anybody else is an admin's to name.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import Absence, Membership, User
from approvals.values.schema import Fault

LONGEST = timedelta(days=366)


def candidates(user: User) -> QuerySet[User]:
    """Who may stand in by this person's own word: active, and reviewing in every field in which this person does."""
    users = User.objects.filter(is_active=True).exclude(pk=user.pk)
    fields = set(user.memberships.values_list("domain_id", flat=True))
    if not fields:
        return users.none()
    for field in fields:
        knows = Membership.objects.filter(Q(domain=None) | Q(domain=field) if field else Q(domain=None))
        users = users.filter(pk__in=knows.values("user"))
    return users.order_by("first_name", "username")


@transaction.atomic
def enter_absence(user: User, *, starts_at: datetime, ends_at: datetime, delegate: User | None) -> Absence:
    """Be away between two moments. Raises BadVerdict with what is wrong, by field."""
    now = times.now()
    User.objects.select_for_update().get(pk=user.pk)  # two forms sent at once would overlap
    if faults := _faults(user, starts_at, ends_at, delegate, now=now):
        raise BadVerdict(faults)
    return Absence.objects.create(user=user, starts_at=max(starts_at, now), ends_at=ends_at, delegate=delegate)


@transaction.atomic
def end_absence(absence_id: int, *, by: User) -> None:
    """Be back: an absence that has begun ends now, one that has not is dropped. Raises NotAllowed for another's."""
    now = times.now()
    absence = Absence.objects.select_for_update().filter(pk=absence_id, user=by, ends_at__gt=now).first()
    if absence is None:
        raise NotAllowed
    if absence.starts_at < now:
        absence.ends_at = now
        absence.save(update_fields=["ends_at"])
    else:
        absence.delete()


def _faults(
    user: User, starts_at: datetime, ends_at: datetime, delegate: User | None, *, now: datetime
) -> Sequence[Fault]:
    faults = []
    if ends_at <= starts_at or ends_at <= now:
        faults.append(Fault("/ends_at", _("An absence ends after it starts, and not in the past.")))
    elif ends_at - starts_at > LONGEST:
        faults.append(Fault("/ends_at", _("At most a year at a time.")))
    elif user.absences.filter(starts_at__lt=ends_at, ends_at__gt=max(starts_at, now)).exists():
        faults.append(Fault("/starts_at", _("You are away then already; end that absence first.")))
    if delegate is not None and not candidates(user).filter(pk=delegate.pk).exists():
        faults.append(
            Fault("/delegate", _("Only a colleague who reviews in the same fields; an admin may name somebody else."))
        )
    return faults


def uncovered(absence: Absence) -> list[str]:
    """The queues in which nobody is left for all or part of an absence: `Frontline · Commerce`. Said, not refused."""
    if stands_in(absence):
        return []
    queues = []
    for post in absence.user.memberships.select_related("tier", "domain"):
        others = Membership.objects.filter(tier=post.tier_id, user__is_active=True).exclude(user=absence.user_id)
        if post.domain_id:
            others = others.filter(Q(domain=None) | Q(domain=post.domain_id))
        away = Absence.objects.filter(starts_at__lt=absence.ends_at, ends_at__gt=absence.starts_at).values("user")
        if not others.exclude(user__in=away).exists():
            queues.append(f"{post.tier.name} · {post.domain.name if post.domain else _('every domain')}")
    return queues


def absences_stood_in_for(absence: Absence) -> list[Absence]:
    """The absences of others in which this person stands in, and will be away. Said, not refused."""
    others = Absence.objects.filter(delegate=absence.user_id, user__is_active=True)
    meanwhile = others.filter(starts_at__lt=absence.ends_at, ends_at__gt=absence.starts_at)
    return list(meanwhile.select_related("user").order_by("starts_at"))


def stands_in(absence: Absence) -> bool:
    """Whether somebody stands in who is active and not away meanwhile."""
    delegate = absence.delegate
    if delegate is None or not delegate.is_active:
        return False
    return not delegate.absences.filter(starts_at__lt=absence.ends_at, ends_at__gt=absence.starts_at).exists()


def absences_of(user: User, *, now: datetime) -> list[Absence]:
    """This person's absences that are not over, the next first."""
    return list(user.absences.filter(ends_at__gt=now).select_related("delegate").order_by("starts_at"))


def for_others(user_id: UUID, *, now: datetime) -> list[Absence]:
    """The absences in which this person stands in, now or later."""
    rows = Absence.objects.filter(delegate=user_id, ends_at__gt=now, user__is_active=True)
    return list(rows.select_related("user").order_by("starts_at"))
