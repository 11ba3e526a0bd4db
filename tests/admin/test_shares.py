"""How the tiers share a deadline is said while it is typed."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import expect

from approvals.people import roles


def shares_text(desk, time="00:10:00", **changes):
    form = {"expires_after": time, "tier": "1", "gate": "hard", "on_timeout": "reject", **changes}
    return desk.get(reverse("admin:approvals_actiontype_shares"), form).json()["text"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "If nobody answers: Frontline 5 minutes, Specialists 2 minutes 30 seconds, Senior 2 minutes 30 seconds."),
        (
            {"time": "01:00:00"},
            "If nobody answers: Frontline 15 minutes, Specialists 22 minutes 30 seconds, Senior 22 minutes 30 seconds.",
        ),
        ({"tier": "3"}, "If nobody answers: Senior 10 minutes."),
        ({"on_timeout": "approve"}, "Frontline 10 minutes; nobody above is asked, since the agent then goes on."),
        ({"gate": "soft"}, "Frontline 10 minutes; nobody above is asked, since the agent then goes on."),
        (
            {"on_timeout": "escalate"},
            "If nobody answers: Frontline 5 minutes, Specialists 5 minutes; after the deadline Senior 4 hours more.",
        ),
        ({"gate": "async"}, "If nobody answers: Frontline 15 minutes, Specialists 1 hour, Senior 4 hours."),
    ],
)
def test_the_shares_are_those_that_the_clock_goes_by(as_, admin, tiers, changes, text):
    assert shares_text(as_(admin), **changes) == text


@pytest.mark.parametrize(
    "changes",
    [
        {"time": ""},
        {"time": "00:1"},
        {"time": "soon"},
        {"time": "-1 00:00:00"},
        {"time": "99999999999 00:00:00"},
        {"time": "00:00:00"},
        {"tier": ""},
        {"tier": "9"},
        {"tier": "x"},
    ],
)
def test_of_what_is_no_time_yet_nothing_is_said(as_, admin, tiers, changes):
    assert shares_text(as_(admin), **changes) == ""


@pytest.mark.browser
@pytest.mark.slow
def test_an_admin_sees_the_shares_while_typing(refunds, alice, bob, carol, ada, sign_in):
    ada.groups.add(Group.objects.get(name=roles.ADMINS))
    page = sign_in(ada)
    page.goto("/admin/approvals/actiontype/refund/change/")
    box, line = page.locator("[data-shares]"), page.locator(".shares")
    box.fill("00:10:00")
    expect(line).to_have_text(
        "If nobody answers: Frontline 5 minutes, Specialists 2 minutes 30 seconds, Senior 2 minutes 30 seconds."
    )
    box.fill("00:20:00")
    expect(line).to_contain_text("Frontline 10 minutes")
