"""Typed text is never lost, and an expired session asks to sign in over the card; in Chromium."""

import re
from dataclasses import replace

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Decision, UnsentText, User
from approvals.requests.amend import amend
from tests.conftest import PASSWORD, wait_until_settled, wait_until_still
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTE = "[data-unsent-note]"
MESSAGE = "#actions [name=message]"
AMOUNT = "#actions [data-control='/amount'] [data-text]"
SLOW = 15_000


def open_card(page, approval):
    page.locator(f"#row-{approval.pk} .row-link").click()
    expect(page.locator(f"[data-card='{approval.pk}']")).to_be_visible(timeout=SLOW)


def open_panel(page, key="r", field=MESSAGE):
    expect(page.locator(f"#actions [data-key='{key}']")).to_be_visible(timeout=SLOW)
    page.locator("#card-title").click()
    expect(page.locator(field)).to_be_visible(timeout=SLOW) if page.locator(field).count() else None
    page.locator(f"#actions [data-key='{key}']").click()
    expect(page.locator(field)).to_be_visible(timeout=SLOW)


def wait_until_kept(page, text):
    """Wait until the server has it."""
    for _ in range(100):
        if any(text in str(row.fields) for row in UnsentText.objects.all()):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{text!r} was not kept: {list(UnsentText.objects.values('slot', 'fields'))}")


def expect_restored(page, text, field=MESSAGE):
    expect(page.locator(field)).to_have_value(text, timeout=SLOW)
    expect(page.locator(f"#actions {NOTE}")).to_contain_text("Restored what you typed", timeout=SLOW)


def test_esc_another_row_back_reload_and_another_machine_bring_back_what_was_typed(propose, alice, sign_in):
    first, second = propose(order="A1"), propose(order="A2")
    page = sign_in(alice)
    open_card(page, first)
    open_panel(page)
    page.fill(MESSAGE, "Not this customer.")
    page.check("#actions [value=not_justified]", force=True)
    page.keyboard.press("Escape")
    expect(page.locator("[data-unsent-opens=reject]")).to_have_attribute("data-unsent-here", "", timeout=SLOW)
    open_panel(page)
    expect_restored(page, "Not this customer.")
    expect(page.locator("#actions [value=not_justified]")).to_be_checked()

    open_card(page, second)
    page.go_back()
    expect(page.locator(f"[data-card='{first.pk}']")).to_be_visible(timeout=SLOW)
    page.reload()
    open_panel(page)
    expect_restored(page, "Not this customer.")

    elsewhere = sign_in(alice)
    expect(elsewhere.locator(f"#row-{first.pk}")).to_have_attribute("data-unsent-here", "", timeout=SLOW)
    open_card(elsewhere, first)
    open_panel(elsewhere)
    expect_restored(elsewhere, "Not this customer.")
    elsewhere.locator(NOTE).get_by_role("button", name="Discard").click()
    expect(elsewhere.locator(MESSAGE)).to_have_value("")
    elsewhere.reload()
    open_panel(elsewhere)
    elsewhere.wait_for_timeout(700)  # waits for nothing: what is there too soon would be there by now
    expect(elsewhere.locator(MESSAGE)).to_have_value("")


def typed_elsewhere(approval, page):
    open_card(page, approval)
    open_panel(page)
    page.fill(MESSAGE, "Not this customer.")
    wait_until_kept(page, "Not this customer.")
    page.close()


def discarded_before_a_reload(page):
    expect(page.locator(MESSAGE)).to_have_value("")
    page.reload()
    open_panel(page)
    page.wait_for_timeout(700)  # waits for nothing: what comes back would be there by now
    expect(page.locator(MESSAGE)).to_have_value("", timeout=1_000)


def test_what_was_discarded_stays_away_before_the_server_hears_of_it(propose, alice, sign_in):
    approval = propose()
    typed_elsewhere(approval, sign_in(alice))
    page = sign_in(alice)
    page.route("**/unsent/**", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    open_card(page, approval)
    open_panel(page)
    expect_restored(page, "Not this customer.")
    page.locator(NOTE).get_by_role("button", name="Discard").click()
    discarded_before_a_reload(page)


def test_a_copy_that_arrives_after_it_was_discarded_stays_away(propose, alice, sign_in):
    """What this tab put back is kept anew under its own name, which was under way when it was discarded."""
    approval = propose()
    typed_elsewhere(approval, sign_in(alice))
    page = sign_in(alice)
    copies = []

    def late(route):
        if route.request.method != "POST" or route.request.url.endswith("/discard/"):
            route.continue_()
        elif copies:
            route.abort()  # that nothing is left of it, the server does not hear
        else:
            copies.append(route)

    page.route("**/unsent/**", late)
    open_card(page, approval)
    open_panel(page)
    expect_restored(page, "Not this customer.")
    while not copies:
        page.wait_for_timeout(50)
    with page.expect_response("**/discard/"):
        page.locator(NOTE).get_by_role("button", name="Discard").click()
    assert not UnsentText.objects.exists()
    copies[0].continue_()
    wait_until_kept(page, "Not this customer.")
    discarded_before_a_reload(page)


def test_an_edit_comes_back_and_is_approved_as_it_was_typed(propose, alice, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page, "m", AMOUNT)
    page.fill(AMOUNT, "19")
    wait_until_kept(page, "19")
    page.goto("/")
    open_card(page, approval)
    open_panel(page, "m", AMOUNT)

    expect(page.locator(AMOUNT)).to_have_value("19", timeout=SLOW)
    expect(page.locator(f"#actions {NOTE}")).to_contain_text("Restored what you typed")
    wait_until_still(page)
    page.get_by_role("button", name="Approve changed").click()
    wait_until_settled(page, approval)
    assert load(approval.pk).proposal.args["amount"] == 19
    assert not UnsentText.objects.exists()


class HeldResponses:
    """Holds what the page asks for back until it is let go."""

    def __init__(self, page, address):
        self.page, self.held, self.open = page, [], False
        page.route(re.compile(address), self._hold)

    def _hold(self, route):
        if route.request.method == "POST" and not self.open:
            self.held.append(route)
        else:
            route.continue_()

    def wait_for_request(self):
        for _ in range(100):
            if self.held:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("nobody asked for it")

    def go(self):
        self.open = True
        for route in self.held:
            route.continue_()


def test_what_is_refused_comes_back_as_it_was_sent_and_takes_what_is_typed_next(propose, alice, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page, "m", AMOUNT)
    page.fill(AMOUNT, "-2")
    wait_until_kept(page, "-2")
    wait_until_still(page)
    drawings = HeldResponses(page, "/modify/form/")
    with page.expect_response(re.compile(r"/unsent/\?")):
        page.keyboard.press("Control+Enter")
        expect(page.locator("[data-control='/amount'] .field-error")).to_be_visible()
    page.fill(AMOUNT, "200")
    expect(page.locator("#modify-diff mark")).to_have_text("200")
    drawings.go()
    expect(page.locator(AMOUNT)).to_have_value("200")
    wait_until_kept(page, "200")


def test_what_is_typed_while_the_edit_is_drawn_again_is_drawn_with_it(propose, alice, sign_in):
    page = sign_in(alice)
    open_card(page, propose())
    open_panel(page, "m", AMOUNT)
    drawing = HeldResponses(page, "/modify/form/")
    page.get_by_role("button", name="JSON").click()
    drawing.wait_for_request()
    page.fill(AMOUNT, "200")
    drawing.go()

    expect(page.locator("#edit textarea")).to_have_value(re.compile('"amount": 200'), timeout=SLOW)
    wait_until_kept(page, "raw")


def test_what_is_typed_while_kept_text_is_drawn_goes_before_it(propose, alice, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page, "m", AMOUNT)
    page.get_by_role("button", name="JSON").click()
    page.locator("#edit textarea").fill('{"order": "KEPT", "amount": 420, "currency": "EUR"}')
    wait_until_kept(page, "KEPT")
    page.goto("/")
    open_card(page, approval)
    drawing = HeldResponses(page, "/modify/form/")
    open_panel(page, "m", AMOUNT)
    drawing.wait_for_request()
    page.fill(AMOUNT, "200")
    drawing.go()

    note = page.locator(f"#actions {NOTE}")
    expect(note.get_by_role("button", name="Use it")).to_be_visible(timeout=SLOW)
    expect(note).to_contain_text("KEPT")
    expect(page.locator(AMOUNT)).to_have_value("200")
    note.get_by_role("button", name="Use it").click()
    expect(page.locator("#edit textarea")).to_have_value(re.compile("KEPT"), timeout=SLOW)


def test_a_press_in_a_plan_takes_what_is_typed_meanwhile_along(plan, carol, sign_in):  # noqa: F811
    page = sign_in(carol)
    open_card(page, plan(step("a"), mail("b", "a"), step("c")))
    wait_until_still(page)
    page.locator("#actions [data-unsent-opens=plan]").click()
    steps = page.locator("#plan[data-editing] .step")
    steps.first.get_by_role("button", name="Edit").click()
    amount = page.locator("#plan [data-control='/amount'] [data-text]")
    expect(amount).to_be_visible()
    wait_until_still(page)
    pressing = HeldResponses(page, "/plan/")
    steps.nth(1).get_by_role("button", name="Remove").click()
    pressing.wait_for_request()
    amount.fill("19")
    pressing.go()

    expect(steps).to_have_count(2)
    expect(steps.first).to_contain_text("19")


def test_an_amendment_locks_the_card_also_while_an_edit_stands_open(propose, alice, robot, sign_in):
    approval = propose()
    page = sign_in(alice)
    open_card(page, approval)
    open_panel(page, "m", AMOUNT)
    page.fill(AMOUNT, "19")
    wait_until_kept(page, "19")
    amend(approval.pk, lambda item: replace(item, args={**item.args, "order": "EVIL"}), by=robot)

    expect(page.locator("[data-card][data-locked]")).to_be_attached()
    assert load(approval.pk).status == "pending"


def test_an_edit_of_a_plan_comes_back_with_the_step_that_stood_open(plan, carol, sign_in):  # noqa: F811
    proposed = plan(step("a"), mail("b", "a"), step("c"))
    page = sign_in(carol)
    steps, amount = (
        page.locator("#plan[data-editing] .step"),
        page.locator("#plan [data-control='/amount'] [data-text]"),
    )

    def edit():
        open_card(page, proposed)
        wait_until_still(page)
        page.locator("#actions [data-unsent-opens=plan]").click()

    edit()
    steps.nth(1).get_by_role("button", name="Remove").click()
    expect(steps).to_have_count(2)
    wait_until_still(page)
    steps.first.get_by_role("button", name="Edit").click()
    amount.fill("19")
    wait_until_kept(page, "19")
    page.goto("/")
    edit()

    expect(steps).to_have_count(2)
    expect(amount).to_have_value("19")
    expect(page.locator(f"#plan {NOTE}")).to_contain_text("Restored what you typed")
    wait_until_still(page)
    page.get_by_role("button", name="Keep these").click()
    expect(steps.first).to_contain_text("Changed")
    wait_until_still(page)
    page.get_by_role("button", name="Approve as edited").click()
    wait_until_settled(page, proposed)
    approved = load(proposed.pk)
    assert [(one["id"], one["action"]["args"].get("amount")) for one in approved.proposal.steps] == [
        ("a", 19),
        ("c", 420),
    ]
    assert not UnsentText.objects.exists()


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
