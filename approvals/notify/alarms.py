"""Alarms: a mail to each person who can do something about it, written in the transaction that finds the cause.

What a mail says is composed when it is sent (see `letters`), so nobody is alarmed of what is over by then.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from approvals.db import bulk
from approvals.db.ids import new_id
from approvals.models import Channel, Delivery, User
from approvals.notify.retry_policy import MAIL


def by_mail() -> "QuerySet[User]":
    """The people who may be written to: active, with an address that they have not switched off."""
    off = Channel.objects.filter(user=OuterRef("pk"), service=Channel.MAIL, active=False)
    return User.objects.filter(~Exists(off), is_active=True).exclude(email="")


def raise_alarm(topic: str, about: Iterable[tuple[User, Mapping[str, object]]], *, now: datetime) -> None:
    """Write a mail to each of these people, with what it is about by the names of a delivery's fields."""
    bulk.insert(
        [
            Delivery(
                id=new_id(),
                channel=Delivery.Channel.MAIL,
                topic=topic,
                user=person,
                target=person.email,
                due_at=now,
                gives_up_at=now + MAIL.gives_up_after,
                created_at=now,
                **subject,
            )
            for person, subject in about
        ]
    )


def people_who_can_help() -> list[User]:
    """Who can do something about a queue or a process: managers, and those who configure tiers and people."""
    return [person for person in by_mail() if person.is_manager or person.has_perm("approvals.change_tier")]
