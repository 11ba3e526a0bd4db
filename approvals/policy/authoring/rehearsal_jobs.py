"""Rehearsals as jobs: requested, worked through with progress, and kept; where a worker dies another goes on.

A rehearsal is no part of policy and of no history: the oldest are forgotten.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.models import Rehearsal, RoutingChange, User
from approvals.policy import reasons
from approvals.policy.authoring import documents, rehearsal, versions
from approvals.policy.authoring.rehearsal import MOST, Period
from approvals.policy.authoring.versions import NotPublished
from approvals.policy.snapshot import Unpublishable

log = logging.getLogger(__name__)

KEPT = 20
AT_ONCE_UP_TO = 1000  # approvals that are looked at while the admin waits
SILENT = timedelta(seconds=30)  # after which whoever works on it is taken for dead


@transaction.atomic
def ask(period: Period, *, by: User | None) -> Rehearsal:
    """Ask what the draft would have done to this period. Raises NotPublished, Unpublishable."""
    draft = versions.draft()
    if draft.base is None or not draft.differs:
        raise NotPublished(_("Nothing differs from the policy in force."))
    if faults := documents.faults_of(draft.snapshot):
        raise Unpublishable(faults)
    made = Rehearsal.objects.create(
        base=draft.base,
        draft=draft.snapshot,
        digest=draft.digest,
        last=min(period.last, MOST),
        since=period.since,
        until=period.until,
        asked_by=by,
        asked_at=times.now(),
        total=min(period.total(), MOST),
    )
    kept = Rehearsal.objects.order_by("-asked_at").values_list("pk", flat=True)[:KEPT]
    Rehearsal.objects.exclude(pk__in=list(kept)).delete()
    return made


def due() -> Sequence[UUID]:
    """Rehearsals that nobody works on."""
    idle = Q(heartbeat_at=None) | Q(heartbeat_at__lt=times.now() - SILENT)
    return list(Rehearsal.objects.filter(idle, done_at=None).order_by("asked_at").values_list("pk", flat=True))


def carry_out(pk: UUID) -> None:
    """Carry one out. Left alone where it is done, or where somebody works on it."""
    now = times.now()
    idle = Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - SILENT)
    if not Rehearsal.objects.filter(idle, pk=pk, done_at=None).update(heartbeat_at=now):
        return
    rehearsal_row = Rehearsal.objects.select_related("base").get(pk=pk)
    try:
        _carry_out(rehearsal_row)
    except Exception:
        log.exception("rehearsal %s failed", pk)
        Rehearsal.objects.filter(pk=pk).update(
            failure="It failed; the log of the server says why.", done_at=times.now()
        )


def _carry_out(rehearsal_row: Rehearsal) -> None:
    RoutingChange.objects.filter(rehearsal=rehearsal_row).delete()  # of a worker that died
    looked, counts, left_out = 0, Counter[str](), Counter[str]()
    for part in rehearsal.rehearse_in_parts(
        rehearsal_row.base.snapshot,
        rehearsal_row.draft,
        Period(rehearsal_row.last, rehearsal_row.since, rehearsal_row.until),
    ):
        looked += part.examined
        counts += part.kinds()
        left_out += part.left_out
        with transaction.atomic():
            RoutingChange.objects.bulk_create(
                RoutingChange(
                    rehearsal=rehearsal_row,
                    approval_id=moved.approval_id,
                    kind=moved.kind,
                    rank=moved.rank,
                    before=moved.before.as_json(),
                    after=moved.after.as_json(),
                    why=reasons.as_json(moved.why),
                )
                for moved in part.moved
            )
            Rehearsal.objects.filter(pk=rehearsal_row.pk).update(
                looked=looked, moved=counts.total(), counts=counts, left_out=left_out, heartbeat_at=times.now()
            )
    # More may have been submitted, or less be there, than when it was asked.
    Rehearsal.objects.filter(pk=rehearsal_row.pk).update(done_at=times.now(), total=F("looked"))
