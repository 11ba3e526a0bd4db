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
from agents.writer import Full, Writer
from approvals.models import Agent, Approval, Event, Pause
from approvals.review import drafts, intake
from tests.checker import check
from tests.conftest import database_url

pytestmark = pytest.mark.django_db(transaction=True)

REQUESTS = "/api/v1/requests"
# What differs between two equal requests.
OWN = {"id", "created_at", "review_url", "decision_url", "due_at", "expires_at", "confidence"}


@pytest.fixture
def robots(robot) -> list[str]:
    """The keys of 32 agents."""
    return [keys.issue(agent=Agent.objects.create(name=f"robot-{number}"), name="test")[1] for number in range(32)]


@pytest.fixture
async def door(settings) -> AsyncIterator[httpx.AsyncClient]:
    """The site as it is served."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    from console.asgi import application

    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:
        yield client
        await asyncio.to_thread(push.flush)


@pytest.fixture
def sets(monkeypatch) -> list[int]:
    """How many submissions each transaction was given."""
    found: list[int] = []
    take = intake.take
    monkeypatch.setattr(intake, "take", lambda asked: found.append(len(asked)) or take(asked))
    return found


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


async def test_of_32_at_once_each_is_answered_for_itself(door, robots, refunds, asked, sets):
    bodies = [asked(labels={"n": str(number)}) for number in range(32)]
    bodies[7] = asked(args={"order": 1})
    bodies[8] = asked(colour="red")
    answers = await asyncio.gather(
        *(ask(door, secret, body) for secret, body in zip(robots, bodies, strict=True)),
        ask(door, "asn_nobody", asked()),
    )

    statuses = [answer.status_code for answer in answers]
    assert statuses == [*[201] * 7, 422, 422, *[201] * 23, 401]
    assert answers[7].json()["errors"][0]["pointer"].startswith("/args")
    assert answers[8].json()["errors"][0]["pointer"] == "/colour"
    taken = [answer.json() for answer in answers if answer.status_code == 201]
    stored = await read(lambda: {str(pause.pk): pause.labels for pause in Pause.objects.all()})
    assert {one["id"]: one["labels"] for one in taken} == stored
    assert len(sets) < 16, "they did not share transactions"
    assert await read(lambda: check(database_url())) == []


async def test_everybody_gets_the_agents_own_answer(door, robots, refunds, asked):
    """Nobody's request is stored for another agent, however they were mixed."""
    answers = await asyncio.gather(*(ask(door, secret, asked(), Idempotency_Key="same") for secret in robots))
    assert [answer.status_code for answer in answers] == [201] * 32
    names = await read(lambda: dict(Pause.objects.values_list("pk", "agent__name")))
    assert [names[UUID(answer.json()["id"])] for answer in answers] == [f"robot-{number}" for number in range(32)]
    digests = {answer.json()["items"][0]["action_digest"] for answer in answers}
    assert len(digests) == 32, "the digest names the agent"


async def test_of_one_key_sent_many_times_at_once_one_is_stored(door, robots, refunds, asked):
    answers = await asyncio.gather(*(ask(door, robots[0], asked(), Idempotency_Key="k") for _ in range(16)))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 15}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert all(("Idempotent-Replayed" in answer.headers) == (answer.status_code == 200) for answer in answers)
    assert await read(Approval.objects.count) == 1


async def test_the_same_proposal_twice_at_once_is_flagged_once(door, robots, refunds, asked):
    """History is folded in the order of arrival: the second of two equal proposals has a twin."""
    await asyncio.gather(*(ask(door, robots[0], asked()) for _ in range(2)))
    flags = await read(lambda: [one.assessment["flags"] for one in Approval.objects.order_by("created_at", "pk")])
    assert sorted("duplicate" in {flag["name"] for flag in some} for some in flags) == [False, True]


async def test_what_the_database_refuses_is_refused_alone(door, robots, refunds, asked, monkeypatch, sets):
    approval = drafts._approval

    def broken(pause: Pause, submission: object, *args: object, **named: object) -> Approval:
        made = approval(pause, submission, *args, **named)
        if pause.labels.get("n") in {"5", "20"}:
            made.votes = 9  # a constraint refuses more votes than approvers
        return made

    monkeypatch.setattr(drafts, "_approval", broken)
    bodies = [asked(labels={"n": str(number)}) for number in range(32)]
    answers = await asyncio.gather(*(ask(door, secret, body) for secret, body in zip(robots, bodies, strict=True)))

    assert [place for place, answer in enumerate(answers) if answer.status_code != 201] == [5, 20]
    assert answers[5].json()["code"] == "internal_error"
    stored = await read(lambda: {str(pk) for pk in Pause.objects.values_list("pk", flat=True)})
    assert stored == {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert await read(Event.objects.count) == 30, "an event was told twice, or of what was not stored"
    assert await read(lambda: check(database_url())) == []


async def test_without_a_database_nobody_is_acknowledged_and_nothing_tried_twice(
    door, robots, refunds, asked, monkeypatch
):
    tried = []

    def away(asked: object) -> None:
        tried.append(asked)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(intake, "_take", away)
    answers = await asyncio.gather(*(ask(door, secret, asked()) for secret in robots))

    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {(503, "2")}
    assert sum(map(len, tried)) == 32
    assert not await read(Pause.objects.exists)


async def test_a_key_that_is_held_elsewhere_holds_up_nobody_else(door, robots, refunds, asked):
    agent = await read(lambda: Agent.objects.get(name="robot-0"))
    held, over = threading.Event(), threading.Event()
    holding = asyncio.create_task(read(lambda: hold(agent, held, over)))
    await asyncio.to_thread(held.wait, 5)
    answers = await asyncio.gather(
        *(ask(door, secret, asked(), Idempotency_Key="k") for secret in robots[:8]),
        ask(door, robots[0], asked(), Idempotency_Key="other"),
    )
    over.set()
    await holding

    assert [answer.status_code for answer in answers] == [409, *[201] * 8]
    assert (answers[0].json()["code"], answers[0].headers["Retry-After"]) == ("idempotency_key_in_flight", "1")
    assert (await ask(door, robots[0], asked(), Idempotency_Key="k")).status_code == 201


def hold(agent: Agent, held: threading.Event, over: threading.Event) -> None:
    from django.db import transaction

    from approvals.times import now

    with transaction.atomic():
        Pause.objects.create(agent=agent, key="k", content_hash="sha256:x", open_items=1, created_at=now())
        held.set()
        over.wait(20)
        transaction.set_rollback(True)


async def test_calls_of_one_set_are_counted_one_by_one(door, robots, refunds, asked, settings):
    settings.ASSENT_KEY_RATE = 3
    answers = await asyncio.gather(*(ask(door, robots[0], asked()) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 429, 429]
    assert sorted(answer.headers["RateLimit"].split(";")[1] for answer in answers) == [
        "r=0",
        "r=0",
        "r=0",
        "r=1",
        "r=2",
    ]
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 429)
    assert await read(Pause.objects.count) == 3


async def test_what_was_acknowledged_is_there_after_the_process_was_killed(web, robots, refunds, asked):
    """kill -9 in the middle of it: every receipt has its rows, and what has no receipt is whole or absent."""
    acknowledged: list[str] = []
    daphne = web.processes[0]

    async def agent(secret: str) -> None:
        async with httpx.AsyncClient(base_url=web.url, timeout=20) as client:
            for number in range(1000):
                try:
                    answer = await ask(
                        client, secret, asked(args={"order": str(number), "amount": 1, "currency": "EUR"})
                    )
                except httpx.TransportError:
                    return
                assert answer.status_code == 201, answer.text
                acknowledged.append(answer.json()["id"])
                if len(acknowledged) == 150:
                    os.kill(daphne.pid, signal.SIGKILL)

    await asyncio.gather(*(agent(secret) for secret in robots))
    await asyncio.to_thread(daphne.wait)

    stored = await read(lambda: {str(pk) for pk in Pause.objects.values_list("pk", flat=True)})
    assert len(acknowledged) >= 150
    assert set(acknowledged) <= stored
    assert await read(lambda: check(database_url())) == []


# --- Two doors, one house

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


@pytest.mark.parametrize("place", ["requests", "requests/bulk"])
async def test_the_views_answer_as_the_door_does(place, door, api, refunds):
    """The views serve the same endpoints under WSGI, and describe them."""
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
        here = await door.post(f"/api/v1/{place}", content=body, headers=headers)
        view = await read(lambda: posted(api, place, body, headers))  # noqa: B023  # used within the round
        assert (here.status_code, here.headers["Content-Type"]) == (view.status_code, view["Content-Type"]), body[:80]
        for name in ("WWW-Authenticate", "Retry-After", "RateLimit-Policy", "Cache-Control"):
            assert here.headers.get(name) == view.headers.get(name), (name, body[:80])
        assert steady(here.json()) == steady(view.json()), body[:80]


def posted(api: object, place: str, body: bytes, headers: dict[str, str]) -> object:
    named = {name: value for name, value in headers.items() if name != "Content-Type"}
    return api.client.post(f"/api/v1/{place}", body, content_type=headers["Content-Type"], headers=named)


def steady(value: object) -> object:
    """An answer without what is its own."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key not in OWN}
    return [steady(one) for one in value] if isinstance(value, list) else value


async def test_a_body_that_never_ends_is_not_kept(door, api, refunds):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    answer = await door.post(
        REQUESTS, content=endless(), headers={**bearer(api.secret), "Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_whoever_leaves_before_the_body_is_there_gets_nothing():
    said = []

    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        said.append(message)

    await submit.application({"path": REQUESTS, "method": "POST", "headers": []}, gone, send)
    assert said == []


async def test_when_too_many_wait_the_next_is_told_to_come_back(door, api, asked, monkeypatch):
    monkeypatch.setattr(submit, "together", Writer(submit.replies, most=1, room=0))
    answer = await ask(door, api.secret, asked())
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

    writer = Writer(work, most=4)
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

    writer = Writer(work, most=1)
    found = await asyncio.gather(*(writer.put(number) for number in (1, 0, 1)), return_exceptions=True)
    assert [type(one) for one in found] == [int, ZeroDivisionError, int]


async def test_who_no_longer_waits_disturbs_nobody(db):
    release, busy = threading.Event(), threading.Event()

    def work(some: list[int]) -> list[int]:
        busy.set()
        release.wait(30)
        return some

    writer = Writer(work, most=8)
    tasks = [asyncio.create_task(writer.put(number)) for number in range(3)]
    await asyncio.to_thread(busy.wait, 30)
    tasks[1].cancel()
    release.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert (found[0], type(found[1]), found[2]) == (0, asyncio.CancelledError, 2)


async def test_only_so_many_may_wait(db):
    release, busy = threading.Event(), threading.Event()

    def work(some: list[int]) -> list[int]:
        busy.set()
        release.wait(30)
        return some

    writer = Writer(work, most=1, room=2)
    tasks = [asyncio.create_task(writer.put(0))]
    await asyncio.to_thread(busy.wait, 30)
    tasks += [asyncio.create_task(writer.put(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await writer.put(3)
    release.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2]
