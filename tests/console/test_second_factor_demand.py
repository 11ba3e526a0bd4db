"""A second factor is demanded of a tier's reviewers by policy, and of admins by a setting."""

from datetime import timedelta

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from agents import keys
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.errors import LacksFactor
from approvals.execution.grants import GrantRequest, give
from approvals.models import Absence, PolicyVersion, Tier
from approvals.people import access
from approvals.policy import snapshot
from approvals.policy.authoring import file_writer, files
from approvals.policy.authoring.documents import snapshot_of_tables
from tests.conftest import PASSWORD
from tests.console.test_second_factor import SECRET


@pytest.fixture(autouse=True)
def counted_anew():
    cache.clear()


def demand(level: int) -> None:
    """Tier `level` demands a second factor, in the policy in force."""
    Tier.objects.filter(level=level).update(second_factor=True)
    snapshot.publish(by=None, note="a second factor")


def password_given(username: str, **headers: str):
    form = {"login": username, "password": PASSWORD, "next": reverse("history:history")}
    return Client().post(reverse("account_login"), form, **headers)


# --- Of a tier


def test_nobody_decides_without_a_factor_where_the_tier_demands_one(refund, alice):
    demand(1)
    assert "approve" not in access.actions_for(refund, alice)
    with pytest.raises(LacksFactor, match="This tier demands a second factor"):
        decide(card_version_of(refund), by=alice, verdict="approve")
    assert load(refund.pk).status == "pending"

    TOTP.activate(alice, SECRET)
    decide(card_version_of(refund), by=alice, verdict="approve")
    assert load(refund.pk).status == "released"


def test_the_demand_is_in_force_once_it_is_published(refund, alice):
    Tier.objects.filter(level=1).update(second_factor=True)

    assert "approve" in access.actions_for(refund, alice)


def test_a_tier_that_demands_none_can_be_decided_as_before(refund, bob):
    demand(2)

    assert "approve" in access.actions_for(refund, bob)


def test_whoever_stands_in_needs_a_factor_of_their_own(refund, alice, mallory):
    demand(1)
    TOTP.activate(alice, SECRET)
    now = times.now()
    Absence.objects.create(user=alice, delegate=mallory, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(1))
    assert access.actions_for(refund, mallory) >= {"comment"}
    assert "approve" not in access.actions_for(refund, mallory)

    TOTP.activate(mallory, SECRET)
    assert "approve" in access.actions_for(refund, mallory)


def test_a_standing_approval_for_such_a_tier_takes_a_factor_too(refunds, robot, bob):
    demand(2)
    until = times.now() + timedelta(hours=1)
    with pytest.raises(LacksFactor):
        give(GrantRequest(robot.pk, "refund", 5, until, 2), by=bob)
    assert give(GrantRequest(robot.pk, "refund", 5, until, 1), by=bob)

    TOTP.activate(bob, SECRET)
    assert give(GrantRequest(robot.pk, "refund", 5, until, 2), by=bob)


def test_the_card_and_the_api_say_why(refund, alice, as_):
    demand(1)
    page = as_(alice).get(reverse("card:card", args=[refund.pk])).content.decode()
    assert "This tier demands a second factor." in page
    assert reverse("profile:security") + "#factors" in page
    posted = as_(alice).post(
        reverse("card:decide", args=[refund.pk]), {"version": refund.version, "verdict": "approve"}
    )
    assert "This tier demands a second factor" in posted.content.decode()

    _key, secret = keys.issue(user=alice, name="mine", by=alice)
    verdict = {"verdict": "approve", "revision": refund.revision, "round": refund.round, "digest": refund.digest}
    refused = Client().post(
        reverse("api:decide", args=[refund.pk]),
        verdict,
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert (refused.status_code, "second factor" in refused.json()["detail"]) == (403, True)
    assert load(refund.pk).status == "pending"


def test_whoever_owes_one_is_led_to_security_after_signing_in(refund, alice, mia):
    demand(1)
    assert password_given("alice")["Location"] == reverse("profile:security") + "#factors"
    page = Client()
    page.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    for _ in range(2):  # however often it is opened
        assert "A tier you review demands a second factor" in page.get(reverse("profile:security")).content.decode()
    # Who reviews nothing there owes none.
    assert password_given("mia")["Location"] == reverse("history:history")


def test_a_file_says_the_demand(refund):
    demand(1)
    published = PolicyVersion.objects.order_by("-number")[0].snapshot
    assert published["tiers"]["1"]["second_factor"] is True
    assert published["tiers"]["2"]["second_factor"] is False
    text = file_writer.toml(published, {"commerce": "Commerce"})
    assert text.count("second_factor = true") == 1
    assert "second_factor = false" not in text
    assert files.read(text).snapshot["tiers"]["1"]["second_factor"] is True

    assert snapshot_of_tables() == published


# --- Of admins


def test_an_admin_without_a_factor_is_led_to_security_and_let_in_with_one(ada, as_, settings):
    settings.ASSENT_ADMINS_SECOND_FACTOR = True
    client = as_(ada)
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == reverse("profile:security") + "#factors"
    assert "The admin demands a second factor" in response.content.decode()

    TOTP.activate(ada, SECRET)
    assert client.get("/admin/").status_code == 200


def test_no_factor_is_demanded_of_admins_unless_it_is_set(ada, as_):
    assert as_(ada).get("/admin/").status_code == 200
