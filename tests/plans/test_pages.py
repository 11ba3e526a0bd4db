"""Plans and standing approvals on the screen."""

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse

from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution.grants import GrantRequest, give
from approvals.models import Autonomy, Decision, Grant
from tests.plans.conftest import mail, step

HX = {"HTTP_HX_REQUEST": "true"}


def shown(approval) -> dict[str, object]:
    return {"version": approval.version}


def wish_in(page: str) -> list[dict]:
    return json.loads(unescape(re.search(r'name="plan" value="([^"]*)"', page)[1]))


@pytest.fixture
def press(as_, carol):
    """Press a button of the edit: press(plan, "remove:a", wish) returns the page."""

    def call(approval, op, wish, status=200, **more):
        client = as_(carol)
        data = {**shown(approval), "op": op, "plan": json.dumps(wish), **more}
        response = client.post(reverse("plan:plan", args=[approval.pk]), data, **HX)
        assert response.status_code == status, response.content.decode()[:2000]
        return response.content.decode()

    return call


def test_the_card_shows_each_step_with_what_it_needs_and_what_undoes_it(plan, as_, carol):
    undo = {"name": "refund", "args": {"order": "456", "amount": 1, "currency": "EUR"}}
    proposed = plan({**step("a", 6000), "undo": undo}, mail("b", "a"))
    page = as_(carol).get(reverse("card:card", args=[proposed.pk])).content.decode()

    for text in ("Refund 6,000", "nn@example.com: done", "Irreversible", "After a", "Undone by refund", "tier 2"):
        assert text in page
    assert "above the ceiling of tier 1" in page


def test_a_plan_is_edited_step_by_step_and_approved_as_edited(plan, press, carol):
    proposed = plan(step("a"), step("b", 5, after=("a",)), step("c", 6), step("d", 7))
    start = [{"id": name} for name in "abcd"]

    page = press(proposed, "edit:a", start)
    assert 'data-control="/amount"' in page
    page = press(proposed, "save:a", start, touched='[["/amount", "number", "x"]]')
    assert "Enter a number" in page
    page = press(proposed, "save:a", start, touched='[["/amount", "number", "-3"]]')
    assert "Enter 0 or more." in page
    page = press(proposed, "act:a", start, touched='[["/amount", "number", "20"]]', to="raw")
    assert "&quot;amount&quot;: 20" in page
    page = press(proposed, "save:a", start, touched='[["/amount", "number", "20"]]')
    wish = wish_in(page)
    assert wish[0]["edits"] == [{"op": "replace", "path": "/amount", "value": 20}]
    page = press(proposed, "up:d", wish)
    page = press(proposed, "refuse:c", wish_in(page), why="not now")
    assert "not now" in page
    settled_page = press(proposed, "approve", wish_in(page), message="smaller")
    settled = load(proposed.pk)

    assert (settled.verdict, settled.decided_by) == ("modify", carol)
    steps = json.loads(settled.request.answer)["items"][0]["plan"]["steps"]
    assert [(one["id"], one["verdict"]) for one in steps] == [
        ("a", "modify"), ("b", "approve"), ("d", "approve"), ("c", "reject"),
    ]  # fmt: skip
    assert "Approved with changes" in settled_page


def test_what_depends_on_a_removed_step_is_named_and_goes_with_it(plan, press):
    proposed = plan(step("a"), step("b", 5, after=("a",)), step("c", 6))
    page = press(proposed, "remove:a", [{"id": "a"}, {"id": "b"}, {"id": "c"}])

    assert [one["id"] for one in wish_in(page)] == ["c"]
    assert "since it depends on it: b" in page
    assert "Taken out:" in page


def test_a_rejected_step_needs_a_reason_and_an_order_stays_within_its_dependencies(plan, press):
    proposed = plan(step("a"), step("b", 5, after=("a",)))
    start = [{"id": "a"}, {"id": "b"}]

    assert "needs a reason" in press(proposed, "refuse:a", start, why=" ")
    assert wish_in(press(proposed, "down:a", start)) == start
    page = press(proposed, "refuse:a", start, why="no")
    assert "Nothing is left of it" in page


TYPED = {"open": "a", "mode": "form", "edits": "[]"}


@pytest.mark.parametrize("op", ["remove:b", "down:a", "edit:b", "reject:b", "edit:a"])
def test_another_press_takes_along_what_is_typed_in_the_open_step(op, plan, press):
    page = press(
        plan(step("a"), step("b", 5)), op, [{"id": "a"}, {"id": "b"}], **TYPED, touched='[["/amount", "number", "19"]]'
    )
    typed = [{"op": "replace", "path": "/amount", "value": 19}]
    if op == "edit:a":
        assert 'value="19"' in page
    else:
        [a] = [one for one in wish_in(page) if one["id"] == "a"]
        assert a["edits"] == typed


@pytest.mark.parametrize("amount", ["x", "-3"])
def test_what_cannot_be_taken_along_stays_open(amount, plan, press):
    page = press(
        plan(step("a"), step("b", 5)),
        "remove:b",
        [{"id": "a"}, {"id": "b"}],
        **TYPED,
        touched=json.dumps([["/amount", "number", amount]]),
    )
    assert [one["id"] for one in wish_in(page)] == ["a", "b"]
    assert f'value="{amount}"' in page
    assert "field-error" in page


def test_the_reason_of_a_rejection_outlives_another_press(plan, press):
    proposed, both = plan(step("a"), step("b", 5)), [{"id": "a"}, {"id": "b"}]
    moved = press(proposed, "down:a", both, open="a", why="Not this one.")
    assert [one["id"] for one in wish_in(moved)] == ["b", "a"]
    assert 'value="Not this one."' in moved
    other = press(proposed, "edit:b", both, open="a", why="Not this one.")
    assert 'value="Not this one."' in other
    assert "Reject this step, or cancel, first." in other


@pytest.mark.parametrize("op", ["remove:zz", "edit:", "save:zz", "up:zz"])
def test_a_press_on_no_step_of_the_plan_starts_anew(op, plan, press):
    proposed = plan(step("a"))
    press(proposed, op, [{"id": "a"}], status=422)
    press(proposed, "edit:a", {"steps": 1}, status=422)


def test_without_scripts_the_edit_is_a_page_of_its_own(plan, as_, carol):
    proposed = plan(step("a"), step("b", 5))
    page = as_(carol).get(reverse("plan:plan", args=[proposed.pk]), {"version": proposed.version}).content.decode()

    assert "<html" in page
    assert "Edit the plan" in page
    assert "Approve as edited" in page


def test_a_stale_edit_is_told(plan, press, carol):
    proposed = plan(step("a"), step("b", 5))
    decide(card_version_of(proposed), by=carol, verdict="reject", verdict_input=VerdictInput(message="no"))
    press(proposed, "approve", [{"id": "a"}], status=403)


def test_where_a_plan_covered_something_the_card_says_so(plan, propose_step, as_, carol):
    approved = decide(card_version_of(plan(step("a"))), by=carol, verdict="approve")
    covered = propose_step(step("a"))
    page = as_(carol).get(reverse("card:card", args=[covered.pk])).content.decode()

    assert reverse("card:card", args=[approved.pk]) in page
    assert "by an approved plan, step 1" in page
    assert "Approved by an approved plan" in page
    assert "used" in as_(carol).get(reverse("card:card", args=[approved.pk])).content.decode()


# --- Standing approvals


LIKE = {
    "path-0": "order", "op-0": "eq", "value-0": "456",
    "path-1": "amount", "op-1": "le", "value-1": "420", "on-1": "on",
    "path-2": "currency", "op-2": "eq", "value-2": "EUR", "on-2": "on",
    "most": "4", "hours": "24", "tier": "1",
}  # fmt: skip


def test_the_form_on_a_card_is_filled_in_from_its_arguments(refund, as_, alice):
    page = as_(alice).get(reverse("grants:like", args=[refund.pk]), {"version": refund.version}, **HX).content.decode()

    assert 'name="value-1" value="420"' in page
    assert 'name="value-0" value="456"' in page
    assert len(re.findall(r'name="on-[0-9]+" checked', page)) == len(re.findall(r'name="on-[0-9]+"', page)) > 2
    assert re.search(r'<option value="le" selected>', page)


def test_approve_and_the_next_like_this(refund, propose, as_, alice):
    response = as_(alice).post(reverse("grants:like", args=[refund.pk]), {**shown(refund), **LIKE}, **HX)
    grant = Grant.objects.get()

    assert response.status_code == 200
    assert load(refund.pk).verdict == "approve"
    assert grant.conditions == [
        {"path": "amount", "op": "le", "value": "420"}, {"path": "currency", "op": "eq", "value": "EUR"},
    ]  # fmt: skip
    assert propose(order="9").grant == grant
    page = as_(alice).get(reverse("card:card", args=[refund.pk])).content.decode()
    assert "Standing approvals given here" in page


def test_after_the_approval_it_can_still_be_given(refund, as_, alice):
    decide(card_version_of(refund), by=alice, verdict="approve")
    settled = load(refund.pk)
    response = as_(alice).post(reverse("grants:like", args=[refund.pk]), {**shown(settled), **LIKE}, **HX)

    assert "The next 4 like this pass without asking." in response.content.decode()
    assert Grant.objects.get().origin == refund


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value-1": "much"}, "A number, such as"),
        ({"value-1": "3"}, "does not cover the request"),
        ({"most": "0"}, "greater than or equal to 1"),
        ({"tier": "3"}, "not one of the available choices"),
        ({"expression": "args.amount >"}, "Line 1"),
    ],
)
def test_a_wish_that_cannot_be_is_told_beside_its_field_and_approves_nothing(change, says, refund, as_, alice):
    response = as_(alice).post(reverse("grants:like", args=[refund.pk]), {**shown(refund), **LIKE, **change}, **HX)

    assert response.status_code == 422
    assert says in response.content.decode()
    assert load(refund.pk).status == "pending"
    assert not Grant.objects.exists()


def test_what_a_person_always_decides_offers_none(propose, action_type, as_, carol):
    action_type("wipe", gate="manual")
    wipe = propose(action="wipe")

    assert (
        reverse("grants:like", args=[wipe.pk])
        not in as_(carol).get(reverse("card:card", args=[wipe.pk])).content.decode()
    )
    assert as_(carol).post(reverse("grants:like", args=[wipe.pk]), {**shown(wipe), **LIKE}, **HX).status_code == 403
    assert (
        "always decides this"
        in as_(carol).get(reverse("grants:like", args=[wipe.pk]), {"version": wipe.version}, **HX).content.decode()
    )


def test_the_page_lists_them_with_their_uses_and_revokes(propose, refunds, robot, as_, alice, bob):
    until = times.now() + timedelta(days=1)
    grant = give(
        GrantRequest(robot.pk, "refund", 3, until, 1, conditions=({"path": "currency", "op": "in", "value": ["EUR"]},)),
        by=bob,
    )
    propose()
    page = as_(alice).get(reverse("grants:grants")).content.decode()

    for text in ("1 of 3", "currency", "is one of", "EUR", "Bob", f"?grant={grant.pk}"):
        assert text in page
    assert "1 of 3" not in as_(alice).get(reverse("grants:grants") + "?whose=mine").content.decode()
    uses = as_(bob).get(reverse("history:history") + f"?grant={grant.pk}").content.decode()
    assert uses.count("<tr>") == 2
    assert "A standing approval" in uses
    as_(alice).post(reverse("grants:revoke", args=[grant.pk]))
    assert "No standing approvals yet" in as_(alice).get(reverse("grants:grants")).content.decode()
    assert "revoked by Alice" in as_(alice).get(reverse("grants:grants") + "?state=over").content.decode()


def test_one_is_given_anew(refunds, robot, propose, as_, bob):
    client = as_(bob)
    chosen = {"agent": "robot", "action": "refund"}
    assert 'name="path-1" value="amount"' in client.get(reverse("grants:new"), chosen).content.decode()
    assert client.post(reverse("grants:new"), {**chosen, **LIKE, "value-1": "x"}).status_code == 422
    assert client.post(reverse("grants:new"), {**chosen, **LIKE, "tier": "2"}).status_code == 302

    assert propose().route == "auto"
    assert Grant.objects.get().tier_id == 2


def test_level_one_is_said_before_it_disappoints(refunds, robot, as_, bob):
    Autonomy.objects.create(agent=robot, action_type=refunds, level=1)
    page = as_(bob).get(reverse("grants:new"), {"agent": "robot", "action": "refund"}).content.decode()

    assert "at level 1 for this action" in page


# --- What the agent offers to remember


def test_an_offer_of_the_agent_is_chosen_with_the_verdict(propose, as_, alice):
    approval = propose(remember=[{"tool": "refund", "for": "session"}, "always"])
    page = as_(alice).get(reverse("card:card", args=[approval.pk])).content.decode()
    assert "The agent offers to remember" in page
    assert "session" in page
    form = {**shown(approval), "verdict": "approve", "remember": "1"}
    as_(alice).post(reverse("card:decide", args=[approval.pk]), form)

    assert Decision.objects.get(approval=approval).remember == "always"
    assert json.loads(load(approval.pk).request.answer)["items"][0]["remember"] == "always"


def test_an_offer_that_was_not_made_is_none(propose, as_, alice):
    approval = propose()
    as_(alice).post(
        reverse("card:decide", args=[approval.pk]), {**shown(approval), "verdict": "approve", "remember": "7"}
    )

    assert Decision.objects.get(approval=approval).remember is None
