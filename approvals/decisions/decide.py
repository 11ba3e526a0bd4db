"""Deciding: one person's verdict on exactly what that person saw.

A verdict makes one of three moves, each one conditional UPDATE over exactly what its author saw: it settles, counts as
one of several votes, or carries the approval to its next stage.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from approvals.db import stop_lock, times
from approvals.decisions import guidance, modification, stages
from approvals.decisions.card_version import CardVersion, load
from approvals.decisions.modification import VerdictRevision
from approvals.decisions.verdict_input import NO_INPUT, VerdictInput, verdict_faults
from approvals.errors import (
    BadVerdict,
    LacksFactor,
    NoLongerPending,
    NotAllowed,
    NotOffered,
    OutOfDate,
    Stopped,
)
from approvals.history import audit, recorded
from approvals.history.facts import Counted, Decided, Modified, Staged, Voted
from approvals.models import Approval, Decision, User, Vote
from approvals.models.approval import NO_CLAIM
from approvals.models.policy import Verdict
from approvals.models.states import RUNNING, ItemType, Kind, Source, Status
from approvals.notify import notifications, outbox
from approvals.oversight import judging
from approvals.people import access, authorities
from approvals.requests.closing import close_settled
from approvals.values import edits
from approvals.values.schema import Fault, Json


def decide(seen: CardVersion, *, by: User, verdict: str, verdict_input: VerdictInput = NO_INPUT) -> Approval:
    """Settle a pending approval, or cast one of the votes it needs; returns it as it then is.

    Raises NotAllowed, BadVerdict, OutOfDate when it was revised since, NoLongerPending when another person, the agent
    or the clock was first, or Stopped for anything but a rejection while everything is.
    """
    for _attempt in range(5):
        settled = _decide(seen, by=by, verdict=verdict, verdict_input=verdict_input)
        if settled is not None:
            return settled
        # Only the count of votes moved: a colleague approved at the same moment, which is no conflict.
    raise NoLongerPending(load(seen.id))


@transaction.atomic
def _decide(seen: CardVersion, *, by: User, verdict: str, verdict_input: VerdictInput) -> Approval | None:
    now = times.now()
    approval = load(seen.id)
    authority = _refuse_unless_possible(approval, seen, by=by, verdict=verdict, now=now)
    if verdict != Verdict.REJECT and stop_lock.lock_shared():
        raise Stopped
    loan = _delegation_for(approval, by, authority)
    faults = verdict_faults(approval, verdict, verdict_input)
    if faults:
        raise BadVerdict(faults)
    change = modification.verdict_revision(
        approval, verdict, _edited(approval, verdict, verdict_input), verdict_input.alternative, by=by, now=now
    )
    approving = verdict in (Verdict.APPROVE, Verdict.MODIFY)
    votes = (0 if change.proposal else approval.votes) + (1 if change.counts else 0)
    reached = votes >= change.approvers
    final = not approving or (reached and change.stage + 1 == len(change.required_stages))
    if final:
        move = _settling(approval, seen, change, verdict, votes, by=by, loan=loan, verdict_input=verdict_input, now=now)
    elif reached:
        move = _to_next_stage(approval, seen, change, votes, by=by, loan=loan, now=now)
    else:
        move = _counting(approval, seen, change, votes, by=by, loan=loan, now=now)
    vote = None
    if approving and change.several and change.counts:
        vote = _vote(approval, change, by=by, loan=loan, note=verdict_input.message or "", now=now)
        move = replace(move, digests={**move.digests, **recorded.related_digests(vote=vote)})
    moved = audit.move_one(move, now=now, guard=audit.UNLESS_OVER)
    if not moved:
        current = load(seen.id)
        unchanged = (current.revision, current.round, current.stage) == (seen.revision, seen.round, seen.stage)
        if current.status == Status.PENDING and unchanged:
            if current.expires_at and current.expires_at <= times.now():
                raise NoLongerPending(current)
            return None
        _refuse_unless_possible(current, seen, by=by, verdict=verdict, now=times.now())
        return None
    if change.proposal:
        change.proposal.save(force_insert=True)
    if vote:
        _cast(vote)
    if not final and moved.queue != approval.queue:
        notifications.notify([moved], notifications.NEW, now=now)
        outbox.tell_staged([moved])
    settled = _with_relations(moved, approval, change, by=by if final else None)
    if final:
        _record(settled, by=by, loan=loan, verdict_input=verdict_input, now=now)
        if settled.kind == Kind.SEEDED:
            judging.judge(settled, by=by, edited=change.edited, now=now)
        if settled.status == Status.RELEASED:
            guidance.send_released([settled], now=now)
            # A stop closes other requests of the run, too.
            for closed in close_settled([settled], now=now):
                if closed.pk == settled.request_id:
                    settled.request = closed
    return settled


def _edited(approval: Approval, verdict: str, verdict_input: VerdictInput) -> Json:
    """The arguments as the edit leaves them, or {"steps": …} for a plan. Raises BadVerdict."""
    if verdict != Verdict.MODIFY or approval.proposal is None:
        return None
    if approval.item_type == ItemType.PLAN:
        return {"steps": verdict_input.steps}
    try:
        return edits.apply(approval.proposal.args, verdict_input.edits)
    except edits.BadEdit as error:
        raise BadVerdict([Fault(f"/edits{error.fault.pointer}", error.fault.message)]) from error


def _with_relations(
    moved: Approval, before: Approval, change: modification.VerdictRevision, *, by: User | None
) -> Approval:
    """The updated row with the related objects that were loaded before: deciding many must not load each twice."""
    moved.request, moved.agent = before.request, before.agent
    moved.action_type = before.action_type
    if moved.tier_id == before.tier_id:
        moved.tier = before.tier
    moved.proposal = change.proposal or before.proposal
    moved.decided_by, moved.claimed_by = by, None
    return moved


def _refuse_unless_possible(
    approval: Approval, seen: CardVersion, *, by: User, verdict: str, now: datetime
) -> authorities.Authority:
    authority = authorities.authority_of(by)
    before = (approval.revision, approval.round, approval.digest)
    staged = before == (seen.revision, seen.round, seen.digest) and approval.stage > seen.stage
    if staged and approval.status == Status.PENDING and authority.reviewed_its_queues(approval):
        raise OutOfDate(approval, staged=True)
    if not authority.decides(approval.tier_id, approval.domain_id, approval.agent_id):
        raise LacksFactor if access.lacks_only_factor(approval, authority) else NotAllowed
    if approval.status != Status.PENDING or (approval.expires_at and approval.expires_at <= now):
        raise NoLongerPending(approval)
    if before != (seen.revision, seen.round, seen.digest) or approval.stage != seen.stage:
        raise OutOfDate(approval)
    if verdict not in access.actions_for(approval, by, now=now, authority=authority):
        raise NotAllowed if verdict in approval.allowed else NotOffered(approval.allowed)
    return authority


def _delegation_for(approval: Approval, by: User, authority: authorities.Authority) -> authorities.Delegation | None:
    """In whose place this person decides it; None as oneself, which a rejection always is where it can be."""
    voice = access.delegation_for(approval, by, authority)
    if isinstance(voice, access.AlreadyApproved):
        voices = authority.delegations_for(approval.tier_id, approval.domain_id, approval.agent_id)
        return voices[0] if voices else None
    return voice


def _vote(
    approval: Approval,
    change: modification.VerdictRevision,
    *,
    by: User,
    loan: authorities.Delegation | None,
    note: str,
    now: datetime,
) -> Vote:
    """This person's approval among several, of the revision that it leaves; not saved."""
    return Vote(
        approval=approval,
        revision=change.revision,
        round=approval.round,
        stage=change.stage,
        user=by,
        in_place_of_id=loan.of if loan else None,
        note=note,
        created_at=now,
    )


def _cast(vote: Vote) -> None:
    try:
        with transaction.atomic():
            vote.save(force_insert=True)
    except IntegrityError as error:
        raise NotAllowed(_("You have approved this already; another person must.")) from error


def _record(
    approval: Approval, *, by: User, loan: authorities.Delegation | None, verdict_input: VerdictInput, now: datetime
) -> None:
    decision = Decision.on(
        approval,
        surface=verdict_input.surface,
        at=now,
        user=by,
        in_place_of_id=loan.of if loan else None,
        **verdict_input.columns_for(approval.verdict),
    )
    decision.save(force_insert=True)


# --- The move that a verdict makes


def _settling(
    approval: Approval,
    seen: CardVersion,
    change: VerdictRevision,
    verdict: str,
    votes: int,
    *,
    by: User,
    loan: authorities.Delegation | None,
    verdict_input: VerdictInput,
    now: datetime,
) -> audit.Move:
    """The move that settles: held for the tier's undo window, or released at once where there is none."""
    proposal = change.proposal or approval.proposal
    changed = proposal is not None and proposal.author_id is not None
    effective = Verdict.MODIFY if verdict == Verdict.APPROVE and changed else verdict
    # Who has heard that it was a test case could take the verdict back, and no agent waits for it.
    holds = approval.hold > timedelta(0) and approval.kind in RUNNING
    counted = verdict in (Verdict.APPROVE, Verdict.MODIFY)
    return audit.Move(
        approval.pk,
        Decided(
            verdict=effective,
            surface=verdict_input.surface,
            tier=approval.tier_id,
            revision=change.revision,
            digest=change.digest,
            in_place_of=loan.username if loan else None,
            reason=verdict_input.reason or None,
            alternative=verdict_input.alternative or None,
            edited=tuple(change.edited) or None,
            stop=(verdict_input.stop and effective == Verdict.REJECT) or None,
            **stages.number_of_stage(change.required_stages, change.stage),
        ),
        audit.Actor.person(by),
        expect=_as_seen(approval, seen),
        sets={
            "status": Status.HELD if holds else Status.RELEASED,
            "verdict": effective,
            "source": Source.HUMAN,
            "decided_by_id": by.pk,
            "decided_at": now,
            "hold_until": now + approval.hold if holds else None,
            "released_at": now if not holds and approval.kind in RUNNING else None,
            "viewed": verdict_input.viewed,
            # Who decides at once has opened it with the same press.
            "first_opened_at": approval.first_opened_at or (now if verdict_input.surface == "page" else None),
            **change.columns,
            **NO_CLAIM,
            "votes": min(votes, change.approvers) if counted else approval.votes,
        },
        digests={"decision": recorded.decision_digest(verdict_input.columns_for(effective))},
    )


def _counting(
    approval: Approval,
    seen: CardVersion,
    change: VerdictRevision,
    votes: int,
    *,
    by: User,
    loan: authorities.Delegation | None,
    now: datetime,
) -> audit.Move:
    """The move of one approval among several: the row counts, so that two at once cannot both be the last."""
    columns = {**change.columns, "votes": votes, **NO_CLAIM}
    went = columns.get("tier_id", approval.tier_id), columns.get("domain_id", approval.domain_id)
    moves = went != (approval.tier_id, approval.domain_id)
    to_stage: stages.ChangeOfStage = (
        stages.change_of_stage(approval, change.required_stages, change.stage, columns.get("due_at")) if moves else {}
    )
    return audit.Move(
        approval.pk,
        _vote_facts(Modified if change.proposal else Voted, change, votes, loan, to_stage),
        audit.Actor.person(by),
        expect=_as_seen(approval, seen),
        sets=columns,
    )


def _to_next_stage(
    approval: Approval,
    seen: CardVersion,
    change: VerdictRevision,
    votes: int,
    *,
    by: User,
    loan: authorities.Delegation | None,
    now: datetime,
) -> audit.Move:
    """The move of the last approval of a stage: in the same UPDATE it waits in the next one."""
    following = change.stage + 1
    columns = {
        **change.columns,
        **stages.stage_columns(approval, change.required_stages, following, now=now),
        **NO_CLAIM,
    }
    to_stage = stages.change_of_stage(approval, change.required_stages, following, columns["due_at"])
    return audit.Move(
        approval.pk,
        _vote_facts(Modified if change.proposal else Staged, change, votes, loan, to_stage),
        audit.Actor.person(by),
        expect=_as_seen(approval, seen),
        sets=columns,
    )


def _vote_facts(
    kind: type[Counted],
    change: VerdictRevision,
    votes: int,
    loan: authorities.Delegation | None,
    to_stage: stages.ChangeOfStage,
) -> Counted:
    return kind(
        votes=votes,
        of=change.approvers,
        revision=change.revision,
        digest=change.digest,
        edited=tuple(change.edited) or None,
        in_place_of=loan.username if loan else None,
        **stages.number_of_stage(change.required_stages, change.stage),
        **to_stage,
    )


def _as_seen(approval: Approval, seen: CardVersion) -> Mapping[str, object]:
    return {
        "status": Status.PENDING,
        "revision": seen.revision,
        "round": seen.round,
        "digest": seen.digest,
        "votes": approval.votes,
        "stage": approval.stage,
        # An escalation in between may have left this person behind.
        "tier_id": approval.tier_id,
        "domain_id": approval.domain_id,
    }
