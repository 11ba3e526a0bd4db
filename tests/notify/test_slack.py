"""Slack with buttons, against a stand-in for its API: who may press what, and what a press decides."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, Channel, Decision, SlackAccount, SlackMessage, User
from approvals.notify import slack
from console.slack import app
from tests.notify.conftest import carry_all
from tests.text_search import mentions

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TEAM = "T1"


@dataclass
class Workspace:
    """What the API was called with, and presses as Slack would send them."""

    calls: list[tuple[str, dict]] = field(default_factory=list)
    broken: bool = False

    def of(self, method: str) -> list[dict]:
        return [body for name, body in self.calls if name == method]

    def send(self, path: str, form: dict[str, str], *, at: float | None = None, secret: str = SECRET) -> HttpResponse:
        body = urlencode(form)
        stamp = str(int(time.time() if at is None else at))
        signature = "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        return Client().post(
            reverse(path), body, content_type="application/x-www-form-urlencoded",
            headers={"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature},
        )  # fmt: skip

    def press(self, verb: str, card: dict, *, account: str, **more: object) -> HttpResponse:
        """A press of one of a card's buttons; `card` is the body of its chat.postMessage."""
        [actions] = [one for one in card["blocks"] if one["type"] == "actions"]
        value = next((one["value"] for one in actions["elements"] if one["action_id"] == verb), card.get("value", ""))
        slack_message = SlackMessage.objects.get(slack_ts=card["ts"])
        payload = {
            "type": "block_actions", "team": {"id": TEAM}, "user": {"id": account},
            "trigger_id": f"t{time.monotonic()}",
            "container": {"channel_id": slack_message.slack_channel, "message_ts": slack_message.slack_ts},
            "actions": [{"action_id": verb, "value": value}],
        }  # fmt: skip
        return self.send("slack:interactions", {"payload": json.dumps(payload)}, **more)

    def submit(self, *, account: str, reason: str = "", message: str = "", nth: int = -1) -> HttpResponse:
        """The button of the dialog that was opened last."""
        view = self.of("views.open")[nth]["view"]
        chosen = {"value": reason} if reason else None
        values = {"reason": {"reason": {"selected_option": chosen}}, "message": {"message": {"value": message or None}}}
        payload = {
            "type": "view_submission", "team": {"id": TEAM}, "user": {"id": account},
            "trigger_id": f"t{time.monotonic()}",
            "view": {**view, "state": {"values": values}},
        }  # fmt: skip
        return self.send("slack:interactions", {"payload": json.dumps(payload)})


@pytest.fixture
def workspace(settings) -> Iterator[Workspace]:
    slack_workspace = Workspace()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            method = self.path.strip("/").rpartition("/")[2]
            assert self.headers["Authorization"] == "Bearer xoxb-test"
            answer = {"ok": False, "error": "not_in_channel"}
            if not slack_workspace.broken:
                body["ts"] = body.get("ts") or f"1700000000.{len(slack_workspace.calls):06}"
                slack_workspace.calls.append((method, body))
                answer = {"ok": True, "channel": f"D-{body.get('channel')}", "ts": body["ts"]}
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.SLACK_API_URL = f"http://127.0.0.1:{server.server_port}/api/"
    settings.SLACK_BOT_TOKEN, settings.SLACK_SIGNING_SECRET = "xoxb-test", SECRET
    yield slack_workspace
    server.shutdown()
    server.server_close()


@pytest.fixture
def linked(workspace) -> Callable[[User], User]:
    def link(user: User) -> User:
        slack.link(user, team=TEAM, account=f"U-{user.username}")
        Channel.objects.filter(user=user, service="mail").delete()
        return user

    return link


@pytest.fixture
def card(linked, alice, workspace, propose) -> tuple[Approval, dict]:
    """Alice's account is linked, and a card of a refund waits there."""
    linked(alice)
    approval = propose(amount=421, order="ord-77")
    carry_all()
    [body] = workspace.of("chat.postMessage")
    return approval, body


ALICE, BOB = "U-alice", "U-bob"


# --- Linking


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


# --- Refused


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


# --- The channel


def test_a_workspace_that_refuses_is_a_broken_channel_like_any_other(alice, linked, workspace, propose):
    linked(alice)
    workspace.broken = True
    approval = propose()
    carry_all()
    slack_channel = alice.channels.get(service="slackapp")

    assert slack_channel.state == "failed"
    assert "not_in_channel" in slack_channel.error
    assert "xoxb" not in slack_channel.error
    assert approval.events.filter(kind="delivery").count() == 1


def test_what_somebody_reads_already_is_not_posted(alice, bob, linked, workspace, propose):
    linked(alice)
    approval = propose()
    claims.claim(approval.pk, by=bob)
    carry_all()

    assert not workspace.calls


def test_one_vote_of_two_is_counted_and_says_so(alice, linked, workspace, propose, action_type):
    linked(alice)
    action_type("transfer", approvers=2)
    approval = propose(action="transfer")
    carry_all()
    workspace.press("approve", workspace.of("chat.postMessage")[0], account=ALICE)
    workspace.submit(account=ALICE)

    assert (load(approval.pk).status, load(approval.pk).votes) == ("pending", 1)
    assert "1 of 2" in workspace.of("chat.update")[0]["text"]


def test_five_cards_and_then_a_list(alice, linked, workspace, propose):
    linked(alice)
    for _ in range(8):
        propose()
    carry_all()
    posted = workspace.of("chat.postMessage")

    assert len(posted) == 6
    assert posted[-1]["text"].startswith("3 more wait")
