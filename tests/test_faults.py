"""What goes on while something is away: nothing is lost, nothing is approved by it, and deadlines hold."""

import os
import signal
import time
from datetime import timedelta

import httpx
import pytest

from agents import keys
from approvals.decisions.card_version import load
from approvals.models import Approval
from approvals.models.states import Status
from tests.checker import check
from tests.conftest import PASSWORD
from tests.web import Web, database_url

pytestmark = pytest.mark.slow

ASKED = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}


class WebWithoutRedis(Web):
    """A console whose Redis is not there."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "REDIS_URL": f"unix://{self.data}/nobody.sock"}


@pytest.fixture
def web_without_redis(transactional_db, tmp_path):
    running = WebWithoutRedis(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def until(condition, patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_without_redis_agents_submit_people_decide_and_the_clock_ticks(web_without_redis, refunds, robot, alice):
    web_without_redis.clock()
    key = {"Authorization": f"Bearer {keys.issue(agent=robot, name='alone')[1]}"}
    response = httpx.post(f"{web_without_redis.url}/api/v1/requests", json=ASKED, headers=key, timeout=20)
    assert response.status_code == 201
    address = f"{web_without_redis.url}/api/v1/requests/{response.json()['id']}/decision"
    assert httpx.get(address, params={"wait": 0}, headers=key, timeout=20).status_code == 202

    with httpx.Client(base_url=web_without_redis.url, follow_redirects=True, timeout=20) as browser:
        page = browser.get("/account/login/")
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"login": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token}
        page = browser.post("/account/login/", data=form, headers={"Referer": web_without_redis.url})
        assert "to order 1<" in page.text  # the amount and its currency are kept on one line
        approval = Approval.objects.get()
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        verdict = {
            "verdict": "approve",
            "version": approval.version,
            "csrfmiddlewaretoken": token,
        }
        assert browser.post(f"/approvals/{approval.pk}/decide/", data=verdict).status_code == 200

    answer = httpx.get(address, params={"wait": 10}, headers=key, timeout=20)
    assert answer.json()["items"][0]["verdict"] == "approve"

    httpx.post(f"{web_without_redis.url}/api/v1/requests", json={**ASKED, "timeout_s": 1}, headers=key, timeout=20)
    until(lambda: Approval.objects.filter(status=Status.EXPIRED).exists())
    assert check(database_url()) == []


def test_a_clock_killed_in_the_middle_settles_every_deadline_once(web, propose):
    waiting = [propose(timeout=timedelta(milliseconds=1500 + 20 * number)) for number in range(30)]
    for _ in range(3):
        clock = web.clock()
        time.sleep(0.9)
        os.kill(clock.pid, signal.SIGKILL)
        clock.wait()
    web.clock()
    web.clock()  # and two at once

    until(lambda: all(load(one.pk).status == Status.EXPIRED for one in waiting))
    assert {one.events.filter(kind="expired").count() for one in waiting} == {1}
    assert check(database_url()) == []


def test_a_web_process_killed_after_it_acknowledged_has_lost_nothing(web, refunds, robot):
    key = {"Authorization": f"Bearer {keys.issue(agent=robot, name='kill')[1]}"}
    acknowledged = []
    for round_ in range(3):
        for number in range(10):
            body = {**ASKED, "idempotency_key": f"{round_}-{number}"}
            acknowledged.append(
                httpx.post(f"{web.url}/api/v1/requests", json=body, headers=key, timeout=20).json()["id"]
            )
        os.kill(web.processes[-1].pid, signal.SIGKILL)
        web.processes.pop().wait()
        web.start()
    again = httpx.post(f"{web.url}/api/v1/requests", json={**ASKED, "idempotency_key": "0-0"}, headers=key, timeout=20)

    assert (again.status_code, again.json()["id"]) == (200, acknowledged[0])
    assert {str(one.request_id) for one in Approval.objects.all()} == set(acknowledged)
    assert check(database_url()) == []
