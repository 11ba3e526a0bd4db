"""What our own past says of a proposal, read for a whole set of them at once, however long the past is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from approvals.models.policy import Verdict
from approvals.policy.expressions import Facts
from approvals.policy.schema import Json, pick
from approvals.policy.snapshot import TypePolicy

LOOK_BACK = 400  # proposals of the same agent and action type; a bound on the work, not a span of time
DECISIONS = 200  # of them, decided by people: the precedent
AMOUNTS = 100  # of them, approved: the usual value
BURST = timedelta(minutes=10)
FREQUENCY = timedelta(days=7)
DUPLICATE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Question:
    """One proposal as policy looks at it. `value` is in base currency; `stated` are the agent's own signals.

    `run` is the agent's own id of its workflow, `run_name` what it calls it, `run_step` where in it it stands.
    `approval_id` names the approval when it is routed again, so that it is not its own duplicate. `parsed` False: the
    arguments are whatever text the model produced.
    """

    type: TypePolicy
    agent_id: UUID
    agent_name: str
    args: Json
    digest: str
    now: datetime
    parsed: bool = True
    about: str = ""
    value: Decimal | None = None
    stated: Mapping[str, float] = field(default_factory=dict)
    summary: str = ""
    context: Json = None
    run: str = ""
    run_name: str = ""
    run_step: str = ""
    approval_id: UUID | None = None

    @property
    def currency(self) -> str:
        """As the arguments name it, not yet known to have a rate."""
        currency = pick(self.args, self.type.currency_path) if self.type.currency_path else None
        return currency if isinstance(currency, str) else ""

    @property
    def unchecked(self) -> bool:
        """The arguments did not parse, so they could not be held against the schema that there is."""
        return not self.parsed and bool(self.type.schema)

    @property
    def unvalued(self) -> bool:
        """The arguments hold something as value, and it could not be brought into base currency."""
        path = self.type.value_path
        return self.value is None and bool(path) and pick(self.args, path) is not None

    def facts(self, signals: Mapping[str, float], past: "RunPast | None" = None) -> Facts:
        """What rules see of it; `past` is what its run did before."""
        return Facts(
            args=self.args,
            value=self.value,
            currency=self.currency,
            agent=self.agent_name,
            action=self.type.name,
            signals=signals,
            context={} if self.context is None else self.context,
            run=run_facts(self.run, self.run_name, self.run_step, past or RunPast()),
            now=self.now,
        )


@dataclass(frozen=True, slots=True)
class Twin:
    """The latest pending, released or executed approval with the same digest; `id` None: earlier in the same set."""

    id: UUID | None
    status: str


@dataclass(frozen=True, slots=True)
class RunPast:
    """What was proposed in the question's run before it; all nothing outside a run."""

    proposed: int = 0
    rejected: int = 0  # by people or policy
    steps: int = 0  # since a person last decided in it
    since: timedelta = timedelta(0)  # how long ago that was, or the run began


def run_facts(key: str, name: str, step: str, past: RunPast) -> dict[str, Json]:
    """What rules see of a run as `run`; outside of one it is all nothing."""
    return {
        "key": key,
        "name": name,
        "step": step,
        "proposed": past.proposed,
        "rejected": past.rejected,
        "steps": past.steps,
        "minutes": past.since // timedelta(minutes=1),
    }


@dataclass(frozen=True, slots=True)
class History:
    """Our past of one question, not counting itself. Counts are of the same agent and action type unless said.

    `spent` is what was let run in the action type's window, of the agent or of the run as the type says, in base
    currency.
    """

    proposed: int = 0  # at most LOOK_BACK
    decided: int = 0  # by people, at most DECISIONS
    approved: int = 0  # of the decided: unchanged
    amounts: tuple[Decimal, ...] = ()  # base currency, of approved ones, newest first
    recent: int = 0  # within BURST
    about: int = 0  # same subject and action type, any agent, within FREQUENCY, not refused
    twin: Twin | None = None
    run: RunPast = field(default_factory=RunPast)
    spent: Decimal = Decimal(0)


# The newest LOOK_BACK rows of each pair come from the index approval_precedent; nothing older is touched.
_PAIRS = """
SELECT pair.agent, pair.name, past.*
FROM unnest(%(agents)s::uuid[], %(names)s::text[]) AS pair (agent, name)
CROSS JOIN LATERAL (
    SELECT count(*),
           count(*) FILTER (WHERE created_at > %(burst)s),
           (array_agg(verdict) FILTER (
               WHERE source = 'human' AND released_at IS NOT NULL
                 AND verdict IN ('approve', 'modify', 'reject')))[1:%(decisions)s],
           (array_agg(value) FILTER (WHERE value IS NOT NULL AND verdict IN ('approve', 'modify')))[1:%(amounts)s]
    FROM (
        SELECT created_at, verdict, source, released_at, value
        FROM approvals_approval
        WHERE agent_id = pair.agent AND action_type_id = pair.name
          AND created_at <= %(now)s AND kind = 'real' AND id <> ALL (%(own)s::uuid[])
        ORDER BY created_at DESC LIMIT %(look_back)s
    ) AS newest
) AS past
"""

_TWINS = """
SELECT DISTINCT ON (digest) digest, id, status
FROM approvals_approval
WHERE digest = ANY (%(digests)s) AND created_at > %(lately)s AND created_at <= %(now)s
  AND kind = 'real' AND id <> ALL (%(own)s::uuid[])
  AND (status = 'pending' OR (status IN ('held', 'released', 'executed') AND verdict <> 'reject'))
ORDER BY digest, created_at DESC
"""

_ABOUTS = """
SELECT pair.about, pair.name, count(past.id)
FROM unnest(%(abouts)s::text[], %(about_names)s::text[]) AS pair (about, name)
JOIN LATERAL (
    SELECT id FROM approvals_approval
    WHERE about = pair.about AND about <> '' AND action_type_id = pair.name
      AND created_at > %(since)s AND created_at <= %(now)s AND kind = 'real' AND id <> ALL (%(own)s::uuid[])
      AND verdict <> 'reject' AND status NOT IN ('expired', 'cancelled', 'superseded')
    ORDER BY created_at DESC LIMIT %(look_back)s
) AS past ON true
GROUP BY pair.about, pair.name
"""


def gather(questions: Sequence[Question]) -> list[History]:
    """The history of each question, in order, by one message to the database.

    Earlier questions of the set count for later ones.
    """
    if not questions:
        return []
    past = _Past(questions)
    proposed: Counter[tuple[UUID, str]] = Counter()
    subjects: Counter[tuple[str, str]] = Counter()
    digests: set[str] = set()
    histories = []
    for question in questions:
        pair = (question.agent_id, question.type.name)
        subject = (question.about, question.type.name)
        history = past.pairs[pair]
        histories.append(
            replace(
                history,
                proposed=history.proposed + proposed[pair],
                recent=history.recent + proposed[pair],
                about=past.abouts.get(subject, 0) + subjects[subject] if question.about else 0,
                twin=Twin(None, "pending") if question.digest in digests else past.twins.get(question.digest),
            )
        )
        proposed[pair] += 1
        subjects[subject] += 1
        digests.add(question.digest)
    return histories


class _Past:
    """The three queries, sent as one."""

    def __init__(self, questions: Sequence[Question]) -> None:
        now = max(question.now for question in questions)
        pairs = sorted({(question.agent_id, question.type.name) for question in questions})
        subjects = sorted({(one.about, one.type.name) for one in questions if one.about})
        values: dict[str, Any] = {  # the cursor's own types
            "now": now,
            "own": [question.approval_id for question in questions if question.approval_id],
            "look_back": LOOK_BACK,
            "agents": [agent for agent, _ in pairs],
            "names": [name for _, name in pairs],
            "burst": now - BURST,
            "decisions": DECISIONS,
            "amounts": AMOUNTS,
            "digests": sorted({question.digest for question in questions}),
            "lately": now - DUPLICATE,
            "abouts": [about for about, _ in subjects],
            "about_names": [name for _, name in subjects],
            "since": now - FREQUENCY,
        }
        with connection.cursor() as cursor:
            cursor.execute(f"{_PAIRS}; {_TWINS}; {_ABOUTS}", values)
            self.pairs = {(agent, name): _of_pair(*found) for agent, name, *found in cursor.fetchall()}
            cursor.nextset()
            self.twins = {digest: Twin(pk, status) for digest, pk, status in cursor.fetchall()}
            cursor.nextset()
            self.abouts = {(about, name): count for about, name, count in cursor.fetchall()}


def _of_pair(proposed: int, recent: int, verdicts: list[str] | None, amounts: list[Decimal] | None) -> History:
    verdicts = verdicts or []
    return History(
        proposed=proposed,
        recent=recent,
        decided=len(verdicts),
        approved=verdicts.count(Verdict.APPROVE),
        amounts=tuple(amounts or ()),
    )
