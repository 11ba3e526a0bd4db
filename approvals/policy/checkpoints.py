"""Checkpoints on top of any strategy: a person every so many steps or minutes of a run, and above a spending.

What they need of the past is read here for a whole set of questions: of a run its newest RUN_LOOK_BACK approvals, of a
spending one row for each hour of its window. Two steps of one run that are proposed at the same moment each count
those before both, so that the Nth may be asked about one step late; it asks at or after the Nth and goes on asking
until a person has decided, so that no step is late by more than were proposed at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from approvals.models.policy import SpendOf
from approvals.policy import reasons
from approvals.policy.assessed import Assessment
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.evaluation_input import EvaluationInput
from approvals.policy.reasons import Reason
from approvals.policy.routing_codes import COST, PERIODIC

RUN_LOOK_BACK = 200  # newest approvals of a run; a bound on the work, and so on `every_steps`
LONGEST_WINDOW = timedelta(days=31)
HOUR = timedelta(hours=1)  # how finely spending is counted


class CheckpointReason(NamedTuple):
    """Why a person is asked: the routing's code, and the reason."""

    code: str
    reason: Reason


def periodic(question: EvaluationInput, assessment: Assessment) -> CheckpointReason | None:
    """The run went its number of steps, or its time, since a person last decided in it."""
    if not question.run:
        return None
    kind, past = question.type, assessment.run
    step = past.steps + 1
    if kind.every_steps is not None and step >= kind.every_steps:
        return CheckpointReason(PERIODIC, reasons.StepOfRun(step, kind.every_steps))
    if kind.every_time is not None and past.since >= kind.every_time:
        return CheckpointReason(PERIODIC, reasons.TimeOfRun(past.since, kind.every_time))
    return None


def costly(question: EvaluationInput, assessment: Assessment, base: str) -> CheckpointReason | None:
    """What was let run in the window and this one together are above the limit; exactly the limit passes."""
    kind = question.type
    if kind.spend_limit is None or question.value is None:
        return None
    value = abs(question.value)
    if assessment.spent + value <= kind.spend_limit:
        return None
    return CheckpointReason(
        COST,
        reasons.SpendingAboveLimit(
            of=spender_key(kind, question.run),
            spent=assessment.spent,
            value=value,
            limit=kind.spend_limit,
            base=base,
            window=kind.spend_window,
        ),
    )


def spender_key(kind: TypePolicy, run: str) -> str:
    """Whose spending counts. Outside a run it is the agent's, or leaving the run unnamed would leave the limit."""
    return SpendOf.RUN if kind.spend_of == SpendOf.RUN and run else SpendOf.AGENT


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


# --- Read for a set of questions

# Human verdicts that are still held count: whoever takes one back has looked at it all the same.
RUNS = """
SELECT named.agent, named.key, run.created_at, past.*
FROM unnest(%(run_agents)s::uuid[], %(run_keys)s::text[]) AS named (agent, key)
JOIN approvals_run AS run ON run.agent_id = named.agent AND run.key = named.key
CROSS JOIN LATERAL (
    SELECT count(*), count(*) FILTER (WHERE verdict = 'reject' OR (status = 'cancelled' AND faulted_at IS NOT NULL)),
           count(*) FILTER (WHERE looked IS NULL OR created_at > looked), max(looked)
    FROM (
        SELECT created_at, verdict, status, faulted_at,
               max(coalesce(decided_at, faulted_at)) FILTER (
                   WHERE source = 'human' OR (status = 'cancelled' AND faulted_at IS NOT NULL)) OVER () AS looked
        FROM (
            SELECT one.created_at, one.verdict, one.source, one.decided_at, one.status, one.faulted_at
            FROM approvals_approvalrequest AS request JOIN approvals_approval AS one ON one.request_id = request.id
            WHERE request.run_id = run.id AND request.created_at <= %(now)s
              AND one.kind = 'real' AND one.id <> ALL (%(own)s::uuid[])
            ORDER BY request.created_at DESC LIMIT %(run_look_back)s
        ) AS newest
    ) AS told
) AS past
"""

# The oldest hour counts whole, so that a window is never shorter than it says.
SPENT = """
SELECT wanted.agent, wanted.key, wanted.since, sum(spend.amount)
FROM unnest(%(spend_agents)s::uuid[], %(spend_keys)s::text[], %(spend_since)s::timestamptz[])
    AS wanted (agent, key, since)
LEFT JOIN approvals_run AS run ON run.agent_id = wanted.agent AND run.key = wanted.key AND wanted.key <> ''
JOIN approvals_spend AS spend
    ON spend.spender = CASE WHEN wanted.key = '' THEN wanted.agent ELSE run.id END AND spend.hour >= wanted.since
GROUP BY wanted.agent, wanted.key, wanted.since
"""


class SpendingScope(NamedTuple):
    """What one limit looks at: an agent, its run or "" for all of them, and since when."""

    agent: UUID
    run: str
    since: datetime


def purse(kind: TypePolicy, agent: UUID, run: str, now: datetime) -> SpendingScope | None:
    """What the limit of an action type looks at; None where it has none."""
    if kind.spend_limit is None:
        return None
    return SpendingScope(agent, run if spender_key(kind, run) == SpendOf.RUN else "", hour_of(now - kind.spend_window))


def purse_of(question: EvaluationInput) -> SpendingScope | None:
    """The same of a question."""
    return purse(question.type, question.agent_id, question.run, question.now)


def parameters(questions: Sequence[EvaluationInput]) -> dict[str, Any]:  # the cursor's own types
    """What RUNS and SPENT ask for; `now` and `own` are the reader's."""
    runs = sorted({(question.agent_id, question.run) for question in questions if question.run})
    return {
        "run_agents": [agent for agent, _ in runs],
        "run_keys": [key for _, key in runs],
        "run_look_back": RUN_LOOK_BACK,
        **purse_parameters(filter(None, map(purse_of, questions))),
    }


def purse_parameters(needed_purses: Iterable[SpendingScope]) -> dict[str, Any]:
    """What SPENT asks for."""
    each = sorted(set(needed_purses))
    return {
        "spend_agents": [one.agent for one in each],
        "spend_keys": [one.run for one in each],
        "spend_since": [one.since for one in each],
    }


class PassedSpending:
    """What passes in one set, of which the rows say nothing yet."""

    def __init__(self) -> None:
        self._agents: dict[tuple[UUID, str], Decimal] = {}

    def add(self, agent: UUID, run: str, value: Decimal | None) -> None:
        if value is None:
            return
        for key in {(agent, ""), (agent, run)}:
            self._agents[key] = self._agents.get(key, Decimal(0)) + abs(value)

    def of(self, purse: SpendingScope | None) -> Decimal:
        return self._agents.get((purse.agent, purse.run), Decimal(0)) if purse else Decimal(0)

    def copy(self) -> "PassedSpending":
        other = PassedSpending()
        other._agents = dict(self._agents)
        return other


def spent(rows: Iterable[tuple[UUID, str, datetime, Decimal]]) -> Mapping[SpendingScope, Decimal]:
    """The rows of SPENT by what they are of."""
    return {SpendingScope(agent, key, since.astimezone(UTC)): amount for agent, key, since, amount in rows}
