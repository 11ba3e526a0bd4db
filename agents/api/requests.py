"""An agent asks: submit, read, withdraw, and report what became of it."""

from collections.abc import Mapping
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q
from django.http import HttpResponse
from rest_framework.response import Response

from agents import cursors, documents, wait
from agents.api.base import PAGED, AgentView, Call, Query, documented
from agents.asking import Asking, Many, One
from agents.models import Scope
from agents.problems import invalid, not_found
from agents.shapes.build import TIME, one_of, text, word
from approvals import times
from approvals.models import Agent, Approval, Outcome, Pause
from approvals.policy.schema import Fault
from approvals.review import agent as agents_own
from approvals.review import inquiries, intake
from approvals.review.submission import Asked


def own(agent: Agent | UUID | None, pk: UUID) -> Pause:
    """The agent's own request. Raises Problem 404 for every other."""
    pause = Pause.objects.select_related("run").filter(agent=agent, pk=pk).first()
    if pause is None:
        raise not_found()
    return pause


def items_of(pause: Pause) -> list[Approval]:
    return list(pause.approvals.order_by("position"))


def answered(call: Call, asking: type[Asking]) -> Response:
    """Take what the call asks. Where the site is served by ASGI, agents.submit answers instead, beside Django."""
    asked = asking.read(call.json(), call.headers.get("Idempotency-Key"))
    told = asked.told(intake.take([Asked(call.agent_id, one) for one in asked.submissions]))
    return Response(told.document, status=told.status, headers=told.headers)


class Requests(AgentView):
    """Submit one, list one's own."""

    @documented(
        "Submit a request: everything that one pause needs answered",
        name="submit",
        body="Request",
        answers={201: "RequestState", 200: "RequestState"},
        headers={"Idempotency-Key": word(255, says="The same as the field idempotency_key, and instead of it.")},
        problems=[400, 409, 413, 415, 422],
    )
    def post(self, call: Call) -> Response:
        return answered(call, One)

    @documented(
        "List the agent's own requests, newest first",
        name="list_requests",
        answers={200: "RequestList"},
        parameters={
            "status": one_of(Pause.Status.values),
            "action": text(80, says="Requests with an item of this action type."),
            "since": {**TIME, "description": "Submitted at this time or later."},
            **PAGED,
        },
        problems=[422],
    )
    def get(self, call: Call) -> Response:
        query = Query(call, ["status", "action", "since", "limit", "cursor"])
        status, action, since = (
            query.choice("status", Pause.Status.values),
            query.text("action", 80),
            query.moment("since"),
        )
        rows = query.rows()
        pauses = Pause.objects.filter(agent=call.agent_id).order_by("-created_at", "-pk")
        if status:
            pauses = pauses.filter(status=status)
        if action:
            pauses = pauses.filter(Exists(Approval.objects.filter(pause=OuterRef("pk"), action_type=action)))
        if since:
            pauses = pauses.filter(created_at__gte=since)
        listed = f"requests|{call.agent_id}|{status}|{action}|{since}"
        if query.text("cursor"):
            at, pk = cursors.read(query.text("cursor"), listed)
            pauses = pauses.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))
        ordered = Prefetch("approvals", Approval.objects.order_by("position"))
        found = list(pauses.select_related("run").prefetch_related(ordered)[: rows + 1])
        more = len(found) > rows
        last = found[rows - 1] if more else None
        return Response(
            {
                "requests": [documents.of_request(one, one.approvals.all(), decision=False) for one in found[:rows]],
                "next": cursors.write(listed, last.created_at, last.pk) if last else None,
            }
        )


class Bulk(AgentView):
    """Many at once, each with its own answer."""

    @documented(
        "Submit up to 500 requests; each is answered as it would be alone",
        name="submit_bulk",
        body="BulkRequest",
        answers={200: "BulkAnswer"},
        problems=[400, 409, 413, 415, 422],
    )
    def post(self, call: Call) -> Response:
        return answered(call, Many)


class OneRequest(AgentView):
    """One of the agent's own."""

    @documented("Read a request", name="read_request", answers={200: "RequestState"}, problems=[404])
    def get(self, call: Call, pk: UUID) -> Response:
        pause = own(call.agent_id, pk)
        asked = inquiries.waiting([pause.pk])
        inquiries.fetched(asked, now=times.now())
        return Response(documents.of_request(pause, items_of(pause), questions=asked))


class OneDecision(AgentView):
    """The decision as it stands now. With `wait`, `agents.wait` answers instead, beside Django."""

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
    def get(self, call: Call, pk: UUID) -> HttpResponse:
        first = Query(call, ["wait", "first"]).text("first") or "0"
        if first not in ("0", "1"):
            raise invalid([Fault("/first", wait.FIRST)])
        look = wait.look(pk, call.agent_id, first=first == "1")
        return HttpResponse(look.body, status=look.status, content_type="application/json")


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
        pause = agents_own.cancel(own(call.agent_id, pk), by=self.agent(call), reason=str(body.get("reason", "")))
        return Response(documents.of_request(pause, items_of(pause)))


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
