"""The inbox's socket over real Redis: what arrives, for whom, and what closes it."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session
from django.db import connections, transaction
from django.test import Client

from agents import push
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.history import seal
from approvals.models import Membership, NotificationRecord, User
from console.inbox import live
from tests.waiting import until_async

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = b"http://testserver"


@asynccontextmanager
async def opened(user, origin=ORIGIN):
    """A page of this person's, past its greeting; ends connected or not."""
    page = await communicator(user, origin)
    connected, _ = await page.connect(timeout=5)
    if connected:
        assert (await page.receive_json_from(timeout=5))["type"] == "hello"
    try:
        yield page if connected else None
    finally:
        if connected:
            await page.disconnect()


@pytest.fixture(autouse=True)
def static(settings):
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns where it finds none


async def in_database(change, *args, **named):
    """In a thread of its own, whose connection does not outlive the test."""

    def work():
        try:
            return change(*args, **named)
        finally:
            connections.close_all()

    return await sync_to_async(work)()


async def communicator(user, origin=ORIGIN) -> WebsocketCommunicator:
    headers = [(b"host", b"testserver")]
    if origin:
        headers.append((b"origin", origin))
    if user:
        client = Client()
        await in_database(client.force_login, user, backend="django.contrib.auth.backends.ModelBackend")
        headers.append((b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()))
    from console.asgi import application  # needs the folder of the static files

    return WebsocketCommunicator(application, "/ws/inbox/", headers=headers)


async def frame_of(page, kind="rows", timeout=5):
    while True:
        frame = await page.receive_json_from(timeout=timeout)
        if frame["type"] == kind:
            return frame


async def test_u06_a_submitted_request_arrives_as_a_rendered_row(propose, alice):
    async with opened(alice) as page:
        approval = await in_database(propose)
        frame = await frame_of(page)

    [row] = frame["rows"]
    assert row["id"] == str(approval.pk)
    assert (row["status"], row["queue"], row["gone"]) == ("pending", "1.commerce", False)
    assert "Refund 420\u00a0EUR to order 456" in row["html"]
    assert "csrf" not in row["html"]


async def test_u07_a_verdict_arrives_with_the_name_of_who_gave_it(propose, alice, carol):
    approval = await in_database(propose)
    async with opened(alice) as page:
        await in_database(decide, card_version_of(approval), by=carol, verdict="approve")
        frame = await frame_of(page)

    assert frame["rows"][0]["status"] == "released"
    assert "Approved by Carol" in frame["rows"][0]["html"]


async def test_u16_a_claim_arrives(propose, alice, carol):
    approval = await in_database(propose)
    async with opened(alice) as page:
        await in_database(claims.claim, approval.pk, by=carol)
        frame = await frame_of(page)

    assert frame["rows"][0]["claim"] == str(carol.pk)


async def test_what_comes_together_is_one_frame(propose, alice):
    async with opened(alice) as page:
        for n in range(5):
            await in_database(propose, order=str(n))
        await asyncio.to_thread(push.flush)
        frame_rows = []
        while len(frame_rows) < 5:
            frame_rows += (await frame_of(page))["rows"]

    assert len({row["id"] for row in frame_rows}) == 5


async def test_an_escalation_takes_the_row_from_those_below(propose, alice, bob):
    approval = await in_database(propose)
    async with opened(alice) as below, opened(bob) as above:
        await in_database(claims.escalate, approval.pk, by=alice)
        left, came = await frame_of(below), await frame_of(above)

    assert left["rows"][0]["gone"] is True
    assert came["rows"][0]["gone"] is False


async def test_another_domain_hears_nothing(propose, mallory):
    async with opened(mallory) as page:
        await in_database(propose)
        assert await page.receive_nothing(timeout=1)


async def test_an_operator_hears_of_the_own_agent_alone(propose, person, robot, tiers, commerce):
    dave = await in_database(person, "dave")
    await in_database(robot.operators.add, dave)
    async with opened(dave) as page:
        mine = await in_database(propose)
        assert [row["id"] for row in (await frame_of(page))["rows"]] == [str(mine.pk)]


@pytest.mark.parametrize("origin", [b"https://elsewhere.example", None, b"null"])
async def test_a_page_of_another_origin_is_refused(origin, alice):
    async with opened(alice, origin) as page:
        assert page is None


@pytest.mark.parametrize("who", [None, "ada", "oscar"])
async def test_who_reviews_nothing_has_no_socket(who, request, ada, oscar):
    async with opened(request.getfixturevalue(who) if who else None) as page:
        assert page is None


@pytest.mark.parametrize("text", ["{}", "x" * 1_000_000, '{"type": "rows.changed", "ids": {}}'])
async def test_a_page_has_nothing_to_say(text, alice):
    async with opened(alice) as page:
        await page.send_to(text_data=text)
        assert (await page.receive_output(timeout=5))["type"] == "websocket.close"


async def test_a_revoked_membership_closes_the_page_at_once(alice):
    async with opened(alice) as page:
        await in_database(lambda: Membership.objects.get(user=alice).delete())
        assert (await page.receive_output(timeout=5))["code"] == 4403


async def test_a_deactivation_that_nobody_announced_closes_it_with_the_next_heartbeat(alice):
    async with opened(alice) as page:
        await in_database(type(alice).objects.filter(pk=alice.pk).update, is_active=False)
        await live.follower().beat()
        assert (await page.receive_output(timeout=5))["code"] == 4401  # and with it the session is over


async def test_the_heartbeat_says_feed_time_and_count(propose, alice):
    await in_database(propose)
    await in_database(lambda: seal.seal(now=times.now(), everything=True))
    async with opened(alice) as page:
        await live.follower().beat()
        frame = await frame_of(page, "heartbeat")

    assert frame["count"] == 1
    assert frame["feed"] == await in_database(seal.feed)
    assert frame["now"]


async def test_i9_what_redis_dropped_is_sent_with_the_next_heartbeat(propose, alice, monkeypatch):
    monkeypatch.setattr(push, "send", lambda group, message: None)
    async with opened(alice) as page:
        await live.follower().beat()  # the page knows the feed up to here
        await frame_of(page, "heartbeat")
        approval = await in_database(propose)
        await in_database(lambda: seal.seal(now=times.now(), everything=True))
        await live.follower().beat()
        frame = await frame_of(page)

    assert [row["id"] for row in frame["rows"]] == [str(approval.pk)]


async def test_more_than_a_frame_holds_makes_the_page_read_again(propose, alice, monkeypatch):
    monkeypatch.setattr(live, "MOST", 2)

    def at_once():  # in one transaction, since a busy machine would make a frame of each
        with transaction.atomic():
            for n in range(4):
                propose(order=str(n))

    async with opened(alice) as page:
        await in_database(at_once)
        assert await frame_of(page, "reload", timeout=10)


async def test_one_row_is_rendered_once_for_all_pages(propose, alice, carol, monkeypatch):
    rendered = []
    real = live.rows.render
    monkeypatch.setattr(live.rows, "render", lambda approval, now: rendered.append(approval.pk) or real(approval, now))
    async with opened(alice) as first, opened(carol) as second:
        await in_database(propose)
        frame, other = await frame_of(first), await frame_of(second)

    assert frame["rows"][0]["html"] == other["rows"][0]["html"]
    assert len(rendered) == 1


@pytest.mark.parametrize("end", ["deleted", "password", "deactivated"])
async def test_an_open_page_is_closed_within_five_seconds_of_its_sessions_end(end, alice):
    """By whatever way it ended: here none that announces it."""

    def over():
        if end == "deleted":
            Session.objects.all().delete()
        elif end == "password":
            User.objects.filter(pk=alice.pk).update(password="!changed")
        else:
            User.objects.filter(pk=alice.pk).update(is_active=False)

    async with opened(alice) as page:
        await in_database(over)
        began = time.monotonic()
        closing = await closed(page)

    assert closing["code"] in (4401, 4403)
    assert time.monotonic() - began < 5
    assert live.BEAT < 5


async def closed(page):
    while True:
        message = await page.receive_output(timeout=10)
        if message["type"] == "websocket.close":
            return message


async def test_an_open_inbox_that_shows_a_row_has_heard_of_it_and_a_managers_has_not(propose, alice, mia):
    async with opened(mia) as page:
        unheard = await in_database(propose, order="A")
        await frame_of(page)
        assert not await in_database(NotificationRecord.objects.filter(approval=unheard).exists)
    async with opened(alice) as page:
        approval = await in_database(propose, order="B")
        await frame_of(page)
        row = NotificationRecord.objects.filter(approval=approval, by="inbox", queue="1.commerce")
        await until_async(lambda: in_database(row.exists))
