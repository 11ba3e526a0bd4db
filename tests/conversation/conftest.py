"""An agent at the API, and one that stands in a run."""

import json
from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from agents import keys
from approvals.models import Agent, Approval
from approvals.requests.submission import RunRef


class Api:
    """Somebody with a key: call("post", "requests/…", {…})."""

    def __init__(self, key: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {key}"})

    def get(self, path: str, **query: object) -> HttpResponse:
        return self.client.get(f"/api/v1/{path}", query)

    def post(self, path: str, body: object = None) -> HttpResponse:
        return self.client.post(f"/api/v1/{path}", json.dumps(body or {}), "application/json")

    def send(self, content: bytes, kind: str, name: str = "") -> HttpResponse:
        return self.client.generic("POST", f"/api/v1/attachments?name={name}", content, content_type=kind)


@pytest.fixture
def api(robot) -> Api:
    """robot at the API."""
    return Api(keys.issue(agent=robot, name="test")[1])


@pytest.fixture
def stranger(db) -> Api:
    """Another agent at the API."""
    return Api(keys.issue(agent=Agent.objects.create(name="stranger"), name="test")[1])


@pytest.fixture
def refund_in_run(propose) -> Callable[..., Approval]:
    """A refund inside a run of robot's: in_run(amount=…)."""

    def make(key: str = "thread-7", **fields: object) -> Approval:
        return propose(run=RunRef(key, "support case"), **fields)

    return make
