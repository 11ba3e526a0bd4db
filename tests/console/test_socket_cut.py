"""The socket is gone, the agent amends, and a person goes on with each control that the card has: none decides.

The controls are read off the rendered card and its panels, so that a new one is tried by itself.
"""

import re
import time
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from approvals.decisions import claims
from approvals.decisions.card_version import load
from approvals.models import Decision, Grant, Rule, Vote
from approvals.policy import snapshot
from approvals.requests.amend import amend
from approvals.requests.submission import Item
from tests.browser import wait_until_still
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

CONTROLS = "#card :is(a[href], button, summary):not([data-back])"
OPENERS = "#actions :is(a[hx-get], button[type=submit])"
FILL = """(root, password) => {
  for (const field of root.querySelectorAll("input, textarea")) {
    if (field.type === "radio") field.checked = true;
    else if (field.name === "typed") field.value = field.closest(".field").querySelector("b").textContent;
    else if (field.name === "password") field.value = password;
    else if (["text", "search"].includes(field.type) && !field.value) field.value = "1";
    else if (field.tagName === "TEXTAREA" && !field.value) field.value = "because";
  }
}"""


@pytest.fixture
def page_without_socket(alice, carol, sign_in):
    """A page whose socket is cut and that reads no list again, so that nothing tells it of a change."""

    def page_of(user):
        page = sign_in(user)
        page.route_web_socket(re.compile("/ws/inbox/"), lambda socket: socket.close())
        page.route(lambda url: url.endswith("/") and url.count("/") == 3, refuse_rereading)
        return page

    def refuse_rereading(route):
        if route.request.headers.get("hx-target") == "rows":
            route.abort()
        else:
            route.continue_()

    return page_of


@pytest.fixture
def kinds(action_type, propose, robot, carol):
    """How to make a card of each kind, and by whom it is read."""
    soft = action_type("note", gate="soft", reversibility="reversible")
    action_type("wipe", gate="manual", reversibility="irreversible", tier_id=3)
    typed = action_type("transfer", reversibility="reversible")
    action_type("payout", approvers=2)
    staged = action_type("budget", strategy="risk", reversibility="reversible")
    bare = {"schema": {}, "value_path": "", "currency_path": "", "subject_path": ""}
    action_type("question", gate="clarify", allowed=["answer", "skip", "reject"], headline="{prompt}", **bare)
    action_type("plan", headline="carry out {steps}", **bare)
    Rule.objects.create(
        name="typed", action_type=typed, expression="true", effect="review", typed=True, message="Type."
    )
    stages = [{"tier": 1, "domain": "", "approvers": 1}, {"tier": 2, "domain": "commerce", "approvers": 1}]
    Rule.objects.create(name="staged", action_type=staged, expression="true", stages=stages, message="All.")
    snapshot.publish(by=None, note="kinds")
    half = [{"label": "half", "args": {"order": "456", "amount": 210, "currency": "EUR"}}]
    step = {"name": "refund", "args": {"order": "1", "amount": 5, "currency": "EUR"}}
    steps = [{"id": name, "action": step, "depends_on": []} for name in "ab"]

    def claimed():
        approval = propose()
        claims.claim(approval.pk, by=carol)
        return load(approval.pk)

    return {
        "soft": lambda: propose(action=soft.name),
        "hard": lambda: propose(alternatives=half, remember=["always"]),
        "manual": lambda: propose(action="wipe"),
        "typed": lambda: propose(action="transfer"),
        "two people": lambda: propose(action="payout"),
        "staged": lambda: propose(action="budget"),
        "question": lambda: propose(items=(Item(id="q", item_type="question", prompt="Which order?"),)),
        "plan": lambda: propose(items=(Item(id="p", item_type="plan", steps=steps),)),
        "claimed": claimed,
    }


NAMES = ["soft", "hard", "manual", "typed", "two people", "staged", "question", "plan", "claimed"]


def revise(approval, robot):
    """The agent makes something else of it."""
    if approval.item_type == "question":
        amend(approval.pk, lambda item: replace(item, prompt="Send it to EVIL?"), by=robot)
    elif approval.item_type == "plan":
        other = {"name": "refund", "args": {"order": "EVIL", "amount": 5, "currency": "EUR"}}
        steps = [{"id": name, "action": other, "depends_on": []} for name in "ab"]
        amend(approval.pk, lambda item: replace(item, steps=steps), by=robot)
    else:
        amend(approval.pk, lambda item: replace(item, args={**item.args, "order": "EVIL"}), by=robot)


def open_card(page, approval):
    page.goto(f"/approvals/{approval.pk}/")
    expect(page.locator("#card")).to_be_visible()
    wait_until_still(page)


def press(page, number, selector=CONTROLS):
    """Press one control, wherever it lies; returns whether it asked the server anything about the card."""
    sent, under_way = [], set()

    def on_request(request):
        if "/approvals/" in request.url:
            sent.append(request)
            under_way.add(request)

    def on_request_end(request):
        under_way.discard(request)

    listeners = {"request": on_request, "requestfinished": on_request_end, "requestfailed": on_request_end}
    for name, listen in listeners.items():
        page.on(name, listen)
    page.evaluate("([selector, n]) => document.querySelectorAll(selector)[n]?.click()", [selector, number])
    end = time.monotonic() + 20
    page.wait_for_timeout(100)  # waits for nothing: what a press asks for it asks for at once
    while under_way and time.monotonic() < end:
        page.wait_for_timeout(20)
    for name, listen in listeners.items():
        page.remove_listener(name, listen)
    return bool(sent)


def assert_locked(page, approval):
    card = page.locator(f"[data-card='{approval.pk}']")
    expect(card).to_have_attribute("data-locked", "")
    expect(page.locator("#card-notice")).to_contain_text("The agent revised this (v2)")
    expect(card.locator("form [name=verdict]")).to_have_count(0)


def assert_untouched(approval):
    now = load(approval.pk)
    assert (now.status, now.verdict, now.tier_id, now.revision) == ("pending", "", approval.tier_id, 2)
    assert now.snoozed_until is None and now.votes == 0
    assert not Decision.objects.filter(approval=approval).exists()
    assert not Vote.objects.filter(approval=approval).exists()
    assert not Grant.objects.exists()


@pytest.mark.parametrize("kind", NAMES)
def test_no_control_of_a_card_decides_what_it_did_not_show(kind, kinds, robot, alice, carol, page_without_socket):
    page = page_without_socket(carol if kind == "manual" else alice)
    approval = kinds[kind]()
    open_card(page, approval)
    many = page.locator(CONTROLS).count()
    assert many > 2
    locked_cards = 0
    for number in range(many):
        approval = approval if number == 0 else kinds[kind]()
        open_card(page, approval)
        revise(approval, robot)
        if press(page, number) and page.locator(f"[data-card='{approval.pk}']").count():
            locked_cards += 1
            assert_locked(page, approval)
        assert_untouched(approval)
    assert locked_cards


@pytest.mark.parametrize("kind", NAMES)
def test_no_panel_that_was_open_before_decides_either(kind, kinds, robot, alice, carol, page_without_socket):
    page = page_without_socket(carol if kind == "manual" else alice)
    approval = kinds[kind]()
    open_card(page, approval)
    many = page.locator(OPENERS).count()
    opened = 0
    for number in range(many):
        approval = kinds[kind]()
        open_card(page, approval)
        opener = page.locator(OPENERS).nth(number)
        if opener.evaluate("control => control.matches('button')"):
            continue  # it decides at once, and was tried above
        press(page, number, OPENERS)
        submits = page.locator("#actions form[data-verdict] button[type=submit]")
        if not submits.count() or load(approval.pk).status != "pending":
            continue
        opened += 1
        wait_until_still(page)
        revise(approval, robot)
        page.locator("#actions").evaluate(FILL, PASSWORD)
        submits.first.evaluate("button => { button.disabled = false; button.form.noValidate = true; button.click(); }")
        assert_locked(page, approval)
        assert_untouched(approval)
    assert opened or kind == "claimed"


def test_after_a_refusal_and_after_a_cancelled_panel_the_version_is_the_cards(
    propose, robot, alice, page_without_socket
):
    page = page_without_socket(alice)
    approval = propose()
    open_card(page, approval)
    page.keyboard.press("r")
    expect(page.locator("#reject-message")).to_be_visible()
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#reject-error")).to_be_visible()
    revise(approval, robot)
    page.keyboard.press("Escape")
    assert_locked(page, approval)
    assert_untouched(approval)


def test_what_is_read_again_is_compared_and_another_version_locks(propose, robot, alice, sign_in):
    """Back after a gap: the list is read again, and the open card is looked at with it, wherever its row is."""
    page = sign_in(alice)
    away = True

    def handle(socket):
        socket.close() if away else socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/inbox/"), handle)
    approval, other = propose(), propose(order="other")
    open_card(page, approval)
    page.keyboard.press("r")
    page.locator("#reject-message").fill("half a sentence")
    claims.claim(other.pk, by=alice)
    with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "rows"):
        page.evaluate("document.dispatchEvent(new Event('reread'))")
    expect(page.locator("#reject-message")).to_have_value("half a sentence")
    page.locator("[name=q]").fill("other")
    expect(page.locator(f"#row-{approval.pk}")).to_have_count(0)
    revise(approval, robot)
    away = False
    page.evaluate("document.dispatchEvent(new Event('reread'))")
    assert_locked(page, approval)
    assert_untouched(approval)
    wait_until_still(page)
    page.locator(".reread a").click()
    expect(page.locator("#actions .approve[data-key=a]")).to_be_visible()
    wait_until_still(page)
    page.keyboard.press("a")
    expect(page.locator("#toasts")).to_contain_text("Approved")
    assert load(approval.pk).proposal.args["order"] == "EVIL"
