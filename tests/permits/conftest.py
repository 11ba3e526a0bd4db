"""What an executor has in its hands: a permit, the digest of what it is about to run, and robot's key."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.http import HttpResponse

from agents import keys
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, User
from approvals.requests import decision_document
from tests.agents.conftest import Api, api, conforms, refused, stranger  # noqa: F401
from tests.conftest import replace_arguments


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Pages and API are asked alike here; no key of another test is known."""
    keys.forget()


@dataclass
class Executor:
    """Holds the permit of an approved item and uses it."""

    api: Api
    approval: Approval
    permit: str
    digest: str
    jti: str

    def consume(self, attempt: str = "first", *, by: Api | None = None, **changed: object) -> HttpResponse:
        jti = changed.pop("jti", self.jti)
        body = {"permit": self.permit, "action_digest": self.digest, "attempt": attempt, **changed}
        return (by or self.api).post(f"permits/{jti}/consume", body)

    def report(self, result: str = "succeeded", **fields: object) -> HttpResponse:
        path = f"requests/{self.approval.request_id}/items/{self.approval.item}/outcome"
        return self.api.post(path, {"result": result, **fields})

    def fresh(self) -> Approval:
        return load(self.approval.pk)


def executor_of(approval: Approval, caller: Api) -> Executor:
    """The executor of an approval that was released with a permit."""
    approval = load(approval.pk)
    [item] = decision_document.json.loads(approval.request.answer)["items"]
    decision = approval.decisions.get(undone_at=None)
    return Executor(caller, approval, item["permit"], item["action_digest"], str(decision.pk))


@pytest.fixture
def approved_executor(propose, alice, api) -> Callable[..., Executor]:  # noqa: F811
    """A refund that Alice approved: approved(amount=420, preconditions={…}, by=bob, args={…} for a modification)."""

    def make(by: User = alice, modified: object = None, **fields: object) -> Executor:
        approval = propose(**fields)
        verdict, verdict_input = (
            ("modify", VerdictInput(edits=replace_arguments(modified))) if modified else ("approve", VerdictInput())
        )
        decide(card_version_of(approval), by=by, verdict=verdict, verdict_input=verdict_input)
        return executor_of(approval, api)

    return make


@pytest.fixture
def executor(approved_executor) -> Executor:
    """The plain case: 420 EUR, approved by Alice, not used yet."""
    return approved_executor()
