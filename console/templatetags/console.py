"""What the console's templates say in one word: icons, times, revealed characters."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import SupportsInt

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.models import Approval
from approvals.models.states import Kind, Source, Status
from approvals.models.verdict import RecallReason
from approvals.people import eligibility
from approvals.requests.attachments import ENDINGS
from approvals.values import characters
from approvals.values.schema import Json
from console.card.facts import plain
from console.inbox import remaining
from console.inbox.filters import MOST
from console.labels import DONE, WARNINGS

register = template.Library()

_AMOUNT = re.compile(r"(?<![\w.,])(\d+)(\.\d+)? (?=[A-Z]{3}\b)")


@register.simple_tag
def icon(name: str, title: str = "") -> SafeString:
    """An icon of our sprite; with a title it speaks, without one it is decoration."""
    sprite = static("icons.svg")
    if title:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><use href="{}#{}"></use></svg>', title, sprite, name
        )
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', sprite, name)


@register.simple_tag
def time_left(approval: Approval, now: datetime) -> remaining.TimeLeft:
    return remaining.time_left(approval, now)


@register.filter
def reveal(text: object) -> SafeString:
    """Untrusted text with every hidden or bidirectional character as a visible token."""
    return segments(characters.visible(str(text)))


@register.filter
def in_plain(text: object) -> str:
    """The same without markup, for attributes that a script reads out."""
    return characters.plain(str(text))


@register.filter
def segments(parts: Sequence[tuple[str, bool]]) -> SafeString:
    """(text, is_token) pairs as markup; both are escaped. A token's quotation marks give way to its box."""
    return format_html_join(
        "",
        "{}{}{}",
        (
            (SafeString('<span class="token">'), text[1:-1], SafeString("</span>")) if token else ("", text, "")
            for text, token in parts
        ),
    )


def _money(headline: str) -> str:
    """Amounts with thousands set apart, never parted from their currency: 62,400.00 EUR."""
    return _AMOUNT.sub(lambda match: f"{int(match[1]):,}{match[2] or ''}\u00a0", headline)


@register.filter
def sentence(headline: str) -> str:
    """A headline as the start of a line, its amounts never parted from their currency."""
    joined = _money(headline)
    return joined[:1].upper() + joined[1:]


@register.filter
def phrase(headline: str) -> str:
    """A headline in mid-sentence."""
    joined = _money(headline)
    return joined[:1].lower() + joined[1:] if joined[1:2].islower() else joined


@register.filter
def capped(count: SupportsInt) -> str:
    """A count as it is shown: "1,000+" above a thousand."""
    number = int(str(count))  # a lazy object has no __int__
    return _("1,000+") if number > MOST else str(number)


@register.filter
def hex_prefix(value: bytes) -> str:
    return bytes(value).hex()[:8]


@register.filter
def initials(name: str) -> str:
    names = name.split()
    return ((names[0][:1] + names[-1][:1]) if len(names) > 1 else name[:2]).upper()


@register.filter
def get(mapping: object, key: str) -> object:
    """A value of a mapping by a name that a template holds."""
    return mapping.get(key) if isinstance(mapping, dict) else None


@register.filter
def condition_value(value: Json) -> SafeString:
    """A condition's value on one line: texts as they are, lists with commas."""
    listed = value if isinstance(value, list) else [value]
    return reveal(", ".join(plain(one) for one in listed)[:300])


@register.filter
def split_words(text: str) -> list[str]:
    return text.split()


@register.filter
def warning(name: str) -> str:
    """What is odd about the characters of a value."""
    return str(WARNINGS.get(name, name))


_SOURCES = {Source.TIMEOUT.value: gettext_lazy("silence"), Source.GRANT.value: gettext_lazy("a standing approval")}


@register.simple_tag
def settled_words(approval: Approval) -> str:
    """Who settled it, for a row that greys in place: "Approved by Ana"."""
    if approval.status == Status.RECALLED:
        return _("Recalled by %(who)s") % {"who": approval.recall.user.name}
    if approval.status == Status.CANCELLED and approval.faulted_at:
        return _("Withdrawn while a rejection was held")
    if approval.shown_kind == Kind.SEEDED:
        return _("Test case, closed")
    if approval.verdict and approval.decided_by:
        return _("%(done)s by %(who)s") % {"done": DONE[approval.verdict], "who": approval.decided_by.name}
    if approval.verdict:
        source = _SOURCES.get(approval.source, _("policy"))
        if approval.source == Source.GRANT and approval.plan_id:
            source = _("an approved plan")
        return _("%(done)s by %(who)s") % {"done": DONE[approval.verdict], "who": source}
    return {
        Status.EXPIRED: _("Nobody decided before the deadline"),
        Status.CANCELLED: _("Withdrawn"),
        Status.SUPERSEDED: _("Replaced by the agent"),
    }.get(Status(approval.status), approval.get_status_display())


@register.simple_tag
def settled_at(approval: Approval) -> datetime | None:
    """When that was which `settled_words` says."""
    return approval.recall.recalled_at if approval.status == Status.RECALLED else approval.decided_at


@register.filter
def recall_reason(name: str) -> str:
    """Why it was recalled, in words."""
    return str(dict(RecallReason.choices).get(name, name))


@register.simple_tag
def moment(at: datetime | None, clock: bool = True) -> SafeString:
    """A time in the viewer's zone: today's as 14:20:05, another day's with the date; UTC on hover."""
    if at is None:
        return SafeString("")
    local = timezone.localtime(at)
    today = timezone.localtime(timezone.now()).date()
    shape = ("H:i:s" if clock else "H:i") if local.date() == today else "j M H:i"
    if local.year != today.year:
        shape = "j M Y H:i"
    stated = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        stated.isoformat(),
        stated.strftime("%Y-%m-%d %H:%M:%S"),
        date_format(local, shape),
    )


@register.filter
def amount(number: float | None) -> str:
    """A number as a reader compares it: 1,240.50."""
    if number is None:
        return ""
    return f"{number:,.2f}" if number != int(number) else f"{int(number):,}"


@register.filter
def selection_key(approval: Approval) -> str:
    """What a row can be selected together with; empty for what is decided by itself."""
    return f"{approval.action_type_id}|{approval.tier_id}" if eligibility.batchable(approval) else ""


@register.filter
def ending(media_type: str) -> str:
    """How a file of this kind ends, for where there is no picture of it: "CSV"."""
    return ENDINGS.get(media_type, ("",))[0].removeprefix(".").upper()
