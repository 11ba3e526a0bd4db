"""One's own page of notifications: add, test, switch off, remove; wishes; and who is reached by nothing."""

import pytest
from django.core import mail
from django.urls import reverse

from approvals.db import secret_box
from approvals.models import Channel, Delivery, User
from approvals.notify import notifications
from approvals.people.reachable import reachable, unreachable
from tests.notify.conftest import carry_all

WISHES = {"notify_new": "none", "notify_escalated": "normal", "notify_soon": "urgent"}


def page_of(browser) -> str:
    return browser.get(reverse("profile:notifications")).content.decode()


def test_an_address_is_pasted_tested_and_removed(alice, as_, sink):
    browser = as_(alice)
    form = {"kind": "other", "address": sink.url, "carries": "both", "name": "My phone"}
    assert browser.post(reverse("profile:add_channel"), form).status_code == 302
    json_channel = alice.channels.get(service="json")
    assert secret_box.open_secret(json_channel.kept).decode() == sink.url
    assert "secret-token" not in page_of(browser)

    answer = browser.post(reverse("profile:channel", args=[json_channel.pk]), {"op": "test"}, HTTP_HX_REQUEST="true")
    assert "Sent. Look whether it arrived." in answer.content.decode()
    assert sink.got[0]["title"] == "A test from Assent"
    json_channel.refresh_from_db()
    assert json_channel.state == "works"

    browser.post(reverse("profile:channel", args=[json_channel.pk]), {"op": "remove"})
    assert not alice.channels.filter(service="json").exists()


def test_a_test_that_fails_says_why_and_marks_the_channel(alice, as_, sink, channel):
    alices_channel = channel(alice)
    sink.status = 404
    answer = as_(alice).post(
        reverse("profile:channel", args=[alices_channel.pk]), {"op": "test"}, HTTP_HX_REQUEST="true"
    )

    assert "It did not arrive" in answer.content.decode()
    assert "Does not work" in answer.content.decode()


def test_the_own_address_is_tested_and_switched_off_and_never_removed(alice, as_, propose):
    browser = as_(alice)
    page_of(browser)
    mail_channel = alice.channels.get(service="mail")
    browser.post(reverse("profile:channel", args=[mail_channel.pk]), {"op": "test"})
    assert mail.outbox[0].to == ["alice@example.com"]

    browser.post(reverse("profile:channel", args=[mail_channel.pk]), {"op": "remove"})
    browser.post(reverse("profile:channel", args=[mail_channel.pk]), {"carries": "off"})
    mail_channel.refresh_from_db()
    assert not mail_channel.active
    assert "Nothing reaches you" in page_of(browser)


def test_switching_a_channel_off_ends_what_it_was_still_to_carry(alice, as_, channel, propose, sink):
    alices_channel = channel(alice)
    propose()
    as_(alice).post(reverse("profile:channel", args=[alices_channel.pk]), {"carries": "off"})
    carry_all()

    assert not sink.got
    assert Delivery.objects.get(via=alices_channel).status == "dropped"


@pytest.mark.parametrize(
    ("kind", "fields", "url"),
    [
        ("ntfy", {"topic": "assent-ana"}, "ntfys://ntfy.sh/assent-ana"),
        ("ntfy", {"topic": "a", "server": "https://push.example.com/"}, "ntfys://push.example.com/a"),
        ("telegram", {"token": "123456789:abcdefg_hijklmnop", "chat": "12315544"}, "tgram://123456789:abcdefg_hijklmnop/12315544/"),
        ("pushover", {"user": "u" * 30, "token": "t" * 30}, f"pover://{'u' * 30}@{'t' * 30}"),
        ("pagerduty", {"key": "k" * 32}, f"pagerduty://{'k' * 32}@{'k' * 32}"),
        ("discord", {"address": "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"}, None),
    ],
)  # fmt: skip
def test_the_forms_of_common_services_make_their_addresses(kind, fields, url, alice, as_):
    assert as_(alice).get(reverse("profile:notifications"), {"add": kind}).status_code == 200
    answer = as_(alice).post(reverse("profile:add_channel"), {"kind": kind, "carries": "urgent", **fields})

    assert answer.status_code == 302
    added_channel = alice.channels.exclude(service="mail").get()
    assert secret_box.open_secret(added_channel.kept).decode() == (url or fields["address"])
    assert added_channel.carries == "urgent"


@pytest.mark.parametrize("address", ["file:///etc/passwd", "jsons://127.0.0.1/", "json://example.com", "nonsense", ""])
def test_an_address_that_cannot_be_is_refused_beside_its_field(address, alice, as_):
    answer = as_(alice).post(reverse("profile:add_channel"), {"kind": "other", "carries": "both", "address": address})

    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()
    assert not Channel.objects.exclude(service="mail").exists()


def test_nobody_touches_another_persons_channel(alice, bob, as_, channel, sink):
    bobs_channel = channel(bob)
    for op in ("test", "remove"):
        assert as_(alice).post(reverse("profile:channel", args=[bobs_channel.pk]), {"op": op}).status_code == 404
    assert as_(alice).post(reverse("profile:channel", args=[bobs_channel.pk]), {"carries": "off"}).status_code == 404
    bobs_channel.refresh_from_db()
    assert bobs_channel.active
    assert not sink.got


def test_wishes_and_quiet_hours_are_kept(alice, as_):
    form = {**WISHES, "quiet_from": "22:00", "quiet_until": "07:30", "desktop": "on"}
    assert as_(alice).post(reverse("profile:notifications"), form).status_code == 302
    alice = User.objects.get(pk=alice.pk)

    assert (alice.notify_new, alice.quiet_until.minute, alice.quiet_urgent, alice.desktop) == ("none", 30, False, True)


@pytest.mark.parametrize(("begins", "ends"), [("22:00", ""), ("", "07:00"), ("08:00", "08:00")])
def test_quiet_hours_that_cannot_be_are_refused(begins, ends, alice, as_):
    answer = as_(alice).post(reverse("profile:notifications"), {**WISHES, "quiet_from": begins, "quiet_until": ends})

    assert answer.status_code == 422


def test_who_is_reached_by_nothing_is_known_and_marked_in_the_profile(
    alice, bob, carol, as_, channel, django_assert_num_queries
):
    silent = notifications.channels_of(bob)[0]
    Channel.objects.filter(pk=silent.pk).update(state="failed")
    Channel.objects.create(user=carol, service="mail", active=False)
    with django_assert_num_queries(1):
        assert reachable([alice, bob.pk, carol]) == {alice.pk}
    assert unreachable([alice, bob, carol]) == [bob, carol]

    assert "Nothing reaches you" in as_(bob).get(reverse("profile:profile")).content.decode()
    assert "Nothing reaches you" not in as_(alice).get(reverse("profile:profile")).content.decode()
    channel(bob)
    assert reachable([bob]) == {bob.pk}
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert reachable([bob]) == set()


# --- Links


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_preview_of_a_link_decides_and_shows_nothing(method, refund, alice, as_, client):
    link = reverse("card:card", args=[refund.pk])
    answer = getattr(client, method)(link, HTTP_USER_AGENT="Slackbot-LinkExpanding 1.0")

    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('account_login')}?next={link}"
    assert b"420" not in answer.content
    refund.refresh_from_db()
    assert (refund.status, refund.claimed_by, refund.event_seq) == ("pending", None, 1)


def test_the_link_leads_through_the_login_to_the_card(refund, alice, client):
    from tests.conftest import PASSWORD

    link = reverse("card:card", args=[refund.pk])
    login = client.get(link)["Location"]
    answer = client.post(login, {"login": "alice", "password": PASSWORD})

    assert answer["Location"] == link
    assert client.get(link).status_code == 200
