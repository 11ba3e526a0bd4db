"""What people do in Slack: link their account, and press the buttons of a card. The rights are those of the page.

A press shows what is proposed, to that person alone, as the stored arguments say it; the second step is the verdict, on
exactly the revision, round and digest that were shown. It is settled by the same `decide` as everywhere.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from agents import limits
from approvals.db import times
from approvals.decisions.card_version import CardVersion, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NoLongerPending, ReviewError, how_it_ended
from approvals.models import Approval, SlackMessage, User
from approvals.models.policy import Verdict
from approvals.models.states import Status
from approvals.models.verdict import RejectionReason
from approvals.notify import notification_text, slack
from approvals.policy.messages import sentences
from approvals.values.schema import Json
from console.card.facts import facts_of

AGE = 300  # seconds a signed request stays good
A_MINUTE = 60  # presses of one account
CODE_FOR = 600
LONGEST_VALUE, MOST_FACTS = 1500, 40  # what is not shown whole is not decided there

_RATE = UUID("5a1ac7a9-6f0e-4b53-8f0c-0d3f3f0f5a1c")
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

Answer = Mapping[str, Json]
NOTHING: Answer = {}


def is_signed(timestamp: str, signature: str, body: bytes) -> bool:
    """Whether Slack sent this, lately (its signing, v0): HMAC-SHA-256 over version, time and body."""
    if not timestamp.isdecimal() or len(timestamp) > 12 or abs(time.time() - int(timestamp)) > AGE:
        return False
    signed = b"v0:" + timestamp.encode() + b":" + body
    expected = "v0=" + hmac.new(settings.SLACK_SIGNING_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def is_first(signature: str) -> bool:
    """False for a request that was there before: a captured one is good once, and only for AGE."""
    return bool(cache.add(f"slack:seen:{hashlib.sha256(signature.encode()).hexdigest()}", 1, timeout=2 * AGE))


def too_many(team: str, account: str) -> bool:
    return limits.take(uuid5(_RATE, f"{team}.{account}")).used > A_MINUTE


# --- Linking


def code_for(user: User) -> str:
    """A code that links whichever account types it in Slack to this person: once, within ten minutes."""
    code = "".join(secrets.choice(_ALPHABET) for _each in range(12))
    cache.set(_key(code), str(user.pk), timeout=CODE_FOR)
    return f"{code[:4]}-{code[4:8]}-{code[8:]}"


def command(text: str, *, team: str, account: str) -> str:
    """Answer `/assent …`: link with a code, or end the link."""
    verb, _space, rest = text.strip().partition(" ")
    if verb == "unlink":
        person = slack.person_of(team, account)
        if person:
            slack.unlink(person)
        return _("This account is linked to nobody now.")
    if verb != "link":
        return _("Write “/assent link CODE”; your code is on the page %(page)s. “/assent unlink” ends it.") % {
            "page": f"{settings.ASSENT_BASE_URL}/profile/notifications/"
        }
    person = _person_of_code(rest)
    if person is None:
        return _("This code is not good, or not any more. Make a new one on your page.")
    slack.link(person, team=team, account=account)
    return _("This account is %(who)s's now. What waits arrives here.") % {"who": person.name}


def _person_of_code(code: str) -> User | None:
    key = _key(code)
    pk = cache.get(key)
    # Of two who type it at once, one deletes it.
    if not pk or not cache.delete(key):
        return None
    return User.objects.filter(pk=pk, is_active=True).first()


def _key(code: str) -> str:
    plain = "".join(code.upper().split()).replace("-", "")
    return f"slack:code:{hashlib.sha256(plain.encode()).hexdigest()}"


# --- Presses


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody with a card of theirs, and what its button was about."""

    user: User
    message: SlackMessage
    seen: CardVersion
    verdict: str


class PressRefused(Exception):
    """Nothing is decided; the sentence is for whoever pressed."""


def interaction(payload: Mapping[str, Json]) -> Answer:
    """Answer a press of a button, or of the button of a dialog."""
    try:
        if payload.get("type") == "block_actions":
            _open_dialog(payload)
        elif payload.get("type") == "view_submission":
            return _submit_verdict(payload)
    except PressRefused as refused:
        if payload.get("type") == "view_submission":
            return {"response_action": "update", "view": _message_dialog(str(refused))}
        _whisper(payload, str(refused))
    return NOTHING


def _open_dialog(payload: Mapping[str, Json]) -> None:
    """A button of a card: show what is proposed, and ask for the verdict."""
    [action] = _list(payload, "actions") or [{}]
    button: Mapping[str, Json] = action if isinstance(action, Mapping) else {}
    verdict = str(button.get("action_id", ""))
    if verdict not in (Verdict.APPROVE, Verdict.REJECT):
        return  # the link to the page is a button, too
    container = _part(payload, "container")
    channel, stamp = str(container.get("channel_id")), str(container.get("message_ts"))
    press = _read_press(payload, str(button.get("value", "")), verdict, channel, stamp)
    approval = _current_approval(press)
    kept = {
        "value": button["value"],
        "verdict": verdict,
        "place": press.message.slack_channel,
        "stamp": press.message.slack_ts,
    }
    try:
        slack.call(
            "views.open",
            {"trigger_id": payload.get("trigger_id"), "view": _dialog(approval, verdict, json.dumps(kept))},
            patience=2.5,
        )
    except slack.Unreachable as error:
        raise PressRefused(str(error)) from None


def _submit_verdict(payload: Mapping[str, Json]) -> Answer:
    """The verdict, on exactly what the dialog showed."""
    view = _part(payload, "view")
    try:
        kept = json.loads(str(view.get("private_metadata")))
        value, verdict, conversation, stamp = (str(kept[name]) for name in ("value", "verdict", "place", "stamp"))
    except (ValueError, KeyError, TypeError):
        raise PressRefused(_("This dialog is not from here.")) from None
    if verdict not in (Verdict.APPROVE, Verdict.REJECT):
        raise PressRefused(_("This dialog is not from here."))
    press = _read_press(payload, value, verdict, conversation, stamp)
    _current_approval(press)
    try:
        settled = decide(press.seen, by=press.user, verdict=verdict, verdict_input=_verdict_input(view))
    except BadVerdict as error:
        return {"response_action": "errors", "errors": {"message": str(error)}}
    except NoLongerPending as error:
        _close(press.message)
        raise PressRefused(str(error)) from None
    except ReviewError as error:
        raise PressRefused(str(error)) from None
    _close(press.message, settled)
    return {"response_action": "clear"}


def _read_press(payload: Mapping[str, Json], value: str, verdict: str, conversation: str, stamp: str) -> Press:
    """Who pressed what. Raises Refused for strangers, and for a card that was sent to somebody else."""
    account = _part(payload, "user")
    team = str(_part(payload, "team").get("id") or account.get("team_id") or "")
    user = slack.person_of(team, str(account.get("id", "")))
    if user is None:
        raise PressRefused(_("This Slack account is linked to nobody. Link it on your page of notifications."))
    try:
        seen = slack.seen_of(value)
    except ValueError:
        raise PressRefused(_("This button is not from here.")) from None
    message = SlackMessage.objects.filter(
        slack_channel=conversation, slack_ts=stamp, user=user, approval=seen.id
    ).first()
    if message is None or (message.revision, message.round, message.digest) != (seen.revision, seen.round, seen.digest):
        raise PressRefused(_("This card was sent to somebody else."))
    return Press(user, message, seen, verdict)


def _current_approval(press: Press) -> Approval:
    """The approval as the card showed it, for somebody who may settle it here. Raises Refused, and says why."""
    approval = load(press.seen.id)
    if approval.status != Status.PENDING:
        _close(press.message)
        raise PressRefused(how_it_ended(approval))
    seen = press.seen
    if (approval.revision, approval.round, approval.digest) != (seen.revision, seen.round, seen.digest):
        _close(press.message)
        raise PressRefused(
            _("This was changed since. Read it on its card: %(link)s") % {"link": notification_text.link(approval)}
        )
    if not slack.has_buttons(approval, press.user):
        raise PressRefused(
            _("You cannot settle this here. Its card: %(link)s") % {"link": notification_text.link(approval)}
        )
    return approval


def _verdict_input(view: Mapping[str, Json]) -> VerdictInput:
    values = _part(_part(view, "state"), "values")
    reason = _part(_part(_part(values, "reason"), "reason"), "selected_option").get("value")
    message = _part(_part(values, "message"), "message").get("value")
    return VerdictInput(reason=str(reason or ""), message=str(message) if message else None, surface="slack")


def _close(message: SlackMessage, settled: Approval | None = None) -> None:
    """Take the buttons away now; where Slack does not answer the clock does it later."""
    if settled is not None and settled.status == Status.PENDING:
        sentence = _("Recorded: %(votes)d of %(of)d approvals.") % {"votes": settled.votes, "of": settled.approvers}
        body = {"channel": message.slack_channel, "ts": message.slack_ts, "text": sentence}
        blocks: Json = [{"type": "section", "text": slack.text(sentence)}]
        try:
            slack.call("chat.update", {**body, "blocks": blocks}, patience=1.5)
        except slack.Unreachable:
            return
        SlackMessage.objects.filter(pk=message.pk).update(closed_at=times.now())
        return
    slack.close(message.pk, patience=1.5)


# --- What is shown


def _dialog(approval: Approval, verdict: str, kept: str) -> Json:
    """What is proposed, whole, and the verdict. Raises Refused for what is too long to be shown whole."""
    shown = _proposal_blocks(approval)
    asks: list[Json] = []
    if verdict == Verdict.REJECT:
        options: list[Json] = [
            {"text": slack.text(str(label)), "value": name} for name, label in RejectionReason.choices
        ]
        asks = [
            {
                "type": "input",
                "block_id": "reason",
                "optional": True,
                "label": slack.text(_("Reason")),
                "element": {"type": "static_select", "action_id": "reason", "options": options},
            },
            {
                "type": "input",
                "block_id": "message",
                "optional": True,
                "label": slack.text(_("In your words; the agent reads them")),
                "element": {"type": "plain_text_input", "action_id": "message", "multiline": True, "max_length": 3000},
            },
        ]
    return {
        "type": "modal",
        "callback_id": "settle",
        "private_metadata": kept,
        "title": slack.text(notification_text.type_title(approval)[:24]),
        "submit": slack.text(_("Approve") if verdict == Verdict.APPROVE else _("Reject")),
        "close": slack.text(_("Cancel")),
        "blocks": [{"type": "context", "elements": [slack.text(notification_text.line(approval))]}, *shown, *asks],
    }


def _proposal_blocks(approval: Approval) -> list[Json]:
    facts = facts_of(approval.proposal.args) if approval.proposal else []
    lines = []
    for fact in facts:
        value = "".join(text for text, _token in [*fact.value.head, *fact.value.rest]) if fact.value else ""
        lines.append(f"{fact.path}: {value}")
    if len(lines) > MOST_FACTS or any(len(line) > LONGEST_VALUE for line in lines):
        raise PressRefused(
            _("This is too long to be shown here. Its card: %(link)s") % {"link": notification_text.link(approval)}
        )
    blocks: list[Json] = [{"type": "section", "text": slack.text(line)} for line in lines]
    why = "\n".join(sentences(approval.reasons))[:2900]
    if why:
        blocks += [{"type": "divider"}, {"type": "context", "elements": [slack.text(why)]}]
    return blocks


def _message_dialog(sentence: str) -> Json:
    """A dialog that only says something."""
    return {
        "type": "modal",
        "title": slack.text("Assent"),
        "close": slack.text(_("Close")),
        "blocks": [{"type": "section", "text": slack.text(sentence[:2900])}],
    }


def _whisper(payload: Mapping[str, Json], sentence: str) -> None:
    """Say it to whoever pressed, and to nobody else in the conversation."""
    conversation, account = (
        str(_part(payload, "container").get("channel_id", "")),
        str(_part(payload, "user").get("id", "")),
    )
    try:
        slack.call("chat.postEphemeral", {"channel": conversation, "user": account, "text": sentence}, patience=2.5)
    except slack.Unreachable:
        return  # nothing was decided, and the card on the page says the same


def _part(of: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = of.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(of: Mapping[str, Json], name: str) -> list[Json]:
    value = of.get(name)
    return list(value) if isinstance(value, list) else []
