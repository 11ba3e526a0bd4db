"""Doorbells of the agents' side."""

import sys

from celery import shared_task
from celery.signals import worker_shutting_down

from approvals.notify import webhooks

_SENDER = "agents.webhooks.sender"


@shared_task(ignore_result=True)
def send_webhooks() -> None:
    """Send the webhooks that are due. Safe to run twice, also at once: each row is taken by one sender."""
    # Here, so that the clock, which only rings, does not carry the HTTP client.
    from agents.webhooks import sender

    # A shift is over with something left to do: the next one does not wait for the clock.
    if sender.send(linger=sender.LINGER) and webhooks.ready():
        send_webhooks.apply_async(retry=False)


@worker_shutting_down.connect
def stop_sending(**_: object) -> None:
    """A worker that is asked to end does not wait for endpoints that say nothing."""
    if _SENDER in sys.modules:
        sys.modules[_SENDER].stop()
