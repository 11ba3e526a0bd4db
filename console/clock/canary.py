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
from approvals import canary
from approvals.db import times
from approvals.db.ids import new_id
from approvals.execution import kill_switch, permits
from approvals.models import Agent, AuditEvent
from approvals.policy import snapshot
from approvals.requests.submission import CANARY
from console.celery import app
from console.clock.beats import PeriodicCall

log = structlog.get_logger("assent.clock")

AGENT = "assent-canary"
PATIENCE = 10.0  # seconds for each step


class Failed(Exception):
    """Which step did not come through, and how."""


class Canary(PeriodicCall):
    """Sends one request after the other to the console at `address`."""

    name = "canary"
    every = 300.0

    def beat(self) -> bool:
        """One request, unless none can be sent now; whether nothing failed."""
        agent = self._agent()
        if agent is None:
            return True
        try:
            self._run_once(agent)
        except Failed as failure:
            canary.record_failure(str(failure))
            return False
        except (LookupError, TypeError, ValueError) as surprise:
            canary.record_failure(f"an answer was of another shape: {surprise!r}"[:300])
            return False
        canary.record_success()
        return True

    def _agent(self) -> Agent | None:
        """Who sends it; None while nothing is sent."""
        try:
            if CANARY not in snapshot.current().types:
                return None
        except snapshot.NoPolicy:
            return None
        description = "Sends a canary request every five minutes. While it is paused, none is sent."
        agent, _ = Agent.objects.get_or_create(name=AGENT, defaults={"description": description})
        return None if agent.paused_at is not None or kill_switch.standing() is not None else agent

    def _run_once(self, agent: Agent) -> None:
        """The whole way. Raises Failed."""
        headers = {"Authorization": f"Bearer {keys.of_house(agent)}"}
        with httpx.Client(base_url=self.address, headers=headers, timeout=PATIENCE, follow_redirects=True) as client:
            self._json(client, "GET", "/health/ready")
            item = {"id": CANARY, "action": {"name": CANARY, "args": {"at": times.now().isoformat()}}}
            state = self._json(client, "POST", "/api/v1/requests", {"idempotency_key": str(new_id()), "items": [item]})
            request_path = f"/api/v1/requests/{state['id']}"
            [answer] = self._json(client, "GET", f"{request_path}/decision").get("items") or [{}]
            permit = answer.get("permit")
            if not permit:
                self._json(client, "POST", f"{request_path}/cancel", {"reason": "No canary waits for a person."})
                raise Failed("policy did not let it pass")
            try:
                jti = permits.read(permit, permits.PERMIT, now=times.now())["jti"]
            except permits.BadToken as error:
                raise Failed(f"the permit is none: {error}") from error
            use = {"permit": permit, "action_digest": answer["action_digest"], "attempt": "1"}
            self._json(client, "POST", f"/api/v1/permits/{jti}/consume", use)
            self._json(client, "POST", f"{request_path}/items/{CANARY}/outcome", {"result": "succeeded"})
        self._wait_until_sealed(UUID(state["id"]))
        self._check_workers()

    def _json(self, client: httpx.Client, method: str, path: str, body: object = None) -> dict[str, Any]:
        """What the console answers. Raises Failed unless it is a success."""
        try:
            answer = client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Failed(f"{method} {path}: {type(error).__name__}") from error
        if not answer.is_success:
            raise Failed(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        document: dict[str, Any] = answer.json()
        return document

    def _wait_until_sealed(self, request: UUID) -> None:
        """Wait until history has numbered all of it, which the clock does within a second."""
        end = time.monotonic() + PATIENCE
        while AuditEvent.objects.filter(approval__request=request, seal=None).exists():
            if time.monotonic() > end:
                raise Failed("its history is not sealed: the clock is late")
            time.sleep(0.1)

    def _check_workers(self) -> None:
        """Whether any worker answers: it carries notifications and webhooks."""
        try:
            if app.control.ping(timeout=PATIENCE, limit=1):
                return
        except (OSError, OperationalError, RedisError) as error:
            raise Failed(f"the worker cannot be asked: {type(error).__name__}") from error
        raise Failed("no worker answers: notifications and webhooks stay here")
