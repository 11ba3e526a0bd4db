"""The panel for rejecting many: what opens it becomes what closes it, so that each wish has one button."""

import re

import pytest
from playwright.sync_api import expect

from approvals.models import Approval
from tests.browser import wait_until_still

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_open_panel_has_one_button_that_rejects_all(propose, alice, sign_in):
    approvals = [propose(order=str(n)) for n in range(2)]
    Approval.objects.update(flagged=0)
    page = sign_in(alice)
    for approval in approvals:
        page.locator(f"#row-{approval.pk} input[type=checkbox]").check()
    page.locator("[data-batch-form] button").click()
    wait_until_still(page)
    actions = page.locator("#actions")
    rejects = actions.get_by_text(re.compile("Reject all 2"))
    expect(rejects.locator("visible=true")).to_have_count(1)

    page.keyboard.press("r")
    expect(page.locator("#batch-message")).to_be_visible()
    expect(rejects.locator("visible=true")).to_have_count(1)
    expect(actions.get_by_text("Cancel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#batch-message")).to_be_hidden()
    expect(actions).to_be_focused()
    expect(rejects.locator("visible=true")).to_have_count(1)
