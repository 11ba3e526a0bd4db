"""What was typed and not sent comes back, and what was discarded does not."""

import pytest
from playwright.sync_api import expect

from approvals.models import UnsentText
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401
from tests.unsent.pages import MESSAGE, NOTE, SLOW, open_card, open_panel, wait_until_kept

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
