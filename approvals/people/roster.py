"""Who can decide what waits in a queue, at this moment: read once, to be asked of any number of queues.

Whoever wants to know it asks here, about everybody, or `access`, about one person; both answer by the same rights.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from uuid import UUID

from approvals.models import Agent, Tier, User
from approvals.people import authorities
from approvals.people.authorities import Authority, Lender
from approvals.people.on_call import OnCall, Roster


class Reviewers:
    """A handful of queries, whatever is asked of it afterwards. Without an agent: of one that nobody operates."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._deciding: dict[tuple[int, str, UUID | None], frozenset[UUID]] = {}
        self._of_tier: dict[tuple[bool, int, str, UUID | None], frozenset[UUID]] = {}

    def deciding(self, tier: int, domain: str, agent: UUID | None = None) -> frozenset[UUID]:
        """Everybody who may decide what the agent proposes there, of that tier or one above, at whatever hour."""
        key = (tier, domain, agent)
        if key not in self._deciding:
            self._deciding[key] = frozenset(
                pk for pk, authority in self._authorities.items() if authority.decides(tier, domain, agent)
            )
        return self._deciding[key]

    def of_tier(self, tier: int, domain: str, agent: UUID | None = None) -> frozenset[UUID]:
        """Those of them who review in that tier itself."""
        return self._serving(True, tier, domain, agent)

    def on_duty(self, tier: int, domain: str, agent: UUID | None = None) -> frozenset[UUID]:
        """Those of the tier who are on duty."""
        return self._serving(False, tier, domain, agent)

    def to_ask(self, tier: int, domain: str, agent: UUID | None = None) -> frozenset[UUID]:
        """Whom of the tier to ask: those on duty, or, where nobody is, everyone who is not away."""
        return self.on_duty(tier, domain, agent) or self.of_tier(tier, domain, agent) - self._away

    def people(self, ids: Iterable[UUID]) -> tuple[User, ...]:
        """The same as people, by name."""
        return tuple(sorted((self._people[pk] for pk in ids if pk in self._people), key=lambda user: user.username))

    @cached_property
    def tiers(self) -> dict[int, Tier]:
        return {tier.level: tier for tier in Tier.objects.all()}

    def _serving(self, at_any_hour: bool, tier: int, domain: str, agent: UUID | None) -> frozenset[UUID]:
        key = (at_any_hour, tier, domain, agent)
        if key not in self._of_tier:
            posts = self._posts if at_any_hour else self._filled
            people = frozenset(post.user_id for post in posts if post.serves(tier, domain))
            self._of_tier[key] = people & self.deciding(tier, domain, agent)
        return self._of_tier[key]

    @cached_property
    def _roster(self) -> Roster:
        return Roster.read(self.now, demanding=authorities.tiers_demanding_factor())

    @cached_property
    def _away(self) -> set[UUID]:
        return set(self._roster.stand_ins(self.now))

    @cached_property
    def _filled(self) -> list[OnCall]:
        return self._roster.at(self.now)

    @cached_property
    def _posts(self) -> list[OnCall]:
        return self._roster.at(self.now, at_any_hour=True)

    @cached_property
    def _authorities(self) -> dict[UUID, Authority]:
        roster, operates = self._roster, _operated()
        reviews: dict[UUID, list[tuple[int, str | None]]] = {}
        for member in roster.members:
            reviews.setdefault(member.user_id, []).append((member.tier, member.domain))
        lenders: dict[UUID, list[Lender]] = {}
        for absent, delegates in roster.stand_ins(self.now).items():
            for delegate in delegates:
                lenders.setdefault(delegate, []).append(Lender(absent))
        return {
            pk: authorities.rights(
                pk, reviews, operates, lenders.get(pk, ()), roster.demanding if pk in roster.lacking else frozenset()
            )
            for pk in reviews.keys() | lenders.keys()
        }

    @cached_property
    def _people(self) -> dict[UUID, User]:
        return User.objects.filter(is_active=True).in_bulk(self._authorities.keys())


def _operated() -> dict[UUID, set[UUID]]:
    operates: dict[UUID, set[UUID]] = {}
    for user, agent in Agent.operators.through.objects.values_list("user_id", "agent_id"):
        operates.setdefault(user, set()).add(agent)
    return operates
