"""Submitted items with what policy knows and says of them, for a whole set of submissions. Nothing here writes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from approvals import prepared
from approvals.ids import new_id
from approvals.models.approval import Route, Subject
from approvals.models.policy import Verdict
from approvals.policy import covers, planning, scarcity, schema
from approvals.policy.ahead import goes_ahead
from approvals.policy.assess import Assessment, History, Question, assess, gather
from approvals.policy.checkpoints import Tally, purse_of
from approvals.policy.covers import Cover
from approvals.policy.keys import Keys
from approvals.policy.routing import Routing, Standing, once_more, route
from approvals.policy.scarcity import ROOM, Queues
from approvals.policy.schema import Json
from approvals.policy.snapshot import Policy, TypePolicy
from approvals.policy.worth import Worth, worth
from approvals.review import plans
from approvals.review import queues as waiting
from approvals.review.attachments import NO_FILES, Files, Record
from approvals.review.submission import Asked, Item, item_of

# Whether an agent has a plan or a standing approval in force is one probe of an index each, so that all others pay
# nothing for those that have.
_STANDINGS = """
SELECT agent.id, agent.name, agent.paused_at IS NOT NULL, trust.action_type_id, trust.level, trust.breaker_open,
       trust.shadow,
       EXISTS (SELECT FROM approvals_plannedstep WHERE agent_id = agent.id AND expires_at > %(now)s),
       EXISTS (SELECT FROM approvals_grant WHERE agent_id = agent.id AND revoked_at IS NULL AND expires_at > %(now)s)
FROM approvals_agent AS agent
LEFT JOIN approvals_autonomy AS trust ON trust.agent_id = agent.id AND trust.action_type_id = ANY (%(names)s::text[])
WHERE agent.id = ANY (%(agents)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Submitter:
    """An agent as routing sees it, at this moment and in no earlier version: its name, its pause, how it is trusted."""

    name: str
    paused: bool
    planned: bool = False
    granted: bool = False
    stopped: bool = False  # the run in which it asks
    halted: bool = False  # everything is
    trust: dict[str, tuple[int, bool, bool]] = field(default_factory=dict)  # by action type: level, breaker, shadow

    def standing(self, kind: TypePolicy) -> Standing:
        level, breaker_open, shadow = self.trust.get(kind.name, (kind.level, False, False))
        return Standing(
            paused=self.paused,
            stopped=self.stopped,
            halted=self.halted,
            level=level,
            breaker_open=breaker_open,
            shadow=shadow,
        )

    def asked_already(self, *, in_hand: bool) -> "Submitter":
        """The same for what waits for people: shadow mode takes none of it, and a pause not what a reviewer changes."""
        trust = {name: (level, breaker_open, False) for name, (level, breaker_open, _) in self.trust.items()}
        return replace(self, paused=self.paused and not in_hand, trust=trust)


@dataclass(frozen=True, slots=True)
class Case:
    """One item with what policy knows and says of it. `id` will be its approval's.

    A plan has those of its steps beside it that shall run, and not those that a reviewer rejected.

    `question` and `standing` are what it was routed by, for those who have to route it once more.
    """

    item: Item
    type: TypePolicy
    worth: Worth
    about: str
    digest: str
    agent: str
    assessment: Assessment
    routing: Routing
    question: Question
    standing: Standing
    files: tuple[Record, ...] = ()
    steps: tuple[planning.Step, ...] = ()
    keys: Keys = field(default_factory=Keys)
    id: UUID = field(default_factory=new_id)

    @property
    def reversibility(self) -> str:
        return planning.loss(self.steps) if self.steps else self.type.reversibility

    @property
    def domain(self) -> str:
        """Whose field it is: as it was routed; a plan's steps say it better than the type of all plans."""
        return self.routing.domain or (planning.domain(self.steps) if self.steps else self.type.domain)

    def asked(self, policy: Policy) -> "Case":
        """The same without what was approved beforehand: another one was quicker, and took the last use."""
        step, assessment = self.routing.step, self.assessment
        cover = Cover(deviates=covers.used_up(step) if step is not None and step.run else None)
        if cover.deviates is not None:
            assessment = replace(assessment, flags=[*assessment.flags, cover.deviates])
        routing = goes_ahead(route(self.question, assessment, policy, self.standing, cover), self.question)
        return replace(self, assessment=assessment, routing=routing)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """An item, what it is worth, the question that policy asks itself about it, and the same of a plan's steps."""

    item: Item
    worth: Worth
    question: Question
    files: tuple[Record, ...] = ()
    sent: Mapping[str, Json] = field(default_factory=dict)  # of a step
    steps: tuple["_Drawn", ...] = ()

    @property
    def questions(self) -> list[Question]:
        return [self.question, *(step.question for step in self.steps)]


def cases_of(
    asked: Sequence[Asked],
    policy: Policy,
    *,
    now: datetime,
    files: Files = NO_FILES,
    again: UUID | None = None,
    covered: bool = True,
    stopped: Collection[tuple[object, str]] = (),
    in_hand: bool = False,
    halted: bool = False,
) -> list[list[Case]]:
    """The cases of each submission, item by item; earlier ones of the set are history for later ones.

    Each submission must be free of faults. A constant number of queries for the whole set. `files` are those that the
    submissions name; `again` is the approval that is routed once more, and so is no history of itself. `covered` False:
    what was approved beforehand lets nothing pass. `stopped` are runs that a reviewer ended, by agent and key.
    `in_hand` True: a reviewer changed them, so they are no attempt of the agent's, and its pause holds nothing up.
    `halted` True: everything is stopped, so nothing passes, and nothing is turned away for want of room either.
    """
    names = {name for one in asked for item in one.submission.items for name in item.type_names}
    submitters = _submitters({one.agent for one in asked}, names, now=now)
    if halted:
        submitters = {pk: replace(one, halted=True) for pk, one in submitters.items()}
    if again is not None:
        submitters = {pk: one.asked_already(in_hand=in_hand) for pk, one in submitters.items()}
    drawn = [
        (
            place,
            _drawn(
                one,
                submitters[one.agent],
                item,
                policy,
                _files_of(one, item, files),
                now=now,
                again=again,
                in_hand=in_hand or (one.submission.returned is not None and again is None),
            ),
        )
        for place, one in enumerate(asked)
        for item in one.submission.items
    ]
    histories = iter(gather([question for _, one in drawn for question in one.questions]))
    # What goes to people again was approved once already: nothing approved beforehand lets it pass.
    fresh = [covered and again is None and one.submission.returned is None for one in asked]
    beforehand = covers.read(
        [one.question for place, one in drawn if fresh[place] and one.item.subject == Subject.ACTION],
        planned={pk for pk, one in submitters.items() if one.planned},
        granted={pk for pk, one in submitters.items() if one.granted},
        now=now,
    )
    # What was asked already is not turned away for want of room.
    queues = _queues(drawn, policy, now=now) if covered and again is None and not halted else ROOM
    found: list[list[Case]] = [[] for _ in asked]
    tally = Tally()
    for place, one in drawn:
        submission, submitter = asked[place].submission, submitters[one.question.agent_id]
        if submission.run and (one.question.agent_id, submission.run.key) in stopped:
            submitter = replace(submitter, stopped=True)
        names_of = (one.item.id, submission.run.step if submission.run else "")
        room, known = (queues, beforehand) if fresh[place] else (ROOM, covers.NOTHING)
        case = _case(one, submitter, policy, histories, known, names_of, room, tally, may_go_ahead=fresh[place])
        back = submission.returned
        if back is not None:
            routing = once_more(
                case.routing, back.asked, domain=case.domain, gate=back.gate, typed=back.typed, reason=back.reason
            )
            case = replace(case, routing=routing)
        if case.routing.route == Route.REVIEW:
            queues.take(case.routing.tier, case.domain)
        found[place].append(case)
    return found


def _queues(drawn: Sequence[tuple[int, "_Drawn"]], policy: Policy, *, now: datetime) -> Queues:
    """What is measured of every queue that any of these may be routed to."""
    types = {question.type.name: question.type for _, one in drawn for question in one.questions}
    domains = waiting.domains_of(types.values())
    return waiting.measured(policy, domains, now=now, coming=len(drawn))


def _case(
    drawn: _Drawn,
    submitter: Submitter,
    policy: Policy,
    histories: Iterator[History],
    beforehand: covers.Beforehand,
    names: Sequence[str],
    queues: Queues,
    tally: Tally,
    *,
    may_go_ahead: bool,
) -> Case:
    """What policy says of one item. `histories` are read in the order of its questions; `tally` is what passed."""
    question = drawn.question
    standing = submitter.standing(question.type)
    history = next(histories)
    assessment = assess(question, _with(history, question, tally))
    cover = covers.NONE
    if drawn.item.subject == Subject.ACTION:
        cover = beforehand.cover(question, assessment, names)
        if cover.deviates is not None:
            assessment = replace(assessment, flags=[*assessment.flags, cover.deviates])
    action = drawn.item.subject == Subject.ACTION
    routing = route(question, assessment, policy, standing, cover)
    beforehand.take(routing.step, routing.grant)
    inside = tally.copy()
    steps = tuple(_step(one, submitter, policy, next(histories), inside) for one in drawn.steps)
    value = drawn.worth
    if steps:
        routing, assessment = planning.combined(routing, steps), planning.weighed(assessment, steps)
        value = replace(value, value=planning.value(steps))
    if action and may_go_ahead and not standing.halted:
        routing = goes_ahead(routing, question)
    routing = scarcity.settled(
        routing,
        domain=planning.domain(steps) if steps else question.type.domain,
        reversibility=planning.loss(steps) if steps else question.type.reversibility,
        impact=assessment.impact,
        policy=policy,
        queues=queues,
        action=action,
    )
    if routing.route == Route.AUTO and routing.step is None:
        tally.add(question.agent_id, question.run, value.value)
    return Case(
        item=drawn.item,
        type=question.type,
        worth=value,
        about=question.about,
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


def _with(history: History, question: Question, tally: Tally) -> History:
    """The history with what was let pass before it in the same set, or in the same plan."""
    here = tally.of(purse_of(question))
    return replace(history, spent=history.spent + here) if here else history


def _step(drawn: _Drawn, submitter: Submitter, policy: Policy, history: History, tally: Tally) -> planning.Step:
    """A step of a plan, classified as the item that will carry it out, after the steps before it."""
    question = drawn.question
    assessment = assess(question, _with(history, question, tally))
    tally.add(question.agent_id, question.run, question.value)
    routing = route(question, assessment, policy, submitter.standing(question.type))
    return planning.Step(drawn.sent, question.type, drawn.worth, question.about, question.digest, assessment, routing)


def _submitters(agents: Collection[UUID], names: Collection[str], *, now: datetime) -> dict[UUID, Submitter]:
    found: dict[UUID, Submitter] = {}
    [rows] = prepared.ask([_STANDINGS], {"agents": list(agents), "names": list(names), "now": now})
    for pk, name, paused, kind, level, breaker_open, shadow, planned, granted in rows:
        submitter = found.setdefault(pk, Submitter(name, paused, planned, granted))
        if kind is not None:
            submitter.trust[kind] = (level, breaker_open, shadow)
    return found


def _files_of(asked: Asked, item: Item, files: Files) -> tuple[Record, ...]:
    return tuple(files[asked.agent, pk] for pk in item.attachments)


def _drawn(
    asked: Asked,
    submitter: Submitter,
    item: Item,
    policy: Policy,
    files: tuple[Record, ...],
    *,
    now: datetime,
    again: UUID | None,
    in_hand: bool,
) -> _Drawn:
    """What the item is worth, the question that policy asks itself about it, and the files beside it."""
    kind = policy.types[item.type_name]
    if again is not None:
        kind = replace(kind, shadow=False)
    value = worth(kind, item.args, policy)
    if item.value is not None and (value.value is None or item.value > value.value):
        value = replace(value, value=item.value)  # an agent may state more than its arguments show, never less
    about = item.about
    if not about and kind.subject_path:
        picked = schema.pick(item.args, kind.subject_path)
        about = f"{kind.subject_kind or 'subject'}:{picked}"[:200] if picked is not None else ""
    run = asked.submission.run
    question = Question(
        agent_id=asked.agent,
        agent_name=submitter.name,
        type=kind,
        args=item.args,
        parsed=item.parsed,
        about=about,
        value=value.value,
        stated=item.signals,
        summary=item.summary,
        context=item.context,
        digest=_digest(submitter.name, item, kind, about, files),
        run=run.key if run else "",
        run_name=run.name if run else "",
        run_step=run.step if run else "",
        now=now,
        # What comes back is no history of itself, either.
        approval_id=again or (asked.submission.returned.approval if asked.submission.returned else None),
        beside=[[dict(one) for one in files], item.current, item.preconditions],
        in_hand=in_hand,
        undoable=item.undo is not None,
    )
    steps = tuple(
        replace(
            _drawn(asked, submitter, item_of(step, item), policy, (), now=now, again=again, in_hand=in_hand), sent=step
        )
        for step in item.steps
        if plans.verdict_of(step) != Verdict.REJECT
    )
    return _Drawn(item, value, question, files, steps=steps)


def _digest(agent: str, item: Item, kind: TypePolicy, about: str, files: Sequence[Record]) -> str:
    return schema.item_digest(
        subject=item.subject,
        agent=agent,
        action=item.action or kind.name,
        schema_version=kind.schema_version,
        args=item.args,
        prompt=item.prompt,
        response_schema=item.response_schema,
        steps=item.steps,
        about=about,
        attachments=[str(one["digest"]) for one in files],
    )
