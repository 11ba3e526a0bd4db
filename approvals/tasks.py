"""Doorbells: ids in, a domain function called, safe to run twice."""

from uuid import UUID

from celery import shared_task

from approvals import weekly_summary
from approvals.db import times
from approvals.evidence import fitted, labels, rollups
from approvals.execution import spending
from approvals.notify import letters, sending, slack
from approvals.oversight import seeding
from approvals.policy.authoring import rehearsal_jobs


@shared_task(ignore_result=True)
def deliver(delivery_id: str) -> None:
    """Attempt one delivery. One that is not due, or no longer needed, is left alone."""
    letters.deliver(delivery_id)


@shared_task(ignore_result=True)
def carry(channel_id: str) -> None:
    """Send what one channel still has to carry. One that another worker uses, or that rests, is left alone."""
    sending.send_due(UUID(channel_id))


@shared_task(ignore_result=True)
def close_card(message_id: int) -> None:
    """Take the buttons of one card in Slack away. One that has none any more is left alone."""
    slack.close(message_id)


@shared_task(ignore_result=True)
def rehearse(rehearsal_id: str) -> None:
    """Carry out one rehearsal of a policy change. One that is done, or worked on, is left alone."""
    rehearsal_jobs.carry_out(UUID(rehearsal_id))


@shared_task(ignore_result=True)
def put_in_case(case_id: str) -> None:
    """Put one test case into the inbox. One that is there already, or not due, is left alone."""
    seeding.put_in(UUID(case_id))


@shared_task(ignore_result=True)
def fit_curves() -> None:
    """Fit what people made of earlier scores anew."""
    fitted.fit_all()


@shared_task(ignore_result=True)
def enter_labels() -> None:
    """Enter the labels that are due. Safe to run twice, also at once: one sweep works, the other does nothing."""
    from approvals.evidence import promotions  # statistics, in the worker alone

    labels.enter_labels()
    promotions.name_gates()


@shared_task(ignore_result=True)
def count_changes() -> None:
    """Count what happened into the rollups. While another worker counts there is nothing to do."""
    while rollups.sweep():
        pass


@shared_task(ignore_result=True)
def summarize_week() -> None:
    """Store and send the summary of the last week. One that is there is left alone."""
    weekly_summary.make_and_send(now=times.now())


@shared_task(ignore_result=True)
def forget_spending() -> None:
    """Delete the hours of spending that no limit looks at any more."""
    spending.forget(now=times.now())
