"""The banner: which queues are in their degraded mode, and which of those times nobody has caught up with."""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals.models import Degraded, User
from approvals.models.policy import Scarcity
from approvals.review import degraded
from approvals.review.access import Authority

MOST = 3  # lines of each; a banner is read at a glance


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the banner, with the list it leads to."""

    time: Degraded
    text: str


@dataclass(frozen=True, slots=True)
class Banner:
    """Empty while every queue is at ease and everything was looked through."""

    lasting: list[Line] = field(default_factory=list)
    over: list[Line] = field(default_factory=list)
    more: int = 0  # that have no line of their own

    def __bool__(self) -> bool:
        return bool(self.lasting or self.over)


def banner_of(user: User, authority: Authority) -> Banner:
    """What this person's pages say at their top."""
    told = degraded.notices(user, authority)
    lasting, over = ([one for one in told if (one.ended_at is None) == now] for now in (True, False))
    return Banner(
        [Line(one, says(one)) for one in lasting[:MOST]],
        [Line(one, said(one)) for one in over[:MOST]],
        max(len(lasting) - MOST, 0) + max(len(over) - MOST, 0),
    )


def queue_of(time: Degraded) -> str:
    return _("Tier %(tier)d %(domain)s") % {"tier": time.tier_id, "domain": time.domain.name}


def says(time: Degraded) -> str:
    """While it lasts: "Tier 1 Commerce is full (200 of 200): new ones are refused."."""
    facts = {"queue": queue_of(time), "limit": time.limit}
    if time.why == Degraded.Why.FULL:
        what = _("%(queue)s is full (%(limit)s of %(limit)s)") % facts
    else:
        what = _("Nobody is on duty in %(queue)s") % facts
    return _("%(what)s: %(then)s.") % {"what": what, "then": _THEN[Scarcity(time.mode)]()}


def said(time: Degraded) -> str:
    """When it is over: "Tier 1 Commerce was full: 12 refused, 3 passed."."""
    return _("%(what)s: %(came)s.") % {"what": title(time), "came": came(time)}


def title(time: Degraded) -> str:
    full, facts = time.why == Degraded.Why.FULL, {"queue": queue_of(time)}
    if time.ended_at is None:
        return (_("%(queue)s is full") if full else _("Nobody is on duty in %(queue)s")) % facts
    return (_("%(queue)s was full") if full else _("Nobody was on duty in %(queue)s")) % facts


def came(time: Degraded) -> str:
    """How many were refused, and how many passed."""
    words = []
    if time.refused:
        words.append(ngettext("%(n)d refused", "%(n)d refused", time.refused) % {"n": time.refused})
    if time.passed:
        words.append(ngettext("%(n)d passed", "%(n)d passed", time.passed) % {"n": time.passed})
    return ", ".join(words) or _("nothing came")


_THEN = {
    Scarcity.QUEUE: lambda: _("new ones wait all the same"),
    Scarcity.REJECT: lambda: _("new ones are refused"),
    Scarcity.PASS: lambda: _("reversible ones of low impact pass, the rest waits"),
}


def then(time: Degraded) -> str:
    """What becomes of new ones, or became of them, for the list."""
    if time.ended_at is None:
        said = _THEN[Scarcity(time.mode)]()
        return said[:1].upper() + said[1:]
    return {
        Scarcity.QUEUE: _("They waited all the same"),
        Scarcity.REJECT: _("They were refused"),
        Scarcity.PASS: _("Reversible ones of low impact passed, the rest waited"),
    }[Scarcity(time.mode)]
