"""What an agent can know before it asks: the action types, and what policy would do."""

from collections.abc import Mapping

from rest_framework.response import Response

from agents import confidence, submissions
from agents.api.base import AgentView, Call, Query, View, documented
from agents.problems import not_found
from approvals.policy import messages, snapshot
from approvals.policy.compiled_policy import Policy, TypePolicy
from approvals.requests import intake
from approvals.requests.submission import BadSubmission
from approvals.values.schema import Json


class Evaluate(AgentView):
    """A rehearsal of one request."""

    @documented(
        "Ask what policy would do with a request; nothing is stored",
        name="evaluate",
        body="Request",
        answers={200: "Evaluation"},
        problems=[400, 413, 415, 422],
    )
    def post(self, call: Call) -> Response:
        body = call.json()
        submission = submissions.read(body)
        try:
            evaluations = intake.evaluate(self.agent(call), submission)
        except BadSubmission as error:
            raise submissions.refused(error, body) from error
        return Response(
            {
                "policy_version": snapshot.current().number,
                "items": [
                    {
                        "id": item.id,
                        "route": routing.route,
                        "gate": routing.gate,
                        "tier": routing.tier,
                        "domain": domain,
                        "approvers": routing.approvers,
                        "stages": [stage.as_json() for stage in routing.stages],
                        "typed": routing.typed,
                        "reason_code": routing.reason_code,
                        "reasons": messages.documents(reason.as_json() for reason in routing.reasons),
                        "confidence": confidence.confidence_document(assessment.as_json()),
                        "shadow": messages.shadow_document(routing.shadowed),
                    }
                    for item, domain, routing, assessment in evaluations
                ],
            }
        )


class ActionTypes(View):
    """Every action type in force."""

    @documented("List the action types", name="list_action_types", answers={200: "ActionTypeList"}, problems=[422])
    def get(self, call: Call) -> Response:
        Query(call, [])
        policy = snapshot.current()
        types = [_action_type_document(policy.types[name], policy) for name in sorted(policy.types)]
        return Response({"action_types": types, "policy_version": policy.number})


class ActionTypeDetail(View):
    """One of them."""

    @documented("Read an action type", name="read_action_type", answers={200: "ActionType"}, problems=[404])
    def get(self, call: Call, name: str) -> Response:
        policy = snapshot.current()
        if name not in policy.types:
            raise not_found()
        return Response(_action_type_document(policy.types[name], policy))


def _action_type_document(kind: TypePolicy, policy: Policy) -> Mapping[str, Json]:
    ceiling = policy.tiers_in(kind.domain)[kind.tier].ceiling
    return {
        "name": kind.name,
        "title": kind.title,
        "domain": kind.domain,
        "schema": dict(kind.schema),
        "schema_version": kind.schema_version,
        "reversibility": kind.reversibility,
        "strategy": kind.strategy,
        "gate": kind.gate,
        "tier": kind.tier,
        "approvers": kind.approvers,
        "allowed": list(kind.allowed),
        "required": list(kind.required),
        "value_ceiling": None if ceiling is None else f"{ceiling:.2f}",
        "currency": policy.base,
        "expires_after_s": kind.expires_after.total_seconds(),
        "on_timeout": kind.on_timeout,
    }
