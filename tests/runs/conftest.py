"""An agent that tells what its run does, and people who say no in the middle of it."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.http import HttpResponse

from agents import keys
from approvals.models import Approval, Run, Step, User
from approvals.review import answers, decisions
from approvals.review.decisions import Words
from approvals.review.submission import RunRef
from tests.agents.conftest import Api, api, asked, conforms, refused, stranger  # noqa: F401

KEY = "order-4711"
RESERVE = {"name": "reserve", "args": {"sku": "A1", "count": 2}}
RELEASE = {"name": "release", "args": {"reservation": "R-7"}}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Keys go with the test's database; pages and the API stand beside each other here."""
    keys.forget()
    yield
    keys.forget()


class Course:
    """One run as its agent tells of it: course.step("reserve", action=…, undo=…), course.undo("reserve")."""

    def __init__(self, api: Api, key: str = KEY) -> None:  # noqa: F811
        self.api, self.key = api, key

    def step(self, step: str, **told: object) -> HttpResponse:
        return self.api.post(f"runs/{self.key}/steps", {"id": step, **told})

    def undo(self, step: str, result: str = "succeeded", **told: object) -> HttpResponse:
        return self.api.post(f"runs/{self.key}/steps/{step}/undo", {"result": result, **told})

    def read(self) -> dict:
        return self.api.get(f"runs/{self.key}").json()

    def status(self, step: str) -> str:
        return Step.objects.get(run__key=self.key, key=step).status

    @property
    def row(self) -> Run:
        return Run.objects.get(key=self.key)


@pytest.fixture
def course(api) -> Course:  # noqa: F811
    return Course(api)


@pytest.fixture
def ask(propose) -> Callable[..., Approval]:
    """Have robot ask inside the run: ask(amount=…, step="charge")."""

    def make(key: str = KEY, step: str = "", **fields: object) -> Approval:
        return propose(run=RunRef(key, "Order 4711", step), **fields)

    return make


@pytest.fixture
def say(alice) -> Callable[..., Approval]:
    """A person's verdict: say("reject", approval, stop=True)."""

    def make(verdict: str, approval: Approval, by: User = alice, **words: object) -> Approval:
        if verdict == "reject":
            words.setdefault("message", "no")
        return decisions.decide(decisions.seen(approval), by=by, verdict=verdict, words=Words(**words))

    return make


@pytest.fixture
def reserved(course) -> Course:
    """A run that has planned (nothing undoes that) and reserved (which is undone by a release)."""
    course.step("plan", action={"name": "plan", "args": {}})
    course.step("reserve", action=RESERVE, undo=RELEASE)
    return course


def told(approval: Approval) -> dict:
    """The item of the decision document of an approval's pause."""
    approval = decisions.load(approval.pk)
    items = json.loads(approval.pause.answer)["items"] if approval.pause.answer else answers.partial(approval.pause)
    [found] = [one for one in items if one["id"] == approval.item]
    return found


def backdate(course: Course, by: timedelta) -> None:
    """Make what is to be undone in a run be asked for that much earlier."""
    for step in Step.objects.filter(run__key=course.key, undo_asked_at__isnull=False):
        Step.objects.filter(pk=step.pk).update(undo_asked_at=step.undo_asked_at - by)
