"""A request every five minutes as an agent would send it, over HTTP: submitted, released by policy, used, reported.

It shows what no single part can say of itself: that keys, policy, the database, permits, the clock and the worker work
together. It is an action of the type `canary`, which asks nobody and counts in no figure, by an agent of its own.

Nothing is sent while everything is stopped, while that agent is paused, or where policy has no such action type.
"""

import time
from typing import Any
from uuid import UUID

import httpx
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from agents import keys
from approvals import permits, stops, times
from approvals.ids import new_id
from approvals.models import Agent, Event
from approvals.policy import snapshot
from approvals.review import canary
from approvals.review.submission import CANARY
from console.beats import Beat
from console.celery import app

log = structlog.get_logger("assent.clock")

AGENT = "assent-canary"
PATIENCE = 10.0  # seconds for each step


class Failed(Exception):
    """Which step did not come through, and how."""


class Canary(Beat):
    """Sends one request after the other to the console at `address`."""

    name = "canary"
    every = 300.0

    def beat(self) -> bool:
        """One request, unless none can be sent now; whether nothing failed."""
        agent = self._agent()
        if agent is None:
            return True
        try:
            self._through(agent)
        except Failed as failure:
            canary.failed(str(failure))
            return False
        except (LookupError, TypeError, ValueError) as surprise:
            canary.failed(f"an answer was of another shape: {surprise!r}"[:300])
            return False
        canary.passed()
        return True

    def _agent(self) -> Agent | None:
        """Who sends it; None while nothing is sent."""
        try:
            if CANARY not in snapshot.current().types:
                return None
        except snapshot.NoPolicy:
            return None
        said = "Sends a canary request every five minutes. While it is paused, none is sent."
        agent, _ = Agent.objects.get_or_create(name=AGENT, defaults={"description": said})
        return None if agent.paused_at is not None or stops.standing() is not None else agent

    def _through(self, agent: Agent) -> None:
        """The whole way. Raises Failed."""
        headers = {"Authorization": f"Bearer {keys.of_house(agent)}"}
        with httpx.Client(base_url=self.address, headers=headers, timeout=PATIENCE, follow_redirects=True) as client:
            self._asked(client, "GET", "/health/ready")
            item = {"id": CANARY, "action": {"name": CANARY, "args": {"at": times.now().isoformat()}}}
            state = self._asked(client, "POST", "/api/v1/requests", {"idempotency_key": str(new_id()), "items": [item]})
            place = f"/api/v1/requests/{state['id']}"
            [answer] = self._asked(client, "GET", f"{place}/decision").get("items") or [{}]
            permit = answer.get("permit")
            if not permit:
                self._asked(client, "POST", f"{place}/cancel", {"reason": "No canary waits for a person."})
                raise Failed("policy did not let it pass")
            try:
                jti = permits.read(permit, permits.PERMIT, now=times.now())["jti"]
            except permits.BadToken as error:
                raise Failed(f"the permit is none: {error}") from error
            use = {"permit": permit, "action_digest": answer["action_digest"], "attempt": "1"}
            self._asked(client, "POST", f"/api/v1/permits/{jti}/consume", use)
            self._asked(client, "POST", f"{place}/items/{CANARY}/outcome", {"result": "succeeded"})
        self._sealed(UUID(state["id"]))
        self._worked()

    def _asked(self, client: httpx.Client, method: str, path: str, body: object = None) -> dict[str, Any]:
        """What the console answers. Raises Failed unless it is a success."""
        try:
            answer = client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Failed(f"{method} {path}: {type(error).__name__}") from error
        if not answer.is_success:
            raise Failed(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        said: dict[str, Any] = answer.json()
        return said

    def _sealed(self, request: UUID) -> None:
        """Wait until history has numbered all of it, which the clock does within a second."""
        end = time.monotonic() + PATIENCE
        while Event.objects.filter(approval__pause=request, seal=None).exists():
            if time.monotonic() > end:
                raise Failed("its history is not sealed: the clock is late")
            time.sleep(0.1)

    def _worked(self) -> None:
        """Whether any worker answers: it carries notifications and webhooks."""
        try:
            if app.control.ping(timeout=PATIENCE, limit=1):
                return
        except (OSError, OperationalError, RedisError) as error:
            raise Failed(f"the worker cannot be asked: {type(error).__name__}") from error
        raise Failed("no worker answers: notifications and webhooks stay here")
