"""Callers: robot's key, a second agent's, and people's tokens."""

import json
from collections.abc import Callable, Iterator

import pytest
from django.http import HttpResponse
from django.test import Client

from agents import keys
from agents.schemas import COMPONENTS
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import Agent, User
from approvals.values.schema import Validator
from approvals.workload import expected_wait


@pytest.fixture(autouse=True)
def as_served(settings) -> Iterator[None]:
    """The API's handler carries no middleware, and every test starts with nothing remembered."""
    settings.MIDDLEWARE = settings.API_MIDDLEWARE
    keys.forget()
    yield
    keys.forget()


class Api:
    """Speaks JSON under a key."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client()

    def get(self, path: str, **query: object) -> HttpResponse:
        return self.client.get(f"/api/v1/{path}", query, headers=self.headers())

    def post(self, path: str, body: object = None, **headers: str) -> HttpResponse:
        raw = b"" if body is None else json.dumps(body).encode()
        return self.raw(path, raw, **headers)

    def raw(self, path: str, raw: bytes, content_type: str = "application/json", **headers: str) -> HttpResponse:
        return self.client.post(f"/api/v1/{path}", raw, content_type=content_type, headers=self.headers(**headers))

    def headers(self, **more: str) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self.secret}", **named} if self.secret else named


@pytest.fixture
def api(robot) -> Api:
    """robot with its key."""
    return Api(keys.issue(agent=robot, name="test")[1])


@pytest.fixture
def stranger(db) -> Api:
    """Another agent with a key of its own."""
    return Api(keys.issue(agent=Agent.objects.create(name="stranger"), name="test")[1])


@pytest.fixture
def anon() -> Api:
    return Api("")


@pytest.fixture
def token() -> Callable[[User], Api]:
    """A person's tools: token(alice)."""
    return lambda user: Api(keys.issue(user=user, name="test")[1])


@pytest.fixture
def conforms() -> Callable[[str, HttpResponse], dict]:
    """The answer's JSON, held against the published shape of that name."""

    def check(name: str, response: HttpResponse) -> dict:
        body = response.json()
        shape = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": COMPONENTS}}
        assert Validator(shape).check(body) == [], body
        return body

    return check


@pytest.fixture
def refused(conforms) -> Callable[..., dict]:
    """The problem document of a refusal: refused(response, 422, "invalid_request", "/reasoning")."""

    def check(response: HttpResponse, status: int, code: str = "", *pointers: str) -> dict:
        assert response.status_code == status, response.content
        assert response["Content-Type"] == "application/problem+json"
        problem = conforms("Problem", response)
        assert problem["status"] == status
        assert not code or problem["code"] == code, problem
        assert {error["pointer"] for error in problem.get("errors", ())} >= set(pointers), problem
        assert "Traceback" not in response.content.decode()
        return problem

    return check


REFUND = {"action": "refund", "args": {"order": "456", "amount": 420.0, "currency": "EUR"}}


@pytest.fixture
def request_body() -> Callable[..., dict]:
    """A flat request for a refund, with more fields or other ones."""
    return lambda **fields: {**REFUND, **fields}


@pytest.fixture
def settle_many(propose, alice) -> Callable[[int], None]:
    """Have Alice approve so many refunds."""

    def settle(times: int) -> None:
        for number in range(times):
            refund = propose(order=str(number))
            decide(card_version_of(refund), by=alice, verdict="approve")
        expected_wait.forget()

    return settle
