"""Slack with buttons, for people who linked their account: posting cards there, and taking the buttons away again.

Off without a bot token and a signing secret. A card there says no more than any other notification; what is proposed is
shown when the person presses, to that person alone, and nothing that needs the page itself gets buttons at all.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import httpx
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.decisions.card_version import CardVersion, load
from approvals.errors import how_it_ended
from approvals.models import Approval, Channel, SlackAccount, SlackMessage, User
from approvals.models.policy import Gate, Verdict
from approvals.models.states import ItemType, Status
from approvals.notify import notification_text
from approvals.notify.deliveries import NotDelivered
from approvals.people import access
from approvals.values.schema import Json

log = logging.getLogger(__name__)

CARDS = 5  # of a bundle; the rest is a list
PATIENCE = 8.0
FORGOTTEN = timedelta(days=2)  # a card whose buttons could not be taken away for so long is left alone


class Unreachable(NotDelivered):
    """Slack did not take it; the sentence carries no secret."""


def is_configured() -> bool:
    """Whether this installation has an app in Slack."""
    return bool(settings.SLACK_BOT_TOKEN and settings.SLACK_SIGNING_SECRET)


def call(method: str, body: Mapping[str, Json], *, patience: float = PATIENCE) -> Mapping[str, Json]:
    """One call of Slack's Web API. Raises Unreachable."""
    try:
        answer = httpx.post(
            f"{settings.SLACK_API_URL.rstrip('/')}/{method}",
            json=dict(body),
            headers={"Authorization": f"Bearer {settings.SLACK_BOT_TOKEN}"},
            timeout=patience,
        )
        reply = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unreachable(_("Slack did not answer: %(error)s") % {"error": type(error).__name__}) from None
    if not isinstance(reply, dict) or not reply.get("ok"):
        why = reply.get("error") if isinstance(reply, dict) else answer.status_code
        raise Unreachable(_("Slack refused: %(error)s") % {"error": str(why)[:80]})
    return reply


# --- Links between people and accounts


def link(user: User, *, team: str, account: str) -> None:
    """That account is this person from now on; who it was before, and who the person was, ends."""
    unlink(user)
    for slack_account in SlackAccount.objects.filter(team=team, account=account).select_related("user"):
        unlink(slack_account.user)
    SlackAccount.objects.create(user=user, team=team, account=account)
    Channel.objects.create(user=user, service=Channel.SLACK, name="Slack")


def unlink(user: User) -> None:
    """The person's account in Slack means nothing here any more, at once."""
    SlackAccount.objects.filter(user=user).delete()
    Channel.objects.filter(user=user, service=Channel.SLACK).delete()


def person_of(team: str, account: str) -> User | None:
    """Whose account it is; nobody's where the person may not sign in any more."""
    slack_account = (
        SlackAccount.objects.select_related("user").filter(team=team, account=account, user__is_active=True).first()
    )
    return slack_account.user if slack_account else None


# --- Cards


def has_buttons(approval: Approval, user: User) -> bool:
    """Whether this person may settle it in Slack: an action that asks for no more than yes or no, and no typing."""
    if approval.gate in (Gate.MANUAL, Gate.CLARIFY) or approval.typed or approval.item_type != ItemType.ACTION:
        return False
    return Verdict.APPROVE in access.actions_for(approval, user)


def post(user: User, approvals: Sequence[Approval], topic: str) -> None:
    """A card each for the first few, the rest as a list. Raises Unreachable."""
    account = SlackAccount.objects.filter(user=user).first()
    if account is None or not is_configured():
        raise Unreachable(_("No account in Slack is linked."))
    for approval in approvals[:CARDS]:
        _card(user, account, load(approval.pk), topic)
    if rest := approvals[CARDS:]:
        title, text = notification_text.message(rest, topic, more=True)
        call("chat.postMessage", {"channel": account.account, "text": f"{title}\n\n{text}", **_PLAIN})


def say(user: User, text: str) -> None:
    """One line to a linked person. Raises Unreachable."""
    account = SlackAccount.objects.filter(user=user).first()
    if account is None or not is_configured():
        raise Unreachable(_("No account in Slack is linked."))
    call("chat.postMessage", {"channel": account.account, "text": text, **_PLAIN})


# No previews of links, and nothing of a text is made into a mention.
_PLAIN: Mapping[str, Json] = {"unfurl_links": False, "unfurl_media": False, "parse": "none"}


def _card(user: User, account: SlackAccount, approval: Approval, topic: str) -> None:
    if approval.status != Status.PENDING:
        return
    buttons = has_buttons(approval, user)
    reply = call(
        "chat.postMessage",
        {
            "channel": account.account,
            "text": notification_text.headline(approval, topic),
            "blocks": blocks(approval, topic, buttons=buttons),
            **_PLAIN,
        },
    )
    SlackMessage.objects.create(
        approval=approval,
        user=user,
        slack_channel=str(reply.get("channel", ""))[:40],
        slack_ts=str(reply.get("ts", ""))[:40],
        revision=approval.revision,
        round=approval.round,
        digest=approval.digest,
        sent_at=times.now(),
    )


def blocks(approval: Approval, topic: str, *, buttons: bool) -> Json:
    """The card: type, agent, tier, deadline; two buttons where it may be settled here, and the link to the page."""
    value = reference(approval)
    elements: list[Json] = []
    if buttons:
        elements += [
            {"type": "button", "action_id": "approve", "value": value, "style": "primary", "text": text(_("Approve…"))},
            {"type": "button", "action_id": "reject", "value": value, "text": text(_("Reject…"))},
        ]
    elements.append(
        {
            "type": "button",
            "action_id": "open",
            "url": notification_text.link(approval),
            "text": text(_("Open the card")),
        }
    )
    return [
        {"type": "section", "text": text(notification_text.headline(approval, topic))},
        {"type": "context", "elements": [text(notification_text.line(approval))]},
        {"type": "actions", "elements": elements},
    ]


def text(content: str) -> dict[str, Json]:
    """Words that Slack shows as they are: no markup, no mentions."""
    return {"type": "plain_text", "text": content, "emoji": False}


def reference(approval: Approval) -> str:
    """Exactly what a button is about."""
    return f"{approval.pk}|{approval.version}"


def seen_of(value: str) -> CardVersion:
    """What a button was about. Raises ValueError."""
    pk, version = value.split("|", 1)
    return CardVersion.read(UUID(pk), version)


# --- Taking buttons away

_STALE = """
SELECT m.id FROM approvals_slackmessage AS m JOIN approvals_approval AS a ON a.id = m.approval_id
WHERE m.closed_at IS NULL AND (a.status <> 'pending' OR a.revision <> m.revision OR a.round <> m.round)
LIMIT 200
"""


def stale_cards() -> list[int]:
    """The cards whose buttons lead nowhere any more: settled meanwhile, here or elsewhere, or revised."""
    if not is_configured():
        return []
    with connection.cursor() as cursor:
        cursor.execute(_STALE)
        return [pk for (pk,) in cursor.fetchall()]


def close(message_id: int, *, patience: float = PATIENCE) -> None:
    """Take a card's buttons away and say what became of it. Safe to run twice.

    A verdict that is still held may be taken back: the card stays listed until it says how that ended.
    """
    message = SlackMessage.objects.select_related("user").filter(pk=message_id, closed_at=None).first()
    if message is None:
        return
    approval, now = load(message.approval_id), times.now()
    try:
        call(
            "chat.update",
            {"channel": message.slack_channel, "ts": message.slack_ts, **ended_card(approval)},
            patience=patience,
        )
    except Unreachable as error:
        log.warning("card %s in Slack keeps its buttons: %s", message.pk, error)
        if message.sent_at > now - FORGOTTEN:
            return
    if approval.status != Status.HELD:
        SlackMessage.objects.filter(pk=message.pk).update(closed_at=now)


def ended_card(approval: Approval) -> dict[str, Json]:
    """What stands in the place of a card's buttons."""
    if approval.status == Status.PENDING:
        sentence = _("This was changed since. Read it on its card.")
    else:
        sentence = how_it_ended(approval)
    shown: list[Json] = [
        {"type": "section", "text": text(f"{notification_text.type_title(approval)} · {approval.agent.name}")},
        {"type": "context", "elements": [text(sentence)]},
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "action_id": "open",
                    "url": notification_text.link(approval),
                    "text": text(_("Open the card")),
                }
            ],
        },
    ]
    return {"text": sentence, "blocks": shown}
