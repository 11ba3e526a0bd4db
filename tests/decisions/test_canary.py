"""Every five minutes a request goes the way of agents' requests; where it does not come through, people hear of it."""

from datetime import timedelta

import httpx
import pytest
from django.core import mail

from agents import keys
from agents.models import ApiKey
from approvals import canary
from approvals.db import times
from approvals.evidence.selection import Selection, cohort
from approvals.execution import agent_pause, kill_switch, permits
from approvals.models import ActionType, Agent, Approval, Delivery, SystemAuditEvent
from approvals.notify import letters
from approvals.policy import snapshot
from approvals.policy.authoring import packs
from console.clock import canary as sender
from console.clock.canary import Canary
from console.clock.pulse import HeartbeatPing
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def core(tiers) -> None:
    packs.load("core")
    snapshot.publish(by=None, note="core")


@pytest.fixture
def console(web, core, monkeypatch):
    """A running console with its clock, and a worker that answers."""
    monkeypatch.setattr(sender.app.control, "ping", lambda **_: [{"worker": {"ok": "pong"}}])
    web.start()
    web.clock()
    until(lambda: httpx.get(f"{web.url}/health/ready").is_success)
    return web


def test_it_goes_the_whole_way_with_every_process(web, core):
    web.start()
    web.clock()
    web.run("-m", "celery", "-A", "console.celery", "worker", "-P", "solo", "-l", "warning")
    until(lambda: sender.app.control.ping(timeout=1, limit=1), 60)

    assert Canary(web.url).beat()

    sent = Approval.objects.get()
    assert (sent.agent.name, sent.kind, sent.status) == ("assent-canary", "canary", "executed")
    assert sent.consumed_at is not None
    assert canary.standing_failure() is None


def test_it_counts_in_no_figure_and_fills_no_history(console, mia, as_):
    Canary(console.url).beat()

    today = times.now().date()
    assert not cohort(Selection(today - timedelta(days=1), today)).exists()
    page = as_(mia)
    assert "Canary of" not in page.get("/history/").content.decode()
    assert "Canary of" in page.get("/history/?type=canary").content.decode()


@pytest.mark.parametrize("broken", ["web", "proxy", "shape", "policy", "clock", "worker", "permits"])
def test_what_fails_is_named_once_by_mail_and_stops_the_pulse_until_one_comes_through(
    broken, console, mia, root, monkeypatch
):
    sent = Canary(console.url)
    monkeypatch.setattr(sender, "PATIENCE", 1.0)
    with monkeypatch.context() as patch:
        BROKEN[broken](sent, patch)
        assert not sent.beat()
        assert not sent.beat()
    called: list[str] = []
    taken = httpx.Response(200, request=httpx.Request("GET", "https://watch.example"))
    monkeypatch.setattr(httpx, "get", lambda url, **_: called.append(url) or taken)
    assert not HeartbeatPing("https://watch.example").beat()
    assert not called
    [failure] = SystemAuditEvent.objects.filter(kind="canary_failed")
    assert SAID[broken] in failure.detail["why"]
    rows = Delivery.objects.filter(topic="canary", status="due")
    assert sorted(row.target for row in rows) == sorted([mia.email, root.email])

    mail.outbox.clear()
    letters.deliver(str(rows.get(user=mia).pk))
    [letter] = mail.outbox
    assert SAID[broken] in letter.body

    sent.address = console.url
    if broken == "policy":
        restore_policy()
    assert sent.beat()
    assert canary.standing_failure() is None
    assert SystemAuditEvent.objects.filter(kind="canary_passed").count() == 1
    assert HeartbeatPing("https://watch.example").beat()
    letters.deliver(str(Delivery.objects.get(user=root).pk))  # not told of what is over
    assert len(mail.outbox) == 1
    assert Delivery.objects.get(user=root).status == "dropped"


def unreachable(sent: Canary, patch) -> None:
    sent.address = "http://127.0.0.1:1"


def answers(text: str):
    """Something else answers in the place of the console."""

    def broken(sent: Canary, patch) -> None:
        def answer(_client: httpx.Client, method: str, path: str, **_: object) -> httpx.Response:
            return httpx.Response(200, text=text, request=httpx.Request(method, f"{sent.address}{path}"))

        patch.setattr(httpx.Client, "request", answer)

    return broken


def asks_people(sent: Canary, patch) -> None:
    ActionType.objects.filter(pk="canary").update(strategy="always")
    snapshot.publish(by=None, note="people decide")


def restore_policy() -> None:
    ActionType.objects.filter(pk="canary").update(strategy="never")
    snapshot.publish(by=None, note="nobody decides")


def nothing_sealed(sent: Canary, patch) -> None:
    patch.setattr(sender.AuditEvent.objects, "filter", lambda **_: Approval.objects.all())


def no_worker(sent: Canary, patch) -> None:
    patch.setattr(sender.app.control, "ping", lambda **_: [])


def foreign_permit(sent: Canary, patch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise permits.BadToken("signature", "The signature does not fit.")

    patch.setattr(sender.permits, "read", refuse)


BROKEN = {
    "web": unreachable,
    "proxy": answers("<html>We are upgrading.</html>"),
    "shape": answers("[]"),
    "policy": asks_people,
    "clock": nothing_sealed,
    "worker": no_worker,
    "permits": foreign_permit,
}
SAID = {
    "web": "GET /health/ready: ConnectError",
    "proxy": "an answer was of another shape: JSONDecodeError",
    "shape": "an answer was of another shape: TypeError",
    "policy": "policy did not let it pass",
    "clock": "the clock is late",
    "worker": "no worker answers",
    "permits": "The signature does not fit.",
}


def test_what_policy_lets_wait_is_taken_back_at_once(console):
    asks_people(Canary(""), None)
    assert not Canary(console.url).beat()
    assert Approval.objects.get().status == "cancelled"


@pytest.mark.parametrize("why", ["stopped", "paused", "no action type"])
def test_none_is_sent_where_none_could_come_through(why, console, carol, mia):
    assert Canary(console.url).beat()
    if why == "stopped":
        kill_switch.stop(by=carol, why="Something is wrong.")
    elif why == "paused":
        agent_pause.pause(Agent.objects.get(), by=mia)
    else:
        ActionType.objects.filter(pk="canary").update(active=False)
        snapshot.publish(by=None, note="no canaries")
    assert Canary(console.url).beat()
    assert Approval.objects.count() == 1
    assert canary.standing_failure() is None


def test_its_key_is_made_once_and_again_when_it_was_revoked_or_the_secret_changed(db, settings):
    agent = Agent.objects.create(name="assent-canary")
    first = keys.of_house(agent)
    assert keys.of_house(agent) == first
    assert ApiKey.objects.count() == 1

    keys.revoke(ApiKey.objects.get())
    second = keys.of_house(agent)
    settings.SECRET_KEY = "another"
    third = keys.of_house(agent)

    assert len({first, second, third}) == 3
    assert [keys.who(secret) is not None for secret in (first, second, third)] == [False, False, True]
