"""Does everything that policy asks reach people who can answer it?

A queue is a tier in a domain. A gap is a queue that something leads to and that has too few active reviewers: an action
type by its tier, a rule by its own, a tier by escalating.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.models import ActionType, Membership, Rule, Tier


@dataclass(frozen=True)
class Leader:
    """What leads to a queue: an action type, a rule or a tier, by its primary key."""

    kind: str
    key: str
    words: str


@dataclass(frozen=True)
class Gap:
    """A queue that is asked for `needed` people and has `found`. `domain` empty: the tier has nobody at all."""

    tier: int
    domain: str
    leader: Leader
    needed: int
    found: int

    def __str__(self) -> str:
        facts = {"tier": self.tier, "domain": self.domain, "leader": self.leader.words}
        if self.needed > 1 and self.found:
            return _(
                "%(leader)s needs %(needed)d people in tier %(tier)d, which has %(found)d active reviewers of "
                "%(domain)s. Add reviewers to tier %(tier)d first, or lower the number of people."
            ) % {**facts, "needed": self.needed, "found": self.found}
        if self.domain:
            return (
                _(
                    "%(leader)s leads to tier %(tier)d, which has no active reviewer of %(domain)s. "
                    "Add a reviewer of %(domain)s (or of every domain) to tier %(tier)d first, or choose another tier."
                )
                % facts
            )
        return (
            _(
                "%(leader)s leads to tier %(tier)d, which has no active reviewer. "
                "Add an active person to tier %(tier)d first, or lead elsewhere."
            )
            % facts
        )


class Roster:
    """Active reviewers by tier and domain, read once."""

    def __init__(self) -> None:
        self.of: dict[int, set[tuple[str, str]]] = {}
        rows = Membership.objects.filter(user__is_active=True).values_list("tier_id", "domain_id", "user_id")
        for tier, domain, user in rows:
            self.of.setdefault(tier, set()).add((domain or "", str(user)))

    def count(self, tier: int, domain: str = "") -> int:
        """People of the tier who may decide in `domain`; without a domain, in any."""
        return len({user for of, user in self.of.get(tier, ()) if not domain or of in {"", domain}})


def gaps() -> frozenset[Gap]:
    """Every queue that something active leads to and that has too few active reviewers."""
    roster = Roster()
    found: set[Gap] = set()
    for tier, domain, leader, needed in _leads():
        count = roster.count(tier, domain)
        if count < needed:
            # Where the tier is empty the domain says nothing more.
            named = domain if roster.count(tier) else ""
            found.add(Gap(tier, named, leader, needed, count))
    return frozenset(found)


def _leads() -> Iterator[tuple[int, str, Leader, int]]:
    """(tier, domain or "", what leads there, how many people it needs)."""
    tiers = {tier.level: tier for tier in Tier.objects.all()}

    for tier in tiers.values():
        if tier.next_id is not None:
            yield tier.next_id, "", _tier(tier), 1

    for type in ActionType.objects.filter(active=True):
        leader = Leader("actiontype", type.pk, _("The action type “%(title)s”") % {"title": type.title})
        yield type.tier_id, type.domain_id, leader, type.approvers
        # Where its tier does not answer, the approval climbs, and there, too, somebody must know its domain.
        below = tiers.get(type.tier_id)
        while below is not None and below.next_id is not None:
            yield below.next_id, type.domain_id, _tier(below), 1
            below = tiers.get(below.next_id)

    for rule in Rule.objects.filter(active=True, effect=Rule.Effect.REVIEW).select_related("action_type"):
        if rule.action_type is not None and not rule.action_type.active:
            continue
        leader = Leader("rule", str(rule.pk), _("The rule “%(name)s”") % {"name": rule.name})
        own = rule.action_type
        if rule.tier_id is not None:
            yield rule.tier_id, own.domain_id if own else "", leader, rule.approvers
        elif own is not None:
            yield own.tier_id, own.domain_id, leader, rule.approvers


def _tier(tier: Tier) -> Leader:
    return Leader("tier", str(tier.level), _("Tier %(level)d") % {"level": tier.level})
