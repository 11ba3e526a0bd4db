"""Who may listen to events, for how long, and with what filter."""

import json
import time

import pytest

from agents import events, keys
from tests.events.stream import in_database, seal_now

pytestmark = pytest.mark.django_db(transaction=True)


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
