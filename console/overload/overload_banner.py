"""The banner: which queues are in their degraded mode, and which of those times nobody has caught up with."""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals.models import Overload, User
from approvals.models.policy import OverloadMode
from approvals.people.authorities import Authority
from approvals.workload import overload

MOST = 3  # lines of each; a banner is read at a glance


@dataclass(frozen=True, slots=True)
class BannerLine:
    """One sentence of the banner, with the list it leads to."""

    time: Overload
    text: str


@dataclass(frozen=True, slots=True)
class Banner:
    """Empty while every queue is at ease and everything was looked through."""

    lasting: list[BannerLine] = field(default_factory=list)
    over: list[BannerLine] = field(default_factory=list)
    more: int = 0  # that have no line of their own

    def __bool__(self) -> bool:
        return bool(self.lasting or self.over)


def banner_of(user: User, authority: Authority) -> Banner:
    """What this person's pages say at their top."""
    overloads = overload.overloads_to_show(user, authority)
    lasting, over = (
        [overload for overload in overloads if (overload.ended_at is None) == now] for now in (True, False)
    )
    return Banner(
        [BannerLine(one, ongoing_sentence(one)) for one in lasting[:MOST]],
        [BannerLine(one, over_sentence(one)) for one in over[:MOST]],
        max(len(lasting) - MOST, 0) + max(len(over) - MOST, 0),
    )


def queue_of(time: Overload) -> str:
    return _("Tier %(tier)d %(domain)s") % {"tier": time.tier_id, "domain": time.domain.name}


def ongoing_sentence(time: Overload) -> str:
    """While it lasts: "Tier 1 Commerce is full (200 of 200): new ones are refused."."""
    facts = {"queue": queue_of(time), "limit": time.limit}
    if time.why == Overload.Why.FULL:
        what = _("%(queue)s is full (%(limit)s of %(limit)s)") % facts
    else:
        what = _("Nobody is on duty in %(queue)s") % facts
    return _("%(what)s: %(then)s.") % {"what": what, "then": _THEN[OverloadMode(time.mode)]()}


def over_sentence(time: Overload) -> str:
    """When it is over: "Tier 1 Commerce was full: 12 refused, 3 passed."."""
    return _("%(what)s: %(came)s.") % {"what": title(time), "came": counts_sentence(time)}


def title(time: Overload) -> str:
    full, facts = time.why == Overload.Why.FULL, {"queue": queue_of(time)}
    if time.ended_at is None:
        return (_("%(queue)s is full") if full else _("Nobody is on duty in %(queue)s")) % facts
    return (_("%(queue)s was full") if full else _("Nobody was on duty in %(queue)s")) % facts


def counts_sentence(time: Overload) -> str:
    """How many were refused, and how many passed."""
    parts = []
    if time.refused:
        parts.append(ngettext("%(n)d refused", "%(n)d refused", time.refused) % {"n": time.refused})
    if time.passed:
        parts.append(ngettext("%(n)d passed", "%(n)d passed", time.passed) % {"n": time.passed})
    return ", ".join(parts) or _("nothing came")


_THEN = {
    OverloadMode.QUEUE: lambda: _("new ones wait all the same"),
    OverloadMode.REJECT: lambda: _("new ones are refused"),
    OverloadMode.PASS: lambda: _("reversible ones of low impact pass, the rest waits"),
}


def consequence(time: Overload) -> str:
    """What becomes of new ones, or became of them, for the list."""
    if time.ended_at is None:
        sentence = _THEN[OverloadMode(time.mode)]()
        return sentence[:1].upper() + sentence[1:]
    return {
        OverloadMode.QUEUE: _("They waited all the same"),
        OverloadMode.REJECT: _("They were refused"),
        OverloadMode.PASS: _("Reversible ones of low impact passed, the rest waited"),
    }[OverloadMode(time.mode)]
