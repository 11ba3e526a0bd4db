"""A question answered in a browser: by keys, by what was chosen, and by nothing that nobody chose."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from approvals.decisions.card_version import load
from approvals.policy import snapshot
from approvals.policy.authoring import packs
from approvals.requests.submission import Item
from tests.browser import wait_until_still

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "cases" / "questions.json").read_text())["cases"]
}


@pytest.fixture
def ask(tiers, propose, alice):
    """Robot asks one thing or several, and alice may answer."""
    packs.load("core")
    snapshot.publish(by=None, note="core")
    alice.memberships.update(domain=None)

    def make(**fields):
        return propose(items=(Item(id="q1", item_type="question", prompt="Which?", **fields),))

    return make


def ask_case(ask, name):
    case = CASES[name]
    return ask(response_schema=case["response_schema"], best_guess=case.get("best_guess"))


def open_card(page, approval):
    page.goto(f"/approvals/{approval.pk}/")
    expect(page.locator("#card-claim")).to_contain_text("You are reviewing", timeout=20_000)
    expect(page.locator("#answer-form")).to_be_visible()
    stands(page)


def stands(page):
    """A card takes keys once it has stood still."""
    expect(page.locator("#pane:not([data-fresh])")).to_be_attached()


def sent(page, approval):
    """What was answered, once the page says so."""
    expect(page.locator("[data-toast]")).to_contain_text("Answered", timeout=20_000)
    return load(approval.pk).decisions.get().answer


def test_every_case_opens_and_answers_nothing_that_nobody_gave(ask, alice, sign_in):
    page = sign_in(alice)
    for name in CASES:
        approval = ask_case(ask, name)
        open_card(page, approval)
        wait_until_still(page)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#answer-form .field-error, #answer-form .notice-danger").first).to_be_visible()
        assert load(approval.pk).status == "pending", name


@pytest.mark.parametrize("name", ["guess-null-boolean", "guess-leading-newline"])
def test_the_best_guess_is_one_key(name, ask, alice, sign_in):
    approval = ask_case(ask, name)
    page = sign_in(alice)
    open_card(page, approval)
    page.keyboard.press("d")

    assert sent(page, approval) == CASES[name]["best_guess"]


@pytest.mark.parametrize(
    ("name", "keys", "answer"),
    [
        ("enum-preselected", ["2"], {"sev": "medium"}),
        ("titled-enum", ["2"], {"sev": "h"}),
        ("top-enum-int", ["2"], 2),
        ("guess-null-boolean", ["2"], {"refund_ok": False}),
        ("guess-null-boolean", ["3"], {"refund_ok": None}),
        ("optional-int-pydantic", ["a", "3"], {"n": 3}),
        ("guess-leading-newline", ["a", "x"], {"t": "x"}),
    ],
)
def test_a_case_is_answered_by_keys_alone(name, keys, answer, ask, alice, sign_in):
    approval = ask_case(ask, name)
    page = sign_in(alice)
    open_card(page, approval)
    for key in keys:
        page.keyboard.press(key)
    wait_until_still(page)
    page.keyboard.press("Control+Enter")

    assert sent(page, approval) == answer


def test_a_list_of_texts_grows_by_what_is_typed(ask, alice, sign_in):
    approval = ask_case(ask, "crash-nullable-items")
    page = sign_in(alice)
    open_card(page, approval)
    page.get_by_role("button", name="Add cc").click()
    entry = page.locator("[data-new] [data-text]")
    expect(entry).to_be_attached()
    if not entry.is_visible():
        page.locator(".control-new > summary").click()
    entry.fill("anna@example.com")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")

    assert sent(page, approval) == {"cc": ["anna@example.com"]}


def test_several_of_a_list_are_ticked(ask, alice, sign_in):
    approval = ask(response_schema={"type": "array", "items": {"enum": ["mail", "phone", "post"]}})
    page = sign_in(alice)
    open_card(page, approval)
    page.keyboard.press("3")
    page.keyboard.press("1")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")

    assert sent(page, approval) == ["mail", "post"]


def test_many_choices_are_a_list_to_open_and_none_is_chosen(ask, alice, sign_in):
    approval = ask(response_schema={"enum": list(range(1, 13))})
    page = sign_in(alice)
    open_card(page, approval)
    box = page.locator("#answer-fields select[data-text]")
    expect(box).to_have_value("")
    page.keyboard.press("a")
    expect(box).to_be_focused()
    box.select_option("12")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")

    assert sent(page, approval) == 12


def test_what_was_typed_stays_beside_what_is_wrong(ask, alice, sign_in):
    schema = {"required": ["n", "why"], "properties": {"n": {"type": "integer"}, "why": {"type": "string"}}}
    approval = ask(response_schema={"type": "object", **schema})
    page = sign_in(alice)
    open_card(page, approval)
    page.get_by_label("n", exact=True).fill("many")
    page.get_by_role("textbox", name="why").fill("they asked")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#answer-form .field-error")).to_contain_text("Enter a whole number.")
    expect(page.get_by_label("n", exact=True)).to_have_value("many")
    page.get_by_label("n", exact=True).fill("4")
    stands(page)
    page.keyboard.press("Control+Enter")

    assert sent(page, approval) == {"n": 4, "why": "they asked"}


def test_keys_are_letters_while_one_types_and_esc_leaves_the_box(ask, alice, sign_in):
    approval = ask(best_guess="L")
    page = sign_in(alice)
    open_card(page, approval)
    page.keyboard.press("a")
    expect(page.locator("#answer")).to_be_focused()
    page.keyboard.type("dap 12")
    expect(page.locator("#answer")).to_have_value("dap 12")
    page.keyboard.press("Escape")
    expect(page.locator("#answer")).not_to_be_focused()
    assert load(approval.pk).status == "pending"
    page.keyboard.press("p")
    expect(page.locator("[data-toast]")).to_contain_text("Skipped")

    assert load(approval.pk).verdict == "skip"


def test_each_button_shows_its_key_and_the_panels_open(ask, alice, sign_in):
    approval = ask(best_guess="L")
    page = sign_in(alice)
    open_card(page, approval)
    for name, key in (("Use the best guess", "D"), ("Skip", "P"), ("Ask", "Q"), ("Escalate", "E")):
        expect(page.locator("#actions").get_by_text(re.compile(rf"^\s*{name}")).first).to_be_visible()
        assert key in page.locator("#actions").inner_text()
    for key in "qe":
        stands(page)
        page.keyboard.press(key)
        expect(page.locator("#actions .sheet-head")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#answer-form")).to_be_visible()
