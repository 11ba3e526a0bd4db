"""Submitted items with what policy knows and says of them, for a whole set of submissions. Nothing here writes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from django.db import connection

from approvals.models.approval import Subject
from approvals.policy import schema
from approvals.policy.assess import Assessment, Question, assess, gather
from approvals.policy.routing import Routing, Standing, Worth, route, worth
from approvals.policy.schema import Json
from approvals.policy.snapshot import Policy, TypePolicy
from approvals.review.submission import Asked, Item

_STANDINGS = """
SELECT agent.id, agent.name, agent.paused_at IS NOT NULL, trust.action_type_id, trust.level, trust.breaker_open
FROM approvals_agent AS agent
LEFT JOIN approvals_autonomy AS trust ON trust.agent_id = agent.id AND trust.action_type_id = ANY (%(names)s)
WHERE agent.id = ANY (%(agents)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Submitter:
    """An agent as routing sees it, at this moment and in no earlier version: its name, its pause, how it is trusted."""

    name: str
    paused: bool
    trust: dict[str, tuple[int, bool]] = field(default_factory=dict)  # by action type: level, breaker open

    def standing(self, kind: TypePolicy) -> Standing:
        level, breaker_open = self.trust.get(kind.name, (kind.level, False))
        return Standing(paused=self.paused, level=level, breaker_open=breaker_open)


@dataclass(frozen=True, slots=True)
class Case:
    """One item with what policy knows and says of it."""

    item: Item
    type: TypePolicy
    worth: Worth
    about: str
    digest: str
    agent: str
    assessment: Assessment
    routing: Routing


def cases_of(asked: Sequence[Asked], policy: Policy, *, now: datetime) -> list[list[Case]]:
    """The cases of each submission, item by item; earlier ones of the set are history for later ones.

    Each submission must be free of faults. A constant number of queries for the whole set.
    """
    names = {item.type_name for one in asked for item in one.submission.items}
    submitters = _submitters({one.agent for one in asked}, names)
    drawn = [
        (place, *_drawn(one, submitters[one.agent], item, policy, now=now))
        for place, one in enumerate(asked)
        for item in one.submission.items
    ]
    histories = gather([question for *_, question in drawn])
    found: list[list[Case]] = [[] for _ in asked]
    for (place, item, value, question), history in zip(drawn, histories, strict=True):
        submitter = submitters[question.agent_id]
        assessment = assess(question, history)
        routing = route(question, assessment, policy, submitter.standing(question.type))
        found[place].append(
            Case(item, question.type, value, question.about, question.digest, submitter.name, assessment, routing)
        )
    return found


def _submitters(agents: Collection[UUID], names: Collection[str]) -> dict[UUID, Submitter]:
    found: dict[UUID, Submitter] = {}
    with connection.cursor() as cursor:
        cursor.execute(_STANDINGS, {"agents": list(agents), "names": list(names)})
        for pk, name, paused, kind, level, breaker_open in cursor.fetchall():
            submitter = found.setdefault(pk, Submitter(name, paused))
            if kind is not None:
                submitter.trust[kind] = (level, breaker_open)
    return found


def _drawn(
    asked: Asked, submitter: Submitter, item: Item, policy: Policy, *, now: datetime
) -> tuple[Item, Worth, Question]:
    """What the item is worth, and the question that policy asks itself about it."""
    kind = policy.types[item.type_name]
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
        digest=_digest(submitter.name, item, kind, about),
        run=run.key if run else "",
        now=now,
    )
    return item, value, question


def _digest(agent: str, item: Item, kind: TypePolicy, about: str) -> str:
    """The digest of what will execute; for a question of its words, for a plan of its steps."""
    args: Json = item.args
    if item.subject == Subject.QUESTION:
        args = {"prompt": item.prompt, "response_schema": dict(item.response_schema)}
    elif item.subject == Subject.PLAN:
        args = {"steps": [dict(step) for step in item.steps]}
    name = item.action or kind.name
    return schema.action_digest(agent=agent, action=name, schema_version=kind.schema_version, args=args, about=about)
