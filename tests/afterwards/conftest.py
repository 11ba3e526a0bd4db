"""What runs before anybody has looked: notes that go on unless stopped, labels whose run is reviewed at its end."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from agents import keys
from approvals.models import ActionType, Approval, Audit, User
from approvals.review import decisions, findings, pace
from approvals.review.findings import Words
from approvals.review.submission import RunRef
from tests.agents.conftest import Api, api, asked, conforms, refused, stranger  # noqa: F401
from tests.runs.conftest import KEY, Course, course  # noqa: F401

WINDOW = timedelta(minutes=10)
UNDO = {"name": "unlabel", "args": {"label": "L-1"}}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Keys and paces go with the test's database; pages and the API stand beside each other here."""
    keys.forget()
    pace.forget()
    yield
    keys.forget()


@pytest.fixture
def noting(action_type) -> ActionType:
    """A soft gate: the agent goes on at once, and a veto within ten minutes stops its run."""
    return action_type(
        "note",
        reversibility="reversible",
        gate="soft",
        on_timeout="approve",
        ahead="veto",
        expires_after=WINDOW,
    )


@pytest.fixture
def labelling(action_type) -> ActionType:
    """The agent goes on at once, and its run is reviewed when it has ended."""
    return action_type("label", reversibility="reversible", ahead="review", expires_after=WINDOW)


@pytest.fixture
def go(propose) -> Callable[..., Approval]:
    """Have robot propose inside the run: go("note", order="2", step="second")."""

    def make(action: str, *, key: str = KEY, step: str = "", **fields: object) -> Approval:
        return propose(action=action, run=RunRef(key, "Order 4711", step), **fields)

    return make


@pytest.fixture
def noted(noting, go) -> Approval:
    return go("note")


@pytest.fixture
def labelled(labelling, go) -> Approval:
    return go("label")


def look(approval: Approval) -> Audit:
    return Audit.objects.get(pk=approval.pk)


def fine(*approvals: Approval, by: User, note: str = "") -> list[Approval]:
    return findings.find([one.pk for one in approvals], by=by, finding=findings.FINE, words=Words(note))


def object_to(*approvals: Approval, by: User, note: str = "wrong customer", **words: object) -> list[Approval]:
    return findings.find([one.pk for one in approvals], by=by, finding=findings.OBJECTED, words=Words(note, **words))


def ran(course: Course, approval: Approval, key: str, **told: object) -> None:  # noqa: F811
    """The agent ran it and told of the step, with what undoes it."""
    told = {"undo": UNDO, **told}
    answer = course.step(key, request=str(approval.pause_id), item=approval.item, **told)
    assert answer.status_code == 201, answer.content


def fresh(approval: Approval) -> Approval:
    return decisions.load(approval.pk)
