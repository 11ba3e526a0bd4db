"""An agent that tells what its run does, and people who say no in the middle of it."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.http import HttpResponse

from agents import keys
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, Run, Step, User
from approvals.requests import decision_document
from approvals.requests.submission import RunRef
from tests.agents.conftest import Api, api, conforms, refused, request_body, stranger  # noqa: F401

KEY = "order-4711"
RESERVE = {"name": "reserve", "args": {"sku": "A1", "count": 2}}
RELEASE = {"name": "release", "args": {"reservation": "R-7"}}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Keys go with the test's database; pages and the API stand beside each other here."""
    keys.forget()
    yield
    keys.forget()


class AgentRun:
    """One run as its agent tells of it: course.step("reserve", action=…, undo=…), course.undo("reserve")."""

    def __init__(self, api: Api, key: str = KEY) -> None:  # noqa: F811
        self.api, self.key = api, key

    def step(self, step: str, **fields: object) -> HttpResponse:
        return self.api.post(f"runs/{self.key}/steps", {"id": step, **fields})

    def undo(self, step: str, result: str = "succeeded", **fields: object) -> HttpResponse:
        return self.api.post(f"runs/{self.key}/steps/{step}/undo", {"result": result, **fields})

    def read(self) -> dict:
        return self.api.get(f"runs/{self.key}").json()

    def status(self, step: str) -> str:
        return Step.objects.get(run__key=self.key, key=step).status

    @property
    def row(self) -> Run:
        return Run.objects.get(key=self.key)


@pytest.fixture
def course(api) -> AgentRun:  # noqa: F811
    return AgentRun(api)


@pytest.fixture
def propose_in_run(propose) -> Callable[..., Approval]:
    """Have robot ask inside the run: ask(amount=…, step="charge")."""

    def make(key: str = KEY, step: str = "", **fields: object) -> Approval:
        return propose(run=RunRef(key, "Order 4711", step), **fields)

    return make


@pytest.fixture
def give_verdict(alice) -> Callable[..., Approval]:
    """A person's verdict: say("reject", approval, stop=True)."""

    def make(verdict: str, approval: Approval, by: User = alice, **verdict_input: object) -> Approval:
        if verdict == "reject":
            verdict_input.setdefault("message", "no")
        return decide(card_version_of(approval), by=by, verdict=verdict, verdict_input=VerdictInput(**verdict_input))

    return make


@pytest.fixture
def reserved(course) -> AgentRun:
    """A run that has planned (nothing undoes that) and reserved (which is undone by a release)."""
    course.step("plan", action={"name": "plan", "args": {}})
    course.step("reserve", action=RESERVE, undo=RELEASE)
    return course


def document_item(approval: Approval) -> dict:
    """The item of the decision document of an approval's request."""
    approval = load(approval.pk)
    items = (
        json.loads(approval.request.answer)["items"]
        if approval.request.answer
        else decision_document.open_document(approval.request)
    )
    [item] = [one for one in items if one["id"] == approval.item]
    return item


def backdate(course: AgentRun, by: timedelta) -> None:
    """Make what is to be undone in a run be asked for that much earlier."""
    for step in Step.objects.filter(run__key=course.key, undo_asked_at__isnull=False):
        Step.objects.filter(pk=step.pk).update(undo_asked_at=step.undo_asked_at - by)
