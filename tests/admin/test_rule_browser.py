"""The box for a condition and the stages under an admin's hands: by keys, without script, on a phone, in Chromium."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Group
from playwright.sync_api import expect

from approvals.models import Rule
from approvals.people import roles

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CHANGE = "/admin/approvals/rule/{}/change/"


@pytest.fixture
def rule(refunds, alice, bob, carol):
    return Rule.objects.create(
        name="big", action_type=refunds, expression="true", effect="review", message="Big.", tier=None
    )


@pytest.fixture
def editor(rule, ada, sign_in):
    """editor(): the rule's form, as an admin has it before them."""
    ada.groups.add(Group.objects.get(name=roles.ADMINS))

    def open_form(**options):
        page = sign_in(ada, **options)
        complaints = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        with page.expect_response("**/rule/names/**"):
            page.goto(CHANGE.format(rule.pk))
        page.complaints = complaints
        return page

    return open_form


def test_a_condition_is_completed_by_keys_alone_and_checked_beside_the_box(editor, propose, rule):
    for amount in (100, 300):
        propose(amount=amount, order=str(amount))
    page = editor()
    box, offered, check = page.locator("[data-condition]"), page.get_by_role("listbox"), page.locator(".rc-check")
    expect(check).to_contain_text("True of 2 of the last 2 approvals of “Refund”.")
    box.fill("")

    page.keyboard.type("args.")
    expect(offered.get_by_role("option")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    expect(offered.get_by_role("option", selected=True)).to_contain_text("args.amount")
    assert box.get_attribute("aria-activedescendant")
    page.keyboard.press("Tab")
    expect(box).to_have_value("args.amount")
    expect(box).to_be_focused()
    expect(offered).to_be_hidden()

    page.keyboard.type(" > 250.0 && args.currency.st")
    expect(offered.get_by_role("option", selected=True)).to_contain_text(".startsWith(")
    page.keyboard.press("Escape")
    expect(offered).to_be_hidden()
    page.keyboard.type("a")
    page.keyboard.press("Enter")
    page.keyboard.type('"EUR")')
    expect(box).to_have_value('args.amount > 250.0 && args.currency.startsWith("EUR")')
    expect(check).to_contain_text("amount is above 250 and currency begins with EUR")
    expect(check).to_contain_text("True of 1 of the last 2 approvals")

    # Inside a text nothing is offered, and without the list Tab goes on.
    box.fill('args.order == "')
    page.keyboard.type("args")
    expect(offered).to_be_hidden()
    box.fill("args.amuont > 5.0")
    expect(check).to_contain_text("1:5 The arguments of “Refund” have no args.amuont. Did you mean args.amount?")
    page.keyboard.press("Tab")
    expect(check.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(box).to_be_focused()
    assert not page.complaints


def test_another_action_type_has_other_fields(editor, action_type):
    action_type("mail", title="Mail", schema={"type": "object", "properties": {"recipient": {"type": "string"}}})
    page = editor()
    page.get_by_role("combobox", name="Refund").or_(page.locator(".select2-selection")).first.click()
    with page.expect_response("**/rule/names/?action_type=mail"):
        page.get_by_role("option", name="Mail").click()

    page.locator("[data-condition]").fill("")
    page.keyboard.type("args.")

    expect(page.get_by_role("listbox", name="What may be typed here")).to_contain_text("args.recipient")


def test_stages_are_added_moved_and_removed_by_keys_alone(editor, rule):
    page = editor()
    stages = page.locator("[data-stages]")
    shown = stages.locator("[data-stage]:visible")
    expect(shown).to_have_count(0)
    for tier in ("1", "2", "3"):
        stages.get_by_role("button", name="Add a stage").press("Enter")
        expect(shown.last.get_by_label("Tier")).to_be_focused()
        shown.last.get_by_label("Tier").select_option(tier)

    shown.nth(2).get_by_role("button", name="Earlier").press("Enter")
    expect(shown.nth(1).get_by_role("button", name="Earlier")).to_be_focused()
    expect(stages.get_by_role("status")).to_have_text("Now stage 2")
    page.keyboard.press("Enter")
    expect(shown.first.get_by_role("button", name="Later")).to_be_focused()
    shown.nth(1).get_by_role("button", name="Remove").press("Enter")
    expect(shown).to_have_count(2)
    expect(shown.nth(1).get_by_role("button", name="Remove")).to_be_focused()

    assert [row.get_by_label("Tier").input_value() for row in shown.all()] == ["3", "2"]
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/rule/")
    rule.refresh_from_db()
    assert [stage["tier"] for stage in rule.stages] == [3, 2]
    assert not page.complaints


def test_without_script_the_form_still_saves_a_condition_and_stages(editor, rule, ada, sign_in):
    ada.groups.add(Group.objects.get(name=roles.ADMINS))
    page = sign_in(ada)
    page.route("**/admin-*.js", lambda route: route.abort())
    page.goto(CHANGE.format(rule.pk))

    page.locator("[data-condition]").fill("value > 5.0")
    page.get_by_label("Tier", exact=True).nth(0).select_option("2")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/rule/")

    rule.refresh_from_db()
    assert (rule.expression, [stage["tier"] for stage in rule.stages]) == ("value > 5.0", [2])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_and_a_phone_can_use_it(editor, scheme):
    page = editor(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.locator("[data-stage-add]").click()
    page.locator("[data-condition]").fill("")
    page.keyboard.type("run.r")
    expect(page.get_by_role("listbox")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe_report = Axe().run(page, context={"include": [[".rc-frame"], [".rs"], [".rc-check"]]})
    assert [one["id"] for one in axe_report.response["violations"]] == []
