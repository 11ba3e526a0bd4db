"""What a notification says: type, agent, tier, deadline and the link to the card. No arguments, no word of an agent's.

Messages stand on lock screens and in foreign services; whoever may read more opens the card and is asked who they are.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime

from django.conf import settings
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals import links
from approvals.models import Approval, Channel
from approvals.people import on_call

LISTED = 10  # of a bundle; the rest is counted


def localized_for(channel: Channel) -> ExitStack:
    """The language and the time zone of whoever reads it."""
    stack = ExitStack()
    if channel.user is not None:
        if channel.user.language in dict(settings.LANGUAGES):
            stack.enter_context(translation.override(channel.user.language))
        stack.enter_context(timezone.override(on_call.zone(channel.user.time_zone)))
    elif channel.tier is not None:
        stack.enter_context(timezone.override(on_call.zone(channel.tier.time_zone)))
    return stack


def message(approvals: Sequence[Approval], topic: str, *, more: bool = False) -> tuple[str, str]:
    """Title and text of what waits: of one in full, of several as a list. `more`: others were told of before."""
    if len(approvals) == 1:
        [approval] = approvals
        return headline(approval, topic), f"{line(approval)}\n\n{link(approval)}\n"
    count = {"count": len(approvals)}
    title = ngettext("%(count)d more waits", "%(count)d more wait", len(approvals)) if more else _("%(count)d wait")
    lines = [f"{line(one)}\n{link(one)}" for one in approvals[:LISTED]]
    if len(approvals) > LISTED:
        lines.append(
            _("And %(count)d more:") % {"count": len(approvals) - LISTED} + f"\n{links.link(links.Page.INBOX)}"
        )
    return title % count, "\n\n".join(lines) + "\n"


def headline(approval: Approval, topic: str) -> str:
    """What happened, in one line."""
    facts = {"kind": type_title(approval), "tier": approval.tier_id}
    if topic == "soon":
        return _("%(kind)s is due soon in tier %(tier)d") % facts
    if topic == "escalated":
        return _("%(kind)s escalated to tier %(tier)d") % facts
    return _("%(kind)s waits for tier %(tier)d") % facts


def line(approval: Approval) -> str:
    """Type, agent, tier and by when."""
    return _("%(kind)s · from %(agent)s · tier %(tier)d · %(until)s") % {
        "kind": type_title(approval),
        "agent": approval.agent.name,
        "tier": approval.tier_id,
        "until": until(approval),
    }


def until(approval: Approval) -> str:
    """By when the tier answers, else when the approval ends, in the reader's time."""
    end = _first(approval.due_at, approval.expires_at)
    return _("by %(time)s") % {"time": _clock(end)} if end else _("no deadline")


def _first(*moments: datetime | None) -> datetime | None:
    return min(filter(None, moments), default=None)


def _clock(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{date_format(local, 'j M H:i')} {local.tzname()}"


def type_title(approval: Approval) -> str:
    """The action type's title, which an admin wrote."""
    return approval.action_type.title if approval.action_type else _("A question")


def link(approval: Approval) -> str:
    """The card itself. Opening it decides nothing, and asks who one is."""
    return links.link(links.Page.CARD, approval.pk)


def test_message() -> tuple[str, str]:
    """Title and text of the message that a test sends."""
    return _("A test from Assent"), _("If you read this, notifications arrive here. Nothing waits because of it.")
