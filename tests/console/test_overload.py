"""The banner of queues at their limits, and the list that is caught up with."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import Capacity, Membership, Overload
from approvals.policy import snapshot
from approvals.workload import overload
from tests.console.test_live import in_database, opened

FULL = "Tier 1 Commerce is full (1 of 1): new ones are refused."


@pytest.fixture
def full_queue(propose, commerce):
    """Tier 1 of commerce takes one; that one, and one that was refused."""
    Capacity.objects.create(tier_id=1, domain=commerce, limit=1, when_full="reject")
    snapshot.publish(by=None, note="one at a time")
    return propose(order="first"), propose(order="turned-away")


def page(as_, user, name="inbox:inbox", *args):
    return as_(user).get(reverse(name, args=args)).content.decode()


def test_everybody_who_sees_the_queue_reads_that_it_is_full(full_queue, as_, alice, bob, mallory, mia, otto, ada, olga):
    for reader in (alice, bob, mia, otto, ada, olga):
        for name in ("inbox:inbox", "history:history", "overload:banner"):
            assert FULL in page(as_, reader, name), reader
    assert FULL not in page(as_, mallory)
    assert FULL not in page(as_, mallory, "overload:banner")


def test_each_mode_has_its_words(propose, as_, alice, commerce):
    Capacity.objects.create(tier_id=1, domain=commerce, when_empty="pass")
    Membership.objects.filter(user=alice).update(duty_days=[times.now().isoweekday() % 7 + 1])
    snapshot.publish(by=None, note="nobody there")
    overload.watch(now=times.now())

    expected = "Nobody is on duty in Tier 1 Commerce: reversible ones of low impact pass, the rest waits."
    assert expected in page(as_, alice)


def test_when_it_is_over_there_is_a_list_until_a_reviewer_has_seen_it(full_queue, as_, alice, bob, mia):
    decide(card_version_of(full_queue[0]), by=alice, verdict="approve")
    overload.watch(now=times.now())
    row = Overload.objects.get()
    assert FULL not in page(as_, alice)
    assert "Tier 1 Commerce was full: 1 refused." in page(as_, bob)

    listed = page(as_, alice, "overload:period", row.pk)
    assert "turned-away" in listed
    assert reverse("card:card", args=[full_queue[1].pk]) in listed
    assert "I have looked through these" in listed
    assert "I have looked through these" not in page(as_, mia, "overload:period", row.pk)
    response = as_(alice).post(reverse("overload:seen", args=[row.pk]), follow=True)
    assert "Marked as seen." in response.content.decode()
    assert "was full: 1 refused" not in page(as_, bob)
    assert "Alice" in page(as_, mia, "overload:catch_up")


def test_who_runs_the_place_reads_how_many_and_not_what(full_queue, as_, ada):
    row = Overload.objects.get()
    overload.watch(now=times.now())

    assert "1 refused" in page(as_, ada, "overload:period", row.pk).replace("1 refused.", "1 refused")
    assert "turned-away" not in page(as_, ada, "overload:period", row.pk)


def test_it_is_not_marked_while_it_lasts(full_queue, as_, alice):
    row = Overload.objects.get()
    as_(alice).post(reverse("overload:seen", args=[row.pk]))

    assert Overload.objects.get().seen_at is None


def test_a_page_without_shortage_pays_one_small_query(refund, as_, alice):
    with CaptureQueriesContext(connection) as queries:
        page(as_, alice, "history:history")
    assert sum("approvals_overload" in query["sql"] for query in queries) == 1


@pytest.mark.django_db(transaction=True)
async def test_an_open_inbox_is_told_when_it_begins_and_when_it_is_over(propose, alice, mallory, settings):
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns where it finds none
    waits = await in_database(propose)
    await in_database(Capacity.objects.create, tier_id=1, limit=1, when_full="reject")
    await in_database(snapshot.publish, by=None, note="one at a time")
    async with opened(alice) as page, opened(mallory) as other:
        await in_database(overload.watch, now=await in_database(times.now))
        assert (await page.receive_json_from(timeout=2))["type"] == "overload"
        await in_database(lambda: decide(card_version_of(waits), by=alice, verdict="approve"))
        await in_database(overload.watch, now=await in_database(times.now))
        message_types = [(await page.receive_json_from(timeout=2))["type"] for _ in range(2)]
        assert "overload" in message_types
        assert await other.receive_nothing(timeout=0.2)


def test_nothing_passes_for_markup(full_queue, as_, alice, commerce):
    commerce.name = "<b>Commerce</b>"
    commerce.save()

    assert "<b>Commerce</b>" not in page(as_, alice)


def test_it_comes_and_goes_on_a_page_that_stays_open(web, sign_in, propose, alice, bob):
    waits = propose()
    Capacity.objects.create(tier_id=1, limit=1, when_full="reject")
    snapshot.publish(by=None, note="one at a time")
    inbox = sign_in(alice)
    inbox.wait_for_selector("[data-live][data-state=live]")
    history = inbox.context.new_page()
    history.goto("/history/")
    assert not inbox.locator(".overload-now").count()
    propose(order="turned-away")
    inbox.wait_for_selector(f"text={FULL}")
    history.bring_to_front()
    history.wait_for_selector(f"text={FULL}", timeout=15_000)

    decide(card_version_of(waits), by=alice, verdict="approve")
    inbox.bring_to_front()
    web.clock()
    inbox.wait_for_selector("text=Tier 1 Commerce was full: 1 refused.")
    assert not inbox.locator(".overload-now").count()
