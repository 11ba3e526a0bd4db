"""Spending of agents and runs, counted by the hour in the transaction that lets an action run.

Counted are actions of value, by the absolute value, once a person, policy, silence or a standing approval let them run;
and plans with all their steps when they are approved, so that their steps are not counted again. Offline uses count
when they are told of. What is refused, pending, or still in its undo window does not count. A limit of an action type
asks before it would be exceeded, and it looks at everything that its agent or run was let spend, whatever the action.
Where arguments show no value there is nothing to count.

Given back is what certainly did not run: its permit was never used, and it failed, was skipped, was recalled or came
back because the world moved; or a person found out that it did not run. What an agent says of itself gives no room: to
report a failure, or an undo, after the permit was used leaves the spending as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from approvals.models import Approval, Outcome
from approvals.models.policy import Gate, Verdict
from approvals.models.states import ItemType, Kind, Route, Status
from approvals.policy import checkpoints
from approvals.policy.checkpoints import PassedSpending, SpendingScope
from approvals.policy.compiled_policy import Policy
from approvals.policy.reasons import OfStep
from approvals.policy.routing import route
from approvals.requests.evaluation import Evaluation

NOT_RUN = frozenset({Outcome.Result.FAILED, Outcome.Result.SKIPPED, Outcome.Result.COMPENSATED})

# Nobody waits in a circle: taken after what was approved beforehand and before runs, requests and approvals are stored;
# elsewhere after the approvals that moved and before their runs and requests. Rows in one order.
_ADD = """
INSERT INTO approvals_spend (spender, hour, amount)
SELECT spender, %(hour)s, amount FROM unnest(%(spenders)s::uuid[], %(amounts)s::numeric[]) AS new (spender, amount)
ORDER BY spender
ON CONFLICT (spender, hour) DO UPDATE SET amount = approvals_spend.amount + EXCLUDED.amount
"""

_ADD_RELEASED = """
INSERT INTO approvals_spend (spender, hour, amount)
SELECT of.spender, date_bin('1 hour', one.released_at, '2000-01-01 00:00+00'),
       sum(%(sign)s * (abs(one.value) - %(less)s))
FROM approvals_approval AS one
JOIN approvals_approvalrequest AS request ON request.id = one.request_id
CROSS JOIN LATERAL (VALUES (one.agent_id), (request.run_id)) AS of (spender)
WHERE one.id = ANY (%(ids)s::uuid[]) AND of.spender IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (spender, hour) DO UPDATE SET amount = approvals_spend.amount + EXCLUDED.amount
"""

# Two sets that pass by the limit of one agent, or of a run of it, are judged one after the other.
_ALONE = """
SELECT id FROM approvals_agent WHERE id = ANY (%(spend_agents)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
# A key that another transaction holds is waited for a second, and then it is in flight. This is no key.
_PATIENT = "SELECT set_config('lock_timeout', '15s', true)"
_BRISK = "SELECT set_config('lock_timeout', '1s', true)"


# --- What passes by itself


def reroute_over_limit(
    evaluations: Sequence[Sequence[Evaluation]], policy: Policy, *, now: datetime
) -> list[list[Evaluation]]:
    """The evaluations, those that would exceed a limit routed again, while no other transaction can spend.

    Nothing is asked of the database where nothing passes that has a limit. Inside the storing transaction only.
    """
    limited = [purse for group in evaluations for evaluation in group for purse in _purses(evaluation, now)]
    if not limited:
        return [list(group) for group in evaluations]
    truth = _spent(limited)
    tally = PassedSpending()
    return [[_reroute(evaluation, truth, tally, policy, now=now) for evaluation in group] for group in evaluations]


Amounts = Mapping[UUID, Decimal]  # by spender


def amounts(evaluations: Sequence[Evaluation], run: UUID | None) -> Amounts:
    """What the evaluations of one submission let be spent."""
    values = (
        abs(evaluation.worth.value) for evaluation in evaluations if _counts(evaluation) and evaluation.worth.value
    )
    total = sum(values, Decimal(0))
    agent = next((evaluation.question.agent_id for evaluation in evaluations), None) if total else None
    return {spender: total for spender in (agent, run if total else None) if spender is not None}


def add(parts: Iterable[Amounts], *, now: datetime) -> None:
    """Count what is let run now."""
    spent: dict[UUID, Decimal] = {}
    for part in parts:
        for spender, amount in part.items():
            spent[spender] = spent.get(spender, Decimal(0)) + amount
    if not spent:
        return
    values: dict[str, Any] = {
        "hour": checkpoints.hour_of(now),
        "spenders": list(spent),
        "amounts": list(spent.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(f"{_PATIENT}; {_ADD}; {_BRISK}", values)


def _purses(evaluation: Evaluation, now: datetime) -> list[SpendingScope]:
    """The spending limits that this evaluation counts against: none where it does not pass or is covered."""
    if evaluation.routing.route != Route.AUTO or evaluation.routing.covered:
        return []
    agent, run = evaluation.question.agent_id, evaluation.question.run
    kinds = [step.type for step in evaluation.steps] or [evaluation.type]
    return [purse for kind in kinds if (purse := checkpoints.purse(kind, agent, run, now)) is not None]


def _spent(limited: Iterable[SpendingScope]) -> Mapping[SpendingScope, Decimal]:
    parameters = checkpoints.purse_parameters(limited)
    with connection.cursor() as cursor:
        cursor.execute(f"{_PATIENT}; {_ALONE}; {_BRISK}; {checkpoints.SPENT}", parameters)
        for _ in range(3):
            cursor.nextset()
        return checkpoints.spent(cursor.fetchall())


def _reroute(
    evaluation: Evaluation,
    truth: Mapping[SpendingScope, Decimal],
    tally: PassedSpending,
    policy: Policy,
    *,
    now: datetime,
) -> Evaluation:
    if _purses(evaluation, now):
        evaluation = (
            _plan_within(evaluation, truth, tally, policy, now)
            if evaluation.steps
            else _one_within(evaluation, truth, tally, policy)
        )
    if _counts(evaluation):
        tally.add(evaluation.question.agent_id, evaluation.question.run, evaluation.worth.value)
    return evaluation


def _one_within(
    evaluation: Evaluation, truth: Mapping[SpendingScope, Decimal], tally: PassedSpending, policy: Policy
) -> Evaluation:
    question = evaluation.question
    purse = checkpoints.purse(question.type, question.agent_id, question.run, question.now)
    if purse is None:
        return evaluation
    spent = truth.get(purse, Decimal(0)) + tally.of(purse)
    if spent == evaluation.assessment.spent:
        return evaluation
    assessment = replace(evaluation.assessment, spent=spent)
    if checkpoints.costly(question, assessment, policy.base) is None:
        return replace(evaluation, assessment=assessment)
    return replace(evaluation, assessment=assessment, routing=route(question, assessment, policy, evaluation.standing))


def _plan_within(
    evaluation: Evaluation, truth: Mapping[SpendingScope, Decimal], tally: PassedSpending, policy: Policy, now: datetime
) -> Evaluation:
    """A plan lets all of its steps run, one of which may be the one too many."""
    question, inside = evaluation.question, tally.copy()
    for number, step in enumerate(evaluation.steps, start=1):
        purse = checkpoints.purse(step.type, question.agent_id, question.run, now)
        if purse is not None and step.routing.shadowed is None:
            assessment = replace(step.assessment, spent=truth.get(purse, Decimal(0)) + inside.of(purse))
            of_step = replace(question, type=step.type, value=step.worth.value)
            asks = checkpoints.costly(of_step, assessment, policy.base)
            if asks is not None:
                gate = Gate.HARD if evaluation.routing.gate in (Gate.SOFT, Gate.CLARIFY) else evaluation.routing.gate
                routing = replace(
                    evaluation.routing,
                    route=Route.REVIEW,
                    gate=gate,
                    reason_code=asks.code,
                    reasons=[OfStep(number, step.title, asks.reason)],
                    strict=True,
                    shadowed=None,
                )
                return replace(evaluation, routing=routing)
        inside.add(question.agent_id, question.run, step.worth.value)
    return evaluation


def _counts(evaluation: Evaluation) -> bool:
    return (
        evaluation.routing.route == Route.AUTO
        and evaluation.item.item_type in (ItemType.ACTION, ItemType.PLAN)
        and evaluation.routing.step is None  # counted with its plan
    )


# --- What people and silence let run


def count(approvals: Iterable[Approval]) -> None:
    """Count those of a set that moved that are released now and may run."""
    released = [approval.pk for approval in approvals if approval.status == Status.RELEASED and _is_spent(approval)]
    if released:
        _add_released(released, 1)


def give_back(approval: Approval, result: str, *, by_person: bool = False) -> None:
    """Take back what was counted of an approval that certainly did not run. Its outcome is `result`, told just now."""
    if result in NOT_RUN and _is_spent(approval) and (by_person or approval.consumed_at is None):
        _add_released([approval.pk], -1)


def give_back_recalled(approval: Approval) -> None:
    """Take back what was counted of an approval that was recalled just now: of a plan, what no step has used of it."""
    if _is_spent(approval) and approval.value is not None:
        values = approval.covered.exclude(status=Status.RECALLED).values_list("value", flat=True)
        used = sum((abs(value) for value in values if value), Decimal(0))
        _add_released([approval.pk], -1, less=min(used, abs(approval.value)))


def count_anyway(approval: Approval, result: str) -> None:
    """Count again what was recalled, and what its agent says ran all the same. Its outcome is `result`."""
    if result not in NOT_RUN and _is_spent(approval):
        _add_released([approval.pk], 1)


def _is_spent(approval: Approval) -> bool:
    return (
        approval.kind == Kind.REAL
        and approval.item_type in (ItemType.ACTION, ItemType.PLAN)
        and approval.verdict in (Verdict.APPROVE, Verdict.MODIFY)
        and approval.plan_id is None
        and bool(approval.value)
    )


def _add_released(ids: Sequence[UUID], sign: int, *, less: Decimal = Decimal(0)) -> None:
    """Count these, or with -1 no longer, each by its value `less` so much."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD_RELEASED, {"ids": list(ids), "sign": sign, "less": less})


# --- Housekeeping

KEPT = 2 * checkpoints.LONGEST_WINDOW  # what a limit looks at, and a rehearsal of the weeks before


def forget(*, now: datetime) -> int:
    """Delete the hours that no limit looks at any more; how many."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM approvals_spend WHERE hour < %s", [now - KEPT])
        return int(cursor.rowcount)
