"""An agent asks: submit, read, withdraw, and report what became of it."""

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch
from django.http import HttpResponse
from rest_framework.response import Response

from agents import documents, wait
from agents.api.base import PAGED, AgentView, Call, HeldView, Query, documented
from agents.models import Scope
from agents.problems import not_found
from agents.schemas.build import TIME, non_empty_text, one_of, text
from agents.submission_calls import BulkSubmission, SingleSubmission
from agents.submit import SubmitView
from approvals.db import cursors, times
from approvals.db.cursors import Position
from approvals.decisions import agent_questions
from approvals.execution import agent_reports as agents_own
from approvals.models import Agent, Approval, ApprovalRequest, Outcome


def own(agent: Agent | UUID | None, pk: UUID) -> ApprovalRequest:
    """The agent's own request. Raises Problem 404 for every other."""
    request = ApprovalRequest.objects.select_related("run").filter(agent=agent, pk=pk).first()
    if request is None:
        raise not_found()
    return request


def items_of(request: ApprovalRequest) -> list[Approval]:
    return list(request.approvals.order_by("position"))


class Requests(SubmitView):
    """Submit one, list one's own."""

    @documented(
        "Submit a request: everything that one request needs answered",
        name="submit",
        body="Request",
        answers={201: "RequestState", 200: "RequestState"},
        headers={
            "Idempotency-Key": non_empty_text(255, says="The same as the field idempotency_key, and instead of it.")
        },
        problems=[400, 409, 413, 415, 422],
    )
    def post(self, call: Call) -> SingleSubmission:
        return SingleSubmission.read(call.json(), call.META.get("HTTP_IDEMPOTENCY_KEY"))

    @documented(
        "List the agent's own requests, newest first",
        name="list_requests",
        answers={200: "RequestList"},
        parameters={
            "status": one_of(ApprovalRequest.Status.values),
            "action": text(80, says="Requests with an item of this action type."),
            "since": {**TIME, "description": "Submitted at this time or later."},
            **PAGED,
        },
        problems=[422],
    )
    def get(self, call: Call) -> Response:
        query = Query(call, ["status", "action", "since", "limit", "cursor"])
        status, action, since = (
            query.choice("status", ApprovalRequest.Status.values),
            query.text("action", 80),
            query.moment("since"),
        )
        rows = query.rows()
        requests = ApprovalRequest.objects.filter(agent=call.agent_id).order_by("-created_at", "-pk")
        if status:
            requests = requests.filter(status=status)
        if action:
            requests = requests.filter(Exists(Approval.objects.filter(request=OuterRef("pk"), action_type=action)))
        if since:
            requests = requests.filter(created_at__gte=since)
        listed = f"requests|{call.agent_id}|{status}|{action}|{since}"
        if position := query.position(listed):
            requests = requests.filter(position.older("created_at"))
        ordered = Prefetch("approvals", Approval.objects.order_by("position"))
        request_rows = list(requests.select_related("run").prefetch_related(ordered)[: rows + 1])
        more = len(request_rows) > rows
        last = request_rows[rows - 1] if more else None
        return Response(
            {
                "requests": [
                    documents.of_request(one, one.approvals.all(), decision=False) for one in request_rows[:rows]
                ],
                "next": cursors.write(listed, Position(last.created_at, last.pk)) if last else None,
            }
        )


class Bulk(SubmitView):
    """Many at once, each with its own answer."""

    single = False

    @documented(
        "Submit up to 500 requests; each is answered as it would be alone",
        name="submit_bulk",
        body="BulkRequest",
        answers={200: "BulkAnswer"},
        problems=[400, 409, 413, 415, 422],
    )
    def post(self, call: Call) -> BulkSubmission:
        return BulkSubmission.read(call.json(), call.META.get("HTTP_IDEMPOTENCY_KEY"))


class RequestDetail(AgentView):
    """One of the agent's own."""

    @documented("Read a request", name="read_request", answers={200: "RequestState"}, problems=[404])
    def get(self, call: Call, pk: UUID) -> Response:
        request = own(call.agent_id, pk)
        questions = agent_questions.unanswered([request.pk])
        agent_questions.mark_read(questions, now=times.now())
        return Response(documents.of_request(request, items_of(request), questions=questions))


class RequestDecision(HeldView):
    """The decision, as it stands now or as soon as there is news."""

    @documented(
        "Read the decision, or wait for it",
        name="read_decision",
        answers={200: "DecisionDocument", 202: "DecisionDocument"},
        parameters={
            "wait": {
                "type": "number",
                "minimum": 0,
                "maximum": wait.LONGEST,
                "description": "Seconds to wait for it, with up to three decimals; at once without it.",
            },
            "first": one_of(
                ["0", "1"], says="1: the first document, where an item was recalled since; else the newest."
            ),
        },
        problems=[404, 422],
    )
    async def get(self, call: Call, pk: UUID) -> HttpResponse:
        query = Query(call, ["wait", "first"])
        seconds, first = query.seconds("wait", wait.LONGEST), query.choice("first", ("0", "1")) == "1"
        look = partial(wait.read_decision, pk, call.agent_id, first=first)

        def look_again() -> wait.DecisionState:
            self.readmit(call)
            return look()

        state = await wait.until_news(pk, seconds, look, look_again)
        return HttpResponse(state.body, status=state.status, content_type="application/json")


class Cancel(AgentView):
    """The agent no longer needs an answer."""

    body_is_optional = True

    @documented(
        "Withdraw a request",
        name="cancel_request",
        body="Cancellation",
        answers={200: "RequestState"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call, pk: UUID) -> Response:
        body = call.shaped("Cancellation")
        request = agents_own.cancel(own(call.agent_id, pk), by=self.agent(call), reason=str(body.get("reason", "")))
        return Response(documents.of_request(request, items_of(request)))


class ItemOutcome(AgentView):
    """What happened when it ran."""

    scopes = {"POST": Scope.EXECUTE}

    @documented(
        "Report what became of an item; the first report counts, an identical one is fine",
        name="report_outcome",
        body="OutcomeReport",
        answers={200: "OutcomeState"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call, pk: UUID, item: str) -> Response:
        body = call.shaped("OutcomeReport")
        approval = own(call.agent_id, pk).approvals.filter(item=item).first()
        if approval is None:
            raise not_found()
        data = body.get("data")
        outcome: Outcome = agents_own.report_outcome(
            approval,
            by=self.agent(call),
            result=str(body["result"]),
            detail=str(body.get("detail", "")),
            data=data if isinstance(data, Mapping) else {},
        )
        return Response(
            {
                "item": item,
                "result": outcome.result,
                "detail": outcome.detail,
                "data": outcome.data,
                "reported_at": documents.moment(outcome.reported_at),
            }
        )
