"""Who can be told at all, by a way that works or was never tried; and who has a second factor."""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from approvals.models import Channel, User


def reachable(users: Iterable[User | UUID]) -> set[UUID]:
    """Of these people, by themselves or by id, the ids of the active ones whom a notification reaches. One query.

    An e-mail address is a way of its own until it is switched off or fails.
    """
    ids = {one.pk if isinstance(one, User) else one for one in users}
    own = Channel.objects.filter(user=OuterRef("pk"))
    works = Q(active=True) & ~Q(state=Channel.State.FAILED)
    by_mail = ~Q(email="") & ~Exists(own.filter(~works, service=Channel.MAIL))
    by_another = Exists(own.filter(works).exclude(service=Channel.MAIL))
    return set(User.objects.filter(by_mail | by_another, pk__in=ids, is_active=True).values_list("pk", flat=True))


def unreachable(users: Collection[User]) -> list[User]:
    """Those of these people whom nothing reaches, in their order."""
    reached_ids = reachable(users)
    return [one for one in users if one.is_active and one.pk not in reached_ids]


def having_second_factor(people: Iterable[UUID]) -> set[UUID]:
    """Those of these people who have a second factor: an authenticator app or a passkey."""
    types = ["totp", "webauthn"]
    return set(User.objects.filter(pk__in=people, authenticator__type__in=types).values_list("pk", flat=True))
