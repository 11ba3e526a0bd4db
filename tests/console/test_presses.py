"""A press does what was meant, to the card that was looked at, and the page says what happened: also late, or lost."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from approvals.decisions.card_version import load
from approvals.models import Approval, Attempt, Decision, Tier
from approvals.policy import snapshot
from tests.browser import wait_until_settled, wait_until_still

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DECIDE = re.compile(r"/(decide|modify|ask|batch)/(\?|$)")


def row(page, approval):
    return page.locator(f"#row-{approval.pk}")


def card(page, approval):
    return page.locator(f"[data-card='{approval.pk}']")


def open_card(page, approval):
    row(page, approval).locator(".row-link").click()
    expect(card(page, approval)).to_be_visible()
    wait_until_still(page)


@pytest.fixture
def long_undo(tiers) -> None:
    """The longest there is, since a machine may be busy; for approvals routed afterwards."""
    Tier.objects.update(hold=timedelta(seconds=30))
    snapshot.publish(by=None, note="undo window")


@pytest.fixture
def three(propose) -> list[Approval]:
    made = [propose(order=f"A{n}", timeout=timedelta(hours=1 + n)) for n in range(3)]
    Approval.objects.update(flagged=0)
    return made


class HeldAnswers:
    """The answers to what is decided: held back until they are let go, or lost on their way."""

    def __init__(self, page):
        self.held, self.lose, self.lost, self.under_way, self.page = [], False, 0, 0, page
        page.route(DECIDE, self._answer)

    def _answer(self, route):
        if route.request.method != "POST":
            route.continue_()
            return
        self.under_way += 1
        try:
            response = route.fetch()  # the server gets it and records it
            if self.lose:
                route.abort()
                self.lost += 1
            else:
                self.held.append((route, response))
        finally:
            self.under_way -= 1

    def let_go(self):
        """Returns how many there were."""
        self._arrive()
        held, self.held = self.held, []
        for route, response in held:
            route.fulfill(response=response)
        return len(held)

    def end(self):
        self._arrive()
        self.page.unroute(DECIDE)

    def _arrive(self):
        while self.under_way:
            self.page.wait_for_timeout(20)


def test_a_late_answer_belongs_to_the_card_that_asked(long_undo, three, propose, alice, sign_in):
    z, w, n = (propose(order=name, timeout=timedelta(minutes=20 + 10 * at)) for at, name in enumerate("ZWN"))
    page = sign_in(alice)
    answers = HeldAnswers(page)
    open_card(page, z)
    page.keyboard.press("a")
    expect(card(page, z).locator("form[data-sent]")).to_be_attached()
    open_card(page, w)
    page.keyboard.press("r")
    page.locator("#reject-message").fill("half a sentence")
    answers.let_go()

    expect(page.locator("#toasts")).to_contain_text("Refund 420\u00a0EUR to order Z")
    expect(page.locator("#toasts")).to_contain_text("Goes to the agent in")
    wait_until_settled(page, z)
    expect(card(page, w)).to_be_visible()
    expect(page.locator("#reject-message")).to_have_value("half a sentence")
    expect(page.locator("#reject-message")).to_be_focused()
    expect(page).to_have_url(re.compile(str(w.pk)))
    expect(page).to_have_title(re.compile("order W"))
    page.keyboard.press("Escape")
    expect(page.locator("#reject-message")).to_have_count(0)
    wait_until_still(page)
    page.keyboard.press("z")
    expect(card(page, z)).to_be_visible()
    assert [load(one.pk).status for one in (z, w, n)] == ["pending"] * 3


def test_a_second_press_while_the_first_is_under_way_is_dropped_and_not_queued(three, alice, sign_in):
    page = sign_in(alice)
    sent = []
    open_card(page, three[0])
    page.route(DECIDE, lambda route: sent.append(route))
    page.keyboard.press("a")
    page.keyboard.press("a")
    assert page.evaluate("() => fetch('/health/live').then(({ ok }) => ok)")  # the first has left before this
    sent[0].abort()
    expect(page.locator("#card-notice")).to_contain_text("Not recorded. Try again.")
    assert len(sent) == 1


def test_a_lost_answer_is_looked_up_and_said_as_it_is(long_undo, three, propose, alice, sign_in):
    approval = propose(order="LOST", timeout=timedelta(minutes=20))
    page = sign_in(alice)
    answers = HeldAnswers(page)
    answers.lose = True
    open_card(page, approval)
    page.keyboard.press("a")
    toast = page.locator(f"#toast-{approval.pk}")
    expect(toast).to_contain_text("Recorded. Approved")
    expect(toast.get_by_role("button")).to_contain_text("Undo")
    expect(card(page, approval)).not_to_have_attribute("data-status", "pending")
    expect(page.locator("#card-notice")).to_be_empty()  # nobody is warned of what they did themselves
    assert Decision.objects.filter(approval=approval).count() == 1


def test_what_never_arrived_was_not_recorded_and_can_be_tried_again(three, alice, sign_in):
    page = sign_in(alice)
    open_card(page, three[0])
    page.route(DECIDE, lambda route: route.abort())
    page.keyboard.press("a")
    expect(page.locator("#card-notice")).to_contain_text("Not recorded. Try again.")
    assert Attempt.objects.get().void
    page.unroute(DECIDE)
    wait_until_still(page)
    page.keyboard.press("a")
    wait_until_settled(page, three[0])


def test_out_of_reach_the_page_says_that_it_does_not_know(three, alice, sign_in):
    page = sign_in(alice)
    open_card(page, three[0])
    page.route("**/*", lambda route: route.abort())
    assert page.evaluate("() => fetch('/health/live').then(() => false, () => true)")  # it holds by now
    page.keyboard.press("a")
    expect(page.locator("#card-notice")).to_contain_text("We don't know yet whether this was recorded")
    expect(card(page, three[0]).locator("form[data-sent]")).to_be_attached()
    page.keyboard.press("a")
    page.unroute("**/*")
    expect(page.locator("#card-notice")).to_contain_text("Not recorded. Try again.", timeout=15_000)
    assert load(three[0].pk).status == "pending"


def test_of_a_batch_whose_answer_is_lost_each_is_said(long_undo, three, propose, alice, sign_in):
    made = [propose(order=f"B{n}", timeout=timedelta(minutes=20 + n)) for n in range(3)]
    Approval.objects.update(flagged=0)
    page = sign_in(alice)
    for approval in made:
        row(page, approval).locator("[name=pick]").check()
    page.locator("[data-batch-form] button").click()
    expect(page.get_by_role("heading", name="3 requests: Refund")).to_be_visible()
    wait_until_still(page)
    answers = HeldAnswers(page)
    answers.lose = True
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="3 recorded")).to_be_visible()
    assert [load(one.pk).verdict for one in made] == ["approve"] * 3


def test_a_card_takes_no_key_before_it_stood_still(three, alice, sign_in):
    page = sign_in(alice)
    first, second, _third = three
    open_card(page, first)
    page.keyboard.press("a")
    # The next one has just come: what is pressed in that moment was meant for the one before.
    fresh = page.wait_for_function(
        """(second) => {
             if (document.querySelector("#card")?.dataset.card !== second) return null;
             const fresh = document.querySelector("#pane").hasAttribute("data-fresh");
             document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true }));
             return [fresh];
           }""",
        arg=str(second.pk),
    )
    assert fresh.json_value() == [True]
    wait_until_still(page)
    assert load(second.pk).status == "pending"
    page.keyboard.press("a")
    wait_until_settled(page, second)


def test_while_a_card_is_open_moving_opens_the_next_and_no_key_acts_on_another(three, alice, sign_in):
    page = sign_in(alice)
    first, second, third = three
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator("#card")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(card(page, first)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("a")  # on its way: nothing can be meant by it
    expect(card(page, second)).to_be_visible()
    wait_until_still(page)
    expect(row(page, second)).to_have_attribute("data-open", "")
    row(page, third).locator(".row-link").focus()
    page.keyboard.press("a")
    assert not Decision.objects.exists()
    page.locator("#pane").focus()
    page.keyboard.press("a")
    wait_until_settled(page, second)
    assert {load(one.pk).status for one in (first, third)} == {"pending"}


def test_moving_over_cards_only_reads(three, alice, sign_in):
    page = sign_in(alice)
    open_card(page, three[0])
    page.keyboard.press("j")
    expect(card(page, three[1])).to_be_visible()
    page.keyboard.press("j")
    expect(card(page, three[2])).to_be_visible()
    expect(page.locator("#card-claim")).to_contain_text("You are reviewing", timeout=8_000)

    assert [load(one.pk).first_opened_at is None for one in three] == [True, True, False]
    assert [load(one.pk).claimed_by for one in three] == [None, None, alice]


def test_the_first_key_claims_at_once(three, alice, sign_in):
    page = sign_in(alice)
    open_card(page, three[0])
    page.keyboard.press("r")
    expect(page.locator("#card-claim")).to_contain_text("You are reviewing", timeout=1_900)


def test_rejecting_a_batch_is_a_panel_and_goes_back_as_a_whole(long_undo, three, propose, alice, sign_in, action_type):
    action_type("note", reason_required=False)
    made = [propose(action="note", order=f"N{n}", timeout=timedelta(minutes=20 + n)) for n in range(2)]
    Approval.objects.update(flagged=0)
    page = sign_in(alice)
    for approval in made:
        row(page, approval).locator("[name=pick]").check()
    page.locator("[data-batch-form] button").click()
    wait_until_still(page)
    page.keyboard.press("r")
    expect(page.locator(".batch-reject [data-focus]")).to_be_focused()
    assert not Decision.objects.exists()
    page.keyboard.press("Escape")
    expect(page.locator(".batch-reject[open]")).to_have_count(0)
    page.keyboard.press("r")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="2 recorded")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("2 requests: Note")
    page.keyboard.press("z")
    expect(page.get_by_role("heading", name="2 taken back")).to_be_visible()
    assert {load(one.pk).status for one in made} == {"pending"}


def test_every_held_verdict_can_be_taken_back_also_after_a_reload(long_undo, three, alice, sign_in):
    page = sign_in(alice)
    for approval in three:
        open_card(page, approval) if approval is three[0] else wait_until_still(page)
        page.keyboard.press("a")
        expect(page.locator(f"#toast-{approval.pk}")).to_contain_text(f"to order {approval.proposal.args['order']}")
    expect(page.locator("#toasts > .toast")).to_have_count(3)
    page.locator(f"#toast-{three[0].pk} button").click()
    expect(page.locator(f"#toast-{three[0].pk}")).to_contain_text("Taken back")
    assert [load(one.pk).status for one in three] == ["pending", "held", "held"]
    page.reload()
    expect(page.locator("#toasts > .toast")).to_have_count(2)
    page.keyboard.press("z")
    expect(card(page, three[2])).to_be_visible()
    assert [load(one.pk).status for one in three] == ["pending", "held", "pending"]


def test_enter_in_a_field_decides_nothing(three, alice, sign_in):
    page = sign_in(alice)
    open_card(page, three[0])
    page.keyboard.press("m")
    wait_until_still(page)
    page.locator("#modify-message").fill("smaller")
    page.keyboard.press("Enter")
    page.locator("[data-control='/amount'] [data-text]").fill("9999")
    page.keyboard.press("Enter")
    page.wait_for_timeout(700)  # waits for nothing: what is there too soon would be there by now
    expect(card(page, three[0])).to_be_visible()
    assert not Decision.objects.exists()
