"""Checks that everything policy asks reaches people who can answer it.

A queue is a tier in a domain. A gap is a queue that something leads to and that has too few active reviewers, or none
whom any word reaches: an action type by its tier, a rule by its own, a tier by escalating, a value by the ceilings.
Asked of a snapshot: of the draft, and of what is in force.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TypeAlias
from uuid import UUID

from django.utils.translation import gettext as _

from approvals.db import times
from approvals.models import PolicyVersion, Rule
from approvals.models.policy import OverloadMode
from approvals.people.on_call import Roster
from approvals.people.reachable import having_second_factor, reachable
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.policy.authoring.fields import Row


@dataclass(frozen=True)
class Gap:
    """A queue that is asked for `needed` people and has `found`. `domain` empty: the tier has nobody at all."""

    tier: int
    domain: str
    source: str  # what leads there: its place in the snapshot
    needed: int
    available: int
    description: str = field(compare=False)  # the same for a reader; a new title is no new gap
    nobody_reachable: bool = False  # enough of them, and no word reaches any

    def __str__(self) -> str:
        facts = {"tier": self.tier, "domain": self.domain, "leader": self.description}
        if self.nobody_reachable:
            return self._untold % facts
        if self.needed > 1 and self.available:
            return _(
                "%(leader)s needs %(needed)d people in tier %(tier)d, which has %(found)d active reviewers of "
                "%(domain)s. Add reviewers to tier %(tier)d first, or lower the number of people."
            ) % {**facts, "needed": self.needed, "found": self.available}
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

    @property
    def _untold(self) -> str:
        if self.domain:
            return _(
                "%(leader)s leads to tier %(tier)d, where no reviewer of %(domain)s can be told. Give one of them an "
                "e-mail address or another channel that works first, or choose another tier."
            )
        return _(
            "%(leader)s leads to tier %(tier)d, where nobody can be told. Give one of its reviewers an e-mail address "
            "or another channel that works first, or lead elsewhere."
        )


class ReviewerRoster:
    """Active reviewers by tier and domain, whom of them a word reaches, and who has a second factor; read once."""

    def __init__(self) -> None:
        self.of: dict[int, set[tuple[str, UUID]]] = {}
        for member in Roster.read(times.now()).members:
            self.of.setdefault(member.tier, set()).add((member.domain or "", member.user_id))
        people = {user for found in self.of.values() for _domain, user in found}
        self.reachable_ids = reachable(people)
        self.proven = having_second_factor(people)

    def people(self, tier: int, domain: str = "") -> set[UUID]:
        """People of the tier who may decide in `domain`; without a domain, in any."""
        return {user for of, user in self.of.get(tier, ()) if not domain or of in {"", domain}}

    def count(self, tier: int, domain: str = "") -> int:
        return len(self.people(tier, domain))

    def reaches_anybody(self, tier: int, domain: str = "") -> bool:
        """True where a word reaches at least one of them."""
        return bool(self.people(tier, domain) & self.reachable_ids)


def gaps() -> frozenset[Gap]:
    """Every gap of the draft and of the policy in force: whoever is needed by either stays."""
    roster = ReviewerRoster()
    in_force = PolicyVersion.objects.values_list("snapshot", flat=True).first()
    return gaps_of(snapshot_of_tables(), roster) | (gaps_of(in_force, roster) if in_force else frozenset())


def gaps_of(snapshot: Row, roster: ReviewerRoster) -> frozenset[Gap]:
    """Every queue that this policy leads to and that has too few active reviewers."""
    all_gaps: set[Gap] = set()
    for tier, domain, leader, description, needed in _requirements(snapshot):
        count = roster.count(tier, domain)
        if count < needed:
            # Where the tier is empty the domain says nothing more.
            named = domain if roster.count(tier) else ""
            all_gaps.add(Gap(tier, named, leader, needed, count, description))
        elif not roster.reaches_anybody(tier, domain):
            named = domain if roster.reaches_anybody(tier) else ""
            all_gaps.add(Gap(tier, named, leader, needed, count, description, nobody_reachable=True))
    return frozenset(all_gaps)


@dataclass(frozen=True)
class UnstaffedQueue:
    """A queue that somebody may decide in, and in which nobody is on duty in the coming fortnight, while all waits."""

    tier: int
    domain: str

    def __str__(self) -> str:
        return _(
            "In tier %(tier)d %(domain)s nobody is on duty in the coming fortnight, and what comes waits all the same. "
            "Give somebody hours on duty, or say under “how much may wait” what happens when nobody is there."
        ) % {"tier": self.tier, "domain": self.domain}


@dataclass(frozen=True)
class MissingSecondFactor:
    """A queue of a tier that demands a second factor, in which too few have one: nobody there decides until then."""

    tier: int
    domain: str
    needed: int
    proven: int

    def __str__(self) -> str:
        return _(
            "Tier %(tier)d demands a second factor, and of the reviewers of %(domain)s %(found)d have one; %(needed)d "
            "are needed. Until others have set one up under Security, what comes there waits."
        ) % {"tier": self.tier, "domain": self.domain, "found": self.proven, "needed": self.needed}


def staffing_warnings(now: datetime) -> frozenset[UnstaffedQueue | MissingSecondFactor]:
    """Every queue of the draft in which nobody may answer, though it may be meant so. No hours: always on duty."""
    draft, roster, shifts = snapshot_of_tables(), ReviewerRoster(), Roster.read(now)
    doubtful_queues: set[UnstaffedQueue | MissingSecondFactor] = set()
    for tier, domain, _leader, _words, needed in _requirements(draft):
        row = draft["tiers"].get(str(tier), {})
        declared = {capacity["domain"] or "": capacity for capacity in row.get("capacities", ())}
        own = declared.get(domain) or declared.get("")
        waits = own is None or own["when_empty"] == OverloadMode.QUEUE
        people = roster.people(tier, domain)
        if not domain or not people:
            continue
        if waits and shifts.next_at(tier, domain, now) is None:
            doubtful_queues.add(UnstaffedQueue(tier, domain))
        able = len(people & roster.proven)
        if row.get("second_factor") and able < needed:
            doubtful_queues.add(MissingSecondFactor(tier, domain, needed, able))
    return frozenset(doubtful_queues)


_Requirement: TypeAlias = tuple[int, str, str, str, int]


def _requirements(snapshot: Row) -> Iterator[_Requirement]:
    """(tier, domain or "", what leads there, the same in words, how many people it needs)."""
    following = {int(level): row["next"] for level, row in snapshot["tiers"].items()}
    for level, upper in following.items():
        if upper is not None:
            yield _escalation_requirement(level, upper, "")

    for name, row in snapshot["types"].items():
        description = _("The action type “%(title)s”") % {"title": row["title"]}
        yield row["tier"], row["domain"], f"types/{name}", description, row["approvers"]
        # Where its tier does not answer, the approval climbs, and there, too, somebody must know its domain.
        below, climbed = row["tier"], 0
        while (upper := following.get(below)) is not None and climbed < len(following):
            yield _escalation_requirement(below, upper, row["domain"])
            below, climbed = upper, climbed + 1
        yield from _value_requirements(name, row, snapshot["tiers"])
        for rule in row["rules"]:
            yield from _rule_requirements(f"types/{name}", rule, rule["tier"] or row["tier"], row["domain"], following)
    for rule in snapshot["rules"]:
        yield from _rule_requirements("", rule, rule["tier"], "", following)


def _value_requirements(name: str, row: Row, tiers: Row) -> Iterator[_Requirement]:
    """The tiers above its own that a value reaches. An agent may state one where the arguments have none."""
    levels = sorted(map(int, tiers))
    for below, level in pairwise(levels):
        terms = [one for one in tiers[str(below)].get("terms", ()) if one["domain"] == row["domain"]]
        if (terms[0] if terms else tiers[str(below)])["ceiling"] is None:
            return  # it decides every value
        if level > row["tier"]:
            description = _("A value of “%(title)s” above what tier %(below)d may decide") % {
                "title": row["title"],
                "below": below,
            }
            yield level, row["domain"], f"types/{name}/value/{level}", description, row["approvers"]


def _escalation_requirement(level: int, upper: int, domain: str) -> _Requirement:
    return upper, domain, f"tiers/{level}", _("Tier %(level)d") % {"level": level}, 1


def _rule_requirements(
    path: str, rule: Row, tier: int | None, domain: str, following: Mapping[int, int | None]
) -> Iterator[_Requirement]:
    if rule["effect"] != Rule.Effect.REVIEW:
        return
    approvers_by_queue: dict[tuple[int, str], int] = {}
    for number, stage in enumerate(rule.get("stages", ()), 1):
        # Nobody approves twice: of the same queue each stage needs others than the ones before it.
        queue = (stage["tier"], stage.get("domain") or domain)
        approvers_by_queue[queue] = approvers_by_queue.get(queue, 0) + stage["approvers"]
        alone = approvers_by_queue[queue] == stage["approvers"]
        sentence = (
            _("Stage %(number)d of the rule “%(name)s”") if alone else _("The rule “%(name)s” up to stage %(number)d")
        )
        description = sentence % {"number": number, "name": rule["name"]}
        yield *queue, f"{path}/rules/{rule['name']}/stages/{number}", description, approvers_by_queue[queue]
        if (upper := following.get(stage["tier"])) is not None:
            yield _escalation_requirement(stage["tier"], upper, queue[1])
    if tier is not None and not approvers_by_queue:
        description = _("The rule “%(name)s”") % {"name": rule["name"]}
        yield tier, domain, f"{path}/rules/{rule['name']}", description, rule["approvers"]
