"""Many agents submit at once and are taken together; each is answered as if it had come alone."""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import httpx
import pytest
from django.db import connections
from django.db.utils import OperationalError

from agents import keys, push, submit
from agents.writer import CoalescingWriter, Full
from approvals.models import Agent, Approval, ApprovalRequest, AuditEvent
from approvals.requests import intake, new_rows
from tests.checker import check
from tests.conftest import flag_names
from tests.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)

REQUESTS = "/api/v1/requests"
# What differs between two equal requests.
OWN = {"id", "created_at", "review_url", "decision_url", "due_at", "expires_at", "confidence"}


@pytest.fixture
def robots(robot) -> list[str]:
    """The keys of 32 agents."""
    return [keys.issue(agent=Agent.objects.create(name=f"robot-{number}"), name="test")[1] for number in range(32)]


@pytest.fixture
async def http(settings) -> AsyncIterator[httpx.AsyncClient]:
    """The site as it is served."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    from console.asgi import application

    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:
        yield client
        await asyncio.to_thread(push.flush)


@pytest.fixture
def set_sizes(monkeypatch) -> list[int]:
    """How many submissions each transaction was given."""
    set_sizes: list[int] = []
    take = intake.take
    monkeypatch.setattr(intake, "take", lambda submissions: set_sizes.append(len(submissions)) or take(submissions))
    return set_sizes


def bearer(secret: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", **{name.replace("_", "-"): value for name, value in headers.items()}}


async def ask(door: httpx.AsyncClient, secret: str, body: dict, **headers: str) -> httpx.Response:
    return await door.post(REQUESTS, json=body, headers=bearer(secret, **headers))


async def read(look: Callable[[], object]) -> object:
    """Something of the database, read beside the event loop."""

    def work() -> object:
        try:
            return look()
        finally:
            connections.close_all()

    return await asyncio.to_thread(work)


async def test_of_32_at_once_each_is_answered_for_itself(http, robots, refunds, request_body, set_sizes):
    bodies = [request_body(labels={"n": str(number)}) for number in range(32)]
    bodies[7] = request_body(args={"order": 1})
    bodies[8] = request_body(colour="red")
    answers = await asyncio.gather(
        *(ask(http, secret, body) for secret, body in zip(robots, bodies, strict=True)),
        ask(http, "asn_nobody", request_body()),
    )

    statuses = [answer.status_code for answer in answers]
    assert statuses == [*[201] * 7, 422, 422, *[201] * 23, 401]
    assert answers[7].json()["errors"][0]["pointer"].startswith("/args")
    assert answers[8].json()["errors"][0]["pointer"] == "/colour"
    taken = [answer.json() for answer in answers if answer.status_code == 201]
    stored = await read(lambda: {str(request.pk): request.labels for request in ApprovalRequest.objects.all()})
    assert {one["id"]: one["labels"] for one in taken} == stored
    assert len(set_sizes) < 16, "they did not share transactions"
    assert await read(lambda: check(database_url())) == []


async def test_everybody_gets_the_agents_own_answer(http, robots, refunds, request_body):
    """Nobody's request is stored for another agent, however they were mixed."""
    answers = await asyncio.gather(*(ask(http, secret, request_body(), Idempotency_Key="same") for secret in robots))
    assert [answer.status_code for answer in answers] == [201] * 32
    names = await read(lambda: dict(ApprovalRequest.objects.values_list("pk", "agent__name")))
    assert [names[UUID(answer.json()["id"])] for answer in answers] == [f"robot-{number}" for number in range(32)]
    digests = {answer.json()["items"][0]["action_digest"] for answer in answers}
    assert len(digests) == 32, "the digest names the agent"


async def test_of_one_key_sent_many_times_at_once_one_is_stored(http, robots, refunds, request_body):
    answers = await asyncio.gather(*(ask(http, robots[0], request_body(), Idempotency_Key="k") for _ in range(16)))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 15}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert all(("Idempotent-Replayed" in answer.headers) == (answer.status_code == 200) for answer in answers)
    assert await read(Approval.objects.count) == 1


async def test_the_same_proposal_twice_at_once_is_flagged_once(http, robots, refunds, request_body):
    """History is folded in the order of arrival: the second of two equal proposals has a twin."""
    await asyncio.gather(*(ask(http, robots[0], request_body()) for _ in range(2)))
    flags = await read(lambda: [one.assessment["flags"] for one in Approval.objects.order_by("created_at", "pk")])
    assert sorted("duplicate" in flag_names(some) for some in flags) == [False, True]


async def test_what_the_database_refuses_is_refused_alone(http, robots, refunds, request_body, monkeypatch, set_sizes):
    approval = new_rows._approval

    def broken(request: ApprovalRequest, submission: object, *args: object, **named: object) -> Approval:
        made = approval(request, submission, *args, **named)
        if request.labels.get("n") in {"5", "20"}:
            made.votes = 9  # a constraint refuses more votes than approvers
        return made

    monkeypatch.setattr(new_rows, "_approval", broken)
    bodies = [request_body(labels={"n": str(number)}) for number in range(32)]
    answers = await asyncio.gather(*(ask(http, secret, body) for secret, body in zip(robots, bodies, strict=True)))

    assert [place for place, answer in enumerate(answers) if answer.status_code != 201] == [5, 20]
    assert answers[5].json()["code"] == "internal_error"
    stored = await read(lambda: {str(pk) for pk in ApprovalRequest.objects.values_list("pk", flat=True)})
    assert stored == {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert await read(AuditEvent.objects.count) == 30, "an event was told twice, or of what was not stored"
    assert await read(lambda: check(database_url())) == []


async def test_without_a_database_nobody_is_acknowledged_and_nothing_tried_twice(
    http, robots, refunds, request_body, monkeypatch
):
    tried = []

    def away(submissions: object) -> None:
        tried.append(submissions)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(intake, "_take", away)
    answers = await asyncio.gather(*(ask(http, secret, request_body()) for secret in robots))

    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {(503, "2")}
    assert sum(map(len, tried)) == 32
    assert not await read(ApprovalRequest.objects.exists)


async def test_a_key_that_is_held_elsewhere_holds_up_nobody_else(http, robots, refunds, request_body):
    agent = await read(lambda: Agent.objects.get(name="robot-0"))
    held, over = threading.Event(), threading.Event()
    holding = asyncio.create_task(read(lambda: hold(agent, held, over)))
    await asyncio.to_thread(held.wait, 5)
    answers = await asyncio.gather(
        *(ask(http, secret, request_body(), Idempotency_Key="k") for secret in robots[:8]),
        ask(http, robots[0], request_body(), Idempotency_Key="other"),
    )
    over.set()
    await holding

    assert [answer.status_code for answer in answers] == [409, *[201] * 8]
    assert (answers[0].json()["code"], answers[0].headers["Retry-After"]) == ("idempotency_key_in_flight", "1")
    assert (await ask(http, robots[0], request_body(), Idempotency_Key="k")).status_code == 201


def hold(agent: Agent, held: threading.Event, over: threading.Event) -> None:
    from django.db import transaction

    from approvals.db.times import now

    with transaction.atomic():
        ApprovalRequest.objects.create(agent=agent, key="k", content_hash="sha256:x", open_items=1, created_at=now())
        held.set()
        over.wait(20)
        transaction.set_rollback(True)


async def test_calls_of_one_set_are_counted_one_by_one(http, robots, refunds, request_body, settings):
    settings.ASSENT_KEY_RATE = 3
    answers = await asyncio.gather(*(ask(http, robots[0], request_body()) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 429, 429]
    assert sorted(answer.headers["RateLimit"].split(";")[1] for answer in answers) == [
        "r=0",
        "r=0",
        "r=0",
        "r=1",
        "r=2",
    ]
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 429)
    assert await read(ApprovalRequest.objects.count) == 3


async def test_what_was_acknowledged_is_there_after_the_process_was_killed(web, robots, refunds, request_body):
    """kill -9 in the middle of it: every receipt has its rows, and what has no receipt is whole or absent."""
    acknowledged: list[str] = []
    daphne = web.processes[0]

    async def agent(secret: str) -> None:
        async with httpx.AsyncClient(base_url=web.url, timeout=20) as client:
            for number in range(1000):
                try:
                    answer = await ask(
                        client, secret, request_body(args={"order": str(number), "amount": 1, "currency": "EUR"})
                    )
                except httpx.TransportError:
                    return
                assert answer.status_code == 201, answer.text
                acknowledged.append(answer.json()["id"])
                if len(acknowledged) == 150:
                    os.kill(daphne.pid, signal.SIGKILL)

    await asyncio.gather(*(agent(secret) for secret in robots))
    await asyncio.to_thread(daphne.wait)

    stored = await read(lambda: {str(pk) for pk in ApprovalRequest.objects.values_list("pk", flat=True)})
    assert len(acknowledged) >= 150
    assert set(acknowledged) <= stored
    assert await read(lambda: check(database_url())) == []


# --- One door

BODIES = [
    b"",
    b"[]",
    b"{",
    b'{"action": "refund", "action": "wire"}',
    b'{"value": 1e400}',
    b"\xef\xbb\xbf{}",
    b'{"summary": "\xff"}',
    b'{"action": "launch"}',
    b'{"action": "refund", "args": {"order": 1}}',
    b'{"action": "refund", "colour": "red"}',
    b'{"items": []}',
    b'{"requests": []}',
    b'{"requests": [1]}',
    b'{"requests": [{"action": "launch"}, {"action": "refund", "idempotency_key": ""}]}',
    b'{"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}',
    b'{"requests": [{"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}]}',
    b'{"reasoning": "' + b"x" * 1_100_000 + b'"}',
]


@pytest.mark.parametrize("path", ["requests", "requests/bulk"])
async def test_the_site_answers_as_a_test_is_answered(path, http, api, refunds):
    """Tests call the views through Django's handler, agents through the site's door: the headers are theirs, too."""
    kind = {"Content-Type": "application/json"}
    cases = [(body, {**bearer(api.secret), **kind}) for body in BODIES]
    ordinary = BODIES[-3]
    cases += [
        (ordinary, kind),
        (ordinary, {**kind, "Authorization": "Basic x"}),
        (ordinary, {**bearer("asp_nobody"), **kind}),
        (ordinary, {**bearer(api.secret), "Content-Type": "text/plain"}),
        (ordinary, {**bearer(api.secret), "Content-Type": "application/json; charset=latin-1"}),
        (ordinary, {**bearer(api.secret), **kind, "Idempotency-Key": "k" * 256}),
    ]
    for body, headers in cases:
        here = await http.post(f"/api/v1/{path}", content=body, headers=headers)
        view = await read(lambda: posted(api, path, body, headers))  # noqa: B023  # used within the round
        assert (here.status_code, here.headers["Content-Type"]) == (view.status_code, view["Content-Type"]), body[:80]
        for name in ("WWW-Authenticate", "Retry-After", "RateLimit-Policy", "Cache-Control"):
            assert here.headers.get(name) == view.headers.get(name), (name, body[:80])
        assert without_own_values(here.json()) == without_own_values(view.json()), body[:80]


def posted(api: object, path: str, body: bytes, headers: dict[str, str]) -> object:
    named = {name: value for name, value in headers.items() if name != "Content-Type"}
    return api.client.post(f"/api/v1/{path}", body, content_type=headers["Content-Type"], headers=named)


def without_own_values(value: object) -> object:
    """An answer without what is its own."""
    if isinstance(value, dict):
        return {key: without_own_values(one) for key, one in value.items() if key not in OWN}
    return [without_own_values(one) for one in value] if isinstance(value, list) else value


async def test_a_body_that_never_ends_is_not_kept(http, api, refunds):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    answer = await http.post(
        REQUESTS, content=endless(), headers={**bearer(api.secret), "Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_whoever_leaves_before_the_body_is_there_gets_nothing():
    sent_messages = []

    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent_messages.append(message)

    from console.asgi import application

    await application({"type": "http", "path": REQUESTS, "method": "POST", "headers": []}, gone, send)
    assert sent_messages == []


async def test_when_too_many_wait_the_next_is_told_to_come_back(http, api, request_body, monkeypatch):
    monkeypatch.setattr(submit, "coalesced", CoalescingWriter(submit.answer_calls, most=1, room=0))
    answer = await ask(http, api.secret, request_body())
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "busy", "1")


# --- The writer by itself


async def test_what_arrives_during_one_set_is_the_next(db):
    seen: list[list[int]] = []
    busy, go_on = threading.Event(), threading.Event()

    def work(some: list[int]) -> list[int]:
        seen.append(some)
        busy.set()
        go_on.wait(30)
        return [one * 10 for one in some]

    writer = CoalescingWriter(work, most=4)
    first = asyncio.create_task(writer.put(0))
    await asyncio.to_thread(busy.wait, 30)
    others = [asyncio.create_task(writer.put(number)) for number in range(1, 7)]
    await asyncio.sleep(0)
    go_on.set()

    assert await asyncio.gather(first, *others) == [0, 10, 20, 30, 40, 50, 60]
    assert seen == [[0], [1, 2, 3, 4], [5, 6]]


async def test_a_failed_set_fails_for_its_own_and_the_next_goes_on(db):
    def work(some: list[int]) -> list[int]:
        return [1 // one for one in some]

    writer = CoalescingWriter(work, most=1)
    results = await asyncio.gather(*(writer.put(number) for number in (1, 0, 1)), return_exceptions=True)
    assert [type(one) for one in results] == [int, ZeroDivisionError, int]


async def test_who_no_longer_waits_disturbs_nobody(db):
    release, busy = threading.Event(), threading.Event()

    def work(some: list[int]) -> list[int]:
        busy.set()
        release.wait(30)
        return some

    writer = CoalescingWriter(work, most=8)
    tasks = [asyncio.create_task(writer.put(number)) for number in range(3)]
    await asyncio.to_thread(busy.wait, 30)
    tasks[1].cancel()
    release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (results[0], type(results[1]), results[2]) == (0, asyncio.CancelledError, 2)


async def test_only_so_many_may_wait(db):
    release, busy = threading.Event(), threading.Event()

    def work(some: list[int]) -> list[int]:
        busy.set()
        release.wait(30)
        return some

    writer = CoalescingWriter(work, most=1, room=2)
    tasks = [asyncio.create_task(writer.put(0))]
    await asyncio.to_thread(busy.wait, 30)
    tasks += [asyncio.create_task(writer.put(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await writer.put(3)
    release.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2]
