"""Words both ways: an agent revises, answers, reads advice, and says when harm was done."""

from collections.abc import Mapping
from uuid import UUID

from rest_framework.response import Response

from agents import documents, submissions
from agents.api.base import AgentView, Call, Query, documented
from agents.api.requests import items_of, own
from agents.models import Scope
from agents.problems import invalid, not_found
from agents.schemas.build import ID
from approvals.decisions import agent_questions, guidance
from approvals.execution import incidents
from approvals.models import AgentQuestion, Approval, Run
from approvals.requests.amend import amend
from approvals.requests.submission import BadSubmission
from approvals.values.schema import Fault, Json


def item_of(call: Call, pk: UUID, item: str) -> Approval:
    """One item of the agent's own request. Raises Problem 404."""
    approval = own(call.agent_id, pk).approvals.filter(item=item).first()
    if approval is None:
        raise not_found()
    return approval


class Amend(AgentView):
    """A new revision of what still waits."""

    @documented(
        "Revise an item that waits: the votes are void, the deadline stays",
        name="amend_item",
        body="Amendment",
        answers={200: "RequestState"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call, pk: UUID, item: str) -> Response:
        body = call.shaped("Amendment")
        try:
            amend(item_of(call, pk, item).pk, submissions.revision(body), by=self.agent(call))
        except BadSubmission as error:
            raise submissions.refused(error, body) from error
        request = own(call.agent_id, pk)
        return Response(documents.of_request(request, items_of(request), questions=agent_questions.unanswered([pk])))


class Answer(AgentView):
    """What a reviewer wanted to know."""

    @documented(
        "Answer a reviewer's question; the same answer again is fine",
        name="answer_question",
        body="QuestionAnswer",
        answers={200: "AnsweredQuestion"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call, pk: UUID) -> Response:
        body = call.shaped("QuestionAnswer")
        inquiry = AgentQuestion.objects.filter(pk=pk, approval__agent=call.agent_id).first()
        if inquiry is None:
            raise not_found()
        answered = agent_questions.answer(inquiry, by=self.agent(call), text=str(body["answer"]))
        return Response(
            {
                "id": str(answered.pk),
                "request": str(answered.approval.request_id),
                "item": answered.approval.item,
                "text": answered.text,
                "answer": answered.answer,
                "answered_at": documents.moment(answered.answered_at),
            }
        )


class RunGuidance(AgentView):
    """What reviewers advise a running agent."""

    @documented(
        "Read what reviewers advised this run, in the order given",
        name="read_guidance",
        answers={200: "GuidanceList"},
        parameters={"after": {**ID, "description": "The id of the last one that the agent has read."}},
        problems=[404, 422],
    )
    def get(self, call: Call, key: str) -> Response:
        query = Query(call, ["after"])
        run = Run.objects.filter(agent=call.agent_id, key=key).first()
        if run is None:
            raise not_found()
        messages = guidance.fetch(run, after=query.uuid("after"))
        return Response({"guidance": [guidance.api_guidance(one) for one in messages]})


class Incidents(AgentView):
    """Harm, as the agent noticed it."""

    scopes = {"POST": Scope.EXECUTE}

    @documented(
        "Report that an approved action caused harm",
        name="open_incident",
        body="IncidentReport",
        answers={201: "IncidentState", 200: "IncidentState"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call) -> Response:
        body = call.shaped("IncidentReport")
        pk = _uuid(_text(body, "request"), "/request")
        approval = item_of(call, pk or UUID(int=0), _text(body, "item"))
        incident, new = incidents.open_incident(
            approval,
            by=self.agent(call),
            severity=_text(body, "severity"),
            text=_text(body, "text"),
            cost=_text(body, "cost"),
        )
        return Response(
            {
                "id": str(incident.pk),
                "request": str(approval.request_id),
                "item": approval.item,
                "severity": incident.severity,
                "text": incident.text,
                "cost": None if incident.cost is None else str(incident.cost),
                "opened_at": documents.moment(incident.opened_at),
            },
            status=201 if new else 200,
        )


def _text(body: Mapping[str, Json], name: str) -> str:
    return str(body.get(name, ""))


def _uuid(text: str, pointer: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise invalid([Fault(pointer, "A UUID.")]) from None
