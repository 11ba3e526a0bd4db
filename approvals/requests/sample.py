"""A made-up request routed under a policy that need not be in force. Nothing of it is stored, and nobody is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from approvals.db import times
from approvals.models import Agent
from approvals.models.states import Route
from approvals.policy.compiled_policy import Policy
from approvals.policy.routing_decision import Routing
from approvals.requests.evaluation import evaluate_items
from approvals.requests.submission import AgentSubmission, Item, Submission
from approvals.requests.validation import faults_of
from approvals.values.schema import Fault, Json


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What would become of it: where it is routed, or what keeps it from being taken."""

    routing: Routing | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def outcome(self) -> str:
        """The route, or `refused` where it is not taken at all."""
        return self.routing.route if self.routing else ""

    @property
    def asks(self) -> bool:
        return self.routing is not None and self.routing.route == Route.REVIEW


def route_sample(
    agent: Agent, action: str, args: Json, policy: Policy, *, summary: str = "", stated: float | None = None
) -> SampleResult:
    """Route one action of this agent as if it were proposed now; its past is the real one."""
    signals: Mapping[str, float] = {} if stated is None else {"stated_confidence": stated}
    item = Item(id="sample", action=action, args=args, summary=summary, signals=signals)
    submission = Submission((item,), content_hash="")
    if kind := policy.types.get(action):
        # What agents must say beside the arguments decides nothing, and the form has no place for it.
        policy = replace(policy, types={**policy.types, action: replace(kind, required=())})
    if faults := faults_of(submission, policy):
        return SampleResult(faults=tuple(faults))
    [[evaluation]] = evaluate_items([AgentSubmission(agent.pk, submission)], policy, now=times.now())
    return SampleResult(evaluation.routing)
