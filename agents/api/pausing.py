"""Pausing an agent and rejecting all that it has pending, for people's tools."""

from rest_framework.response import Response

from agents.api.base import Call, PersonView, documented
from agents.documents import moment
from agents.problems import not_found
from approvals.execution import agent_pause
from approvals.models import Agent
from approvals.values.schema import Json


def _pausable(call: Call, view: PersonView, name: str) -> Agent:
    agent = agent_pause.pausable_by(view.person(call)).filter(name=name).first()
    if agent is None:
        raise not_found()
    return agent


def _pause_document(agent: Agent) -> dict[str, Json]:
    agent.refresh_from_db()
    return {"agent": agent.name, "paused": agent.paused_at is not None, "since": moment(agent.paused_at)}


class Pausing(PersonView):
    """An agent's pause."""

    body_is_optional = True

    @documented("Pause an agent", name="pause_agent", answers={200: "AgentState"}, problems=[404], tag="people")
    def post(self, call: Call, name: str) -> Response:
        agent = _pausable(call, self, name)
        agent_pause.pause(agent, by=self.person(call))
        return Response(_pause_document(agent))

    @documented("End an agent's pause", name="resume_agent", answers={200: "AgentState"}, problems=[404], tag="people")
    def delete(self, call: Call, name: str) -> Response:
        agent = _pausable(call, self, name)
        agent_pause.pause(agent, by=self.person(call), paused=False)
        return Response(_pause_document(agent))


class RejectPending(PersonView):
    """All that an agent has pending."""

    @documented(
        "Reject all that an agent has pending",
        name="reject_pending",
        body="RejectAll",
        answers={200: "RejectedAll"},
        problems=[400, 404, 413, 415, 422],
        tag="people",
    )
    def post(self, call: Call, name: str) -> Response:
        agent = _pausable(call, self, name)
        body = call.shaped("RejectAll")
        return Response({"rejected": agent_pause.reject_pending(agent, by=self.person(call), why=str(body["message"]))})
