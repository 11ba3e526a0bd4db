"""Rights that come and go by time: an open page is closed within 5 s of an absence's beginning and end."""

from datetime import timedelta

import pytest

from agents import push
from approvals.db import times
from approvals.models import Absence
from approvals.people import authorities, on_call
from console.inbox import live
from console.management.commands.clock import Running
from tests.console.test_live import frame_of, in_database, opened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def static(settings):
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


def away(bob, alice, **when):
    now = times.now()
    when = {"starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(hours=1), **when}
    return Absence.objects.create(user=bob, delegate=alice, **when)


def move_to_now(absence, end):
    """An end of it comes to lie in the last second, without anybody having changed it."""
    Absence.objects.filter(pk=absence.pk).update(**{end: times.now()})


@pytest.mark.parametrize("end", ["starts_at", "ends_at"])
async def test_the_clock_closes_the_pages_of_who_stands_in_when_an_absence_turns(end, bob, alice, monkeypatch):
    monkeypatch.setattr(live, "BEAT", 3600)  # not the heartbeat: the announcement
    later = timedelta(hours=2 if end == "starts_at" else 1)

    def planned() -> Absence:
        now = times.now()
        when = {"starts_at": now + later} if end == "starts_at" else {}
        return away(bob, alice, ends_at=now + timedelta(hours=3), **when)

    absence = await in_database(planned)
    clock = await in_database(lambda: Running(once=True))
    async with opened(alice) as page:
        await in_database(move_to_now, absence, end)
        await in_database(lambda: clock.turns(times.now()))
        push.flush()
        assert (await page.receive_output(timeout=5))["code"] == 4403


async def test_the_heartbeat_closes_it_where_the_announcement_was_lost(bob, alice, monkeypatch):
    monkeypatch.setattr(live, "BEAT", 0.2)
    absence = await in_database(away, bob, alice)
    async with opened(alice) as page:
        await frame_of(page, "heartbeat")
        await in_database(move_to_now, absence, "ends_at")
        while (output := await page.receive_output(timeout=5))["type"] != "websocket.close":
            pass
        assert output["code"] == 4403


async def test_a_change_of_the_absence_reaches_the_old_and_the_new_delegate(bob, alice, carol, monkeypatch):
    monkeypatch.setattr(live, "BEAT", 3600)
    absence = await in_database(away, bob, alice)
    async with opened(alice) as old, opened(carol) as new:
        absence.delegate = carol
        await in_database(absence.save)
        push.flush()
        for page in (old, new):
            assert (await page.receive_output(timeout=5))["code"] == 4403


async def test_an_open_page_of_who_stands_in_hears_of_the_absent_persons_queue(bob, alice, propose):
    await in_database(away, bob, alice)
    async with opened(alice) as page:
        approval = await in_database(propose, amount=6000)
        frame = await frame_of(page)

    assert [row["id"] for row in frame["rows"]] == [str(approval.pk)]
    assert not frame["rows"][0]["gone"]


def test_a_turn_is_found_once(bob, alice):
    now = times.now()
    absence = away(bob, alice, starts_at=now, ends_at=now + timedelta(hours=1))
    second = timedelta(seconds=1)

    assert on_call.absences_changed_between(now - second, now) == [absence]
    assert on_call.absences_changed_between(now, now + second) == []
    assert on_call.absences_changed_between(absence.ends_at - second, absence.ends_at) == [absence]


def test_rights_of_one_and_of_many_are_read_alike(bob, alice, carol, olga):
    away(bob, alice)
    rights = authorities.authorities_of([bob, alice, carol, olga])

    assert {pk: watch.authority for pk, watch in live.watches(rights).items()} == rights
    assert all(rights[user.pk] == authorities.authority_of(user) for user in (bob, alice, carol, olga))
