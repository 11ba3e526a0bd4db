"""Who can be told that something waits: an escalation must not end at people whom no word reaches."""

from collections.abc import Collection
from uuid import UUID

from approvals.models import User


def reachable(users: Collection[UUID]) -> set[UUID]:
    """Those of these people who have a way to be told: an address for mail. One query."""
    return set(User.objects.filter(pk__in=users, is_active=True).exclude(email="").values_list("pk", flat=True))
