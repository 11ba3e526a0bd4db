"""Passkeys in Chromium, with the authenticator that its debugging protocol makes."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.sessions.models import Session
from django.core.cache import cache
from playwright.sync_api import Page, expect

from approvals.decisions.card_version import load
from approvals.models import AccountEvent, User
from tests.browser import wait_until_settled, wait_until_still
from tests.conftest import PASSWORD
from tests.console.test_second_factor import SECRET, code

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(autouse=True)
def counted_anew():
    cache.clear()


@pytest.fixture
def by_name(web):
    """The console at localhost: passkeys belong to a name, and an address has none."""
    web.url = web.url.replace("127.0.0.1", "localhost")
    return web


@pytest.fixture
def sign_in(sign_in):
    """By the form, as whoever is asked for a second factor does."""

    def open_window(user: User, **options: object) -> Page:
        page = sign_in(None, **options)
        give_password(page, user.username)
        page.wait_for_url("**/")
        return page

    return open_window


def authenticator(page: Page) -> None:
    """Give the page an authenticator that holds passkeys, with somebody at it who says yes."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "isUserVerified": True}})


def add_passkey(page: Page) -> None:
    page.goto("/profile/security/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def give_password(page: Page, username: str = "alice") -> None:
    page.goto("/account/login/")
    page.fill("[name=login]", username)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")


def test_a_passkey_is_added_and_signs_in(by_name, alice, sign_in):
    page = sign_in(alice)
    authenticator(page)
    add_passkey(page)
    page.goto("/profile/security/")
    expect(page.locator("#factors")).to_contain_text("Passkey")
    expect(page.locator("#events")).to_contain_text("Second factor added")

    page.context.clear_cookies()
    give_password(page)
    expect(page.get_by_role("heading", name="Confirm that it's you")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/")
    expect(page.locator("#nav-count")).to_be_visible()
    assert AccountEvent.objects.filter(user=alice, kind="signed_in").count() == 2

    # Removed again, by whoever has just used it.
    page.goto("/profile/security/")
    page.locator("#factors").get_by_role("link", name="Remove").click()
    page.get_by_role("link", name="Use a passkey").click()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#factors")).to_contain_text("None.")
    assert not Authenticator.objects.exists()


def test_an_address_without_a_name_says_why_it_takes_no_passkeys(alice, sign_in):
    page = sign_in(alice)
    page.goto("/account/second-factor/passkeys/add/")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.goto("/account/second-factor/passkeys/add/")
    page.get_by_role("button", name="Add a passkey").click()

    expect(page.get_by_role("alert")).to_contain_text("localhost by its name")


def test_signing_in_over_a_card_asks_for_the_code_and_keeps_what_was_typed(refund, alice, sign_in):
    page = sign_in(alice)
    page.goto(f"/approvals/{refund.pk}/")
    page.get_by_role("link", name="Reject").click()
    page.locator("textarea[name=message]").fill("Not without the invoice")
    TOTP.activate(alice, SECRET)
    Session.objects.all().delete()
    page.get_by_role("button", name="Reject", exact=False).last.click()

    dialog = page.locator("#session")
    dialog.locator("[name=password]").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    dialog.locator("[name=code]").fill("000000")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).to_have_text("Incorrect code.")
    dialog.locator("[name=code]").fill(code())
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("textarea[name=message]")).to_have_value("Not without the invoice")


def test_signing_in_over_a_card_takes_a_passkey(by_name, refund, alice, sign_in):
    page = sign_in(alice)
    authenticator(page)
    add_passkey(page)
    page.goto(f"/approvals/{refund.pk}/")
    Session.objects.all().delete()

    dialog = page.locator("#session")
    expect(dialog).to_be_visible()
    dialog.locator("[name=password]").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    dialog.get_by_role("button", name="Use a passkey").click()
    expect(dialog).to_be_hidden()


def test_a_manual_gate_takes_a_passkey_in_place_of_the_password(by_name, action_type, propose, alice, sign_in):
    action_type("wire", gate="manual")
    wire = propose(action="wire")
    page = sign_in(alice)
    authenticator(page)
    add_passkey(page)
    page.goto(f"/approvals/{wire.pk}/")
    wait_until_still(page)
    page.get_by_role("link", name="Approve").click()
    page.locator("[name=typed]").fill("420")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("[data-passkey-said]")).to_have_text("Passkey confirmed. Now press the button below.")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_focused()
    assert load(wire.pk).status == "pending"

    page.get_by_role("button", name="Approve").click()
    wait_until_settled(page, wire)
    assert load(wire.pk).verdict == "approve"
    assert AccountEvent.objects.filter(user=alice, kind="confirmed", facts__at="manual gate").exists()
