"""The command bar: every page and every action by name, from anywhere, by keyboard alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from approvals.models import Approval
from approvals.models.states import Status
from tests.browser import wait_until_still

pytestmark = pytest.mark.browser


def bar(page: Page):
    return page.get_by_role("dialog", name="Commands")


def test_a_page_an_action_and_a_search_are_reached_by_name(refund, alice, sign_in):
    page = sign_in(alice)
    page.keyboard.press("Control+k")
    page.keyboard.type("hist")
    expect(bar(page).get_by_role("option").first).to_contain_text("History")
    expect(bar(page).get_by_role("option").first.locator("kbd")).to_have_text(["G", "H"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/history/$"))

    page.keyboard.press("Control+k")
    page.keyboard.type("456")
    page.keyboard.press("ArrowUp")  # the last: search for it
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/\?q=456$"))
    expect(page.locator(f"#row-{refund.pk}")).to_be_visible()

    page.keyboard.press("Control+k")
    page.keyboard.type("how approvals flow nowhere")
    expect(bar(page).get_by_role("option")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(bar(page)).to_be_hidden()


def test_an_action_of_the_open_card_is_done_by_name_and_only_on_that_card(refund, alice, sign_in):
    page = sign_in(alice)
    page.locator(f"#row-{refund.pk} .row-link").click()
    wait_until_still(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("appro")
    first = bar(page).get_by_role("option").first
    expect(first).to_contain_text("Approve")
    page.keyboard.press("Enter")

    expect(bar(page)).to_be_hidden()
    expect(page.locator("#toasts")).to_contain_text("Approved")
    assert Approval.objects.get(pk=refund.pk).status in (Status.HELD, Status.RELEASED)


def test_help_is_in_it_too_and_it_opens_by_a_button_on_a_phone(alice, sign_in):
    page = sign_in(alice, viewport={"width": 390, "height": 844})
    page.get_by_role("button", name="Commands").click()
    page.keyboard.type("standing appro")
    expect(bar(page).get_by_role("option").filter(has_text="Help").first).to_be_visible()
