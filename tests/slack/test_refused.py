"""What Slack sends and nobody may have meant decides nothing."""

import hashlib
import hmac
import json
import time

import pytest
from django.test import Client
from django.urls import reverse

from approvals.decisions.card_version import load
from approvals.models import Approval, User
from approvals.notify import slack
from console.slack import app
from tests.notify.conftest import carry_all
from tests.slack.workspace import ALICE, BOB, SECRET, TEAM


@pytest.mark.parametrize("forged", ["secret", "old", "future", "none", "body"])
def test_what_slack_did_not_sign_lately_is_refused(forged, card, workspace):
    approval, body = card
    if forged == "secret":
        answer = workspace.press("approve", body, account=ALICE, secret="guessed")
    elif forged in ("old", "future"):
        shift = -900 if forged == "old" else 900
        answer = workspace.press("approve", body, account=ALICE, at=time.time() + shift)
    elif forged == "none":
        answer = Client().post(reverse("slack:interactions"), {"payload": "{}"})
    else:
        stamp = str(int(time.time()))
        signature = "v0=" + hmac.new(SECRET.encode(), f"v0:{stamp}:payload=a".encode(), hashlib.sha256).hexdigest()
        answer = Client().post(
            reverse("slack:interactions"), "payload=b", content_type="application/x-www-form-urlencoded",
            headers={"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature},
        )  # fmt: skip

    assert answer.status_code == 401
    assert not workspace.of("views.open")
    assert load(approval.pk).status == "pending"


def test_a_captured_request_is_good_once(card, workspace):
    _approval, body = card
    now = time.time()
    payload = {"type": "view_submission", "team": {"id": TEAM}, "user": {"id": ALICE}, "view": {}}
    form = {"payload": json.dumps(payload)}

    assert workspace.send("slack:interactions", form, at=now).status_code == 200
    assert workspace.send("slack:interactions", form, at=now).status_code == 409
    assert body


def test_who_is_linked_to_nobody_decides_nothing(card, workspace):
    approval, body = card
    workspace.press("approve", body, account="U-stranger")
    assert "linked to nobody" in workspace.of("chat.postEphemeral")[0]["text"]
    workspace.press("approve", body, account=ALICE)
    answer = workspace.submit(account="U-stranger").json()

    assert "linked to nobody" in json.dumps(answer)
    assert load(approval.pk).status == "pending"


def test_another_persons_card_cannot_be_pressed(card, linked, bob, workspace):
    approval, body = card
    linked(bob)
    workspace.press("approve", body, account=BOB)
    assert "somebody else" in workspace.of("chat.postEphemeral")[0]["text"]
    workspace.press("approve", body, account=ALICE)
    answer = workspace.submit(account=BOB).json()

    assert "somebody else" in json.dumps(answer)
    assert load(approval.pk).status == "pending"


@pytest.mark.parametrize("how", ["unlinked", "left the tier", "deactivated", "operates the agent"])
def test_a_right_that_was_taken_away_holds_at_once(how, card, workspace, alice, robot):
    approval, body = card
    workspace.press("approve", body, account=ALICE)
    if how == "unlinked":
        slack.unlink(alice)
    elif how == "left the tier":
        alice.memberships.all().delete()
    elif how == "deactivated":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    else:
        robot.operators.add(alice)
    answer = workspace.submit(account=ALICE).json()

    assert answer["response_action"] == "update"
    assert load(approval.pk).status == "pending"


def test_a_card_of_an_older_revision_decides_nothing(card, workspace):
    approval, body = card
    workspace.press("approve", body, account=ALICE)
    Approval.objects.filter(pk=approval.pk).update(revision=2, digest="sha256:" + "0" * 64)
    answer = workspace.submit(account=ALICE).json()

    assert "changed since" in json.dumps(answer["view"])
    assert load(approval.pk).status == "pending"


@pytest.mark.parametrize("what", ["manual", "typed"])
def test_what_must_be_typed_has_no_buttons_and_takes_no_press(what, alice, linked, workspace, propose, action_type):
    linked(alice)
    action_type("wipe", gate="manual" if what == "manual" else "hard", reversibility="irreversible")
    approval = propose(action="wipe")
    if what == "typed":
        Approval.objects.filter(pk=approval.pk).update(typed=True)
    carry_all()
    [body] = workspace.of("chat.postMessage")
    [actions] = [one for one in body["blocks"] if one["type"] == "actions"]
    assert [one["action_id"] for one in actions["elements"]] == ["open"]

    # A press that Slack never offered, with everything right but the permission.
    workspace.press("approve", {**body, "value": slack.reference(load(approval.pk))}, account=ALICE)
    assert not workspace.of("views.open")
    assert "You cannot settle this here" in workspace.of("chat.postEphemeral")[0]["text"]
    assert load(approval.pk).status == "pending"


def test_what_is_too_long_to_be_shown_whole_is_decided_on_its_page(alice, linked, workspace, propose):
    linked(alice)
    approval = propose(order="x" * 2000)
    carry_all()
    [body] = workspace.of("chat.postMessage")
    workspace.press("approve", body, account=ALICE)

    assert not workspace.of("views.open")
    assert "too long" in workspace.of("chat.postEphemeral")[0]["text"]
    assert load(approval.pk).status == "pending"


def test_hidden_characters_are_visible_in_the_dialog(alice, linked, workspace, propose):
    linked(alice)
    propose(order="45\u202e6")
    carry_all()
    workspace.press("approve", workspace.of("chat.postMessage")[0], account=ALICE)

    assert "U+202E" in json.dumps(workspace.of("views.open")[0], ensure_ascii=False)


def test_too_many_presses_of_one_account_are_turned_away(card, workspace, monkeypatch):
    monkeypatch.setattr(app, "A_MINUTE", 2)
    _approval, body = card
    answers = [workspace.press("approve", body, account=ALICE, at=time.time() - n).status_code for n in range(4)]

    assert 429 in answers


def test_a_body_that_is_too_large_is_not_read(workspace):
    assert workspace.send("slack:interactions", {"payload": "x" * 200_000}).status_code == 413


@pytest.mark.parametrize("body", ["payload=", "payload=[]", "payload=nonsense", "", "payload=%7B%22user%22%3A3%7D"])
def test_nonsense_that_is_signed_is_still_nonsense(body, workspace):
    stamp = str(int(time.time()))
    signature = "v0=" + hmac.new(SECRET.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    answer = Client().post(
        reverse("slack:interactions"), body, content_type="application/x-www-form-urlencoded",
        headers={"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature},
    )  # fmt: skip

    assert answer.status_code in (400, 411)


def test_without_an_app_the_addresses_do_not_exist(settings, alice, as_):
    settings.SLACK_BOT_TOKEN = ""
    for name in ("slack:interactions", "slack:commands"):
        assert Client().post(reverse(name)).status_code == 404
    assert "Deciding in Slack" not in as_(alice).get(reverse("profile:notifications")).content.decode()


@pytest.mark.parametrize("name", ["slack:interactions", "slack:commands"])
def test_a_get_does_nothing(name, workspace):
    assert Client().get(reverse(name)).status_code == 405
