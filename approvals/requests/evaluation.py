"""Submitted items with what policy knows and says of them, for a whole set of submissions. Nothing here writes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from approvals.db.ids import new_id
from approvals.execution import plans
from approvals.models.policy import Verdict
from approvals.models.states import ItemType, Route
from approvals.policy import overload, plan_strictness, pre_approvals, sampling
from approvals.policy.assessed import Assessment
from approvals.policy.assessment import EvaluationInput, History, assess, read_histories
from approvals.policy.checkpoints import PassedSpending, purse_of
from approvals.policy.compiled_policy import Policy, TypePolicy
from approvals.policy.optimistic import runs_before_review
from approvals.policy.overload import UNLIMITED, Queues
from approvals.policy.pre_approvals import PreApproval
from approvals.policy.precedent.comparison_keys import Keys
from approvals.policy.routing import reroute, route
from approvals.policy.routing_decision import AgentStanding, EvaluatedStep, Routing
from approvals.policy.worth import Worth, worth
from approvals.requests.attachments import NO_FILES, FileRecord, Files
from approvals.requests.submission import CANARY, AgentSubmission, Item, item_of
from approvals.requests.submitters import Submitter, read_submitters, version_of
from approvals.values import schema
from approvals.values.schema import Json
from approvals.workload import queues as waiting


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One item with what policy knows and says of it. `id` will be its approval's.

    A plan has those of its steps beside it that shall run, and not those that a reviewer rejected.

    `question` and `standing` are what it was routed by, for those who have to route it once more.
    """

    item: Item
    type: TypePolicy
    worth: Worth
    subject: str
    digest: str
    agent: str
    assessment: Assessment
    routing: Routing
    question: EvaluationInput
    standing: AgentStanding
    files: tuple[FileRecord, ...] = ()
    steps: tuple[EvaluatedStep, ...] = ()
    keys: Keys = field(default_factory=Keys)
    id: UUID = field(default_factory=new_id)

    @property
    def reversibility(self) -> str:
        return plan_strictness.hardest_reversibility(self.steps) if self.steps else self.type.reversibility

    @property
    def domain(self) -> str:
        """Whose field it is: as it was routed; a plan's steps say it better than the type of all plans."""
        return self.routing.domain or (plan_strictness.plan_domain(self.steps) if self.steps else self.type.domain)

    @property
    def share(self) -> Decimal | None:
        """The probability with which a person looks at it; None for what is no evidence of the agent's actions."""
        if self.item.item_type != ItemType.ACTION or self.type.name == CANARY:
            return None
        return sampling.share(self.routing, self.type, self.standing)

    def without_pre_approvals(self, policy: Policy) -> "Evaluation":
        """The same without what was approved beforehand: another one was quicker, and took the last use."""
        step, assessment = self.routing.step, self.assessment
        cover = PreApproval(deviation=pre_approvals.used_step_flag(step) if step is not None and step.run else None)
        if cover.deviation is not None:
            assessment = replace(assessment, flags=[*assessment.flags, cover.deviation])
        routing = runs_before_review(route(self.question, assessment, policy, self.standing, cover), self.question)
        return replace(self, assessment=assessment, routing=routing)


@dataclass(frozen=True, slots=True)
class _PreparedItem:
    """An item, what it is worth, the question that policy asks itself about it, and the same of a plan's steps."""

    item: Item
    worth: Worth
    question: EvaluationInput
    files: tuple[FileRecord, ...] = ()
    sent: Mapping[str, Json] = field(default_factory=dict)  # of a step
    steps: tuple["_PreparedItem", ...] = ()

    @property
    def questions(self) -> list[EvaluationInput]:
        return [self.question, *(step.question for step in self.steps)]


def evaluate_items(
    agent_submissions: Sequence[AgentSubmission],
    policy: Policy,
    *,
    now: datetime,
    files: Files = NO_FILES,
    again: UUID | None = None,
    covered: bool = True,
    stopped: Collection[tuple[object, str]] = (),
    in_hand: bool = False,
    halted: bool = False,
) -> list[list[Evaluation]]:
    """Evaluate each item of each submission, in order; earlier ones of the set are history for later ones.

    Each submission must be free of faults. A constant number of queries for the whole set. `files` are those that the
    submissions name; `again` is the approval that is routed once more, and so is no history of itself. `covered` False:
    what was approved beforehand lets nothing pass. `stopped` are runs that a reviewer ended, by agent and key.
    `in_hand` True: a reviewer changed them, so they are no attempt of the agent's, and its pause holds nothing up.
    `halted` True: everything is stopped, so nothing passes, and nothing is turned away for want of room either.
    """
    names = {
        name
        for agent_submission in agent_submissions
        for item in agent_submission.submission.items
        for name in item.type_names
    }
    submitters = read_submitters(agent_submissions, names, now=now)
    if halted:
        submitters = {pk: replace(submitter, halted=True) for pk, submitter in submitters.items()}
    if again is not None:
        submitters = {pk: submitter.for_reevaluation(in_hand=in_hand) for pk, submitter in submitters.items()}
    drawn = [
        (
            index,
            _prepare_item(
                agent_submission,
                submitters[agent_submission.agent],
                item,
                policy,
                _files_of(agent_submission, item, files),
                now=now,
                again=again,
                in_hand=in_hand or (agent_submission.submission.returned is not None and again is None),
            ),
        )
        for index, agent_submission in enumerate(agent_submissions)
        for item in agent_submission.submission.items
    ]
    histories = iter(read_histories([question for _, prepared in drawn for question in prepared.questions]))
    # What goes to people again was approved once already: nothing approved beforehand lets it pass.
    fresh = [
        covered and again is None and agent_submission.submission.returned is None
        for agent_submission in agent_submissions
    ]
    beforehand = pre_approvals.read_pre_approvals(
        [prepared.question for index, prepared in drawn if fresh[index] and prepared.item.item_type == ItemType.ACTION],
        planned={pk for pk, submitter in submitters.items() if submitter.planned},
        granted={pk for pk, submitter in submitters.items() if submitter.granted},
        now=now,
    )
    # What was asked already is not turned away for want of room.
    queues = _queues(drawn, policy, now=now) if covered and again is None and not halted else UNLIMITED
    evaluations: list[list[Evaluation]] = [[] for _ in agent_submissions]
    tally = PassedSpending()
    for index, drawn_item in drawn:
        submission, submitter = agent_submissions[index].submission, submitters[drawn_item.question.agent_id]
        submitter = submitter.stating(version_of(submission))
        if submission.run and (drawn_item.question.agent_id, submission.run.key) in stopped:
            submitter = replace(submitter, stopped=True)
        names_of = (drawn_item.item.id, submission.run.step if submission.run else "")
        room, usable = (queues, beforehand) if fresh[index] else (UNLIMITED, pre_approvals.NO_PRE_APPROVALS)
        evaluation = _evaluate_item(
            drawn_item, submitter, policy, histories, usable, names_of, room, tally, may_go_ahead=fresh[index]
        )
        back = submission.returned
        if back is not None:
            routing = reroute(
                evaluation.routing,
                back.required_stages,
                domain=evaluation.domain,
                gate=back.gate,
                typed=back.typed,
                reason=back.reason,
            )
            evaluation = replace(evaluation, routing=routing)
        if evaluation.routing.route == Route.REVIEW:
            queues.take(evaluation.routing.tier, evaluation.domain)
        evaluations[index].append(evaluation)
    return evaluations


def _queues(drawn: Sequence[tuple[int, "_PreparedItem"]], policy: Policy, *, now: datetime) -> Queues:
    """What is measured of every queue that any of these may be routed to."""
    types = {question.type.name: question.type for _, prepared in drawn for question in prepared.questions}
    domains = waiting.domains_of(types.values())
    return waiting.measured(policy, domains, now=now, coming=len(drawn))


def _evaluate_item(
    drawn: _PreparedItem,
    submitter: Submitter,
    policy: Policy,
    histories: Iterator[History],
    beforehand: pre_approvals.PreApprovals,
    names: Sequence[str],
    queues: Queues,
    tally: PassedSpending,
    *,
    may_go_ahead: bool,
) -> Evaluation:
    """What policy says of one item. `histories` are read in the order of its questions; `tally` is what passed."""
    question = drawn.question
    standing = submitter.standing(question.type)
    history = next(histories)
    assessment = assess(question, _history_with(history, question, tally))
    cover = pre_approvals.NONE
    if drawn.item.item_type == ItemType.ACTION:
        cover = beforehand.match(question, assessment, names)
        if cover.deviation is not None:
            assessment = replace(assessment, flags=[*assessment.flags, cover.deviation])
    action = drawn.item.item_type == ItemType.ACTION
    routing = route(question, assessment, policy, standing, cover)
    beforehand.take(routing.step, routing.grant)
    inside = tally.copy()
    steps = tuple(_evaluate_step(step, submitter, policy, next(histories), inside) for step in drawn.steps)
    value = drawn.worth
    if steps:
        routing, assessment = (
            plan_strictness.plan_routing(routing, steps),
            plan_strictness.plan_assessment(assessment, steps),
        )
        value = replace(value, value=plan_strictness.plan_value(steps))
    if action and may_go_ahead and not standing.halted:
        routing = runs_before_review(routing, question)
    routing = overload.apply_overload(
        routing,
        domain=plan_strictness.plan_domain(steps) if steps else question.type.domain,
        reversibility=plan_strictness.hardest_reversibility(steps) if steps else question.type.reversibility,
        impact=assessment.impact,
        policy=policy,
        queues=queues,
        action=action,
    )
    if routing.route == Route.AUTO and routing.step is None:
        tally.add(question.agent_id, question.run, value.value)
    return Evaluation(
        item=drawn.item,
        type=question.type,
        worth=value,
        subject=question.subject,
        digest=question.digest,
        agent=submitter.name,
        assessment=assessment,
        routing=routing,
        question=question,
        standing=standing,
        files=drawn.files,
        steps=steps,
        keys=history.keys,
    )


def _history_with(history: History, question: EvaluationInput, tally: PassedSpending) -> History:
    """The history with what was let pass before it in the same set, or in the same plan."""
    here = tally.of(purse_of(question))
    return replace(history, spent=history.spent + here) if here else history


def _evaluate_step(
    drawn: _PreparedItem, submitter: Submitter, policy: Policy, history: History, tally: PassedSpending
) -> EvaluatedStep:
    """A step of a plan, classified as the item that will carry it out, after the steps before it."""
    question = drawn.question
    assessment = assess(question, _history_with(history, question, tally))
    tally.add(question.agent_id, question.run, question.value)
    routing = route(question, assessment, policy, submitter.standing(question.type))
    return EvaluatedStep(drawn.sent, question.type, drawn.worth, question.subject, question.digest, assessment, routing)


def _files_of(agent_submission: AgentSubmission, item: Item, files: Files) -> tuple[FileRecord, ...]:
    return tuple(files[agent_submission.agent, pk] for pk in item.attachments)


def _prepare_item(
    agent_submission: AgentSubmission,
    submitter: Submitter,
    item: Item,
    policy: Policy,
    files: tuple[FileRecord, ...],
    *,
    now: datetime,
    again: UUID | None,
    in_hand: bool,
) -> _PreparedItem:
    """What the item is worth, the question that policy asks itself about it, and the files beside it."""
    kind = policy.types[item.type_name]
    if again is not None:
        kind = replace(kind, shadow=False)
    value = worth(kind, item.args, policy)
    if item.value is not None and (value.value is None or item.value > value.value):
        value = replace(value, value=item.value)  # an agent may state more than its arguments show, never less
    subject = item.subject
    if not subject and kind.subject_path:
        picked = schema.pick(item.args, kind.subject_path)
        subject = f"{kind.subject_kind or 'subject'}:{picked}"[:200] if picked is not None else ""
    run = agent_submission.submission.run
    question = EvaluationInput(
        agent_id=agent_submission.agent,
        agent_name=submitter.name,
        type=kind,
        args=item.args,
        parsed=item.parsed,
        subject=subject,
        value=value.value,
        stated=item.signals,
        summary=item.summary,
        context=item.context,
        digest=_digest(submitter.name, item, kind, subject, files),
        run=run.key if run else "",
        run_name=run.name if run else "",
        run_step=run.step if run else "",
        now=now,
        # What comes back is no history of itself, either.
        approval_id=again
        or (agent_submission.submission.returned.approval if agent_submission.submission.returned else None),
        beside=[[dict(file) for file in files], item.current, item.preconditions],
        in_hand=in_hand,
        undoable=item.undo is not None,
    )
    steps = tuple(
        replace(
            _prepare_item(
                agent_submission, submitter, item_of(step, item), policy, (), now=now, again=again, in_hand=in_hand
            ),
            sent=step,
        )
        for step in item.steps
        if plans.verdict_of(step) != Verdict.REJECT
    )
    return _PreparedItem(item, value, question, files, steps=steps)


def _digest(agent: str, item: Item, kind: TypePolicy, subject: str, files: Sequence[FileRecord]) -> str:
    return schema.item_digest(
        item_type=item.item_type,
        agent=agent,
        action=item.action or kind.name,
        schema_version=kind.schema_version,
        args=item.args,
        prompt=item.prompt,
        response_schema=item.response_schema,
        steps=item.steps,
        subject=subject,
        attachments=[str(file["digest"]) for file in files],
    )
