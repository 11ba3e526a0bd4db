"""Housekeeping of the console."""

from celery import shared_task
from django.core.management import call_command


@shared_task(ignore_result=True)
def clear_sessions() -> None:
    """Delete sessions that have ended. Safe to run twice."""
    call_command("clearsessions")
