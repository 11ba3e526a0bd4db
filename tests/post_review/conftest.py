"""What runs before anybody has looked: notes that go on unless stopped, labels whose run is reviewed at its end."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from agents import keys
from approvals.decisions.card_version import load
from approvals.execution import post_review
from approvals.execution.post_review import FindingInput
from approvals.models import ActionType, Approval, PostReview, User
from approvals.requests.submission import RunRef
from approvals.workload import expected_wait
from tests.agents.conftest import Api, api, conforms, refused, request_body, stranger  # noqa: F401
from tests.runs.conftest import KEY, AgentRun, course  # noqa: F401

WINDOW = timedelta(minutes=10)
UNDO = {"name": "unlabel", "args": {"label": "L-1"}}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Keys and paces go with the test's database; pages and the API stand beside each other here."""
    keys.forget()
    expected_wait.forget()
    yield
    keys.forget()


@pytest.fixture
def veto_type(action_type) -> ActionType:
    """A soft gate: the agent goes on at once, and a veto within ten minutes stops its run."""
    return action_type(
        "note",
        reversibility="reversible",
        gate="soft",
        on_timeout="approve",
        runs_before_review="veto",
        expires_after=WINDOW,
    )


@pytest.fixture
def optimistic_type(action_type) -> ActionType:
    """The agent goes on at once, and its run is reviewed when it has ended."""
    return action_type("label", reversibility="reversible", runs_before_review="review", expires_after=WINDOW)


@pytest.fixture
def propose_in_run(propose) -> Callable[..., Approval]:
    """Have robot propose inside the run: go("note", order="2", step="second")."""

    def make(action: str, *, key: str = KEY, step: str = "", **fields: object) -> Approval:
        return propose(action=action, run=RunRef(key, "Order 4711", step), **fields)

    return make


@pytest.fixture
def vetoable(veto_type, propose_in_run) -> Approval:
    return propose_in_run("note")


@pytest.fixture
def optimistic(optimistic_type, propose_in_run) -> Approval:
    return propose_in_run("label")


def review_of(approval: Approval) -> PostReview:
    return PostReview.objects.get(pk=approval.pk)


def mark_fine(*approvals: Approval, by: User, note: str = "") -> list[Approval]:
    return post_review.record_finding(
        [one.pk for one in approvals], by=by, finding=post_review.OK, finding_input=FindingInput(note)
    )


def flag_problem(
    *approvals: Approval, by: User, note: str = "wrong customer", **verdict_input: object
) -> list[Approval]:
    return post_review.record_finding(
        [one.pk for one in approvals],
        by=by,
        finding=post_review.FLAGGED,
        finding_input=FindingInput(note, **verdict_input),
    )


def report_step(course: AgentRun, approval: Approval, key: str, **fields: object) -> None:  # noqa: F811
    """The agent ran it and told of the step, with what undoes it."""
    fields = {"undo": UNDO, **fields}
    answer = course.step(key, request=str(approval.request_id), item=approval.item, **fields)
    assert answer.status_code == 201, answer.content


def fresh(approval: Approval) -> Approval:
    return load(approval.pk)
