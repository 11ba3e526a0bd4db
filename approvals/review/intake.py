"""Taking what agents submit: validate, route, store, answer. One implementation, always over a set.

A set is one transaction: known idempotency keys first, history read set-wise, everything inserted in bulk. A submission
that cannot be taken is answered by its own error and does not hold up the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.utils import OperationalError
from psycopg.errors import LockNotAvailable

from approvals import audit, times
from approvals.ids import new_id
from approvals.models import Agent, Approval, Autonomy, Decision, Event, Pause, Proposal, Run
from approvals.models.approval import Route, Source, Status, Subject
from approvals.models.policy import CONSENTING, Gate, Reversibility, Silence, Verdict
from approvals.policy import schema, snapshot
from approvals.policy.assess import Assessment, Question, assess, gather
from approvals.policy.routing import Routing, Standing, Worth, route, worth
from approvals.policy.schema import Fault, Json
from approvals.policy.snapshot import Policy, TypePolicy
from approvals.review import answers, settle
from approvals.review.escalation import due_at
from approvals.review.submission import BadSubmission, Item, KeyReused, Receipt, Submission

LONGEST = timedelta(days=365)


class KeyInFlight(Exception):
    """Another request with the same idempotency key is being taken at this moment."""


@dataclass(frozen=True, slots=True)
class Case:
    """One item with what policy knows and says of it."""

    item: Item
    type: TypePolicy
    worth: Worth
    about: str
    digest: str
    question: Question


Answer = Receipt | BadSubmission | KeyReused


def submit(agent: Agent, submissions: Sequence[Submission]) -> list[Answer]:
    """Take a set of submissions of one agent; answers in the same order, each durable when this returns.

    Raises KeyInFlight when another transaction holds one of the keys for more than a second.
    """
    try:
        return _submit(agent, submissions)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise KeyInFlight from error
        raise


@transaction.atomic
def _submit(agent: Agent, submissions: Sequence[Submission]) -> list[Answer]:
    now = times.now()
    policy = snapshot.current()
    found = _again(agent, {place: one for place, one in enumerate(submissions) if one.key is not None})
    fresh: dict[int, Submission] = {}
    for place, submission in enumerate(submissions):
        if place in found:
            continue
        faults = _faults(submission, policy)
        if faults:
            found[place] = BadSubmission(faults)
        else:
            fresh[place] = submission
    pauses = _open(agent, fresh, now=now)
    found |= _store(agent, {place: (fresh[place], pauses[place]) for place in pauses}, policy, now=now)
    # Whoever lost the race for a key, to another transaction or inside this set, finds the winner's rows now.
    found |= _again(agent, {place: one for place, one in fresh.items() if place not in pauses})
    return [found[place] for place in range(len(submissions))]


def evaluate(agent: Agent, submission: Submission) -> list[tuple[Item, Routing, Assessment]]:
    """What policy would do with this request now; nothing is stored. Raises BadSubmission."""
    policy = snapshot.current()
    faults = _faults(submission, policy)
    if faults:
        raise BadSubmission(faults)
    cases = [_case(agent, item, submission, policy, now=times.now()) for item in submission.items]
    assessed = _assess(agent, cases, policy)
    return [(case.item, routing, assessment) for case, (assessment, routing) in zip(cases, assessed, strict=True)]


# --- Idempotency


def _again(agent: Agent, keyed: Mapping[int, Submission]) -> dict[int, Answer]:
    """Answer submissions from the rows stored under their keys; those without a row are left out."""
    wanted = {one.key for one in keyed.values()}
    if not wanted:
        return {}
    stored = {pause.key: pause for pause in Pause.objects.filter(agent=agent, key__in=wanted)}
    if not stored:
        return {}
    approvals: dict[object, list[Approval]] = {}
    for approval in answers.of_pauses(stored.values()):
        approvals.setdefault(approval.pause_id, []).append(approval)
    answered: dict[int, Answer] = {}
    for place, submission in keyed.items():
        pause = stored.get(submission.key)
        if pause is None:
            continue
        same = pause.content_hash == submission.content_hash
        answered[place] = Receipt(pause, approvals[pause.pk], replayed=True) if same else KeyReused()
    return answered


def _open(agent: Agent, fresh: Mapping[int, Submission], *, now: datetime) -> dict[int, Pause]:
    """Insert a pause for each submission, sorted by key; returns those that were not there already."""
    runs = _runs(agent, fresh.values())
    pauses = {
        place: Pause(
            id=new_id(),
            agent=agent,
            run=runs.get(one.run.key) if one.run else None,
            step=one.run.step if one.run else "",
            key=one.key,
            content_hash=one.content_hash,
            decide=one.decide,
            open_items=len(one.items),
            resume=one.resume,
            callback_url=one.callback_url,
            labels=one.labels,
            created_at=now,
        )
        for place, one in fresh.items()
    }
    # Unsorted inserts of overlapping key sets deadlock.
    ordered = sorted(pauses.values(), key=lambda pause: (pause.key or "", pause.pk))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        Pause.objects.bulk_create(ordered, ignore_conflicts=True)
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    keyed = [pause.key for pause in ordered if pause.key is not None]
    won = set(Pause.objects.filter(agent=agent, key__in=keyed).values_list("pk", flat=True)) if keyed else set()
    return {place: pause for place, pause in pauses.items() if pause.key is None or pause.pk in won}


def _runs(agent: Agent, submissions: Iterable[Submission]) -> dict[str, Run]:
    refs = {one.run.key: one.run for one in submissions if one.run}
    if not refs:
        return {}
    Run.objects.bulk_create(
        [Run(agent=agent, key=key, name=refs[key].name) for key in sorted(refs)], ignore_conflicts=True
    )
    return {run.key: run for run in Run.objects.filter(agent=agent, key__in=refs)}


# --- What cannot be taken


def _faults(submission: Submission, policy: Policy) -> list[Fault]:
    faults = []
    for place, item in enumerate(submission.items):
        at = f"/items/{place}"
        kind = policy.types.get(item.type_name)
        if kind is None:
            faults.append(Fault(f"{at}/action/name", f"unknown action type {item.action!r}"))
            continue
        faults += _item_faults(item, kind, at)
        faults += _silence_faults(submission, item, kind)
    if submission.timeout is not None and not timedelta(0) < submission.timeout <= LONGEST:
        faults.append(Fault("/timeout_s", "the deadline must lie between one second and a year ahead"))
    return faults


def _item_faults(item: Item, kind: TypePolicy, at: str) -> list[Fault]:
    faults = []
    if item.subject == Subject.ACTION and item.parsed:
        faults += [Fault(f"{at}/action/args{fault.pointer}", fault.message) for fault in kind.check(item.args)]
        for number, alternative in enumerate(item.alternatives):
            faults += [
                Fault(f"{at}/alternatives/{number}/args{fault.pointer}", fault.message)
                for fault in kind.check(alternative.get("args"))
            ]
    if item.subject == Subject.QUESTION and item.response_schema:
        faults += [
            Fault(f"{at}/question/response_schema{fault.pointer}", fault.message)
            for fault in schema.check_schema(item.response_schema)
        ]
    if not _allowed(item, kind):
        faults.append(Fault(f"{at}/allowed", f"none of these is allowed for {kind.name}: {', '.join(kind.allowed)}"))
    return faults


def _silence_faults(submission: Submission, item: Item, kind: TypePolicy) -> list[Fault]:
    """Silence lets run only what is reversible, and only where the action type says so: never at the agent's wish."""
    wish = submission.on_timeout
    if wish in CONSENTING and kind.reversibility != Reversibility.REVERSIBLE:
        return [Fault("/on_timeout", f"{kind.name} is not reversible, so silence can never approve it")]
    if wish in CONSENTING and kind.on_timeout not in CONSENTING and kind.gate != Gate.SOFT:
        return [Fault("/on_timeout", f"policy does not let silence approve {kind.name}")]
    if wish == Silence.BEST_GUESS and (item.subject != Subject.QUESTION or item.best_guess is None):
        return [Fault("/on_timeout", "best_guess is for a question that states one")]
    return []


def _allowed(item: Item, kind: TypePolicy) -> list[str]:
    """What the agent's framework can honour and policy permits, in policy's order."""
    return [verdict for verdict in kind.allowed if item.allowed is None or verdict in item.allowed]


# --- Routing


def _case(agent: Agent, item: Item, submission: Submission, policy: Policy, *, now: datetime) -> Case:
    kind = policy.types[item.type_name]
    value = worth(kind, item.args, policy)
    if item.value is not None and (value.value is None or item.value > value.value):
        value = replace(value, value=item.value)  # an agent may state more than its arguments show, never less
    about = item.about
    if not about and kind.subject_path:
        picked = schema.pick(item.args, kind.subject_path)
        about = f"{kind.subject_kind or 'subject'}:{picked}"[:200] if picked is not None else ""
    digest = digest_of_item(agent.name, item, kind, about)
    return Case(
        item,
        kind,
        value,
        about,
        digest,
        Question(
            agent_id=agent.pk,
            agent_name=agent.name,
            type=kind,
            args=item.args,
            parsed=item.parsed,
            about=about,
            value=value.value,
            stated=item.signals,
            summary=item.summary,
            context=item.context,
            digest=digest,
            run=submission.run.key if submission.run else "",
            now=now,
        ),
    )


def digest_of_item(agent: str, item: Item, kind: TypePolicy, about: str) -> str:
    """The digest of what will execute; for a question of its words, for a plan of its steps."""
    args: Json = item.args
    if item.subject == Subject.QUESTION:
        args = {"prompt": item.prompt, "response_schema": dict(item.response_schema)}
    elif item.subject == Subject.PLAN:
        args = {"steps": [dict(step) for step in item.steps]}
    name = item.action or kind.name
    return schema.action_digest(agent=agent, action=name, schema_version=kind.schema_version, args=args, about=about)


def _assess(agent: Agent, cases: Sequence[Case], policy: Policy) -> list[tuple[Assessment, Routing]]:
    histories = gather([case.question for case in cases])
    levels = {
        row.action_type_id: row
        for row in Autonomy.objects.filter(agent=agent, action_type__in={case.type.name for case in cases})
    }
    found = []
    for case, history in zip(cases, histories, strict=True):
        row = levels.get(case.type.name)
        standing = Standing(
            paused=agent.paused_at is not None,
            level=row.level if row else case.type.level,
            breaker_open=row.breaker_open if row else False,
        )
        assessment = assess(case.question, history)
        found.append((assessment, route(case.question, assessment, policy, standing)))
    return found


# --- Storing


def _store(
    agent: Agent, taken: Mapping[int, tuple[Submission, Pause]], policy: Policy, *, now: datetime
) -> dict[int, Answer]:
    cases: list[tuple[int, int, Case]] = [
        (place, position, _case(agent, item, submission, policy, now=now))
        for place, (submission, _) in taken.items()
        for position, item in enumerate(submission.items)
    ]
    assessed = _assess(agent, [case for *_, case in cases], policy)
    approvals: dict[int, list[Approval]] = {place: [] for place in taken}
    proposals: list[Proposal] = []
    decisions: list[Decision] = []
    changes: list[audit.Change] = []
    for (place, position, case), (assessment, routing) in zip(cases, assessed, strict=True):
        submission, pause = taken[place]
        approval = _approval(agent, pause, submission, position, case, assessment, routing, policy, now=now)
        proposal = _proposal(approval, case, now=now)
        approval.proposal = proposal
        entries = [(Event.Kind.SUBMITTED, audit.Actor.of(agent), _submitted(approval))]
        if routing.route != Route.REVIEW:
            decision = _by_policy(approval, routing, now=now)
            decisions.append(decision)
            entries.append((Event.Kind.RELEASED, audit.POLICY, {"verdict": decision.verdict, "source": "policy"}))
        changes += audit.begin(approval, entries, now=now)
        approvals[place].append(approval)
        proposals.append(proposal)
    Approval.objects.bulk_create(one for group in approvals.values() for one in group)
    Proposal.objects.bulk_create(proposals)
    Decision.objects.bulk_create(decisions)
    audit.write(changes)
    standing = {decision.approval_id: decision for decision in decisions}
    closed = []
    for place, group in approvals.items():
        if not any(one.is_open for one in group):
            settle.close(taken[place][1], group, standing, now=now)
            closed.append(taken[place][1])
    Pause.objects.bulk_update(closed, settle.CLOSING)
    return {place: Receipt(pause, approvals[place]) for place, (_, pause) in taken.items()}


def _approval(
    agent: Agent,
    pause: Pause,
    submission: Submission,
    position: int,
    case: Case,
    assessment: Assessment,
    routing: Routing,
    policy: Policy,
    *,
    now: datetime,
) -> Approval:
    expires_at = _deadline(submission, case.type, routing, now=now)
    waits = routing.route == Route.REVIEW
    return Approval(
        id=new_id(),
        pause=pause,
        position=position,
        item=case.item.id,
        subject=case.item.subject,
        agent=agent,
        action_type_id=case.type.name,
        domain_id=case.type.domain,
        status=Status.PENDING if waits else Status.RELEASED,
        digest=case.digest,
        about=case.about,
        allowed=[one for one in _allowed(case.item, case.type) if routing.approvable or one != Verdict.APPROVE],
        policy_id=policy.number,
        route=routing.route,
        gate=routing.gate,
        reversibility=case.type.reversibility,
        reason_code=routing.reason_code,
        reasons=list(routing.reasons),
        assessment=assessment.as_json(),
        flagged=len(assessment.flags),
        confidence=assessment.composite,
        value=case.worth.value,
        impact=assessment.impact,
        tier_id=routing.tier,
        tiers_visited=[routing.tier] if waits else [],
        approvers=routing.approvers,
        created_at=now,
        due_at=due_at(policy.tiers, routing.tier, now=now, expires_at=expires_at) if waits else None,
        expires_at=expires_at if waits else None,
        on_timeout=_silence(submission, case, routing),
        hold=policy.tiers[routing.tier].hold,
        agent_model=submission.model,
        prompt_version=submission.prompt_version,
        tool_version=submission.tool_version,
    )


def _deadline(submission: Submission, kind: TypePolicy, routing: Routing, *, now: datetime) -> datetime | None:
    if routing.gate == Gate.ASYNC and submission.timeout is None:
        return None
    return now + (submission.timeout or kind.expires_after)


def _silence(submission: Submission, case: Case, routing: Routing) -> str:
    """What the deadline means: a question takes its best guess, a soft gate proceeds, else the type's own word.

    Where more than the type's own strategy asks for a person, silence lets nothing run.
    """
    if case.item.subject == Subject.QUESTION:
        guess = Silence.BEST_GUESS if case.item.best_guess is not None else Silence.REJECT
        return submission.on_timeout or guess
    silence = submission.on_timeout or (Silence.APPROVE if routing.gate == Gate.SOFT else case.type.on_timeout)
    return Silence.REJECT if routing.strict and silence in CONSENTING else silence


def _proposal(approval: Approval, case: Case, *, now: datetime) -> Proposal:
    item = case.item
    question = item.subject == Subject.QUESTION
    headline = item.prompt if question else schema.headline(case.type.headline, item.args)
    return Proposal(
        id=new_id(),
        approval=approval,
        revision=1,
        name=item.action,
        args=item.args,
        parsed=item.parsed,
        schema=dict(item.response_schema),
        digest=case.digest,
        headline=headline[:500],
        summary=item.summary,
        reasoning=item.reasoning,
        context=item.context,
        current=item.current,
        preconditions=item.preconditions,
        alternatives=[dict(one) for one in item.alternatives],
        remember=list(item.remember),
        rename_to=list(item.rename_to),
        signals=dict(item.signals),
        prompt=item.prompt,
        best_guess=item.best_guess,
        steps=[dict(step) for step in item.steps],
        created_at=now,
    )


def _submitted(approval: Approval) -> dict[str, Json]:
    return {
        "digest": approval.digest,
        "revision": 1,
        "route": approval.route,
        "reason": approval.reason_code,
        "tier": approval.tier_id,
        "policy": approval.policy_id,
    }


def _by_policy(approval: Approval, routing: Routing, *, now: datetime) -> Decision:
    """Policy's own verdict, released at once."""
    passes = routing.route == Route.AUTO
    approval.verdict = Verdict.APPROVE if passes else Verdict.REJECT
    approval.source = Source.POLICY
    approval.decided_at = approval.released_at = now
    return Decision(
        id=new_id(),
        approval=approval,
        revision=1,
        round=1,
        verdict=approval.verdict,
        source=Source.POLICY,
        tier_id=approval.tier_id,
        surface="policy",
        message=None if passes else "; ".join(routing.reasons),
        decided_at=now,
    )
