"""A Redis that hangs, which is worse than one that is away: it takes every message and answers none."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from approvals.decisions.card_version import load
from approvals.models import Endpoint
from approvals.models.states import Status
from console.embedded import DataDirectory, start
from console.embedded.processes import Process, stop
from console.embedded.valkey import Valkey
from tests.browser import wait_until_still
from tests.checker import check
from tests.conftest import PASSWORD
from tests.test_faults import until
from tests.web import Web, database_url

pytestmark = pytest.mark.slow


class WebWithOwnRedis(Web):
    """A console with a Valkey of its own, which can be made to hang."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        home = DataDirectory(data / "store")
        home.create()
        self.valkey = Valkey(home, durable=False)
        self.store = Process(self.valkey.program(), home)
        start([self.store])

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "REDIS_URL": self.valkey.url}

    def hang(self) -> None:
        os.kill(self.store.child.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.store.child.pid, signal.SIGCONT)

    def stop(self) -> None:
        self.go_on()
        super().stop()
        stop([self.store], patience=5)


@pytest.fixture
def web_with_own_redis(transactional_db, tmp_path):
    running = WebWithOwnRedis(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_a_deadline_waits_for_no_broker_that_hangs(web_with_own_redis, propose, robot):
    Endpoint.objects.create(agent=robot, url="https://robot.example/hook", secret="s")
    first = propose(timeout=timedelta(seconds=1), key="first")
    web_with_own_redis.clock()
    until(lambda: load(first.pk).status == Status.EXPIRED, 20)
    web_with_own_redis.hang()
    overdue = propose(timeout=timedelta(seconds=1), key="rings")  # its webhook is due, and no bell can be rung
    until(lambda: load(overdue.pk).status == Status.EXPIRED, 20)
    late = []
    for number in range(4):
        approval = propose(timeout=timedelta(seconds=1), key=f"late-{number}")
        until(lambda pk=approval.pk: load(pk).status == Status.EXPIRED, 20)
        event = approval.events.get(kind="expired")
        late.append((event.at - load(approval.pk).expires_at).total_seconds())
    assert max(late) < 5, late
    assert check(database_url()) == []


def sign_in(page, url: str) -> float:
    """Sign alice in; how many seconds it took."""
    page.goto(f"{url}/account/login/")
    page.fill("[name=login]", "alice")
    page.fill("[name=password]", PASSWORD)
    started_at = time.monotonic()
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{url}/")
    return time.monotonic() - started_at


@pytest.mark.browser
def test_people_sign_in_and_decide_while_redis_hangs(web_with_own_redis, refund, alice, chromium):
    web_with_own_redis.hang()
    with chromium.new_context(base_url=web_with_own_redis.url) as window:
        page = window.new_page()
        seconds = sign_in(page, web_with_own_redis.url)
        expect(page.locator("[data-banner]")).to_contain_text("Live updates paused")
        page.click(f"#row-{refund.pk} .row-link")
        wait_until_still(page)
        page.click("#actions .approve")
        until(lambda: load(refund.pk).status == Status.RELEASED)
    assert seconds < 8


@pytest.mark.browser
def test_who_signs_out_while_redis_hangs_has_no_socket_left(web_with_own_redis, refund, alice, chromium):
    with chromium.new_context(base_url=web_with_own_redis.url) as window:
        page, other = window.new_page(), window.new_page()
        sign_in(page, web_with_own_redis.url)
        expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")
        other.goto("/profile/")
        web_with_own_redis.hang()
        other.locator("summary[aria-label*='sign out']").click()
        started_at = time.monotonic()
        other.get_by_role("button", name="Sign out").click()
        expect(page.locator("[data-live]")).to_have_attribute("data-state", "out", timeout=15_000)
    assert time.monotonic() - started_at < 15
