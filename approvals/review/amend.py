"""The agent revises what still waits: a new revision, taken, valued and routed like a first one.

Nothing that was asked becomes less by it: the tier, the number of people and the gate only rise, and whom it passed
over the first time it does not pass now. The votes are void, the end stays where it is, and silence approves no
arguments that came later than the request.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from approvals import audit, times
from approvals.ids import new_id
from approvals.models import Agent, Approval, Decision, Event, Proposal
from approvals.models.approval import Route, Source, Status, Subject
from approvals.models.policy import CONSENTING, Gate, Silence, Verdict
from approvals.policy import schema, snapshot
from approvals.policy.edits import changed_paths
from approvals.policy.schema import Fault, Json
from approvals.policy.snapshot import Policy, TypePolicy
from approvals.policy.stages import Stages, asked_of, both
from approvals.policy.worth import worth
from approvals.review import attachments, outbox, stages, telling
from approvals.review.cases import Case, cases_of
from approvals.review.decisions import load
from approvals.review.drafts import compared, proposal_of, refusal
from approvals.review.errors import ReviewError
from approvals.review.faults import allowed, faults_of
from approvals.review.settle import settle
from approvals.review.submission import Asked, BadSubmission, Item, RunRef, Submission, again

_STRICTER: Mapping[str, int] = {Gate.SOFT: 0, Gate.HARD: 1, Gate.MANUAL: 2}
_WORDS = ("summary", "reasoning", "context", "current", "preconditions", "alternatives", "signals")
_PATHS_TOLD = 50


class NotAmendable(ReviewError):
    """This does not wait any more; there is nothing left to revise."""

    def __init__(self) -> None:
        # No more than that: while a verdict is held the agent does not know of it.
        super().__init__("This does not wait any more, or is being settled: it can no longer be revised.")


def amend(approval_id: UUID, revise: Callable[[Item], Item], *, by: Agent) -> Approval:
    """Replace what a pending approval proposes by `revise` of what the agent proposed last; returns it as it then is.

    An amendment that changes nothing is the revision there is. Raises BadSubmission, or NotAmendable for what is held
    or settled.
    """
    for _attempt in range(5):
        amended = _amend(approval_id, revise, by=by)
        if amended is not None:
            return amended
        # A reviewer changed it at the same moment: the amendment is one of what it is now.
    raise NotAmendable


@transaction.atomic
def _amend(approval_id: UUID, revise: Callable[[Item], Item], *, by: Agent) -> Approval | None:
    now = times.now()
    approval = load(approval_id)
    _refuse_unless_pending(approval, now)
    newest = approval.proposals.order_by("-revision").first()
    own = approval.proposals.filter(author=None).order_by("-revision").first()
    if newest is None or own is None:
        raise NotAmendable
    policy = snapshot.load(approval.policy_id)
    before = again(approval, own)
    item = revise(before)
    if own.pk == approval.proposal_id and _same(item, before):
        return approval
    case = _case(approval, own, item, policy, now=now)
    proposal = proposal_of(approval, case, revision=newest.revision + 1, now=now)
    asked = both(asked_of(approval), case.routing.asked(case.domain))
    columns = _columns(approval, case, proposal, asked, now=now)
    expect = {
        "status": Status.PENDING,
        "revision": approval.revision,
        "round": approval.round,
        "stage": approval.stage,
        "tier_id": approval.tier_id,
        "domain_id": approval.domain_id,
        "approvers": approval.approvers,
    }
    facts = _facts(approval, own, proposal, asked)
    move = audit.Move(approval.pk, Event.Kind.AMENDED, audit.Actor.of(by), expect, columns, facts)
    moved = audit.move([move], now=now, guard=audit.UNLESS_OVER)
    if not moved:
        _refuse_unless_pending(load(approval_id), times.now())
        return None
    proposal.save(force_insert=True)
    if case.routing.route == Route.REJECT:
        _refuse(moved[0], case, now=now)
    amended = load(approval_id)
    if amended.status == Status.PENDING and amended.queue != approval.queue:
        risen = amended.tier_id > approval.tier_id
        telling.tell([amended], telling.ESCALATED if risen else telling.NEW, now=now)
        (outbox.tell_escalated if risen else outbox.tell_staged)([amended])
    return amended


def _same(one: Item, other: Item) -> bool:
    """Python takes 1 for true and finds them equal; what will execute is compared to the letter."""

    def written(item: Item) -> bytes:
        return schema.canonical([item.args, dict(item.context), item.current, dict(item.preconditions)])

    return one == other and written(one) == written(other)


def _refuse_unless_pending(approval: Approval, now: datetime) -> None:
    if approval.status != Status.PENDING or (approval.expires_at and approval.expires_at <= now):
        raise NotAmendable


def _case(approval: Approval, own: Proposal, item: Item, policy: Policy, *, now: datetime) -> Case:
    """What policy, in the version that it arrived under, says of the revision. Raises BadSubmission."""
    if item.subject != Subject.ACTION and item.args != own.args:
        raise BadSubmission([Fault("/items/0/action/args", "Only an action has arguments.")])
    kind = policy.types[item.type_name]
    item = replace(
        item,
        parsed=not isinstance(item.args, str),
        allowed=tuple(_allowed(approval, own, kind)),
        value=_stated(approval, own, item, kind, policy),
        about=_explicit(approval, own, kind),
    )
    pause = approval.pause
    run = RunRef(pause.run.key, pause.run.name, pause.step) if pause.run else None
    asked = Asked(approval.agent_id, Submission((item,), content_hash="", run=run))
    files = attachments.beside([asked])
    faults = faults_of(asked.submission, policy) + attachments.faults_of(asked, files)
    if faults:
        raise BadSubmission(faults)
    [[case]] = cases_of([asked], policy, now=now, files=files, again=approval.pk)
    return case


def _allowed(approval: Approval, own: Proposal, kind: TypePolicy) -> list[str]:
    """The verdicts that may be given; approval comes back where only unparsed arguments kept it away."""
    known = set(approval.allowed)
    if not own.parsed and kind.schema:
        known.add(Verdict.APPROVE)
    return [verdict for verdict in kind.allowed if verdict in known]


def _stated(approval: Approval, own: Proposal, item: Item, kind: TypePolicy, policy: Policy) -> Decimal | None:
    """The value that was stated beside the arguments, for as long as they are the same or show none."""
    shown = worth(kind, item.args, policy).value
    return approval.value if shown is None or item.args == own.args else None


def _explicit(approval: Approval, own: Proposal, kind: TypePolicy) -> str:
    """Whom it concerns, where the agent said so; "" where it follows from the arguments."""
    picked = schema.pick(own.args, kind.subject_path) if kind.subject_path else None
    derived = f"{kind.subject_kind or 'subject'}:{picked}"[:200]
    return "" if picked is not None and approval.about == derived else approval.about


def _columns(
    approval: Approval, case: Case, proposal: Proposal, asked: Stages, *, now: datetime
) -> Mapping[str, object]:
    """What of the row the revision changes. It starts with its first stage."""
    routing, assessment = case.routing, case.assessment
    stricter = _STRICTER.get(routing.gate, 0) > _STRICTER.get(approval.gate, 9)
    unheard = routing.strict or case.digest != approval.digest
    verdicts = allowed(case.item, case.type)
    columns: dict[str, object] = {
        "revision": proposal.revision,
        "proposal_id": proposal.pk,
        "digest": case.digest,
        "about": case.about,
        "value": case.worth.value,
        "impact": assessment.impact,
        "assessment": assessment.as_json(),
        "flagged": len(assessment.flags),
        "confidence": assessment.composite,
        "reasons": list(routing.reasons),
        "reason_code": routing.reason_code,
        "allowed": [one for one in verdicts if routing.approvable or one != Verdict.APPROVE],
        "gate": routing.gate if stricter else approval.gate,
        "typed": approval.typed or routing.typed,
        # Nobody has had the time to object to what came later.
        "on_timeout": Silence.REJECT if unheard and approval.on_timeout in CONSENTING else approval.on_timeout,
        **stages.entering(approval, asked, 0, now=now),
        **compared(case),
    }
    if routing.route == Route.AUTO:
        # Why a first one would have passed is no reason to ask: it waits because people were asked.
        columns |= {"reasons": approval.reasons, "reason_code": approval.reason_code}
    return columns


def _facts(approval: Approval, own: Proposal, proposal: Proposal, asked: Stages) -> dict[str, Json]:
    edited: list[Json] = list(changed_paths(own.args, proposal.args)[:_PATHS_TOLD])
    words: list[Json] = [name for name in (*_WORDS, "attachments") if getattr(own, name) != getattr(proposal, name)]
    facts: dict[str, Json] = {"revision": proposal.revision, "digest": proposal.digest}
    facts |= {"edited": edited, "words": words}
    if (asked[0].tier, asked[0].domain) != (approval.tier_id, approval.domain_id):
        facts |= stages.going(approval, asked, 0, None)
    return facts


def _refuse(approval: Approval, case: Case, *, now: datetime) -> None:
    """Policy refuses the revision: it ends here, as it would have ended at the door."""
    moved = audit.move(
        [
            audit.Move(
                approval.pk,
                Event.Kind.RELEASED,
                audit.POLICY,
                expect={"status": Status.PENDING, "revision": approval.revision},
                sets={
                    "status": Status.RELEASED,
                    "route": Route.REJECT,
                    "verdict": Verdict.REJECT,
                    "source": Source.POLICY,
                    "decided_at": now,
                    "released_at": now,
                    "claimed_by_id": None,
                    "claim_until": None,
                },
                facts={"verdict": Verdict.REJECT, "source": Source.POLICY},
            )
        ],
        now=now,
    )
    Decision.objects.create(
        id=new_id(),
        approval=moved[0],
        revision=moved[0].revision,
        round=moved[0].round,
        verdict=Verdict.REJECT,
        source=Source.POLICY,
        tier_id=moved[0].tier_id,
        surface="policy",
        message=refusal(case.routing),
        decided_at=now,
    )
    settle(moved, now=now)
