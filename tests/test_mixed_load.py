"""Agents, people and the clock at work at once, while processes are killed and Redis hangs: no promise is broken.

45 seconds of it run with the other tests; an hour of it is
`ASSENT_LOAD_SECONDS=3600 manage.py test tests/test_mixed_load.py -s`, which prints what happened.
"""

import base64
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from django.db import connection

from agents import keys
from approvals.db import times
from approvals.decisions.undo import undo
from approvals.errors import ReviewError
from approvals.history import seal
from approvals.models import Approval, ApprovalRequest, AuditEvent, Consumption, Tier, User
from approvals.models.states import OPEN, Status
from approvals.policy import snapshot
from tests.checker import check
from tests.test_hanging_redis import web_with_own_redis  # noqa: F401
from tests.waiting import until
from tests.web import database_url

SECONDS = float(os.environ.get("ASSENT_LOAD_SECONDS", "45"))
AGENTS = 4
SHORT, LONG = 3, 3600  # seconds until the deadline
UNSURE = (httpx.TransportError,)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 300)]


class Load:
    """Who works at the console, each in a thread of their own, until it is over; what came of it."""

    def __init__(self, web) -> None:
        self.web = web
        self.over = threading.Event()
        self.done: Counter[str] = Counter()
        self.acknowledged: set[str] = set()
        self.ran: Counter[str] = Counter()  # permit → how often an executor was told to go
        self.wrong: list[str] = []
        self.lock = threading.Lock()

    def work(self, who: "Agent | Person") -> threading.Thread:
        def run() -> None:
            try:
                while not self.over.is_set():
                    who.turn()
            except Exception as error:
                self.wrong.append(f"{who.name}: {type(error).__name__}: {error}")
            finally:
                who.client.close()
                connection.close()

        thread = threading.Thread(target=run, name=who.name)
        thread.start()
        return thread

    def say(self, what: str) -> None:
        with self.lock:
            self.done[what] += 1

    def call(self, client: httpx.Client, method: str, path: str, body: object = None) -> httpx.Response | None:
        """One call, asked again as long as the console is away; None where it is over before an answer came."""
        while not self.over.is_set():
            with suppress(*UNSURE):
                answer = client.request(method, f"{self.web.url}/api/v1/{path}", json=body, timeout=20)
                if answer.status_code not in (429, 502, 503):
                    if answer.status_code >= 500:
                        self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
                    return answer
            self.over.wait(0.2)
        return None


class Agent:
    """Asks, and runs what was approved; now and then it withdraws or revises."""

    def __init__(self, load: Load, key: str, number: int) -> None:
        self.load, self.number, self.count, self.name = load, number, 0, f"agent {number}"
        self.client = httpx.Client(headers={"Authorization": f"Bearer {key}"})
        self.dice = random.Random(number)  # noqa: S311
        self.waiting: list[dict] = []

    def call(self, method: str, path: str, body: object = None) -> httpx.Response | None:
        return self.load.call(self.client, method, path, body)

    def turn(self) -> None:
        self.ask()
        for request in self.dice.sample(self.waiting, min(4, len(self.waiting))):
            self.look(request)
        self.load.over.wait(0.05)

    def ask(self) -> None:
        self.count += 1
        name = f"{self.number}-{self.count}"
        body = {
            "action": "refund",
            "args": {"order": name, "amount": self.dice.choice([1, 420, 6000]), "currency": "EUR"},
            "idempotency_key": name,
            "timeout_s": self.dice.choice([SHORT, LONG, LONG]),
        }
        answer = self.call("POST", "requests", body)
        if answer is None:
            return
        assert answer.status_code in (200, 201), answer.text
        self.load.say("asked")
        request = answer.json()
        with self.load.lock:
            self.load.acknowledged.add(request["id"])
        self.waiting.append(request)
        if self.dice.random() < 0.1:
            self.withdraw(request)
        elif self.dice.random() < 0.1:
            path = f"requests/{request['id']}/items/{request['items'][0]['id']}/amend"
            answer = self.call("POST", path, {"args": {**body["args"], "amount": 2}})
            self.load.say(f"amended {_status(answer)}")

    def withdraw(self, request: dict) -> None:
        answer = self.call("POST", f"requests/{request['id']}/cancel")
        self.load.say(f"cancelled {_status(answer)}")

    def look(self, request: dict) -> None:
        answer = self.call("GET", f"requests/{request['id']}/decision?wait=0")
        if answer is None or answer.status_code == 202:
            return
        self.waiting.remove(request)
        [item] = answer.json()["items"]
        if item["status"] == "decided" and item.get("permit"):
            self.run(request, item)

    def run(self, request: dict, item: dict) -> None:
        jti = _claims(item["permit"])["jti"]
        use = {"permit": item["permit"], "attempt": f"{self.number}-{jti}", "action_digest": item["action_digest"]}
        answer = self.call("POST", f"permits/{jti}/consume", use)
        if answer is None:
            return
        self.load.say(f"used {answer.status_code}")
        if answer.status_code != 200:
            return
        with self.load.lock:
            self.load.ran[jti] += 1
        if self.dice.random() < 0.9:
            path = f"requests/{request['id']}/items/{item['id']}/outcome"
            answer = self.call("POST", path, {"result": "succeeded"})
            self.load.say(f"reported {_status(answer)}")


class Person:
    """Decides what waits, takes own verdicts back while they are held, and recalls some of what was released."""

    def __init__(self, load: Load, user: User, number: int) -> None:
        self.load, self.user, self.name = load, user, user.username
        self.client = httpx.Client(headers={"Authorization": f"Bearer {keys.issue(user=user, name='load')[1]}"})
        self.dice = random.Random(100 + number)  # noqa: S311
        self.decided: list[str] = []

    def call(self, method: str, path: str, body: object = None) -> httpx.Response | None:
        return self.load.call(self.client, method, path, body)

    def turn(self) -> None:
        answer = self.call("GET", "inbox?limit=50")
        waiting = answer.json()["approvals"] if answer and answer.status_code == 200 else []
        for card in self.dice.sample(waiting, min(5, len(waiting))):
            self.decide(card["id"])
        if self.decided and self.dice.random() < 0.5:
            self.take_back(self.dice.choice(self.decided))
        self.load.over.wait(0.05)

    def seen(self, pk: str) -> dict | None:
        answer = self.call("GET", f"inbox/{pk}")
        if answer is None or answer.status_code != 200:
            return None
        return {name: answer.json()[name] for name in ("revision", "round", "digest")}

    def decide(self, pk: str) -> None:
        seen = self.seen(pk)
        if seen is None:
            return
        verdict = {"verdict": "approve"} if self.dice.random() < 0.7 else {"verdict": "reject", "reason": "policy"}
        answer = self.call("POST", f"inbox/{pk}/decide", {**seen, **verdict})
        self.load.say(f"{verdict['verdict']} {_status(answer)}")
        if answer is not None and answer.status_code == 200:
            self.decided.append(pk)

    def take_back(self, pk: str) -> None:
        if self.dice.random() < 0.5:
            try:
                undo(UUID(pk), by=self.user)
                self.load.say("undone")
            except ReviewError as error:
                self.load.say(f"not undone: {type(error).__name__}")
        elif seen := self.seen(pk):
            answer = self.call("POST", f"inbox/{pk}/recall", {**seen, "reason": "changed"})
            self.load.say(f"recalled {_status(answer)}")


def _status(answer: httpx.Response | None) -> object:
    return answer.status_code if answer is not None else "without an answer"


def _claims(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def faults(load: Load, dice: random.Random) -> None:
    """One after another until it is over: a process dies and is started again, or Redis takes and answers nothing."""
    web = load.web
    clock = web.clock()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(dice.uniform(2, 4))
        what = dice.choice(["web", "clock", "redis", "second clock"])
        load.say(f"fault: {what}")
        if what == "redis":
            web.hang()
            time.sleep(dice.uniform(2, 6))
            web.go_on()
        elif what == "second clock":
            other = web.clock()
            time.sleep(2)
            _kill(web, other)
        else:
            _kill(web, web.processes[0] if what == "web" else clock)
            if what == "web":
                web.start()
                web.processes.insert(0, web.processes.pop())
            else:
                clock = web.clock()


def _kill(web, process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    web.processes.remove(process)


def test_kills_and_a_hanging_redis_under_mixed_load_break_no_promise(
    web_with_own_redis,  # noqa: F811
    refunds,
    robot,
    alice,
    bob,
    carol,
):
    Tier.objects.update(hold=timedelta(seconds=2))
    snapshot.publish(by=None, note="time to take a verdict back")
    secret = keys.issue(agent=robot, name="load")[1]
    load = Load(web_with_own_redis)
    workers = [load.work(Agent(load, secret, number)) for number in range(AGENTS)]
    people = [alice, bob, carol]
    workers += [load.work(Person(load, user, at)) for at, user in enumerate(people)]
    try:
        faults(load, random.Random(7))  # noqa: S311
    finally:
        load.over.set()
        for worker in workers:
            worker.join()

    # What was due is done: the last clock runs.
    due = Approval.objects.filter(status__in=OPEN, expires_at__lt=times.now() + timedelta(seconds=SHORT))
    until(lambda: not due.exists() and not Approval.objects.filter(status=Status.HELD).exists(), 60)
    for line in sorted(load.done.items()):
        print(*line)
    assert load.wrong == []
    assert load.done["asked"] and load.ran
    assert load.acknowledged <= {str(pk) for pk in ApprovalRequest.objects.values_list("pk", flat=True)}
    assert set(load.ran.values()) == {1}
    assert Consumption.objects.count() == Approval.objects.filter(consumed_at__isnull=False).count() >= len(load.ran)
    late = [
        (event.at - event.approval.expires_at).total_seconds()
        for event in AuditEvent.objects.filter(kind=AuditEvent.Kind.EXPIRED).select_related("approval")
    ]
    assert max(late, default=0) < 60, max(late)
    assert check(database_url()) == []
    verification = seal.verify()
    assert verification.ok, verification.message
