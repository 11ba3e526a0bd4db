"""Doorbells: ids in, a domain function called, safe to run twice."""

from celery import shared_task

from approvals.review import deliveries


@shared_task(ignore_result=True)
def deliver(delivery_id: str) -> None:
    """Attempt one delivery. One that is not due, or no longer needed, is left alone."""
    deliveries.attempt(delivery_id)
