"""What a page shows outside of itself: that something came to its person. Type, tier, deadline, and no arguments."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django.urls import reverse

from approvals.models import User
from approvals.models.people import NotificationLevel
from approvals.notify import notifications
from approvals.people.authorities import Authority
from console.inbox.rows import Row

_KEPT = 1000


class News(TypedDict):
    """One notification of the browser; the page adds the deadline in its own time."""

    id: str
    title: str
    tier: str
    due: str
    card: str


class Desktop:
    """One open page's: nothing twice, nothing that was there before it opened, nothing in quiet hours."""

    def __init__(self, user: User, authority: Authority, *, since: datetime) -> None:
        self.user, self.authority, self.since = user, authority, since
        self.shown_ids: OrderedDict[tuple[str, int], None] = OrderedDict()

    def of(self, rows: Sequence[Row], *, now: datetime) -> list[News]:
        """Those of these rows that have just come to a tier of this person's, and that nobody reads yet."""
        return [self._news(row) for row in rows if self._is_news(row, now=now)] if self.user.desktop else []

    def _is_news(self, row: Row, *, now: datetime) -> bool:
        if row["status"] != "pending" or row["claim"] or datetime.fromisoformat(row["arrived"]) < self.since:
            return False
        tier, domain = row["tier"], row["queue"].partition(".")[2]
        mine = any(level == tier and where in (None, domain) for level, where in self.authority.posts)
        if not mine or row["agent"] in map(str, self.authority.operates):
            return False
        weight = self.user.notify_escalated if row["escalated"] else self.user.notify_new
        if weight == NotificationLevel.NONE:
            return False
        if notifications.quiet_until(self.user, urgent=weight == NotificationLevel.URGENT, now=now) > now:
            return False
        key = (row["id"], tier)
        if key in self.shown_ids:
            return False
        self.shown_ids[key] = None
        while len(self.shown_ids) > _KEPT:
            self.shown_ids.popitem(last=False)
        return True

    def _news(self, row: Row) -> News:
        return News(
            id=row["id"],
            title=row["title"],
            tier=row["tier_name"],
            due=row["due"],
            card=reverse("card:card", args=[row["id"]]),
        )
