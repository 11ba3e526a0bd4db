"""The clock calls an address outside as long as no deadline is late."""

from datetime import timedelta

import httpx
import pytest
from django.core.management import call_command

from approvals import stops, times
from approvals.models import Tier
from approvals.policy import snapshot
from approvals.review.decisions import decide, seen
from console.pulse import Pulse


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    found: list[str] = []

    def get(url: str, **_: object) -> httpx.Response:
        found.append(url)
        return httpx.Response(200, request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", get)
    return found


def beats(**span: float) -> bool:
    with times.at(times.now() + timedelta(**span)):
        return Pulse("https://watch.example/assent").beat()


def test_it_beats_while_deadlines_fire(propose, calls):
    propose(timeout=timedelta(minutes=5))
    assert beats(minutes=1)
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
        moment = decide(seen(approval), by=alice, verdict="approve").hold_until
    with times.at(moment + timedelta(seconds=9)):
        assert Pulse("https://watch.example/").beat()
    with times.at(moment + timedelta(seconds=11)):
        assert not Pulse("https://watch.example/").beat()
        call_command("clock", "--once")
        assert Pulse("https://watch.example/").beat()
    assert len(calls) == 2


def test_what_a_stop_holds_is_not_late(undo_window, propose, alice, carol, calls):
    decide(seen(propose(timeout=timedelta(days=1))), by=alice, verdict="approve")
    stops.stop(by=carol, why="Something is wrong.")
    assert beats(minutes=1)


def test_an_address_that_does_not_take_it_is_no_surprise(propose, monkeypatch):
    def refuse(url: str, **_: object) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    monkeypatch.setattr(httpx, "get", refuse)
    assert not beats(minutes=1)
