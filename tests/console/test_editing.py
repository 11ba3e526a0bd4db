"""What a browser posts: editing one field of a form changes that field, and nothing else in value or in type.

Every case is proposed, opened, edited and approved in Chromium; what is stored afterwards is compared as JSON text.
"""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from approvals.decisions.card_version import load
from approvals.models import ActionType, Proposal
from approvals.policy import snapshot
from tests.browser import wait_until_still
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

CASES = Path(__file__).parents[1] / "cases"
UNTOUCHED = [
    case for name in ("edit-forms", "edit-more") for case in json.loads((CASES / f"{name}.json").read_text())["cases"]
]
TOOLS = json.loads((CASES / "tool-schemas.json").read_text())["cases"]
# Half a second in which a card takes no press, hundreds of times: that it does so is another test's business.
HURRY = """const later = window.setTimeout;
window.setTimeout = (run, wait, ...rest) => later(run, wait === 500 ? 20 : wait, ...rest);"""
NOTE = "zz_note"  # the field that is edited where the case names none


def exact_json(value) -> str:
    return json.dumps(value, sort_keys=True)


def stored(approval):
    return Proposal.objects.get(approval=approval, revision=load(approval.pk).revision).args


def with_note(schema: dict, value: dict) -> tuple[dict, dict]:
    """The case with one more field, which is the one that is edited."""
    properties = {**schema.get("properties", {}), NOTE: {"type": "string", "title": "Note"}}
    if not schema.get("properties"):
        properties = {NOTE: properties[NOTE]}
    return {**schema, "properties": properties}, {**value, NOTE: "before"}


@pytest.fixture
def proposed(action_type, propose):
    """Propose one action for each schema and arguments, by name; all types come with one version of policy."""

    def make(cases: dict[str, tuple[dict, object]]) -> dict:
        paths = {"value_path": "", "currency_path": "", "subject_path": "", "subject_kind": "", "headline": "case"}
        row = action_type("case", schema={}, **paths)
        for name, (schema, _args) in cases.items():
            row.pk, row.name, row.schema = None, name, schema
            row.save(force_insert=True)
        snapshot.publish(by=None, note="the cases")
        assert ActionType.objects.filter(name__in=cases).count() == len(cases)
        return {name: propose(action=name, args=args, subject="case") for name, (_schema, args) in cases.items()}

    return make


class Form:
    """The open form of one approval."""

    def __init__(self, page, approval) -> None:
        self.page, self.approval = page, approval
        page.goto(f"/approvals/{approval.pk}/modify/?version={approval.version}")
        expect(page.locator("#edit [data-edited]")).to_be_attached()

    def box(self, at: str):
        return self.page.locator(f"[data-control='{at}'] [data-text]")

    def fill(self, at: str, text: str) -> None:
        for group in self.page.locator("details[data-group]:not([open])").all():
            group.evaluate("group => group.open = true")
        box = self.box(at)
        if box.evaluate("box => box.tagName") == "SELECT":
            box.select_option(text)
        else:
            box.fill(text)

    def tab(self, name: str) -> None:
        self.page.locator(f"[data-to={name}]").click()
        expect(self.page.locator(f"[data-to={name}]")).to_have_attribute("aria-pressed", "true")

    def approve(self) -> None:
        wait_until_still(self.page)
        self.page.locator("#verdict-form button.approve").click()
        expect(self.page.locator("#edit")).to_have_count(0)


def switch_view(form: Form, how: str) -> None:
    if how == "and back by JSON":
        form.tab("raw")
        form.tab("form")


@pytest.mark.parametrize("how", ["by the form", "and back by JSON"])
def test_editing_one_field_leaves_every_other_value_as_it_is(how, proposed, alice, sign_in):
    cases = {case["id"]: with_note(case["schema"], case["value"]) for case in UNTOUCHED}
    assert len(cases) == len(UNTOUCHED)
    page, wrong = sign_in(alice), {}
    page.add_init_script(HURRY)
    for name, approval in proposed(cases).items():
        form = Form(page, approval)
        form.fill(f"/{NOTE}", "after")
        switch_view(form, how)
        form.approve()
        if exact_json(stored(approval)) != exact_json({**cases[name][1], NOTE: "after"}):
            wrong[name] = stored(approval)
    assert wrong == {}


def edited(args: dict, path: str, value) -> dict:
    first, _, rest = path.partition("/")
    return {**args, first: edited(args[first], rest, value) if rest else value}


@pytest.mark.parametrize("how", ["by the form", "and back by JSON", "by JSON"])
def test_one_edit_of_a_real_tool_changes_that_field_alone(how, proposed, alice, sign_in):
    page, wrong = sign_in(alice), {}
    page.add_init_script(HURRY)
    approvals = proposed({name: (case["schema"], case["args"]) for name, case in TOOLS.items()})
    for name, case in TOOLS.items():
        path, text = case["edit"]
        approval = approvals[name]
        form = Form(page, approval)
        at = "/" + path
        before = case["args"]
        for part in path.split("/"):
            before = before[part]
        value = text if isinstance(before, str) else json.loads(text)
        if how == "by JSON":
            form.tab("raw")
            args = json.loads(form.box("~").input_value())
            assert exact_json(args) == exact_json(case["args"])
            form.box("~").fill(json.dumps(edited(args, path, value), ensure_ascii=False))
        else:
            form.fill(at, text)
            switch_view(form, how)
        form.approve()
        if exact_json(stored(approval)) != exact_json(edited(case["args"], path, value)):
            wrong[name] = stored(approval)
    assert wrong == {}


def test_an_edit_and_the_typed_value_go_together_through_a_manual_gate(action_type, propose, carol, sign_in):
    """What was edited and what was typed to confirm are two fields; a wrong confirmation keeps the edit."""
    action_type("wipe", gate="manual", reversibility="irreversible", tier_id=3)
    approval = propose(action="wipe")
    form = Form(sign_in(carol), approval)
    page, sheet = form.page, form.page.locator("#verdict-form")
    form.fill("/amount", "300.5")
    sheet.locator("[name=typed]").fill("421")
    sheet.locator("[name=password]").fill(PASSWORD)
    with page.expect_response(lambda answer: answer.url.split("?")[0].endswith("/modify/")) as refused:
        sheet.locator("button.approve").click()
    assert refused.value.status == 422
    expect(form.box("/amount")).to_have_value("300.5")
    assert load(approval.pk).status == "pending"

    sheet.locator("[name=typed]").fill(sheet.locator("label[for=typed] b").inner_text())
    sheet.locator("[name=password]").fill(PASSWORD)
    form.approve()
    assert exact_json(stored(approval)) == exact_json({**approval.proposal.args, "amount": 300.5})
    assert load(approval.pk).verdict == "modify"
