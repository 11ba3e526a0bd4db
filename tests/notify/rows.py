"""Deliveries of notifications."""

from approvals.models import Delivery


def rows(**of) -> list[Delivery]:
    return list(Delivery.objects.filter(channel="notice", **of).order_by("created_at"))
