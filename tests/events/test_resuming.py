"""An event stream loses nothing and doubles nothing, whenever it connects again."""

import asyncio
import random
import threading
import time

import pytest
from django.db import connections, transaction

from agents import events, feed
from approvals.models import Agent, AuditEvent, Seal
from tests.events.stream import EventStreamClient, in_database, own_numbers, seal_now

pytestmark = pytest.mark.django_db(transaction=True)


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
