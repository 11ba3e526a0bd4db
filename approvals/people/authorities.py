"""A person's rights: where they decide, by their own memberships and in the place of those who are away."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

from approvals.models import Agent, Approval, Membership, User
from approvals.people import on_call
from approvals.people.reachable import having_second_factor
from approvals.policy import snapshot


@dataclass(frozen=True, slots=True)
class Delegation:
    """What somebody who is away left to this person: reviewing in a tier and domain, in that person's place.

    Never more than the lender may: what the lender operates stays closed.
    """

    of: UUID
    username: str
    name: str
    tier: int
    domain: str | None
    operates: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Authority:
    """A person's rights as the database has them now. `reviews` pairs a tier with a domain, None for every domain.

    `loans` are held for those who are away; they count wherever the own ones do. In the tiers of `lacks_factor` this
    person decides nothing, in nobody's place either: they demand a second factor, and there is none.
    """

    user_id: UUID
    reviews: tuple[tuple[int, str | None], ...] = ()
    operates: frozenset[UUID] = frozenset()
    manager: bool = False
    auditor: bool = False
    superuser: bool = False
    loans: tuple[Delegation, ...] = ()
    lacks_factor: frozenset[int] = frozenset()

    @property
    def sees_all(self) -> bool:
        return self.manager or self.auditor

    @property
    def reads_audit_log(self) -> bool:
        """True for those who read and verify what concerns no approval: it holds nothing that agents propose."""
        return self.auditor or self.superuser

    @property
    def posts(self) -> tuple[tuple[int, str | None], ...]:
        """Tier and domain of everything that this person reviews, the own ones first."""
        return (*self.reviews, *((loan.tier, loan.domain) for loan in self.loans))

    def reaches(self, tier: int, domain: str) -> bool:
        """True where this person reviews in the domain at that tier or above it."""
        return any(level >= tier and where in (None, domain) for level, where in self.posts)

    def decides(self, tier: int, domain: str, agent: UUID | None) -> bool:
        """True where this person may decide what that agent proposes there."""
        return bool(self.delegations_for(tier, domain, agent))

    def delegations_for(self, tier: int, domain: str, agent: UUID | None) -> list[Delegation | None]:
        """As whom this person may decide it: None is as oneself, and then nobody else's place is needed."""
        if agent in self.operates or tier in self.lacks_factor:
            return []
        if any(level >= tier and where in (None, domain) for level, where in self.reviews):
            return [None]
        return [
            loan
            for loan in self.loans
            if loan.tier >= tier and loan.domain in (None, domain) and agent not in loan.operates
        ]

    def reviewed_its_queues(self, approval: Approval) -> bool:
        """True where the approval is, or has been, in a tier of this person's."""
        if self.reaches(approval.tier_id, approval.domain_id):
            return True
        if not approval.queues_visited:
            return any(
                level in approval.tiers_visited and where in (None, approval.domain_id) for level, where in self.posts
            )
        been = [queue.split(".", 1) for queue in approval.queues_visited]
        return any(self.reaches(int(tier), domain) for tier, domain in been)


NOBODY = Authority(UUID(int=0))


# By person, while a page is put together.
_read: ContextVar[dict[UUID, Authority] | None] = ContextVar("authorities", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """Within it a person's rights are read once: a page asks five times. Never around what changes something."""
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


def authority_of(user: User) -> Authority:
    """Read a person's rights; a deactivated person has none."""
    read = _read.get()
    if read is not None and user.pk in read:
        return read[user.pk]
    authority = authorities_of([user]).get(user.pk) or NOBODY
    if read is not None:
        read[user.pk] = authority
    return authority


def authorities_of(people: Iterable[User]) -> dict[UUID, Authority]:
    """The rights of those of these people who are active, in a few queries for all of them."""
    active = {user.pk: user for user in people if user.pk and user.is_active}
    if not active:
        return {}
    lent = on_call.covered_absentees(active.keys())
    user_ids = {*active, *(one.pk for lenders in lent.values() for one in lenders)}
    reviews: dict[UUID, list[tuple[int, str | None]]] = {}
    for pk, tier, domain in (
        Membership.objects.filter(user__in=user_ids).order_by("pk").values_list("user_id", "tier_id", "domain_id")
    ):
        reviews.setdefault(pk, []).append((tier, domain))
    operates: dict[UUID, set[UUID]] = {}
    for pk, agent in Agent.operators.through.objects.filter(user__in=user_ids).values_list("user_id", "agent_id"):
        operates.setdefault(pk, set()).add(agent)
    demanding = tiers_demanding_factor()
    safe = having_second_factor(active) if demanding else set()
    lenders = {pk: [Lender(user.pk, user.username, user.name) for user in users] for pk, users in lent.items()}
    return {
        pk: replace(
            rights(pk, reviews, operates, lenders.get(pk, ()), frozenset() if pk in safe else demanding),
            manager=user.is_manager,
            auditor=user.is_auditor,
            superuser=user.is_superuser,
        )
        for pk, user in active.items()
    }


class Lender(NamedTuple):
    """Somebody who is away, in whose place another decides."""

    user_id: UUID
    username: str = ""
    name: str = ""


def rights(
    pk: UUID,
    reviews: Mapping[UUID, Sequence[tuple[int, str | None]]],
    operates: Mapping[UUID, Collection[UUID]],
    lenders: Iterable[Lender],
    lacks_factor: frozenset[int],
) -> Authority:
    """What one person may decide: by their own memberships, and in the place of those who are away."""
    return Authority(
        user_id=pk,
        reviews=tuple(reviews.get(pk, ())),
        operates=frozenset(operates.get(pk, ())),
        loans=tuple(
            Delegation(
                lender.user_id, lender.username, lender.name, tier, domain, frozenset(operates.get(lender.user_id, ()))
            )
            for lender in lenders
            for tier, domain in reviews.get(lender.user_id, ())
        ),
        lacks_factor=lacks_factor,
    )


def tiers_demanding_factor() -> frozenset[int]:
    """The levels in which the policy in force lets nobody decide without a second factor."""
    try:
        return snapshot.current().tiers_demanding_factor
    except snapshot.NoPolicy:
        return frozenset()
