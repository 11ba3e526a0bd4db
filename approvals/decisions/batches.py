"""Several alike approvals settled together, each by a decision of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from uuid import UUID

from django.utils.translation import gettext as _

from approvals.decisions import attempts
from approvals.decisions.card_version import CardVersion
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import NO_INPUT, VerdictInput
from approvals.errors import NotAllowed, ReviewError
from approvals.models import Approval, User
from approvals.models.policy import Verdict
from approvals.models.states import Status
from approvals.people import access
from approvals.people.eligibility import batchable

MOST = 1000


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one item: settled, or why not."""

    id: UUID
    ok: bool
    text: str
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class BatchGroup:
    """Open approvals of one action type and tier that may be settled together."""

    action_type: str
    tier: int
    approvals: tuple[Approval, ...]


def batch_groups(approvals: Iterable[Approval], *, least: int = 2) -> list[BatchGroup]:
    """Approvals grouped by what may be settled together, largest first; groups smaller than `least` are left out."""

    def group_key(approval: Approval) -> tuple[str, int]:
        return approval.action_type_id or "", approval.tier_id

    alike = sorted(filter(batchable, approvals), key=group_key)
    all_groups = [BatchGroup(*key, tuple(group)) for key, group in groupby(alike, key=group_key)]
    return sorted(
        (group for group in all_groups if len(group.approvals) >= least), key=lambda group: -len(group.approvals)
    )


def decide_many(
    seen: Sequence[CardVersion],
    *,
    by: User,
    verdict: str,
    verdict_input: VerdictInput = NO_INPUT,
    attempt: UUID | None = None,
) -> list[BatchResult]:
    """Approve or reject every one of a set; one failure leaves the others as they are. Repeats count once.

    `attempt` is the id of the press that asked for it: what it decided before, it has decided.
    Raises NotAllowed for a verdict that cannot be given together, or for more than a thousand.
    """
    if verdict not in (Verdict.APPROVE, Verdict.REJECT):
        raise NotAllowed(_("Only approving and rejecting can be done together."))
    once = list({one.id: one for one in seen}.values())
    if len(once) > MOST:
        raise NotAllowed(_("At most %(most)d at a time.") % {"most": MOST})
    loaded = access.readable_to(by).select_related("action_type").in_bulk([one.id for one in once])
    kinds = {(one.action_type_id, one.tier_id) for one in loaded.values()}
    if len(kinds) > 1:
        raise NotAllowed(_("These are not of one kind and tier; decide them one by one."))
    return [
        _decide_one(
            card_version,
            loaded.get(card_version.id),
            by=by,
            verdict=verdict,
            verdict_input=verdict_input,
            attempt=attempt,
        )
        for card_version in once
    ]


def undo_many(attempt: UUID, *, by: User) -> list[BatchResult]:
    """Take back whatever of one attempt's verdicts is still held, each by itself."""
    results = []
    for approval in attempts.held_of(attempt, by=by):
        try:
            results.append(BatchResult(approval.pk, True, _("Taken back"), undo(approval.pk, by=by)))
        except ReviewError as error:
            results.append(BatchResult(approval.pk, False, str(error), approval))
    return results


def _decide_one(
    seen: CardVersion,
    approval: Approval | None,
    *,
    by: User,
    verdict: str,
    verdict_input: VerdictInput,
    attempt: UUID | None,
) -> BatchResult:
    if approval is None:
        return BatchResult(seen.id, False, _("There is no such approval."))
    if approval.status == Status.PENDING and not batchable(approval):
        return BatchResult(seen.id, False, _("This one has to be decided by itself."), approval)
    done = _("Approved") if verdict == Verdict.APPROVE else _("Rejected")
    deciding = partial(decide, seen, by=by, verdict=verdict, verdict_input=verdict_input)
    try:
        settled = attempts.change_once(attempt, seen.id, by=by, does=verdict, change=deciding)
    except attempts.Repeated:
        return BatchResult(seen.id, True, done, approval)
    except ReviewError as error:
        return BatchResult(seen.id, False, str(error), approval)
    return BatchResult(seen.id, True, done, settled)
