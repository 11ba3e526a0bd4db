"""Deciding: one person's verdict on exactly what that person saw, and taking it back while it is held."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Self
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from approvals import audit, recorded, stoplock, times
from approvals.models import Approval, Decision, Event, Proposal, User, Vote
from approvals.models.approval import Status, Subject
from approvals.models.policy import Gate, Verdict
from approvals.policy import dialect, edits, schema, snapshot
from approvals.policy.edits import Operation
from approvals.policy.schema import Fault, Json
from approvals.review import access, guidance, moves, outbox, plans, revisions, stages, telling
from approvals.review.errors import (
    BadVerdict,
    LacksFactor,
    NoLongerPending,
    NotAllowed,
    NotOffered,
    OutOfDate,
    Stopped,
    held_when_it_ended,
)
from approvals.review.revise import taken_back
from approvals.review.settle import settle
from approvals.review.withdrawing import NO_VERDICT, take_back_grants

LONGEST_TEXT = 10_000
_VERSION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,5})\.(sha256:[0-9a-f]{64})")
REASONS = ("wrong_amount", "wrong_recipient", "not_justified", "policy", "duplicate", "unclear", "other")


@dataclass(frozen=True, slots=True)
class Seen:
    """An approval as a person's card showed it: a verdict on anything else is refused."""

    id: UUID
    revision: int
    round: int
    digest: str
    stage: int = 0

    @classmethod
    def read(cls, approval_id: UUID, version: str) -> Self:
        """What a card in this version of the approval showed (`Approval.version`). Raises ValueError."""
        parts = _VERSION.fullmatch(version)
        if parts is None:
            raise ValueError("no version of a card")
        revision, round_, stage, digest = parts.groups()
        return cls(approval_id, int(revision), int(round_), digest, int(stage))


class NoAnswer(Enum):
    """That nobody answered: null is an answer of its own."""

    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Words:
    """What a person says with a verdict. `message` None: nothing was said; "" is a message.

    To modify, `edits` are operations on the stored arguments, `steps` what becomes of a plan's steps, and `alternative`
    names one the agent offered. `typed` is the value that a manual gate or a rule asks to type, `fresh` that the person
    proved who they are again; `viewed` is the time in view.
    """

    message: str | None = None
    reason: str = ""
    edits: Sequence[Operation] = ()
    steps: Json = None
    alternative: str = ""
    answer: "Json | NoAnswer" = NoAnswer.NOTHING
    stop: bool = False
    guidance: str = ""
    remember: Json = None
    typed: str = ""
    fresh: bool = False
    surface: str = "page"
    viewed: timedelta = field(default=timedelta(0))

    def said_with(self, verdict: str) -> dict[str, object]:
        """What of it a decision with this verdict holds, by its fields."""
        answers = verdict == Verdict.ANSWER and not isinstance(self.answer, NoAnswer)
        return {
            "reason": self.reason,
            "message": self.message,
            "answer": self.answer if answers else None,
            "alternative": self.alternative,
            "guidance": self.guidance,
            "stop": self.stop and verdict == Verdict.REJECT,
            "remember": self.remember,
        }


NO_WORDS = Words()


def load(approval_id: UUID) -> Approval:
    """An approval with what deciding and showing it reads. Raises Approval.DoesNotExist."""
    return Approval.objects.select_related("pause", "proposal", "tier", "action_type", "agent").get(pk=approval_id)


def decide(seen: Seen, *, by: User, verdict: str, words: Words = NO_WORDS) -> Approval:
    """Settle a pending approval, or cast one of the votes it needs; returns it as it then is.

    Raises NotAllowed, BadVerdict, OutOfDate when it was revised since, NoLongerPending when another person, the agent
    or the clock was first, or Stopped for anything but a rejection while everything is.
    """
    for _attempt in range(5):
        settled = _decide(seen, by=by, verdict=verdict, words=words)
        if settled is not None:
            return settled
        # Only the count of votes moved: a colleague approved at the same moment, which is no conflict.
    raise NoLongerPending(load(seen.id))


@transaction.atomic
def _decide(seen: Seen, *, by: User, verdict: str, words: Words) -> Approval | None:
    now = times.now()
    approval = load(seen.id)
    authority = _refuse_unless_possible(approval, seen, by=by, verdict=verdict, now=now)
    if verdict != Verdict.REJECT and stoplock.hold_off():
        raise Stopped
    place = _place(approval, by, authority)
    faults = _faults(approval, verdict, words)
    if faults:
        raise BadVerdict(faults)
    change = revisions.of(approval, verdict, _edited(approval, verdict, words), words.alternative, by=by, now=now)
    approving = verdict in (Verdict.APPROVE, Verdict.MODIFY)
    votes = (0 if change.proposal else approval.votes) + (1 if change.counts else 0)
    reached = votes >= change.approvers
    final = not approving or (reached and change.stage + 1 == len(change.asked))
    if final:
        move = moves.verdict_of(approval, seen, change, verdict, votes, by=by, place=place, words=words, now=now)
    elif reached:
        move = moves.onward(approval, seen, change, votes, by=by, place=place, now=now)
    else:
        move = moves.vote(approval, seen, change, votes, by=by, place=place, now=now)
    vote = None
    if approving and change.several and change.counts:
        vote = _vote(approval, change, by=by, place=place, note=words.message or "", now=now)
        move = replace(move, digests={**move.digests, **recorded.beside(vote=vote)})
    moved = audit.move([move], now=now, guard=audit.UNLESS_OVER)
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
    if not final and moved[0].queue != approval.queue:
        telling.tell(moved, telling.NEW, now=now)
        outbox.tell_staged(moved)
    settled = _with_relations(moved[0], approval, change, by=by if final else None)
    if final:
        _record(settled, by=by, place=place, words=words, now=now)
        if settled.status == Status.RELEASED:
            guidance.released([settled], now=now)
            # A stop closes other pauses of the run, too.
            for closed in settle([settled], now=now):
                if closed.pk == settled.pause_id:
                    settled.pause = closed
    return settled


def _edited(approval: Approval, verdict: str, words: Words) -> Json:
    """The arguments as the edit leaves them, or {"steps": …} for a plan. Raises BadVerdict."""
    if verdict != Verdict.MODIFY or approval.proposal is None:
        return None
    if approval.subject == Subject.PLAN:
        return {"steps": words.steps}
    try:
        return edits.apply(approval.proposal.args, words.edits)
    except edits.BadEdit as error:
        raise BadVerdict([Fault(f"/edits{error.fault.pointer}", error.fault.message)]) from error


def _with_relations(moved: Approval, before: Approval, change: "revisions.Revised", *, by: User | None) -> Approval:
    """The row as the UPDATE returned it, with what was loaded before: deciding many must not load each twice."""
    moved.pause, moved.agent = before.pause, before.agent
    moved.action_type = before.action_type
    if moved.tier_id == before.tier_id:
        moved.tier = before.tier
    moved.proposal = change.proposal or before.proposal
    moved.decided_by, moved.claimed_by = by, None
    return moved


def _refuse_unless_possible(
    approval: Approval, seen: Seen, *, by: User, verdict: str, now: datetime
) -> access.Authority:
    authority = access.authority_of(by)
    before = (approval.revision, approval.round, approval.digest)
    staged = before == (seen.revision, seen.round, seen.digest) and approval.stage > seen.stage
    if staged and approval.status == Status.PENDING and authority.was_asked(approval):
        raise OutOfDate(approval, staged=True)
    if not authority.decides(approval.tier_id, approval.domain_id, approval.agent_id):
        raise LacksFactor if access.would_decide(approval, authority) else NotAllowed
    if approval.status != Status.PENDING or (approval.expires_at and approval.expires_at <= now):
        raise NoLongerPending(approval)
    if before != (seen.revision, seen.round, seen.digest) or approval.stage != seen.stage:
        raise OutOfDate(approval)
    if verdict not in access.actions_for(approval, by, now=now, authority=authority):
        raise NotAllowed if verdict in approval.allowed else NotOffered(approval.allowed)
    return authority


def _place(approval: Approval, by: User, authority: access.Authority) -> access.Loan | None:
    """In whose place this person decides it; None as oneself, which a rejection always is where it can be."""
    voice = access.voice_of(approval, by, authority)
    if isinstance(voice, access.Spent):
        voices = authority.voices(approval.tier_id, approval.domain_id, approval.agent_id)
        return voices[0] if voices else None
    return voice


def _vote(
    approval: Approval,
    change: revisions.Revised,
    *,
    by: User,
    place: access.Loan | None,
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
        in_place_of_id=place.of if place else None,
        note=note,
        created_at=now,
    )


def _cast(vote: Vote) -> None:
    try:
        with transaction.atomic():
            vote.save(force_insert=True)
    except IntegrityError as error:
        raise NotAllowed(_("You have approved this already; another person must.")) from error


def _record(approval: Approval, *, by: User, place: access.Loan | None, words: Words, now: datetime) -> None:
    decision = Decision.on(
        approval,
        surface=words.surface,
        at=now,
        user=by,
        in_place_of_id=place.of if place else None,
        **words.said_with(approval.verdict),
    )
    decision.save(force_insert=True)


# --- What a verdict must carry


def _faults(approval: Approval, verdict: str, words: Words) -> list[Fault]:
    faults = [
        Fault(f"/{name}", _("At most %(most)d characters.") % {"most": LONGEST_TEXT})
        for name, text in (("message", words.message or ""), ("guidance", words.guidance))
        if len(text) > LONGEST_TEXT
    ]
    if words.reason and words.reason not in REASONS:
        faults.append(Fault("/reason", _("This reason is not in the list.")))
    unsaid = not (words.message or "").strip() and words.reason in ("", "other")
    if verdict == Verdict.REJECT and reason_required(approval) and unsaid:
        faults.append(Fault("/message", _("A rejection needs a reason: choose one or write one.")))
    if verdict == Verdict.ANSWER and approval.proposal is not None:
        faults += _answer_faults(approval.proposal, words.answer)
    if words.remember is not None and words.remember not in (approval.proposal.remember if approval.proposal else ()):
        faults.append(Fault("/remember", _("The agent did not offer this.")))
    if access.page_only(approval) and verdict in (Verdict.APPROVE, Verdict.MODIFY):
        faults += _typed_faults(approval, words)
    return faults


def _answer_faults(proposal: Proposal, answer: "Json | NoAnswer") -> list[Fault]:
    """What keeps an answer from being passed on: agents cannot recover from one that their schema does not allow."""
    if isinstance(answer, NoAnswer):
        return [Fault("/answer", _("Give an answer."))]
    if not proposal.schema and isinstance(answer, str) and not answer.strip():
        return [Fault("/answer", _("An answer cannot be empty."))]
    return [replace(fault, pointer=f"/answer{fault.pointer}") for fault in dialect.check(proposal.schema, answer)]


def reason_required(approval: Approval) -> bool:
    """Whether a rejection needs a reason, by the policy under which the approval arrived."""
    kind = snapshot.type_of(approval)
    return kind is None or kind.reason_required


def _typed_faults(approval: Approval, words: Words) -> list[Fault]:
    """A manual gate asks for the value and the password again, a rule for the value alone; both on the page only."""
    manual = approval.gate == Gate.MANUAL
    if words.surface != "page":
        asks = _("This needs the page: it asks to type a value and to sign in again.")
        raise NotAllowed(asks if manual else _("This needs the page: it asks to type a value."))
    faults = []
    if words.typed.strip() != to_type(approval):
        faults.append(Fault("/typed", _("Type %(value)s exactly as shown.") % {"value": to_type(approval)}))
    if manual and not words.fresh:
        faults.append(Fault("/password", _("Give your password again.")))
    return faults


def to_type(approval: Approval) -> str:
    """What whoever approves it is asked to type: the value, else whom it concerns, else the action's name."""
    kind, proposal = approval.action_type, approval.proposal
    if kind is None or proposal is None:
        return approval.about
    if approval.subject == Subject.PLAN:
        return plans.to_type(approval, proposal)
    for path in (kind.value_path, kind.subject_path):
        picked = schema.pick(proposal.args, path) if path else None
        if picked is not None:
            return str(picked)
    return kind.name


# --- Taking a verdict back


@transaction.atomic
def undo(approval_id: UUID, *, by: User) -> Approval:
    """Take one's own verdict back while it is held; a new round starts with what the agent proposed.

    Raises NotAllowed, or NoLongerPending when it was released, or its agent withdrew it.
    """
    now = times.now()
    approval = load(approval_id)
    if approval.decided_by_id != by.pk:
        held = held_when_it_ended(approval)
        if held is not None and held.user_id == by.pk:
            raise NoLongerPending(approval)
        raise NotAllowed
    if "undo" not in access.actions_for(approval, by, now=now):
        raise NoLongerPending(approval)
    first = _before_the_verdict(approval)
    asked, columns = taken_back(approval)
    moves = (asked[0].tier, asked[0].domain) != (approval.tier_id, approval.domain_id)
    moved = audit.move(
        [
            audit.Move(
                approval.pk,
                Event.Kind.UNDONE,
                audit.Actor.person(by),
                expect={"status": Status.HELD, "round": approval.round, "decided_by_id": by.pk},
                sets={
                    "status": Status.PENDING,
                    **NO_VERDICT,
                    "round": approval.round + 1,
                    "votes": 0,
                    "revision": first.revision,
                    "proposal_id": first.pk,
                    "digest": first.digest,
                    **columns,
                    **stages.entering(approval, asked, 0, now=now),
                },
                facts={
                    "verdict": approval.verdict,
                    "round": approval.round + 1,
                    **(stages.going(approval, asked, 0, None) if moves else {}),
                },
            )
        ],
        now=now,
        guard=audit.HOLDING,
    )
    if not moved:
        raise NoLongerPending(load(approval_id))
    take_back_grants(moved, by=audit.Actor.person(by), now=now)
    if moves:
        telling.tell(moved, telling.NEW, now=now)
        outbox.tell_staged(moved)
    return load(approval_id)


def _before_the_verdict(approval: Approval) -> Proposal:
    """The agent's newest proposal: a person's modification goes with the verdict that made it."""
    newest = approval.proposals.filter(author=None).order_by("-revision").first()
    if newest is None:
        raise Proposal.DoesNotExist
    return newest


def seen(approval: Approval) -> Seen:
    """The approval as a card shows it now."""
    return Seen(approval.pk, approval.revision, approval.round, approval.digest, approval.stage)
