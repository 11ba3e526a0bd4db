"""When a run has ended: its agent says so, or has been silent for too long; the windows of its post-reviews close."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Greatest

from approvals.db import times
from approvals.history import audit
from approvals.history.facts import Reviewed
from approvals.models import Approval, ApprovalRequest, PostReview, Run, Step
from approvals.policy import snapshot

SET = 500  # rows of one transaction
_OPEN = PostReview.Finding.OPEN


@transaction.atomic
def end_run(run: Run) -> Run:
    """The agent says that the run is over: what went ahead in it is due to be reviewed. Saying it again is fine."""
    _ended(run.pk, now=times.now())
    run.refresh_from_db()
    return run


def _ended(run_id: UUID, *, now: datetime) -> None:
    Run.objects.filter(pk=run_id, ended_at=None).update(ended_at=now)
    # There is no hurry any more; what comes later in an ended run is due at once.
    PostReview.objects.filter(run=run_id, why=PostReview.Why.REVIEW, until__isnull=False).update(until=None)


def close_lapsed_windows() -> int:
    """Close the windows in which nobody vetoed, and end the runs that have been silent; returns how many looks moved.

    The clock calls it; two at once are harmless.
    """
    done = 0
    while True:
        with transaction.atomic():
            now = times.now()
            due = Approval.objects.filter(post_review__finding=_OPEN, post_review__until__lte=now)
            # The approval's row first, as for whoever says what was found.
            rows = list(
                due.order_by("post_review__until", "pk")
                .select_for_update(no_key=True, skip_locked=True, of=("self",))
                .values_list("pk", flat=True)[:SET]
            )
            moved = _close(rows, now=now) + _end_silent_runs(rows, now=now)
        done += moved
        if len(rows) < SET or not moved:
            return done


def _close(approvals: Sequence[UUID], *, now: datetime) -> int:
    """Nobody vetoed: it stays as policy approved it."""
    over = PostReview.objects.filter(pk__in=approvals, why=PostReview.Why.VETO, finding=_OPEN, until__lte=now)
    lapsed = list(over.order_by("pk").values_list("pk", flat=True))
    over.update(finding=PostReview.Finding.LAPSED, at=now)
    facts = Reviewed(why=PostReview.Why.VETO, finding=PostReview.Finding.LAPSED)
    audit.move([audit.Move(pk, facts, audit.CLOCK, expect={}) for pk in lapsed], now=now)
    return len(lapsed)


def _end_silent_runs(approvals: Sequence[UUID], *, now: datetime) -> int:
    """End the runs of these of which nothing was heard for as long as their action types wait."""
    ahead = PostReview.objects.filter(pk__in=approvals, why=PostReview.Why.REVIEW, finding=_OPEN, run__isnull=False)
    ids = sorted(set(ahead.order_by().values_list("run", flat=True)))
    runs = list(Run.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True))
    for run in runs:
        silent_at = _silent_at(run)
        if silent_at <= now or run.stopped_at is not None:
            _ended(run.pk, now=now)
        else:
            PostReview.objects.filter(run=run, why=PostReview.Why.REVIEW, finding=_OPEN).update(until=silent_at)
    return len(runs)


def _silent_at(run: Run) -> datetime:
    """When the run counts as over if nothing more is heard of it: the shortest wait of what went ahead in it."""
    of_requests = ApprovalRequest.objects.filter(run=run).aggregate(at=Max("created_at"))["at"]
    of_steps = Step.objects.filter(run=run).aggregate(at=Max(Greatest("started_at", "done_at", "undone_at")))["at"]
    used = Approval.objects.filter(request__run=run).aggregate(at=Max("consumed_at"))["at"]
    open_ = Approval.objects.filter(
        post_review__run=run, post_review__why=PostReview.Why.REVIEW, post_review__finding=_OPEN
    )
    kinds = set(open_.order_by().values_list("policy", "action_type"))
    wait = min(snapshot.load(number).types[name].expires_after for number, name in kinds)
    heard: datetime = max(filter(None, (run.created_at, of_requests, of_steps, used)))
    return heard + wait
