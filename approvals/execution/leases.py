"""Leases: of several workers that hear of a decision, exactly one acts on it.

A lease is on a request in which something is settled: before that there is nothing to act on, and any number of
workers may wait. It ends by itself, so that a worker that died holds nothing up; who has it may extend or return it.
"""

from datetime import datetime, timedelta

from django.db.models import Q

from approvals.db import times
from approvals.errors import ReviewError
from approvals.models import ApprovalRequest
from approvals.models.states import OPEN

LONGEST = timedelta(hours=1)


class Leased(ReviewError):
    """Another worker acts on it, until then."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Another worker acts on this request until {until:%Y-%m-%d %H:%M:%S} UTC.")
        self.until = until


class NothingSettled(ReviewError):
    """Nothing of the request is settled yet; wait for the decision."""


def lease(request: ApprovalRequest, *, worker: str, span: timedelta) -> datetime:
    """Let this worker alone act on the request for so long from now; again, by the same worker, extends it.

    Returns when it ends. Raises Leased, NothingSettled.
    """
    if not _has_something_settled(request):
        raise NothingSettled("Nothing of this request is settled yet; wait for the decision, then take the lease.")
    now = times.now()
    until = now + min(span, LONGEST)
    # The UPDATE is the lock: of two workers, the second finds the first one's name.
    free = Q(lease_until=None) | Q(lease_until__lte=now) | Q(lease_holder=worker)
    if not ApprovalRequest.objects.filter(free, pk=request.pk).update(lease_holder=worker, lease_until=until):
        request.refresh_from_db(fields=["lease_until"])
        raise Leased(request.lease_until or now)
    return until


def release(request: ApprovalRequest, *, worker: str) -> None:
    """Give the lease back.

    It is no error where nobody holds it any more; raises Leased where another worker holds it.
    """
    now = times.now()
    ApprovalRequest.objects.filter(pk=request.pk, lease_holder=worker).update(lease_holder="", lease_until=None)
    held = (
        ApprovalRequest.objects.filter(pk=request.pk, lease_until__gt=now).values_list("lease_until", flat=True).first()
    )
    if held is not None:
        raise Leased(held)


def _has_something_settled(request: ApprovalRequest) -> bool:
    """A closed request; of an open one that is answered as the items come, one with a settled item."""
    if request.status != ApprovalRequest.Status.PENDING:
        return True
    if request.decide != ApprovalRequest.Decide.INDEPENDENTLY:
        return False
    return request.approvals.exclude(status__in=OPEN).exists()
