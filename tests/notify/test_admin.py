"""The admin: a tier's channels, who is reached by nothing, and what became of each notification."""

import pytest
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.urls import reverse

from approvals.db import secret_box
from approvals.models import Channel, Delivery, Tier
from approvals.people import roles
from approvals.policy import snapshot
from tests.notify.conftest import carry_all


@pytest.fixture
def admin(ada, as_):
    ada.groups.add(Group.objects.get(name=roles.ADMINS))
    return as_(ada)


def test_a_reviewer_without_a_working_way_is_marked_on_the_tier_and_among_the_people(alice, bob, admin):
    Channel.objects.create(user=alice, service="mail", state="failed", error="550 unknown")
    tiers = admin.get(reverse("admin:approvals_tier_changelist")).content.decode()
    tier = admin.get(reverse("admin:approvals_tier_change", args=[1])).content.decode()
    people = admin.get(reverse("admin:approvals_user_changelist")).content.decode()
    other = admin.get(reverse("admin:approvals_tier_change", args=[2])).content.decode()

    assert "Alice" in tiers
    assert "nothing reaches them" in tier
    assert people.count("nothing reaches them") == 1
    assert "nothing reaches them" not in other


def form_of(tier: Tier, **channel: str) -> dict[str, object]:
    return {
        "name": tier.name, "ceiling": "5000", "active": "on", "sla": "00:15:00", "next": "2", "hold": "0",
        "claim": "00:10:00", "seeded": "0",
        "opens": "", "closes": "", "time_zone": "UTC", "workdays": ["1", "2", "3", "4", "5"],
        "capacities-TOTAL_FORMS": "0", "capacities-INITIAL_FORMS": "0",
        "terms-TOTAL_FORMS": "0", "terms-INITIAL_FORMS": "0",
        "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0",
        "channels-TOTAL_FORMS": "1", "channels-INITIAL_FORMS": "0",
        "channels-0-carries": "both", "channels-0-active": "on", "channels-0-tier": "1",
        **{f"channels-0-{name}": value for name, value in channel.items()},
    }  # fmt: skip


def test_a_tier_gets_a_channel_on_its_page_and_its_address_never_comes_out(alice, bob, carol, tiers, admin):
    snapshot.publish(by=None, note="start")
    page = reverse("admin:approvals_tier_change", args=[1])
    refused = admin.post(page, form_of(tiers[1], address="jsons://10.0.0.7/secret"))
    assert "not an address of the internet" in refused.content.decode()

    answer = admin.post(page, form_of(tiers[1], address="jsons://example.com/secret-token"))
    assert answer.status_code == 302, answer.context["errors"]
    tier_channel = Channel.objects.get(tier=1)
    assert secret_box.open_secret(tier_channel.kept) == b"jsons://example.com/secret-token"
    assert tier_channel.service == "json"
    for address in (page, reverse("admin:approvals_channel_change", args=[tier_channel.pk])):
        assert "secret-token" not in admin.get(address).content.decode()


def test_the_test_button_sends_by_post_alone_and_shows_what_came_of_it(alice, admin, channel, sink):
    tier_channel = channel(tier=1)
    page = reverse("admin:approvals_channel_test", args=[tier_channel.pk])
    admin.get(page)
    assert not sink.got

    assert "Sent." in admin.post(page).content.decode()
    assert len(sink.got) == 1
    sink.status = 500
    assert "did not arrive" in admin.post(page).content.decode()
    assert "Does not work" in admin.get(reverse("admin:approvals_channel_changelist")).content.decode()


def test_a_persons_channel_is_seen_and_not_changed(alice, admin, channel):
    alices_channel = channel(alice)
    page = reverse("admin:approvals_channel_change", args=[alices_channel.pk])

    assert admin.get(page).status_code == 200
    assert admin.post(page, {"name": "mine now", "address": "jsons://example.com/x"}).status_code == 403
    assert (
        admin.post(reverse("admin:approvals_channel_delete", args=[alices_channel.pk]), {"post": "yes"}).status_code
        == 403
    )
    alices_channel.refresh_from_db()
    assert (alices_channel.name, alices_channel.user) == ("", alice)


def test_who_configures_nothing_sends_no_test(alice, mia, as_, channel, sink):
    tier_channel = channel(tier=1)
    as_(mia).post(reverse("admin:approvals_channel_test", args=[tier_channel.pk]))
    as_(alice).post(reverse("admin:approvals_channel_test", args=[tier_channel.pk]))

    assert not sink.got


def test_deliveries_are_listed_by_channel(alice, admin, channel, propose, sink):
    ours, other = channel(alice, name="Phone"), channel(alice, name="Desk")
    propose()
    carry_all()
    listed = admin.get(reverse("admin:approvals_delivery_changelist"), {"via__id__exact": str(ours.pk)})

    assert Delivery.objects.filter(via=other, status="done").count() == 1
    assert "Alice · Phone" in listed.content.decode()
    assert "Alice · Desk" not in listed.content.decode()


def test_a_channel_is_tested_where_it_is_made(
    alice, bob, carol, tiers, admin, sink, django_capture_on_commit_callbacks
):
    snapshot.publish(by=None, note="start")
    page = reverse("admin:approvals_tier_change", args=[1])
    form = form_of(tiers[1], address=sink.url, trial="on")
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin.post(page, form)
    assert answer.status_code == 302, answer.context["errors"]
    assert len(sink.got) == 1
    assert any("Test message sent to" in str(said) for said in get_messages(answer.wsgi_request))
    channel = Channel.objects.get(tier=1)
    assert channel.state == "works"

    sink.status = 500
    own = reverse("admin:approvals_channel_change", args=[channel.pk])
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin.post(own, {"tier": "1", "carries": "both", "active": "on", "trial": "on", "name": "Desk"})
    assert any("did not arrive" in str(said) for said in get_messages(answer.wsgi_request))
    assert "Does not work" in admin.get(own).content.decode()
