"""An agent's events arrive in order, nothing lost and nothing twice, whatever is interrupted."""

import asyncio
import json
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction

from agents import events, feed, keys
from agents.schemas import COMPONENTS
from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.execution import agent_reports as agents_own
from approvals.history import seal
from approvals.models import Agent, Approval, AuditEvent, Seal
from approvals.values.schema import Validator
from tests.waiting import until_async

pytestmark = pytest.mark.django_db(transaction=True)
SHAPE = Validator({"$ref": "#/components/schemas/AgentEvent", "components": {"schemas": COMPONENTS}})


@pytest.fixture(autouse=True)
def quick(monkeypatch, settings) -> None:
    monkeypatch.setattr(events, "TICK", 0.02)
    monkeypatch.setattr(events, "KEY_CHECK", 0.1)
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    keys.forget()


@pytest.fixture
def secret(robot) -> str:
    return keys.issue(agent=robot, name="listening")[1]


class EventStreamClient:
    """A connection to the stream through the site's own door."""

    def __init__(self, secret: str, query: str = "", last: int | None = None) -> None:
        from console.asgi import application

        headers = [(b"authorization", f"Bearer {secret}".encode())]
        headers += [(b"last-event-id", str(last).encode())] if last is not None else []
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/v1/events",
            "query_string": query.encode(),
            "headers": headers,
        }
        self.incoming: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self.status = 0
        self.raw = b""
        self.ended = False
        self.room = asyncio.Event()
        self.room.set()
        self.task = asyncio.create_task(application(self.scope, self.incoming.get, self.send))

    async def send(self, message: dict[str, object]) -> None:
        await self.room.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.raw += message.get("body", b"")
            self.ended = not message.get("more_body")

    @property
    def received_events(self) -> list[dict]:
        """The data of the complete events so far."""
        blocks = self.raw.decode().split("\n\n")[:-1]
        event_data = []
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "data" in fields:
                data = json.loads(fields["data"])
                assert (fields["id"], fields["event"]) == (str(data["number"]), data["type"])
                event_data.append(data)
        return event_data

    @property
    def numbers(self) -> list[int]:
        return [one["number"] for one in self.received_events]

    async def until(self, true: Callable[[], object], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.raw[-2000:]
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(self.task, 30)


def open_stream_count() -> int:
    """How many streams are given what comes."""
    return sum(len(streams) for hub in events.hubs.values() for streams in hub.streams.values())


@pytest.fixture
async def listen(secret) -> AsyncIterator[Callable[..., EventStreamClient]]:
    opened = []

    async def start(query: str = "", last: int | None = None, secret: str = secret) -> EventStreamClient:
        before = open_stream_count()
        stream = EventStreamClient(secret, query, last)
        opened.append(stream)
        # It is told of what comes from now on, or has ended.
        await stream.until(lambda: stream.raw and (stream.ended or open_stream_count() > before))
        return stream

    yield start
    for listener in opened:
        await listener.close()
    assert not any(hub.streams for hub in events.hubs.values())


async def in_database(change: Callable[..., object], *args: object, **named: object) -> object:
    def work() -> object:
        try:
            return change(*args, **named)
        finally:
            connections.close_all()

    return await sync_to_async(work, thread_sensitive=False)()


def seal_now() -> None:
    seal.seal(now=times.now())


def own_numbers(agent: Agent) -> list[int]:
    """Of what this file's requests go through, all is the agent's to read."""
    return list(Seal.objects.filter(event__approval__agent=agent).order_by("number").values_list("number", flat=True))


# --- What is told


async def test_from_now_on_an_agent_hears_what_happens_to_its_requests(listen, propose, refund, alice, bob):
    await in_database(seal_now)
    stream = await listen()
    await in_database(claims.escalate, refund.pk, by=alice)
    second = await in_database(propose)
    await in_database(decide, card_version_of(second), by=alice, verdict="approve")
    await in_database(seal_now)
    await stream.until(lambda: len(stream.received_events) >= 3)

    escalated, submitted, released = stream.received_events
    assert (escalated["type"], escalated["request"], escalated["to_tier"]) == ("escalated", str(refund.request_id), 2)
    assert (submitted["type"], submitted["item"], submitted["digest"]) == ("submitted", "call_1", second.digest)
    assert (released["type"], released["verdict"], released["source"]) == ("released", "approve", "human")
    assert stream.numbers == sorted(stream.numbers)


async def test_everything_that_is_told_has_the_published_shape_and_no_arguments(listen, propose, alice, robot):
    approval = await in_database(propose, order="MRS-SMITH", summary="the customer said")
    await in_database(decide, card_version_of(approval), by=alice, verdict="approve")
    await in_database(agents_own.report_outcome, approval, by=robot, result="succeeded", detail="done for MRS-SMITH")
    await in_database(agents_own.cancel, (await in_database(propose)).request, by=robot, reason="my own reason")
    await in_database(seal_now)
    stream = await listen("after=0")
    await stream.until(lambda: len(stream.received_events) == 5)

    assert [told["type"] for told in stream.received_events] == [
        "submitted",
        "released",
        "outcome",
        "submitted",
        "cancelled",
    ]
    assert not [fault for told in stream.received_events for fault in SHAPE.check(told)]
    assert b"SMITH" not in stream.raw and b"customer" not in stream.raw and b"alice" not in stream.raw


async def test_what_reviewers_do_among_themselves_is_not_told(listen, refund, propose, alice):
    await in_database(claims.claim, refund.pk, by=alice)
    await in_database(claims.comment, refund.pk, by=alice, text="hm")
    after = await in_database(propose)
    await in_database(seal_now)
    stream = await listen("after=0")
    await stream.until(
        lambda: stream.received_events and stream.received_events[-1]["request"] == str(after.request_id)
    )

    assert [told["type"] for told in stream.received_events] == ["submitted", "submitted"]


async def test_a_held_verdict_is_told_when_it_is_released_and_never_when_it_is_taken_back(
    listen, with_undo, propose, alice
):
    first, other = await in_database(propose), await in_database(propose)
    for approval in (first, other):
        await in_database(decide, card_version_of(approval), by=alice, verdict="approve")
    await in_database(undo, other.pk, by=alice)
    after = await in_database(propose)
    await in_database(seal_now)
    stream = await listen("after=0")
    await stream.until(
        lambda: stream.received_events and stream.received_events[-1]["request"] == str(after.request_id)
    )
    assert [told["type"] for told in stream.received_events] == ["submitted"] * 3

    await in_database(Approval.objects.filter(pk=first.pk).update, hold_until="2026-01-01T00:00:00Z")
    await in_database(clock.sweep)
    await in_database(seal_now)
    await stream.until(lambda: len(stream.received_events) == 4)
    assert (stream.received_events[3]["type"], stream.received_events[3]["request"]) == (
        "released",
        str(first.request_id),
    )


def swept_at(moment: datetime) -> None:
    with times.at(moment):
        clock.sweep()


async def test_silence_is_told_as_silence(listen, propose, action_type):
    soft = {"gate": "soft", "on_timeout": "approve", "reversibility": "reversible"}
    await in_database(action_type, "note", expires_after=timedelta(seconds=1), **soft)
    passes = await in_database(propose, action="note")
    ends = await in_database(propose, timeout=timedelta(seconds=1))
    await in_database(swept_at, ends.expires_at + timedelta(seconds=1))
    await in_database(seal_now)
    stream = await listen("after=0")
    await stream.until(lambda: len(stream.received_events) == 4)

    by_request = {told["request"]: told for told in stream.received_events[2:]}
    proceeded, expired = by_request[str(passes.request_id)], by_request[str(ends.request_id)]
    assert (proceeded["type"], proceeded["verdict"], proceeded["source"]) == ("released", "approve", "timeout")
    assert (expired["type"], "verdict" in expired) == ("expired", False)


async def test_only_the_types_that_are_wished_for(listen, propose, alice):
    approval = await in_database(propose)
    await in_database(decide, card_version_of(approval), by=alice, verdict="approve")
    await in_database(seal_now)
    stream = await listen("after=0&types=released,expired")
    await stream.until(lambda: stream.received_events)

    assert [told["type"] for told in stream.received_events] == ["released"]


async def test_another_agents_events_are_not_told(listen, propose, refund):
    stranger = await in_database(Agent.objects.create, name="stranger")
    _, other = await in_database(keys.issue, agent=stranger)
    stream = await listen("after=0", secret=other)
    await in_database(propose)
    await in_database(seal_now)
    own = await in_database(propose, agent=stranger)
    await in_database(seal_now)
    await stream.until(lambda: stream.received_events)  # the other's came before it

    assert [told["request"] for told in stream.received_events] == [str(own.request_id)]


# --- Nothing lost, nothing twice


async def test_the_header_that_clients_send_by_themselves_resumes(listen, propose, robot):
    for _ in range(6):
        await in_database(propose)
    await in_database(seal_now)
    numbers = await in_database(own_numbers, robot)
    stream = await listen("after=0", last=numbers[3])
    await stream.until(lambda: len(stream.received_events) == 2)

    assert stream.numbers == numbers[4:]


async def test_a_stream_that_reads_far_back_joins_the_others_without_a_gap(listen, propose, robot, monkeypatch):
    monkeypatch.setattr(feed, "SPAN", 3)
    live = await listen()
    for _ in range(10):
        await in_database(propose)
        await in_database(seal_now)
    late = await listen("after=0")
    for _ in range(5):
        await in_database(propose)
        await in_database(seal_now)
    await late.until(lambda: len(late.received_events) == 15)
    await live.until(lambda: len(live.received_events) == 15)

    assert late.numbers == live.numbers == await in_database(own_numbers, robot)


async def test_concurrent_commits_and_reconnections_lose_nothing_and_double_nothing(secret, propose, robot, refunds):
    """Transactions commit in another order than they began in; readers come and go at random."""
    dice = random.Random(7)  # noqa: S311
    stranger = await in_database(Agent.objects.create, name="stranger")
    stop = threading.Event()

    def write(seed: int) -> None:
        own = random.Random(seed)  # noqa: S311
        try:
            for _ in range(25):
                with transaction.atomic():
                    propose(agent=own.choice([robot, robot, stranger]))
                    time.sleep(own.random() * 0.06)
                    if own.random() < 0.1:
                        transaction.set_rollback(True)
        finally:
            connections.close_all()

    def number() -> None:
        try:
            while not stop.is_set():
                seal_now()
                time.sleep(dice.random() * 0.02)
        finally:
            connections.close_all()

    async def read(seed: int) -> list[int]:
        own, last, heard = random.Random(seed), 0, []  # noqa: S311
        while True:
            stream = EventStreamClient(secret, last=last)
            deadline = time.monotonic() + 0.05 + own.random() * 0.4
            while time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            await stream.close()
            heard += stream.numbers
            last = heard[-1] if heard else 0
            if done.is_set() and not stream.numbers:
                return heard

    done = asyncio.Event()
    sealer = threading.Thread(target=number)
    sealer.start()
    readers = [asyncio.create_task(read(seed)) for seed in range(4)]
    try:
        await asyncio.gather(*(asyncio.to_thread(write, seed) for seed in range(5)))
        while await in_database(AuditEvent.objects.filter(seal=None).exists):
            await asyncio.sleep(0.05)
    finally:
        stop.set()
        await asyncio.to_thread(sealer.join)
        done.set()
    heard = await asyncio.gather(*readers)

    expected = await in_database(own_numbers, robot)
    seals = Seal.objects.exclude(event=None).order_by("number")
    ids = await in_database(lambda: list(seals.values_list("event_id", flat=True)))
    assert ids != sorted(ids), "no transaction was overtaken: the test proves nothing"
    assert len(expected) > 40
    assert all(one == expected for one in heard)


async def test_several_streams_of_one_process_are_read_for_in_one_query(listen, propose, robot, monkeypatch):
    streams = [await listen() for _ in range(5)]
    calls = []
    read = feed.read
    monkeypatch.setattr(feed, "read", lambda *given: calls.append(given) or read(*given))
    await in_database(propose)
    await in_database(seal_now)
    before = time.monotonic()
    for stream in streams:
        await stream.until(lambda stream=stream: stream.received_events)
    ticks = (time.monotonic() - before) / events.TICK

    assert len(calls) <= ticks + 15
    assert {tuple(agents) for agents, _ in calls} == {(robot.pk,)}


# --- Who may listen, and for how long


@pytest.mark.parametrize("header", ["nonsense", "asn_" + "x" * 43, ""])
async def test_without_a_key_nobody_listens(header, listen):
    stream = await listen(secret=header)
    assert (stream.status, json.loads(stream.raw)["code"]) == (401, "unauthorized")


async def test_a_persons_token_hears_nothing(listen, alice):
    _, token = await in_database(keys.issue, user=alice)
    stream = await listen(secret=token)
    assert (stream.status, json.loads(stream.raw)["code"]) == (403, "agents_only")


async def test_a_key_that_may_not_read_hears_nothing(listen, robot):
    _, other = await in_database(keys.issue, agent=robot, scopes=["submit"])
    assert (await listen(secret=other)).status == 403


async def test_a_revoked_key_closes_its_stream_within_five_seconds(listen, propose, robot, monkeypatch):
    monkeypatch.undo()  # at the pace of production
    stream = await listen()
    for key in await in_database(lambda: list(robot.keys.all())):
        await in_database(keys.revoke, key)
    revoked = time.monotonic()
    await stream.until(lambda: stream.ended, 5)

    assert time.monotonic() - revoked < 5
    await in_database(propose)
    await in_database(seal_now)
    assert stream.received_events == []


async def test_a_key_has_so_many_streams_and_no_more(listen, monkeypatch):
    monkeypatch.setattr(events, "MOST_STREAMS", 2)
    streams = [await listen() for _ in range(3)]
    assert [one.status for one in streams] == [200, 200, 429]


async def test_opening_counts_against_the_keys_limit(listen, settings):
    settings.ASSENT_KEY_RATE = 1
    assert [(await listen()).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    "query",
    [
        "after=", "after=-1", "after=x", "after=1.5", "after=1&after=2", "after=99999", "since=1", "types=nonsense",
        "types=decided", "after=" + "9" * 19,
    ],
)  # fmt: skip
async def test_a_wish_that_cannot_be_is_refused(query, listen):
    stream = await listen(query)
    assert (stream.status, json.loads(stream.raw)["code"]) == (422, "invalid_request")


async def test_a_sign_of_life_when_nothing_happens(listen, monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE", 0.1)
    stream = await listen()
    await stream.until(lambda: stream.raw.count(b": alive\n\n") >= 3)


# --- Slow readers


async def test_whoever_takes_nothing_is_ended_and_holds_nobody_else_up(listen, propose, robot, monkeypatch):
    """As under a server whose `send` waits for the reader."""
    monkeypatch.setattr(events, "MOST_QUEUED", 5)
    slow, quick = await listen(), await listen()
    slow.room.clear()
    for _ in range(12):
        await in_database(propose)
        await in_database(seal_now)
        await asyncio.sleep(0.05)
    await quick.until(lambda: len(quick.received_events) == 12)
    slow.room.set()
    await slow.until(lambda: slow.ended)
    assert len(slow.received_events) <= 7 and b"resume after the last event" in slow.raw

    again = await listen(last=slow.numbers[-1])
    await again.until(lambda: len(slow.received_events + again.received_events) == 12)
    assert slow.numbers + again.numbers == quick.numbers


class Transport:
    """Twisted's, as far as it matters: whatever is written lies there."""

    dataBuffer, offset = b"", 0

    def __init__(self) -> None:
        self._tempDataLen = 0
        self.channel = self
        self.transport = self
        self.cut = asyncio.Event()

    def abortConnection(self) -> None:
        self.cut.set()


async def test_what_the_server_buffers_without_end_is_bounded_too(secret, propose, monkeypatch):
    """As under Daphne, whose `send` never waits."""
    from console.asgi import application

    monkeypatch.setattr(events, "MOST_BEHIND", 2000)
    protocol = Transport()

    async def handle_reply(protocol: Transport, message: dict[str, object]) -> None:
        protocol._tempDataLen += len(message.get("body", b""))

    scope = EventStreamClient(secret, "after=0")
    await scope.close()
    task = asyncio.create_task(application(scope.scope, asyncio.Queue().get, partial(handle_reply, protocol)))
    for _ in range(20):
        await in_database(propose)
        await in_database(seal_now)
    await asyncio.wait_for(protocol.cut.wait(), 5)
    await asyncio.wait_for(task, 5)

    assert protocol._tempDataLen < 6000


async def test_a_real_server_streams_what_happens(web, secret, propose, robot):
    """Through Daphne, chunk by chunk, and again from the last number after it was killed."""
    heard: list[int] = []

    async def read(expected_count: int) -> None:
        headers = {"Authorization": f"Bearer {secret}", "Last-Event-ID": str(heard[-1] if heard else 0)}
        async with (
            httpx.AsyncClient(base_url=web.url, timeout=20) as client,
            client.stream("GET", "/api/v1/events", headers=headers) as response,
        ):
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    heard.append(int(line[4:]))
                if len(heard) == expected_count:
                    return

    for _ in range(3):
        await in_database(propose)
    await in_database(seal_now)
    await asyncio.wait_for(read(3), 60)
    web.processes[0].kill()
    web.processes.pop().wait()
    await in_database(propose)
    await in_database(seal_now)
    await asyncio.to_thread(web.start)
    reading = asyncio.create_task(read(5))
    await until_async(lambda: len(heard) == 4)
    await in_database(propose)
    await in_database(seal_now)
    await asyncio.wait_for(reading, 60)

    assert heard == await in_database(own_numbers, robot)
