"""The people of every tier, read once for a set of approvals: who may decide one there, and who of them is on duty."""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from uuid import UUID

from approvals.models import Agent, Membership, Tier, User
from approvals.people import on_call
from approvals.people.on_call import OnCall


class ReviewersOnCall:
    """A handful of queries, whatever is asked of it afterwards."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._known: dict[tuple[bool, int, str, UUID], tuple[User, ...]] = {}

    def present(self, tier: int, domain: str, agent: UUID) -> tuple[User, ...]:
        """Who of the tier may decide what the agent proposes in the domain, and is on duty now."""
        return self._who_may_decide(True, tier, domain, agent)

    def eligible(self, tier: int, domain: str, agent: UUID) -> tuple[User, ...]:
        """Who of the tier may decide it, at whatever hour."""
        return self._who_may_decide(False, tier, domain, agent)

    def people_to_ask(self, tier: int, domain: str, agent: UUID) -> tuple[User, ...]:
        """Whom to ask: those on duty, or, where nobody is, everyone who is not away."""
        present = self.present(tier, domain, agent)
        return present or tuple(one for one in self.eligible(tier, domain, agent) if one.pk not in self._away)

    @cached_property
    def tiers(self) -> dict[int, Tier]:
        return {tier.level: tier for tier in Tier.objects.all()}

    def _who_may_decide(self, on_duty: bool, tier: int, domain: str, agent: UUID) -> tuple[User, ...]:
        key = (on_duty, tier, domain, agent)
        if key not in self._known:
            barred = self._operators.get(agent, set())
            posts = self._on_duty if on_duty else self._all
            # In whose place somebody stands may not operate the agent either: nobody lends what one may not do.
            free = {one.user_id for one in posts if one.serves(tier, domain) and one.in_place_of not in barred} - barred
            self._known[key] = self._named(free)
        return self._known[key]

    def _named(self, ids: Iterable[UUID]) -> tuple[User, ...]:
        return tuple(sorted((self._people[pk] for pk in ids if pk in self._people), key=lambda user: user.username))

    @cached_property
    def _on_duty(self) -> list[OnCall]:
        return on_call.on_duty(self.now)

    @cached_property
    def _away(self) -> set[UUID]:
        return set(on_call.standing_in(self.now))

    @cached_property
    def _all(self) -> list[OnCall]:
        members = Membership.objects.filter(user__is_active=True).values_list("user_id", "tier_id", "domain_id")
        return [*(OnCall(*member) for member in members), *(one for one in self._on_duty if one.in_place_of)]

    @cached_property
    def _people(self) -> dict[UUID, User]:
        # A delegate need not be a member of anything.
        ids = {one.user_id for one in (*self._on_duty, *self._all)}
        return User.objects.filter(is_active=True).in_bulk(ids)

    @cached_property
    def _operators(self) -> dict[UUID, set[UUID]]:
        operators: dict[UUID, set[UUID]] = {}
        for agent, user in Agent.operators.through.objects.values_list("agent_id", "user_id"):
            operators.setdefault(agent, set()).add(user)
        return operators
