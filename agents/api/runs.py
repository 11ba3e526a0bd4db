"""An agent tells what a run did and how that is undone, and reads where it stands."""

from collections.abc import Mapping
from uuid import UUID

from rest_framework.response import Response

from agents.api.base import AgentView, Call, Query, documented
from agents.documents import moment
from agents.models import Scope
from agents.problems import invalid, not_found
from approvals.execution import rollback, run_endings, runs, steps
from approvals.models import Approval, Guidance, Run, Step
from approvals.values.schema import Fault, Json

_LONGEST_KEY = 200
_STEP_FIELDS = ("action", "undo", "context")


class Steps(AgentView):
    """What the run does."""

    scopes = {"POST": Scope.EXECUTE}

    @documented(
        "Tell of a step of a run, when it begins or when it ended; the same again is fine",
        name="record_step",
        body="StepReport",
        answers={201: "StepState", 200: "StepState"},
        problems=[400, 409, 413, 415, 422],
    )
    def post(self, call: Call, key: str) -> Response:
        body = call.shaped("StepReport")
        if len(key) > _LONGEST_KEY or "\0" in key:
            raise invalid([Fault("", f"A run's id has at most {_LONGEST_KEY} characters, and no NUL.")])
        report = steps.StepReport(
            key=str(body["id"]),
            status=str(body.get("status", Step.Status.DONE)),
            fields={name: body[name] for name in _STEP_FIELDS if name in body},
            approval=_approval(call.agent_id, body),
        )
        step, new = steps.record(steps.run_of(self.agent(call), key, str(body.get("run_name", ""))), report)
        return Response(document(step), status=201 if new else 200)


class Undo(AgentView):
    """What became of undoing a step."""

    scopes = {"POST": Scope.EXECUTE}

    @documented(
        "Report an attempt to undo a step",
        name="report_undo",
        body="UndoReport",
        answers={200: "StepState"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call, key: str, step: str) -> Response:
        body = call.shaped("UndoReport")
        run = _own(call.agent_id, key)
        recorded_step = Step.objects.filter(run=run, key=step).first() if "\0" not in step else None
        if recorded_step is None:
            raise not_found()
        succeeded, detail = body["result"] == "succeeded", str(body.get("detail", ""))
        undone = rollback.report(recorded_step, by=self.agent(call), succeeded=succeeded, detail=detail)
        return Response(document(undone))


class RunDetail(AgentView):
    """Where a run stands."""

    @documented(
        "Read a run: its steps in order, and what can be undone of them",
        name="read_run",
        answers={200: "RunState"},
        problems=[404, 422],
    )
    def get(self, call: Call, key: str) -> Response:
        Query(call, [])
        run = _own(call.agent_id, key)
        return Response(_state(run))


class End(AgentView):
    """The end of a run."""

    scopes = {"POST": Scope.EXECUTE}
    body_is_optional = True

    @documented(
        "Say that a run is over: what went ahead in it is reviewed now; saying it again is fine",
        name="end_run",
        body="RunEnd",
        answers={200: "RunState"},
        problems=[400, 404, 413, 415, 422],
    )
    def post(self, call: Call, key: str) -> Response:
        call.shaped("RunEnd")
        return Response(_state(run_endings.end_run(_own(call.agent_id, key))))


def _state(run: Run) -> dict[str, Json]:
    of_run = Step.objects.filter(run=run).select_related("approval").order_by("position")
    return {
        "id": run.key,
        "name": run.name,
        "stopped": run.stopped_at is not None,
        "ended": run.ended_at is not None,
        "steps": [document(step) for step in of_run],
        "compensate": runs.compensations(run.pk),
        "to_undo": [runs.compensation(step) for step in runs.to_undo(run.pk)],
        "guidance_unread": Guidance.objects.filter(run=run, read_at=None).count(),
    }


def document(step: Step) -> dict[str, Json]:
    """A step as its agent reads it."""
    approval = step.approval
    return {
        "id": step.key,
        "position": step.position,
        "status": step.status,
        "action": step.action or None,
        "undo": step.undo,
        "request": str(approval.request_id) if approval else None,
        "item": approval.item if approval else None,
        "started_at": moment(step.started_at),
        "done_at": moment(step.done_at),
        "undone_at": moment(step.undone_at),
        "attempts": step.attempts,
        "last_error": step.last_error,
    }


def _own(agent_id: UUID, key: str) -> Run:
    """The agent's own run. Raises Problem 404."""
    run = Run.objects.filter(agent=agent_id, key=key).first() if "\0" not in key else None
    if run is None:
        raise not_found()
    return run


def _approval(agent_id: UUID, body: Mapping[str, Json]) -> Approval | None:
    """What let the step run: an item of the agent's own. Raises Problem 422."""
    request, item = body.get("request"), body.get("item")
    if request is None and item is None:
        return None
    if request is None or item is None:
        missing = "item" if item is None else "request"
        raise invalid([Fault(f"/{missing}", "A request and its item are named together.")])
    try:
        approval_request = UUID(str(request))
    except ValueError:
        raise invalid([Fault("/request", "A UUID.")]) from None
    approvals = Approval.objects.select_related("request", "proposal", "planned_step")
    approval = approvals.filter(agent=agent_id, request=approval_request, item=item).first()
    if approval is None:
        raise invalid([Fault("/request", "This agent has asked no such thing.")])
    return approval
