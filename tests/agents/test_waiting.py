"""An agent that waits hears of the decision at once, through the same door as in production."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from agents import keys, long_poll, push
from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.execution import agent_reports as agents_own
from approvals.models import Agent, Approval, ApprovalRequest
from approvals.requests.submission import Item
from tests.waiting import until_async

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(robot) -> str:
    return keys.issue(agent=robot, name="waiting")[1]


@pytest.fixture
async def http(secret, settings) -> AsyncIterator[httpx.AsyncClient]:
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns where it finds none
    from console.asgi import application

    headers = {"Authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", headers=headers, timeout=90
    ) as client:
        yield client
        await asyncio.to_thread(push.flush)


def path(approval: Approval, seconds: object = 5) -> str:
    return f"/api/v1/requests/{approval.request_id}/decision?wait={seconds}"


async def in_database(change: Callable[..., object], *args: object, **named: object) -> object:
    def work() -> object:
        try:
            return change(*args, **named)
        finally:
            connections.close_all()

    return await sync_to_async(work)()


def waiters(approval: Approval) -> list[long_poll.Waiter]:
    """Those that wait for the approval's request, in whatever loop."""
    return [waiter for one in long_poll.wakers.values() for waiter in one.waiters.get(approval.request_id, ())]


async def waiting(door: httpx.AsyncClient, approval: Approval, seconds: object = 5) -> "asyncio.Task[httpx.Response]":
    """A wait that has begun."""
    task = asyncio.create_task(door.get(path(approval, seconds)))
    await until_async(lambda: task.done() or any(one.left is not None for one in waiters(approval)))
    assert not task.done()
    return task


async def test_the_answer_comes_with_the_decision(http, refund, alice):
    task = await waiting(http, refund, 30)
    await in_database(decide, card_version_of(refund), by=alice, verdict="approve")
    response = await task

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["items"][0]["verdict"] == "approve"
    assert response.content.decode() == (await in_database(ApprovalRequest.objects.get)).answer


async def test_a_lost_push_costs_a_second_at_most(http, refund, alice, monkeypatch):
    monkeypatch.setattr(push, "send", lambda *_: None)
    task = await waiting(http, refund)
    await in_database(decide, card_version_of(refund), by=alice, verdict="approve")
    decided = time.monotonic()

    assert (await task).status_code == 200
    assert time.monotonic() - decided < 2


async def test_when_nobody_decides_the_wait_ends_with_202(http, refund):
    started = time.monotonic()
    response = await http.get(path(refund, 0.5))

    assert response.status_code == 202
    assert response.json() == {"request": str(refund.request_id), "status": "pending", "items": []}
    assert 0.5 <= time.monotonic() - started < 1.5


async def test_what_is_decided_already_is_answered_at_once(http, refund, alice):
    await in_database(decide, card_version_of(refund), by=alice, verdict="approve")
    started = time.monotonic()
    assert (await http.get(path(refund, 60))).status_code == 200
    assert time.monotonic() - started < 1


async def test_without_wait_and_with_none_the_bytes_are_the_same(http, refund, alice):
    await in_database(decide, card_version_of(refund), by=alice, verdict="approve")
    held = await http.get(path(refund, 1))
    plain = await http.get(f"/api/v1/requests/{refund.request_id}/decision")
    assert held.content == plain.content


async def test_a_held_verdict_is_heard_of_at_its_release(http, with_undo, propose, alice):
    refund = await in_database(propose)
    task = await waiting(http, refund)
    await in_database(decide, card_version_of(refund), by=alice, verdict="approve")
    await asyncio.sleep(1.2)  # waits for nothing: longer than the timer, which would have told
    assert not task.done()

    await in_database(Approval.objects.update, hold_until="2026-01-01T00:00:00Z")
    await in_database(clock.sweep)
    assert (await task).json()["items"][0]["verdict"] == "approve"


async def test_a_withdrawal_wakes_the_waiter_too(http, refund, robot):
    task = await waiting(http, refund)
    await in_database(agents_own.cancel, refund.request, by=robot)
    assert (await task).json()["status"] == "cancelled"


def swept_at(moment: datetime) -> None:
    with times.at(moment):
        clock.sweep()


async def test_silence_wakes_the_waiter_and_says_that_nobody_decided(http, propose):
    refund = await in_database(propose, timeout=timedelta(seconds=1))
    task = await waiting(http, refund)
    await in_database(swept_at, refund.expires_at)
    document = (await task).json()
    assert (document["status"], document["items"][0]["verdict"]) == ("expired", None)
    assert "Nobody decided" in document["items"][0]["message"]


async def test_answered_as_they_come_each_settled_item_wakes(http, propose, alice):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    items = tuple(Item(id=name, action="refund", args=args) for name in ("a", "b"))
    first = await in_database(propose, items=items, decide="independently")
    task = await waiting(http, first)
    await in_database(decide, card_version_of(first), by=alice, verdict="approve")
    response = await task
    assert response.status_code == 202
    assert [one["id"] for one in response.json()["items"]] == ["a"]


async def test_answered_together_one_of_two_wakes_nobody(http, propose, alice):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    items = tuple(Item(id=name, action="refund", args=args) for name in ("a", "b"))
    first = await in_database(propose, items=items)
    task = await waiting(http, first, 1.5)
    await in_database(decide, card_version_of(first), by=alice, verdict="approve")
    response = await task
    assert (response.status_code, response.json()["items"]) == (202, [])


# --- Who may wait


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Bearer asn_" + "x" * 43])
async def test_without_a_key_nobody_waits(header, http, refund):
    headers = {"Authorization": header} if header else {"Authorization": ""}
    response = await http.get(path(refund), headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["Content-Type"] == "application/problem+json"


async def test_another_agents_request_and_none_at_all_are_404(http, refund):
    stranger = await in_database(Agent.objects.create, name="stranger")
    _, other = await in_database(keys.issue, agent=stranger)
    response = await http.get(path(refund), headers={"Authorization": f"Bearer {other}"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    nowhere = "/api/v1/requests/00000000-0000-7000-8000-000000000000/decision?wait=5"
    assert (await http.get(nowhere)).status_code == 404


async def test_a_persons_token_does_not_read_an_agents_decision(http, refund, alice):
    _, token = await in_database(keys.issue, user=alice)
    response = await http.get(path(refund), headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (403, "agents_only")


async def test_a_key_revoked_during_the_wait_reads_nothing(http, refund, robot, alice):
    task = await waiting(http, refund)
    for key in await in_database(lambda: list(robot.keys.all())):
        await in_database(keys.revoke, key)
    await in_database(decide, card_version_of(refund), by=alice, verdict="approve")
    assert (await task).status_code == 401


async def test_waiting_counts_against_the_keys_limit(http, refund, settings):
    settings.ASSENT_KEY_RATE = 1
    assert (await http.get(path(refund, 0))).status_code == 202
    over = await http.get(path(refund, 0))
    assert over.status_code == 429
    assert int(over.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("seconds", ["", "soon", "-1", "61", "1e3", "nan", "1&wait=2", "5&x=1"])
async def test_a_wait_that_cannot_be_is_refused(seconds, http, refund):
    response = await http.get(path(refund, seconds))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


# --- What a waiter costs


async def test_many_wait_and_hold_no_thread_each(http, refund, alice):
    before = threading.active_count()
    tasks = [asyncio.create_task(http.get(path(refund, 20))) for _ in range(200)]
    await until_async(lambda: len(waiters(refund)) == 200)
    assert threading.active_count() - before <= 8
    await in_database(decide, card_version_of(refund), by=alice, verdict="approve")
    assert {response.status_code for response in await asyncio.gather(*tasks)} == {200}


async def test_an_agent_that_hangs_up_is_forgotten(secret, refund):
    from console.asgi import application

    scope = {
        "type": "http",
        "method": "GET",
        "path": path(refund).partition("?")[0],
        "query_string": b"wait=30",
        "headers": [(b"authorization", f"Bearer {secret}".encode())],
    }
    sent = []
    body = [{"type": "http.request"}]

    async def receive() -> dict[str, object]:
        if body:
            return body.pop()
        await until_async(lambda: waiters(refund))
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await asyncio.wait_for(application(scope, receive, send), 25)
    assert sent == []
    assert not any(one.waiters for one in long_poll.wakers.values())
