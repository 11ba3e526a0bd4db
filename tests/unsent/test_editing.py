"""An edit that was not sent comes back as it was typed, also in a plan."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from approvals.decisions.card_version import load
from approvals.models import UnsentText
from approvals.requests.amend import amend
from tests.browser import wait_until_settled, wait_until_still
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401
from tests.unsent.pages import NOTE, SLOW, open_card, open_panel, wait_until_kept

pytestmark = [pytest.mark.browser, pytest.mark.slow]


AMOUNT = "#actions [data-control='/amount'] [data-text]"


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
