"""An account is linked, a card comes, a press is a verdict."""

import json
import time

from django.urls import reverse

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Channel, Decision, SlackAccount, SlackMessage
from approvals.notify import slack
from console.slack import app
from tests.notify.conftest import carry_all
from tests.slack.workspace import ALICE, BOB, TEAM
from tests.text_search import mentions


def test_a_code_from_the_own_page_links_the_account_that_types_it_once(workspace, alice, bob, as_):
    page = as_(alice).post(reverse("profile:slack_link")).content.decode()
    code = page.partition("/assent link ")[2].partition("<")[0].strip()
    form = {"command": "/assent", "text": f"link {code}", "team_id": TEAM, "user_id": ALICE}
    assert "Alice" in workspace.send("slack:commands", form).json()["text"]
    account = SlackAccount.objects.get()
    assert (account.user, account.team, account.account) == (alice, TEAM, ALICE)
    assert alice.channels.filter(service="slackapp").exists()

    again = workspace.send("slack:commands", {**form, "user_id": "U-mallory"}, at=time.time() - 1)
    assert "not good" in again.json()["text"]
    assert SlackAccount.objects.get().account == ALICE


def test_the_link_is_ended_from_either_side(linked, alice, bob, workspace, as_):
    linked(alice)
    linked(bob)
    as_(alice).post(reverse("profile:slack_link"), {"op": "unlink"})
    form = {"command": "/assent", "text": "unlink", "team_id": TEAM, "user_id": BOB}
    workspace.send("slack:commands", form)

    assert not SlackAccount.objects.exists()
    assert not Channel.objects.filter(service="slackapp").exists()


def test_a_guessed_code_links_nobody(workspace, alice):
    app.code_for(alice)
    form = {"command": "/assent", "text": "link AAAA-BBBB-CCCC", "team_id": TEAM, "user_id": "U-mallory"}

    assert "not good" in workspace.send("slack:commands", form).json()["text"]
    assert not SlackAccount.objects.exists()


# --- A card, a press, a verdict


def test_the_card_says_type_tier_and_deadline_and_the_arguments_are_shown_on_a_press(card, workspace):
    approval, body = card
    written = json.dumps(body)
    assert "Refund waits for tier 1" in written
    assert not mentions(written, "421")
    assert "ord-77" not in written
    assert str(approval.pk) in written

    workspace.press("approve", body, account=ALICE)
    [opened] = workspace.of("views.open")
    shown = json.dumps(opened["view"])
    assert "amount: 421" in shown
    assert "order: ord-77" in shown
    assert load(approval.pk).status == "pending"


def test_approving_goes_the_way_of_every_verdict_and_the_card_says_by_whom(card, workspace, alice):
    approval, body = card
    workspace.press("approve", body, account=ALICE)
    assert workspace.submit(account=ALICE).json() == {"response_action": "clear"}

    settled = load(approval.pk)
    assert (settled.status, settled.verdict, settled.decided_by) == ("released", "approve", alice)
    decision = Decision.objects.get(approval=approval)
    assert decision.surface == "slack"
    assert settled.events.get(kind="decided").facts["digest"] == approval.digest
    [update] = workspace.of("chat.update")
    assert "Alice approved this" in update["text"]
    assert "approve" not in json.dumps(update["blocks"]).replace("approved", "")
    assert SlackMessage.objects.get().closed_at


def test_a_rejection_asks_for_its_reason(card, workspace):
    approval, body = card
    workspace.press("reject", body, account=ALICE)
    refused = workspace.submit(account=ALICE).json()
    assert refused["response_action"] == "errors"
    assert "needs a reason" in refused["errors"]["message"]
    assert load(approval.pk).status == "pending"

    workspace.submit(account=ALICE, reason="duplicate", message="Paid in May.")
    assert load(approval.pk).verdict == "reject"
    decision = Decision.objects.get(approval=approval)
    assert (decision.reason, decision.message) == ("duplicate", "Paid in May.")


def test_a_press_that_is_late_is_told_who_decided(card, workspace, alice, bob):
    approval, body = card
    workspace.press("approve", body, account=ALICE)
    decide(card_version_of(approval), by=bob, verdict="reject", verdict_input=VerdictInput(reason="policy"))
    answer = workspace.submit(account=ALICE).json()
    assert answer["response_action"] == "update"
    assert "Bob rejected this" in json.dumps(answer["view"])

    workspace.press("approve", body, account=ALICE)
    assert "Bob rejected this" in workspace.of("chat.postEphemeral")[0]["text"]
    assert load(approval.pk).decided_by == bob


def test_what_was_decided_on_the_page_loses_its_buttons_in_slack(card, workspace, alice):
    approval, _body = card
    decide(card_version_of(approval), by=alice, verdict="approve")
    for pk in slack.stale_cards():
        slack.close(pk)
        slack.close(pk)

    assert len(workspace.of("chat.update")) == 1
    assert not slack.stale_cards()


def test_a_verdict_that_was_taken_back_leaves_no_card_that_says_it_stands(alice, linked, with_undo, propose, workspace):
    linked(alice)
    approval = propose()
    carry_all()
    [body] = workspace.of("chat.postMessage")
    workspace.press("approve", body, account=ALICE)
    workspace.submit(account=ALICE)
    undo(approval.pk, by=alice)
    for pk in slack.stale_cards():
        slack.close(pk)

    assert "Alice approved" in workspace.of("chat.update")[0]["text"]
    assert "changed since" in workspace.of("chat.update")[-1]["text"]
    assert load(approval.pk).status == "pending"


def test_two_presses_at_once_are_one_verdict(card, workspace):
    approval, body = card
    workspace.press("approve", body, account=ALICE)
    workspace.press("reject", body, account=ALICE)
    workspace.submit(account=ALICE, nth=0)
    late = workspace.submit(account=ALICE, reason="policy", nth=1).json()

    assert "Alice approved this" in json.dumps(late["view"])
    assert Decision.objects.filter(approval=approval).count() == 1
