"""Recall by keyboard in Chromium: the panel, its reason, the card afterwards; and a permit that was used meanwhile."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from agents import keys
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from tests.agents.conftest import Api
from tests.browser import wait_until_still
from tests.recall.conftest import approve, executor_of, take_back

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def take_screenshot(page, name: str) -> None:
    """A picture of what is shown, where somebody wants to look at it."""
    if folder := os.environ.get("ASSENT_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def opened(page, approval):
    page.goto(f"/approvals/{approval.pk}/")
    expect(page.locator(f"[data-card='{approval.pk}']")).to_be_visible()


def test_a_released_approval_is_recalled_by_keyboard(propose, alice, sign_in):
    approval = propose()
    approve(approval, by=alice)
    page = sign_in(alice)
    opened(page, approval)
    take_screenshot(page, "card")
    expect(page.get_by_role("link", name="Recall")).to_be_visible()
    press(page, "d", "#panel-title")

    expect(page.get_by_text("Take back this approval: the agent can no longer run it.")).to_be_visible()
    expect(page.get_by_label("No longer needed")).to_be_focused()
    take_screenshot(page, "panel")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("The situation changed")).to_be_checked()
    page.get_by_label("Message to the agent (optional)").fill("The customer cancelled.")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")

    expect(page.locator("[data-toast]")).to_contain_text("Recalled. The agent can no longer run it.")
    expect(page.locator(".card-when")).to_contain_text("Recalled by Alice")
    expect(page.locator(".recalled")).to_contain_text("The customer cancelled.")
    expect(page.get_by_text("Settled before you sent")).to_be_hidden()  # it was sent
    take_screenshot(page, "recalled")
    assert load(approval.pk).status == "recalled"
    assert load(approval.pk).recall.reason == "changed"


def press(page, key: str, shows: str) -> None:
    """Press a key until it acts: a card takes single keys only after it has stood still."""
    target = page.locator(shows)
    for _ in range(20):
        page.keyboard.press(key)
        try:
            expect(target).to_be_visible(timeout=1000)
        except AssertionError:
            continue
        return
    expect(target).to_be_visible()


def test_escape_closes_the_panel_and_nothing_is_recalled(propose, alice, sign_in):
    approval = propose()
    approve(approval, by=alice)
    page = sign_in(alice)
    opened(page, approval)
    press(page, "d", "#panel-title")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Recall")).to_be_visible()
    assert load(approval.pk).status == "released"


def test_a_permit_that_was_used_while_the_panel_was_open(propose, alice, robot, sign_in):
    approval = propose()
    decide(card_version_of(approval), by=alice, verdict="approve")
    page = sign_in(alice, **PHONE)
    opened(page, approval)
    page.get_by_role("link", name="Recall").click()
    expect(page.locator("#panel-title")).to_be_visible()
    take_screenshot(page, "phone-panel")
    held = executor_of(approval, Api(keys.issue(agent=robot, name="test")[1]))
    assert held.consume().status_code == 200
    page.get_by_text("Approved by mistake").click()
    page.get_by_role("button", name="Recall").click()

    expect(page.locator("#card-notice")).to_contain_text("Too late: robot used the permit at")
    expect(page.get_by_role("link", name="Report harm")).to_be_visible()
    take_screenshot(page, "phone-late")
    assert load(approval.pk).status == "released"


def test_what_was_recalled_in_the_dark(propose, alice, sign_in):
    approval = propose()
    approve(approval, by=alice)
    take_back(approval, by=alice)
    page = sign_in(alice, color_scheme="dark")
    opened(page, approval)
    expect(page.locator(".recalled")).to_contain_text("No longer needed")
    expect(page.get_by_role("link", name="Recall")).to_be_hidden()
    take_screenshot(page, "dark")
