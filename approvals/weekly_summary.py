"""Each week, once it is over: its summary is stored, and managers hear of it by mail."""

from datetime import datetime

from django.db import transaction

from approvals.evidence import rollups, weekly
from approvals.notify import weekly_letter


def make_and_send(*, now: datetime) -> bool:
    """Store the last week's summary and write the mails; False where that is done already. Safe to run twice."""
    while rollups.sweep():
        pass
    with transaction.atomic():
        summary = weekly.make(weekly.last_monday(now), now=now)
        if summary is None:
            return False
        weekly_letter.write(summary, now=now)
    return True
