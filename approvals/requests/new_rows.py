"""The rows that taking a submission stores: its request, the approvals in it, and what history says of them first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from approvals.db import bulk, times
from approvals.db.ids import new_id
from approvals.db.search import search_words
from approvals.decisions import stages
from approvals.decisions.escalation import due_at, sharing_deadline
from approvals.execution import plans, post_review_queue
from approvals.history import audit, recorded
from approvals.history.facts import Facts, Released, Submitted
from approvals.models import (
    Approval,
    ApprovalRequest,
    Decision,
    PlannedStep,
    PostReview,
    Proposal,
    Run,
    User,
)
from approvals.models.policy import CONSENTING, GOING_ON, Gate, Reversibility, Silence, Verdict
from approvals.models.states import ItemType, Kind, Route, Source, Status
from approvals.policy import reasons
from approvals.policy.compiled_policy import Policy, TypePolicy
from approvals.policy.routing_decision import Routing
from approvals.requests import closing
from approvals.requests.evaluation import Evaluation
from approvals.requests.submission import CANARY, PROPOSAL_FIELDS, AgentSubmission, Submission
from approvals.requests.validation import allowed, guess_fits
from approvals.values import schema
from approvals.values.schema import Json


@dataclass(frozen=True, slots=True)
class NewRequest:
    """Everything that taking one submission will store."""

    request: ApprovalRequest
    approvals: list[Approval] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    changes: list[audit.AuditedChange] = field(default_factory=list)
    planned: list[PlannedStep] = field(default_factory=list)
    post_reviews: list[PostReview] = field(default_factory=list)


def new_request(
    agent_submission: AgentSubmission,
    evaluations: Sequence[Evaluation],
    run: Run | None,
    policy: Policy,
    *,
    now: datetime,
) -> NewRequest:
    """The unsaved rows of an evaluated submission; closed already where policy settles all of it."""
    submission = agent_submission.submission
    draft = NewRequest(
        bulk.new_row(
            ApprovalRequest,
            id=new_id(),
            agent_id=agent_submission.house or agent_submission.agent,
            run=run,
            step=submission.run.step if submission.run else "",
            key=submission.key,
            content_hash=submission.content_hash,
            decide=submission.decide,
            open_items=len(submission.items),
            resume=submission.resume,
            callback_url=submission.callback_url,
            labels=submission.labels,
            created_at=now,
        )
    )
    for position, evaluation in enumerate(evaluations):
        approval = _approval(draft.request, agent_submission, position, evaluation, policy, now=now)
        approval.proposal = proposal_of(approval, evaluation, now=now)
        approval.search_words = search_words_of(approval, approval.proposal, evaluation)
        actor = audit.Actor(f"agent:{evaluation.agent}", agent_id=agent_submission.agent)
        entries: list[tuple[audit.Actor, Facts]] = [(actor, _submitted(approval))]
        digests: dict[str, Json] = {}
        if evaluation.routing.route != Route.REVIEW:
            decision = _by_policy(approval, evaluation.routing, now=now)
            draft.decisions.append(decision)
            digests["decision"] = recorded.stored_decision_digest(
                decision, approval.reasons if decision.verdict == Verdict.REJECT else ()
            )
            why = post_review_queue.why_of(evaluation) if evaluation.routing.route == Route.AUTO else ""
            entries.append((audit.POLICY, _released(approval, evaluation.routing, why)))
            if why:
                draft.post_reviews.append(post_review_queue.new_post_review(approval, evaluation, why, now=now))
            draft.planned.extend(plans.rows_of(approval, evaluation.type.permit_valid))
        draft.changes.extend(audit.begin(approval, entries, digests=digests, now=now))
        draft.approvals.append(approval)
        draft.proposals.append(approval.proposal)
    if not any(approval.is_open for approval in draft.approvals):
        standing: dict[object, Decision] = {decision.approval_id: decision for decision in draft.decisions}
        policies = {policy.number: policy}
        closing.close(draft.request, draft.approvals, standing, agent=evaluations[0].agent, policies=policies, now=now)
    return draft


def _approval(
    request: ApprovalRequest,
    agent_submission: AgentSubmission,
    position: int,
    evaluation: Evaluation,
    policy: Policy,
    *,
    now: datetime,
) -> Approval:
    routing, assessment, submission = evaluation.routing, evaluation.assessment, agent_submission.submission
    expires_at = _deadline(submission, evaluation.type, routing, now=now)
    silence = _silence(submission, evaluation, routing)
    waits = routing.route == Route.REVIEW
    tiers = policy.tiers_in(evaluation.domain)
    sharing = sharing_deadline(tiers, routing.tier, silence)
    due = due_at(sharing, routing.tier, now=now, expires_at=expires_at) if waits else None
    return bulk.new_row(
        Approval,
        id=evaluation.id,
        request=request,
        position=position,
        item=evaluation.item.id,
        kind=Kind.CANARY if evaluation.type.name == CANARY else agent_submission.kind,
        item_type=evaluation.item.item_type,
        agent_id=agent_submission.agent,
        action_type_id=evaluation.type.name,
        domain_id=evaluation.domain,
        status=Status.PENDING if waits else Status.RELEASED,
        digest=evaluation.digest,
        subject=evaluation.subject,
        allowed=allowed_verdicts(evaluation),
        policy_id=policy.number,
        route=routing.route,
        gate=routing.gate,
        reversibility=evaluation.reversibility,
        by_law=evaluation.type.by_law,
        reason_code=routing.reason_code,
        reasons=reasons.as_json(routing.reasons),
        assessment=stored_assessment(evaluation),
        flagged=len(assessment.flags),
        confidence=assessment.composite,
        value=evaluation.worth.value,
        impact=assessment.impact,
        **evidence_columns(evaluation),
        tier_id=routing.tier,
        tiers_visited=[routing.tier] if waits else [],
        approvers=routing.approvers,
        stages=stages.stages_column(routing.stages) if waits else [],
        typed=routing.typed and waits,
        shadowed=routing.shadowed,
        **comparison_columns(evaluation),
        grant_id=routing.grant.id if routing.grant else None,
        plan_id=routing.step.plan if routing.step else None,
        created_at=now,
        due_at=due,
        remind_at=times.remind_at(now, due),
        expires_at=expires_at if waits else None,
        on_timeout=silence,
        hold=tiers[routing.tier].hold,
        agent_model=submission.model,
        prompt_version=submission.prompt_version,
        tool_version=submission.tool_version,
        returned_from_id=submission.returned.approval if submission.returned else None,
        originally_approved_by_id=submission.returned.originally_approved_by if submission.returned else None,
    )


def evidence_columns(evaluation: Evaluation) -> dict[str, object]:
    """The share with which a person looks at it, and what it was proposed as; nothing outside of the population."""
    share = evaluation.share
    if share is None:
        return {}
    return {
        "share": share,
        "routed_score": evaluation.assessment.score,
        "routed_parts": evaluation.assessment.parts,
        "routed_impact": evaluation.assessment.impact,
    }


def comparison_columns(evaluation: Evaluation) -> dict[str, object]:
    """The columns that later proposals are compared by, and the rejected one that this one tries once more."""
    repeat = evaluation.assessment.repeat
    return {
        **key_columns(evaluation),
        "repeats_id": repeat.id if repeat else None,
        "attempt": repeat.attempt if repeat else 1,
    }


def key_columns(evaluation: Evaluation) -> dict[str, object]:
    """The columns that later proposals are compared by."""
    return {
        "baseline_key": evaluation.keys.baseline,
        "frequency_key": evaluation.keys.count,
        "similarity_key": evaluation.keys.similarity_key,
    }


def allowed_verdicts(evaluation: Evaluation) -> list[str]:
    """The verdicts that may be given; nobody approves what could not be checked."""
    may = allowed(evaluation.item, evaluation.type)
    return [verdict for verdict in may if evaluation.routing.approvable or verdict != Verdict.APPROVE]


def stored_assessment(evaluation: Evaluation) -> dict[str, Json]:
    """What is stored of the assessment; with what its queue lacked, where that decided."""
    lacking = evaluation.routing.shortage
    return {**evaluation.assessment.as_json(), **({"shortage": lacking.as_json()} if lacking else {})}


def _deadline(submission: Submission, kind: TypePolicy, routing: Routing, *, now: datetime) -> datetime | None:
    if routing.gate == Gate.ASYNC and submission.timeout is None:
        return None
    return now + (submission.timeout or kind.expires_after)


def _silence(submission: Submission, evaluation: Evaluation, routing: Routing) -> str:
    """What the deadline means: a question takes its best guess, a soft gate proceeds, else the type's own word.

    Where more than the type's own strategy asks for a person, silence lets nothing run; nor does it sooner than the
    type's own deadline, or an agent in a hurry would leave nobody the time to object. Nor does an agent's wish take
    away the look that the type has people give to what ran in silence.
    """
    if evaluation.item.item_type == ItemType.QUESTION:
        guess = Silence.BEST_GUESS if guess_fits(evaluation.item) else Silence.REJECT
        return submission.on_timeout or guess
    own = evaluation.type.silence(routing.gate)
    silence = submission.on_timeout or own
    if silence in CONSENTING and own == Silence.PROCEED:
        silence = own
    asks = routing.strict or evaluation.reversibility != Reversibility.REVERSIBLE
    hurries = submission.timeout is not None and submission.timeout < evaluation.type.expires_after
    if evaluation.type.by_law and silence in GOING_ON:
        return Silence.REJECT
    return Silence.REJECT if (asks or hurries) and silence in CONSENTING else silence


def proposal_of(
    approval: Approval, evaluation: Evaluation, *, revision: int = 1, author: User | None = None, now: datetime
) -> Proposal:
    """What is proposed as it is stored, unsaved; without an author it is the agent's."""
    item = evaluation.item
    question = item.item_type == ItemType.QUESTION
    filled: Json = {"steps": [step.type.title for step in evaluation.steps]} if evaluation.steps else item.args
    headline = item.prompt if question else schema.headline(evaluation.type.headline, filled)
    kept = {field: _stored(getattr(item, name)) for name, field in PROPOSAL_FIELDS.items()}
    kept["attachments"] = [dict(file) for file in evaluation.files]
    return bulk.new_row(
        Proposal,
        id=new_id(),
        approval=approval,
        revision=revision,
        author=author,
        digest=evaluation.digest,
        headline=headline[:500],
        assessed=[step.as_json() for step in evaluation.steps],
        created_at=now,
        **kept,
    )


def search_words_of(approval: Approval, proposal: Proposal, evaluation: Evaluation) -> str:
    """What a search finds the approval by while this is what it proposes."""
    return search_words(proposal.headline, evaluation.subject, evaluation.agent, ids=[approval.pk, approval.request_id])


def _stored(value: object) -> object:
    """A value as JSON columns take it: objects and lists of Python's own."""
    if isinstance(value, Mapping):
        return dict(value)
    return [_stored(part) for part in value] if isinstance(value, tuple | list) else value


def _submitted(approval: Approval) -> Submitted:
    return Submitted(
        digest=approval.digest,
        revision=1,
        route=approval.route,
        reason=approval.reason_code,
        tier=approval.tier_id,
        policy=approval.policy_id,
        returned_from=approval.returned_from_id,
    )


def _released(approval: Approval, routing: Routing, why: str) -> Released:
    return Released(
        verdict=approval.verdict,
        source=approval.source,
        plan=routing.step.plan if routing.step else None,
        step=routing.step.number if routing.step else None,
        grant=routing.grant.id if routing.grant else None,
        post_review=why or None,
    )


def _by_policy(approval: Approval, routing: Routing, *, now: datetime) -> Decision:
    """Policy's own verdict, or what a person approved beforehand; released at once."""
    passes = routing.route == Route.AUTO
    approval.verdict = Verdict.APPROVE if passes else Verdict.REJECT
    approval.source = Source.GRANT if passes and routing.covered else Source.POLICY
    approval.decided_at = approval.released_at = now
    return Decision.on(approval, surface="policy", at=now, message=routing.quoted_message or None)
