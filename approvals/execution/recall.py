"""Taking back an approval that was released and whose permit nobody has used, whoever or whatever released it.

Whoever could decide it in its tier may recall it: to take back is always safe. One conditional UPDATE settles the race
against `consume`: either the permit was used, or the approval is recalled. Its agent reads a second decision document;
the first stays as it was. With a plan goes what is unused of it, with an approval what was given on its card.

What runs by a standing approval while we are out of reach cannot be recalled: its uses are in the agent's hands until
its token ends, and one made after the revocation comes back as a violation.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from approvals.autonomy import levels
from approvals.db import times
from approvals.decisions.card_version import CardVersion, load
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed, OutOfDate, ReviewError, how_it_ended
from approvals.execution import spending
from approvals.history import audit, recorded
from approvals.history.facts import IncidentOpened, Recalled
from approvals.models import (
    Approval,
    ApprovalRequest,
    Decision,
    Incident,
    Outcome,
    PostReview,
    Recall,
    User,
)
from approvals.models.states import ItemType, Status
from approvals.models.verdict import RecallReason
from approvals.notify import outbox
from approvals.people import authorities, eligibility
from approvals.requests import decision_document
from approvals.requests.withdrawal import take_back_grants
from approvals.values import texts
from approvals.values.schema import Fault

RAN = "It was recalled before its permit was used, and its agent reports all the same that it ran."
FAILED = "It was recalled before its permit was used, and its agent reports all the same that it tried, and failed."


class TooLate(ReviewError):
    """The approval cannot be recalled any more; `used_at` is when its permit was used, None where something else is."""

    def __init__(self, approval: Approval) -> None:
        self.approval, self.used_at = approval, approval.consumed_at
        super().__init__(_used(approval) if self.used_at else how_it_ended(approval))


def _used(approval: Approval) -> str:
    at = date_format(approval.consumed_at, "H:i:s") if approval.consumed_at else ""
    message = _("Too late: %(agent)s used the permit at %(at)s UTC, so this can no longer be taken back.")
    return message % {"agent": approval.agent.name, "at": at}


@transaction.atomic
def recall(seen: CardVersion, *, by: User, verdict_input: VerdictInput) -> Approval:
    """Take back a released, unused approval, with a reason and a message for its agent; returns it as it then is.

    Raises NotAllowed, OutOfDate when the card showed something else, BadVerdict without a reason, or TooLate when the
    permit was used or somebody else was first.
    """
    now = times.now()
    approval = load(seen.id)
    _refuse_unless_possible(approval, seen, by=by)
    faults = faults_of(verdict_input)
    if faults:
        raise BadVerdict(faults)
    authority = authorities.authority_of(by)
    [loan, *_others] = authority.delegations_for(approval.tier_id, approval.domain_id, approval.agent_id)
    actor = audit.Actor.person(by)
    facts = Recalled(
        reason=verdict_input.reason,
        tier=approval.tier_id,
        source=approval.source,
        surface=verdict_input.surface,
        in_place_of=loan.username if loan else None,
    )
    rows = _rows([approval], by=by, loan=loan, verdict_input=verdict_input, now=now)
    moved = audit.move_one(_move(approval, actor, facts, rows), now=now)
    if not moved:
        current = load(seen.id)
        _refuse_unless_possible(current, seen, by=by)
        raise TooLate(current)
    # Whatever step of the plan was taken until that UPDATE is committed, and found here; no other passes any more.
    unused, with_plan = _unused_steps(approval), replace(facts, with_plan=approval.pk)
    rows |= _rows(unused, by=by, loan=loan, verdict_input=verdict_input, now=now)
    steps = audit.move([_move(step, actor, with_plan, rows) for step in unused], now=now)
    recalled = [moved, *steps]
    Decision.objects.filter(decision_document.STANDS, approval__in=recalled).update(recalled_at=now)
    Recall.objects.bulk_create(rows[approval.pk] for approval in recalled)
    take_back_grants(recalled, by=actor, now=now)
    PostReview.objects.filter(pk__in=recalled, finding=PostReview.Finding.OPEN).update(
        finding=PostReview.Finding.RECALLED, by=by, at=now
    )
    spending.give_back_recalled(moved)
    _answer_anew(recalled)
    return load(approval.pk)


def faults_of(verdict_input: VerdictInput) -> list[Fault]:
    """What is missing of a recall's reason: one of the list, with a text where it is another."""
    message, faults = (verdict_input.message or "").strip(), []
    if verdict_input.reason not in RecallReason.values:
        faults.append(Fault("/reason", _("Choose why this is taken back.")))
    if verdict_input.reason == RecallReason.OTHER and not message:
        faults.append(Fault("/message", _("Say why, in a few words; the agent reads it.")))
    return [*faults, *texts.too_long("/message", message)]


def _refuse_unless_possible(approval: Approval, seen: CardVersion, *, by: User) -> None:
    if not authorities.authority_of(by).decides(approval.tier_id, approval.domain_id, approval.agent_id):
        raise NotAllowed
    if (approval.revision, approval.round, approval.digest) != (seen.revision, seen.round, seen.digest):
        raise OutOfDate(approval)
    if eligibility.recallable(approval):
        return
    if approval.is_open or not eligibility.can_be_recalled(approval):
        raise NotAllowed(_("Nothing was approved here that could be taken back."))
    raise TooLate(approval)


def _move(approval: Approval, actor: audit.Actor, facts: Recalled, rows: Mapping[UUID, Recall]) -> audit.Move:
    return audit.Move(
        approval.pk,
        facts,
        actor,
        expect={
            "status": Status.RELEASED,
            "consumed_at": None,
            "revision": approval.revision,
            "round": approval.round,
            # An amendment of who decides it in between may have left this person behind.
            "tier_id": approval.tier_id,
            "domain_id": approval.domain_id,
        },
        sets={"status": Status.RECALLED},
        digests=recorded.related_digests(
            recall=rows.get(approval.pk)
        ),  # none where somebody was first: then nothing moves
    )


def _unused_steps(plan: Approval) -> list[Approval]:
    """What passed as a step of a plan, and has not run."""
    if plan.item_type != ItemType.PLAN:
        return []
    return [
        step for step in plan.covered.filter(status=Status.RELEASED, consumed_at=None) if eligibility.recallable(step)
    ]


def _rows(
    approvals: Sequence[Approval],
    *,
    by: User,
    loan: authorities.Delegation | None,
    verdict_input: VerdictInput,
    now: datetime,
) -> dict[UUID, Recall]:
    """Who takes back the decisions that stand on these, and why; not saved."""
    return {
        decision.approval_id: Recall(
            approval=decision.approval,
            decision=decision,
            user=by,
            in_place_of_id=loan.of if loan else None,
            tier_id=decision.approval.tier_id,
            surface=verdict_input.surface,
            reason=verdict_input.reason,
            message=(verdict_input.message or "").strip(),
            recalled_at=now,
        )
        for decision in Decision.objects.filter(decision_document.STANDS, approval__in=approvals).select_related(
            "approval"
        )
    }


def _answer_anew(approvals: Sequence[Approval]) -> None:
    """Write the second decision document of each answered request, and tell the agents; what is open is answered so."""
    ids = sorted({approval.request_id for approval in approvals})
    requests = {
        request.pk: request for request in ApprovalRequest.objects.filter(pk__in=ids).order_by("pk").select_for_update()
    }
    items: dict[UUID, list[Approval]] = defaultdict(list)
    for approval in approvals:
        items[approval.request_id].append(approval)
    for pk, recalled in items.items():
        request = requests[pk]
        if request.answer:
            request.recalled_answer = decision_document.recalled_document(request, recalled)
            request.save(update_fields=["recalled_answer"])
    approvals_known_to_agent = [
        approval for approval in approvals if eligibility.agent_knows(requests[approval.request_id])
    ]
    outbox.tell_recalled([(requests[approval.request_id], approval) for approval in approvals_known_to_agent])


# --- When it ran all the same


def ran_anyway(approval: Approval, result: str, *, now: datetime) -> None:
    """Open the incident of a recalled approval of which its agent says that it ran; once, and the agents hear of it.

    The caller holds the approval's row.
    """
    if result == Outcome.Result.SKIPPED:
        return
    failed = result == Outcome.Result.FAILED
    severity = Incident.Severity.HIGH if failed else Incident.Severity.CRITICAL
    text = FAILED if failed else RAN
    if Incident.objects.filter(approval=approval, opened_by=None, text__in=[RAN, FAILED]).exists():
        return
    incident = Incident.objects.create(approval=approval, severity=severity, text=text)
    facts = IncidentOpened(incident=incident.pk, severity=incident.severity, recalled=True)
    digests = recorded.related_digests(incident=incident)
    move = audit.Move(approval.pk, facts, audit.POLICY, {}, {"faulted_at": now}, digests)
    audit.move_one(move, now=now)
    outbox.tell_incident(incident, approval)
    levels.lower_after_incident(incident, approval, by=audit.POLICY)
