"""How long an approval has, in words and as urgency. `static/js/clock.js` says the same while the page is open."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from approvals.models import Approval

ICONS = {"low": "clock", "medium": "clock", "high": "hourglass", "critical": "hourglass", "late": "late", "": "minus"}


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """The next moment that matters, how urgent it is, and what a row says of it."""

    text: str
    urgency: str
    at: datetime | None

    @property
    def icon(self) -> str:
        return ICONS[self.urgency]


def next_moment(approval: Approval) -> datetime | None:
    """The earlier of the tier's time and the deadline."""
    return min(filter(None, (approval.due_at, approval.expires_at)), default=None)


def urgency_of(approval: Approval, now: datetime) -> str:
    """The approval's urgency; "late" once the next moment has passed, "" where nothing ends."""
    at = next_moment(approval)
    if at is None:
        return "late" if approval.overdue else ""
    if at <= now:
        return "late"
    return approval.urgency(now)


def time_left(approval: Approval, now: datetime) -> TimeLeft:
    at = next_moment(approval)
    urgency = urgency_of(approval, now)
    if at is None:
        return TimeLeft(_("overdue") if approval.overdue else _("no deadline"), urgency, None)
    if at <= now:
        return TimeLeft(_("%s late") % duration_text(now - at, fine=False), urgency, at)
    return TimeLeft(_("%s left") % duration_text(at - now), urgency, at)


def duration_text(duration: timedelta, *, fine: bool = True) -> str:
    """ "45 s", "12 min", "1 h 12 min" (fine, below three hours), "14 h", "3 d"."""
    seconds = max(0, int(duration.total_seconds()))
    if seconds < 60:
        return _("%s s") % seconds
    minutes = seconds // 60
    if minutes < 60:
        return _("%s min") % minutes
    hours, rest = divmod(minutes, 60)
    if hours >= 48:
        return _("%s d") % (hours // 24)
    whole = _("%s h") % hours
    return f"{whole} {_('%s min') % rest}" if fine and hours < 3 and rest else whole
