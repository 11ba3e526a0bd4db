"""The moves of an approval that a verdict makes: it settles, counts as one of several, or goes to its next stage.

Each is one conditional UPDATE over exactly what its author saw.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from approvals import audit, recorded
from approvals.models import Approval, Event, User
from approvals.models.approval import Source, Status
from approvals.models.policy import Verdict
from approvals.policy.schema import Json
from approvals.review import access, stages
from approvals.review.revisions import Revised

if TYPE_CHECKING:
    from approvals.review.decisions import Seen, Words


def verdict_of(
    approval: Approval,
    seen: "Seen",
    change: Revised,
    verdict: str,
    votes: int,
    *,
    by: User,
    place: access.Loan | None,
    words: "Words",
    now: datetime,
) -> audit.Move:
    """The move that settles: held for the tier's undo window, or released at once where there is none."""
    proposal = change.proposal or approval.proposal
    changed = proposal is not None and proposal.author_id is not None
    effective = Verdict.MODIFY if verdict == Verdict.APPROVE and changed else verdict
    holds = approval.hold > timedelta(0)
    counted = verdict in (Verdict.APPROVE, Verdict.MODIFY)
    return audit.Move(
        approval.pk,
        Event.Kind.DECIDED,
        audit.Actor.person(by),
        expect=_as_seen(approval, seen),
        sets={
            "status": Status.HELD if holds else Status.RELEASED,
            "verdict": effective,
            "source": Source.HUMAN,
            "decided_by_id": by.pk,
            "decided_at": now,
            "hold_until": now + approval.hold if holds else None,
            "released_at": None if holds else now,
            "viewed": words.viewed,
            # Who decides at once has opened it with the same press.
            "first_opened_at": approval.first_opened_at or (now if words.surface == "page" else None),
            **change.columns,
            "claimed_by_id": None,
            "claim_until": None,
            "votes": min(votes, change.approvers) if counted else approval.votes,
        },
        facts={
            "verdict": effective,
            "surface": words.surface,
            "tier": approval.tier_id,
            "revision": change.revision,
            "digest": change.digest,
            **stages.facts(change.asked, change.stage),
            **_for(place),
            **({"reason": words.reason} if words.reason else {}),
            **({"alternative": words.alternative} if words.alternative else {}),
            **({"edited": list(change.edited)} if change.edited else {}),
            **({"stop": True} if words.stop and effective == Verdict.REJECT else {}),
        },
        digests={"decision": recorded.decision(words.said_with(effective))},
    )


def vote(
    approval: Approval,
    seen: "Seen",
    change: Revised,
    votes: int,
    *,
    by: User,
    place: access.Loan | None,
    now: datetime,
) -> audit.Move:
    """The move of one approval among several: the row counts, so that two at once cannot both be the last."""
    columns = {**change.columns, "votes": votes, "claimed_by_id": None, "claim_until": None}
    went = columns.get("tier_id", approval.tier_id), columns.get("domain_id", approval.domain_id)
    moves = went != (approval.tier_id, approval.domain_id)
    facts = stages.going(approval, change.asked, change.stage, columns.get("due_at")) if moves else {}
    return audit.Move(
        approval.pk,
        Event.Kind.MODIFIED if change.proposal else Event.Kind.VOTED,
        audit.Actor.person(by),
        expect=_as_seen(approval, seen),
        sets=columns,
        facts={**_counted(change, votes), **_for(place), **facts},
    )


def onward(
    approval: Approval,
    seen: "Seen",
    change: Revised,
    votes: int,
    *,
    by: User,
    place: access.Loan | None,
    now: datetime,
) -> audit.Move:
    """The move of the last approval of a stage: in the same UPDATE it waits in the next one."""
    following = change.stage + 1
    columns = {
        **change.columns,
        **stages.entering(approval, change.asked, following, now=now),
        "claimed_by_id": None,
        "claim_until": None,
    }
    return audit.Move(
        approval.pk,
        Event.Kind.MODIFIED if change.proposal else Event.Kind.STAGED,
        audit.Actor.person(by),
        expect=_as_seen(approval, seen),
        sets=columns,
        facts={
            **_counted(change, votes),
            **_for(place),
            **stages.going(approval, change.asked, following, columns["due_at"]),
        },
    )


def _counted(change: Revised, votes: int) -> dict[str, Json]:
    return {
        "votes": votes,
        "of": change.approvers,
        **stages.facts(change.asked, change.stage),
        "revision": change.revision,
        "digest": change.digest,
        **({"edited": list(change.edited)} if change.edited else {}),
    }


def _for(place: access.Loan | None) -> dict[str, Json]:
    return {"for": place.username} if place else {}


def _as_seen(approval: Approval, seen: "Seen") -> Mapping[str, object]:
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
