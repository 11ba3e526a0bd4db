"""The clock calls an address outside as long as no deadline is late."""

from datetime import timedelta

import httpx
import pytest
from django.core.management import call_command

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.execution import kill_switch
from approvals.models import Tier
from approvals.policy import snapshot
from console.clock.pulse import HeartbeatPing


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    called_urls: list[str] = []

    def get(url: str, **_: object) -> httpx.Response:
        called_urls.append(url)
        return httpx.Response(200, request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", get)
    return called_urls


def beat_after(**span: float) -> bool:
    with times.at(times.now() + timedelta(**span)):
        return HeartbeatPing("https://watch.example/assent").beat()


def test_it_beats_while_deadlines_fire(propose, calls):
    propose(timeout=timedelta(minutes=5))
    assert beat_after(minutes=1)
    assert calls == ["https://watch.example/assent"]


@pytest.fixture
def undo_window(tiers) -> None:
    Tier.objects.update(hold=timedelta(seconds=30))
    snapshot.publish(by=None, note="undo window")


@pytest.mark.parametrize("what", ["time of the tier", "undo window"])
def test_a_late_deadline_stops_it_until_it_fired(what, undo_window, propose, alice, calls):
    approval = propose(timeout=timedelta(days=5))
    moment = approval.due_at
    if what == "undo window":
        moment = decide(card_version_of(approval), by=alice, verdict="approve").hold_until
    with times.at(moment + timedelta(seconds=9)):
        assert HeartbeatPing("https://watch.example/").beat()
    with times.at(moment + timedelta(seconds=11)):
        assert not HeartbeatPing("https://watch.example/").beat()
        call_command("clock", "--once")
        assert HeartbeatPing("https://watch.example/").beat()
    assert len(calls) == 2


def test_what_a_stop_holds_is_not_late(undo_window, propose, alice, carol, calls):
    decide(card_version_of(propose(timeout=timedelta(days=1))), by=alice, verdict="approve")
    kill_switch.stop(by=carol, why="Something is wrong.")
    assert beat_after(minutes=1)


def test_an_address_that_does_not_take_it_is_no_surprise(propose, monkeypatch):
    def refuse(url: str, **_: object) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    monkeypatch.setattr(httpx, "get", refuse)
    assert not beat_after(minutes=1)
