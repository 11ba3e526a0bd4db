"""What was typed outlives a lost connection, another version and an ended session."""

import re

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Decision, UnsentText, User
from tests.browser import wait_until_settled, wait_until_still
from tests.conftest import PASSWORD
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401
from tests.unsent.pages import MESSAGE, NOTE, SLOW, open_card, open_panel, wait_until_kept

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_without_a_connection_it_waits_in_the_tab_and_arrives_later(propose, alice, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page)
    page.context.set_offline(True)
    page.fill(MESSAGE, "Typed in a tunnel.")
    page.wait_for_timeout(700)  # waits for nothing: what is there too soon would have been kept by now
    assert not UnsentText.objects.exists()
    page.context.set_offline(False)
    wait_until_kept(page, "Typed in a tunnel.")


def test_what_was_typed_on_an_earlier_version_is_offered_and_not_put_in(propose, alice, robot, sign_in):
    approval = propose(order="B1")
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page)
    with page.expect_response("**/unsent/"):
        page.fill(MESSAGE, "Too much for B1.")
    wait_until_kept(page, "Too much for B1.")
    UnsentText.objects.update(version="an.earlier.one")
    page.evaluate("sessionStorage.clear()")
    page.reload()
    open_panel(page)
    note = page.locator(f"#actions {NOTE}")
    expect(note).to_contain_text("You typed this on an earlier version", timeout=SLOW)
    expect(note).to_contain_text("Too much for B1.")
    expect(page.locator(MESSAGE)).to_have_value("")
    note.get_by_role("button", name="Use it").click()
    expect(page.locator(MESSAGE)).to_have_value("Too much for B1.")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    wait_until_settled(page, approval)
    assert Decision.objects.get().message == "Too much for B1."
    assert not UnsentText.objects.exists()


def test_a_colleague_who_settles_it_meanwhile_takes_no_word(propose, alice, carol, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page)
    page.fill(MESSAGE, "I was about to say this.")
    wait_until_kept(page, "I was about to say this.")
    decide(card_version_of(load(approval.pk)), by=carol, verdict="approve")
    expect(page.locator("#card-notice")).to_contain_text("I was about to say this.", timeout=SLOW)


@pytest.mark.parametrize("how", ["deleted", "expired", "signed out in another tab", "cookie lost"])
def test_an_ended_session_asks_to_sign_in_over_the_card(how, propose, alice, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page)
    page.fill(MESSAGE, "Typed before it ended.")
    if how == "deleted":
        Session.objects.all().delete()
    elif how == "expired":
        Session.objects.update(expire_date="2001-01-01T00:00Z")
    elif how == "cookie lost":
        page.context.clear_cookies()
    else:
        other = page.context.new_page()
        other.goto("/profile/")
        other.locator("summary[aria-label*='sign out']").click()
        other.get_by_role("button", name="Sign out").click()
        other.wait_for_url(re.compile("login"))
    page.locator("#actions form").evaluate("form => form.requestSubmit()")
    dialog = page.locator("#session")
    expect(dialog).to_be_visible(timeout=SLOW)
    expect(dialog.locator("[name=password]")).to_be_focused()
    expect(page.locator("[data-live]")).to_have_attribute("data-state", "out")
    expect(page.locator("[data-live-text]")).to_have_text("Signed out")
    assert load(approval.pk).status == "pending"

    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(dialog.locator("[role=alert]:not([hidden])")).to_contain_text("not correct", timeout=SLOW)
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden(timeout=SLOW)
    expect(page.locator(MESSAGE)).to_have_value("Typed before it ended.")
    expect(page.locator("#toasts")).to_contain_text("press again")
    expect(page.locator("[data-live]")).to_have_attribute("data-state", "live", timeout=SLOW)
    assert load(approval.pk).status == "pending"  # nothing is sent by itself

    page.locator("#actions form").evaluate("form => form.requestSubmit()")
    wait_until_settled(page, approval)
    assert Decision.objects.get().message == "Typed before it ended."


def test_the_socket_alone_notices_and_another_person_gets_another_page(propose, alice, carol, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page)
    page.fill(MESSAGE, "Alice's own words")
    wait_until_kept(page, "Alice's own words")
    Session.objects.all().delete()
    dialog = page.locator("#session")
    expect(dialog).to_be_visible(timeout=SLOW)
    page.fill("#session-login", carol.username)
    page.fill("#session-password", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(f"body[data-person='{carol.pk}']")).to_be_attached(timeout=SLOW)
    page.locator("#actions [data-key='t']").click()  # the card is still Alice's to read, until it is taken over
    open_panel(page)
    page.wait_for_timeout(700)  # waits for nothing: what is there too soon would be there by now
    expect(page.locator(MESSAGE)).to_have_value("")
    expect(page.locator("body")).not_to_contain_text("Alice's own words")
    assert UnsentText.objects.get().user == alice


def test_a_deactivated_person_is_told_so(propose, alice, sign_in):
    page = sign_in(alice)
    open_card(page, propose())
    User.objects.filter(pk=alice.pk).update(is_active=False)
    dialog = page.locator("#session")
    expect(dialog).to_be_visible(timeout=SLOW)
    page.fill("#session-password", PASSWORD)
    page.keyboard.press("Enter")
    expect(dialog.locator("[role=alert]:not([hidden])")).to_be_visible(timeout=SLOW)
    expect(dialog).to_be_visible()


def test_signing_in_anew_in_another_tab_closes_the_dialog_and_keeps_the_card(propose, alice, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page)
    page.fill(MESSAGE, "Typed before the other tab.")
    other = page.context.new_page()
    other.goto("/profile/")
    other.locator("summary[aria-label*='sign out']").click()
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url(re.compile("/account/login/"))
    expect(page.locator("#session")).to_be_visible(timeout=SLOW)
    other.fill("[name=login]", alice.username)
    other.fill("[name=password]", PASSWORD)
    other.press("[name=password]", "Enter")
    other.wait_for_url(lambda url: "login" not in url)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # back to this tab; headless shows both
    expect(page.locator("#session")).to_be_hidden(timeout=SLOW)
    expect(page.locator(MESSAGE)).to_have_value("Typed before the other tab.")
    assert load(approval.pk).status == "pending"

    wait_until_still(page)
    page.locator("#actions form").evaluate("form => form.requestSubmit()")
    expect(page.locator(f"[data-card='{approval.pk}']")).to_have_count(0, timeout=SLOW)
    assert Decision.objects.get().message == "Typed before the other tab."
