"""What was approved beforehand: which step of an approved plan, or which standing approval, one proposal could use.

Read for a whole set at once, and only for agents that have any. Within the set a step goes to the first proposal that
equals it, and a standing approval to as many as it has uses left. Nothing here writes: intake takes the uses, and
whoever was second is asked.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from approvals.policy import grant_conditions
from approvals.policy.assessed import Assessment
from approvals.policy.evaluation_input import EvaluationInput
from approvals.policy.flag_reasons import Deviates
from approvals.policy.rules.expressions import BadExpression, compiled_expression
from approvals.values.edits import edits
from approvals.values.schema import Json

_RECORDED = 50  # fields that differ


@dataclass(frozen=True, slots=True)
class ApprovedStep:
    """A step of an approved plan. `number` counts from 1; `run` is the agent's own id of it, "" for any."""

    id: int
    agent: UUID
    run: str
    plan: UUID
    step: str
    number: int
    action: Mapping[str, Json]
    digest: str
    depends_on: tuple[str, ...]
    used: bool


@dataclass(frozen=True, slots=True)
class StandingApproval:
    """A standing approval in force. `left` are the uses that nobody has taken yet."""

    id: UUID
    agent: UUID
    action: str
    conditions: Sequence[Mapping[str, Json]]
    expression: str
    tier: int
    left: int
    by: str
    at: datetime

    def covers(self, question: EvaluationInput, assessment: Assessment) -> bool:
        """Whether it covers this proposal; an expression that could not be evaluated counts as not met."""
        if not question.parsed or not grant_conditions.all_hold(self.conditions, question.args):
            return False
        if not self.expression:
            return True
        try:
            expression = compiled_expression(self.expression)
        except BadExpression:
            return False  # written for another release: it covers nothing
        signals = {signal.name: float(signal.value) for signal in assessment.signals}
        return expression.holds(question.facts(signals, assessment.run)) is True


@dataclass(frozen=True, slots=True)
class PreApproval:
    """What could let one proposal pass: the step that it equals, or standing approvals, those that end first first.

    `deviates` is up where its run has an approved plan and it equals none of the steps that may run now.
    """

    step: ApprovedStep | None = None
    grants: tuple[StandingApproval, ...] = ()
    deviation: Deviates | None = None


NONE = PreApproval()


@dataclass
class PreApprovals:
    """What was approved beforehand for the agents of a set, and what of it the set has taken already."""

    steps: Sequence[ApprovedStep] = ()
    grants: Sequence[StandingApproval] = ()
    _taken: set[int] = field(default_factory=set)
    _uses: dict[UUID, int] = field(default_factory=dict)

    def match(self, question: EvaluationInput, assessment: Assessment, names: Sequence[str]) -> PreApproval:
        """What could let this proposal pass now. `names` are what its agent calls it: item, and step of the run."""
        if not self.steps and not self.grants:
            return NONE
        mine = [step for step in self.steps if step.agent == question.agent_id and step.run in ("", question.run)]
        for step in mine:
            if step.digest == question.digest and not self._is_used(step) and not self._waits_for(step):
                return PreApproval(step=step)
        planned = [step for step in mine if step.run]
        return PreApproval(
            grants=tuple(
                grant
                for grant in self.grants
                if (grant.agent, grant.action) == (question.agent_id, question.type.name)
                and self._uses.get(grant.id, 0) < grant.left
                and grant.covers(question, assessment)
            ),
            deviation=self._deviation(planned, question, names) if planned else None,
        )

    def take(self, step: ApprovedStep | None, grant: StandingApproval | None) -> None:
        """Mark what this proposal uses as taken, so that the next of the set does not use it."""
        if step is not None:
            self._taken.add(step.id)
        if grant is not None:
            self._uses[grant.id] = self._uses.get(grant.id, 0) + 1

    def _is_used(self, step: ApprovedStep) -> bool:
        return step.used or step.id in self._taken

    def _waits_for(self, step: ApprovedStep) -> list[str]:
        """What it depends on and what has not run yet."""
        done = {other.step for other in self.steps if other.plan == step.plan and self._is_used(other)}
        return [name for name in step.depends_on if name not in done]

    def _deviation(self, planned: Sequence[ApprovedStep], question: EvaluationInput, names: Sequence[str]) -> Deviates:
        """How it differs from the step of the same id."""
        newest = list(reversed(planned))  # of two plans of a run the later one is meant
        named = [step for name in names for step in newest if name and step.step == name]
        equal = [step for step in newest if step.digest == question.digest]
        step = next(iter([*equal, *named]), None)
        if step is None:
            return Deviates(newest[0].plan)
        action = step.action.get("name")
        differs = tuple(edits(step.action.get("args"), question.args)[:_RECORDED])
        equals = step.digest == question.digest
        waits = tuple(self._waits_for(step)) if equals else ()
        other = str(action) if action != question.type.name and not equals else ""
        return Deviates(step.plan, step.step, step.number, waits, equals and not waits, other, differs)


def used_step_flag(step: ApprovedStep) -> Deviates:
    """What a proposal is told that equals a step which another one has just used."""
    return Deviates(step.plan, step.step, step.number, used=True)


NO_PRE_APPROVALS = PreApprovals()

# Steps of every plan that holds a wanted digest, or that was approved in a wanted run and is in force.
_STEPS = """
SELECT step.id, step.agent_id, coalesce(run.key, ''), step.plan_id, step.step, step.position + 1, step.action,
       step.digest, step.depends_on, step.used_by_id IS NOT NULL
FROM approvals_plannedstep AS step
JOIN approvals_approval AS plan ON plan.id = step.plan_id AND plan.status = 'released'
JOIN approvals_approvalrequest AS request ON request.id = plan.request_id
LEFT JOIN approvals_run AS run ON run.id = request.run_id
WHERE step.expires_at > %(now)s AND run.stopped_at IS NULL AND step.plan_id IN (
    SELECT other.plan_id FROM unnest(%(agents)s::uuid[], %(digests)s::text[]) AS wanted (agent, digest)
    JOIN approvals_plannedstep AS other
      ON other.agent_id = wanted.agent AND other.digest = wanted.digest AND other.used_by_id IS NULL
    UNION
    SELECT within.id FROM unnest(%(owners)s::uuid[], %(runs)s::text[]) AS named (agent, key)
    JOIN approvals_run AS its ON its.agent_id = named.agent AND its.key = named.key
    JOIN approvals_approvalrequest AS of_it ON of_it.run_id = its.id
    JOIN approvals_approval AS within ON within.request_id = of_it.id AND within.item_type = 'plan'
)
ORDER BY plan.released_at, plan.id, step.position
"""

# In force is what was not revoked, is not over, has uses left, whose giver may still give it, and whose own approval
# cannot be taken back any more.
_GRANTS = """
SELECT held.id, held.agent_id, held.action_type_id, held.conditions, held.expression, held.tier_id,
       held.most - held.reserved - (held.used - held.used_offline),
       coalesce(nullif(giver.first_name, ''), giver.username), held.granted_at
FROM approvals_grant AS held
JOIN approvals_user AS giver ON giver.id = held.granted_by_id AND giver.is_active
JOIN approvals_actiontype AS kind ON kind.name = held.action_type_id
LEFT JOIN approvals_approval AS origin ON origin.id = held.origin_id
WHERE held.agent_id = ANY (%(agents)s::uuid[]) AND held.action_type_id = ANY (%(names)s)
  AND held.revoked_at IS NULL AND held.expires_at > %(now)s
  AND held.used - held.used_offline < held.most - held.reserved
  AND (origin.id IS NULL OR origin.status NOT IN ('pending', 'held'))
  AND EXISTS (
      SELECT FROM approvals_membership AS seat WHERE seat.user_id = giver.id AND seat.tier_id >= held.tier_id
      AND (seat.domain_id IS NULL OR seat.domain_id = kind.domain_id))
  AND NOT EXISTS (
      SELECT FROM approvals_agent_operators AS own WHERE own.agent_id = held.agent_id AND own.user_id = giver.id)
ORDER BY held.expires_at, held.id
"""


def read_pre_approvals(
    questions: Sequence[EvaluationInput], *, planned: Collection[UUID], granted: Collection[UUID], now: datetime
) -> PreApprovals:
    """What was approved beforehand for these questions; `planned` and `granted` name the agents that have any.

    No query for those that have none, one for each kind otherwise.
    """
    mine = [question for question in questions if question.agent_id in planned]
    owners = sorted({(question.agent_id, question.run) for question in mine if question.run})
    digest_keys = sorted({(question.agent_id, question.digest) for question in mine})
    granted_questions = [question for question in questions if question.agent_id in granted]
    steps: list[ApprovedStep] = []
    grants: list[StandingApproval] = []
    with connection.cursor() as cursor:
        if mine:
            values: dict[str, Any] = {  # the cursor's own types
                "now": now,
                "agents": [agent for agent, _ in digest_keys],
                "digests": [digest for _, digest in digest_keys],
                "owners": [agent for agent, _ in owners],
                "runs": [run for _, run in owners],
            }
            cursor.execute(_STEPS, values)
            steps = [
                ApprovedStep(pk, agent, run, plan, step, number, json.loads(action), digest, tuple(needs), used)
                for pk, agent, run, plan, step, number, action, digest, needs, used in cursor.fetchall()
            ]
        if granted_questions:
            names = sorted({question.type.name for question in granted_questions})
            cursor.execute(
                _GRANTS,
                {"now": now, "agents": list({question.agent_id for question in granted_questions}), "names": names},
            )
            grants = [
                StandingApproval(pk, agent, action, json.loads(conditions_json), expression, tier, left, by, at)
                for pk, agent, action, conditions_json, expression, tier, left, by, at in cursor.fetchall()
            ]
    return PreApprovals(steps, grants)
