"""A Slack workspace on this machine that signs what it sends."""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.models import SlackMessage

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


ALICE, BOB = "U-alice", "U-bob"
