"""Who sees an approval, and what each person may do with it now. Templates and views ask here and compare no roles."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Least

from approvals.db import times
from approvals.execution import plans
from approvals.models import Agent, Approval, Membership, Run, Tier, User, Vote
from approvals.models.approval import OPEN, ItemType, Kind, Source, Status, queue_name
from approvals.models.policy import Verdict
from approvals.people import eligibility, on_call
from approvals.people.reachable import having_second_factor
from approvals.policy import snapshot
from approvals.policy.stages import includes_queue, required_stages_of

_TALK = frozenset({"escalate", "comment", "ask"})
# What was recalled should not have run; whether it did is the executor's doing.


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
    authority = authorities([user]).get(user.pk) or NOBODY
    if read is not None:
        read[user.pk] = authority
    return authority


def authorities(people: Iterable[User]) -> dict[UUID, Authority]:
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


def lacks_factor(user: User, authority: Authority | None = None) -> bool:
    """Whether a tier in which this person reviews demands a second factor of them, and they have none."""
    authority = authority or authority_of(user)
    return any(level >= tier for level, _domain in authority.posts for tier in authority.lacks_factor)


def lacks_only_factor(approval: Approval, authority: Authority) -> bool:
    """True where nothing but a second factor is missing to decide it."""
    free = replace(authority, lacks_factor=frozenset())
    lacks = approval.tier_id in authority.lacks_factor
    return lacks and free.decides(approval.tier_id, approval.domain_id, approval.agent_id)


def may_stop(user: User, authority: Authority | None = None) -> bool:
    """Whether this person may stop everything and lift that: reviewers of the highest tier, managers and admins.

    A person who operates an agent could let it run on by that, or silence the others': not by being a reviewer.
    """
    authority = authority or authority_of(user)
    if not user.is_active:
        return False
    if authority.manager or authority.superuser or user.has_perm("approvals.change_tier"):
        return True
    return not authority.operates and any(level == highest_tier() for level, _domain in authority.reviews)


def highest_tier() -> int | None:
    """The level of the highest tier there is."""
    return Tier.objects.order_by("-pk").values_list("pk", flat=True).first()


def visible_to(user: User, authority: Authority | None = None) -> QuerySet[Approval]:
    """Every approval this person may open, settled ones included."""
    authority = authority or authority_of(user)
    return Approval.objects.all() if authority.superuser else readable_to(user, authority)


def readable_to(user: User, authority: Authority | None = None) -> QuerySet[Approval]:
    """Every approval whose content this person may read: an administrator's metadata is not among it."""
    authority = authority or authority_of(user)
    approvals = Approval.objects.all()
    if authority.sees_all:
        return approvals
    return approvals.filter(_was_in_queues_of(authority) | Q(agent_id__in=authority.operates))


def runs_of(user: User, authority: Authority | None = None) -> QuerySet[Run]:
    """Every run of which this person may read an approval; all of an agent that the person operates."""
    authority = authority or authority_of(user)
    runs = Run.objects.all()
    if authority.sees_all:
        return runs
    # A value of each run, and no join: for EXISTS the database read all approvals to know of fifty runs.
    read = readable_to(user, authority).filter(request__run=OuterRef("pk")).values("request__run")[:1]
    return runs.filter(Q(agent_id__in=authority.operates) | Q(pk=Subquery(read)))


def inbox_of(user: User, authority: Authority | None = None) -> QuerySet[Approval]:
    """The open approvals this person's work list shows, least time left first."""
    authority = authority or authority_of(user)
    approvals = Approval.objects.filter(status__in=OPEN)
    if not authority.sees_all:
        approvals = approvals.filter(in_queues_of(authority) | Q(agent_id__in=authority.operates))
    return approvals.order_by(Least("due_at", "expires_at"), "pk")


def waiting_of(user: User, authority: Authority | None = None, *, now: datetime | None = None) -> QuerySet[Approval]:
    """What of this person's work list waits for a verdict, and was not set aside until later."""
    aside = Q(snoozed_until=None) | Q(snoozed_until__lte=now or times.now())
    return inbox_of(user, authority).filter(aside, status=Status.PENDING)


def unconfirmed_of(user: User, authority: Authority | None = None) -> QuerySet[Approval]:
    """The uses of permits that nobody confirmed, in this person's queues, oldest first."""
    authority = authority or authority_of(user)
    used = times.now() - settings.ASSENT_CONFIRM_AFTER
    approvals = Approval.objects.filter(status=Status.RELEASED, consumed_at__lte=used)
    if not authority.sees_all:
        approvals = approvals.filter(in_queues_of(authority) | Q(agent_id__in=authority.operates))
    return approvals.order_by("consumed_at", "pk")


def in_queues_of(authority: Authority) -> Q:
    """What lies in the tiers and domains that this person reviews; of rows that name a tier and a domain."""
    condition = Q(pk__in=[])
    for level, domain in authority.posts:
        condition |= Q(tier_id__lte=level) & (Q(domain_id=domain) if domain else Q())
    return condition


def _was_in_queues_of(authority: Authority) -> Q:
    condition = in_queues_of(authority)
    for level, domain in authority.posts:
        here = Q(domain_id=domain) if domain else Q()
        condition |= Q(queues_visited=[], tiers_visited__contains=[level]) & here
        # Stages led it on, perhaps to another field, from where this person could have decided it.
        below = range(1, level + 1)
        condition |= (
            Q(queues_visited__overlap=[queue_name(tier, domain) for tier in below])
            if domain
            else Q(tiers_visited__overlap=[*below]) & ~Q(queues_visited=[])
        )
    return condition


def sees_content(approval: Approval, user: User, authority: Authority | None = None) -> bool:
    """False for someone who administers the installation and reviews nothing here: metadata only."""
    authority = authority or authority_of(user)
    return authority.sees_all or authority.reviewed_its_queues(approval) or approval.agent_id in authority.operates


def actions_for(
    approval: Approval, user: User, *, now: datetime | None = None, authority: Authority | None = None
) -> frozenset[str]:
    """What this person may do with this approval at this moment.

    Any of: approve, modify, reject, answer, skip, claim, take_over, release_claim, escalate, comment, ask, snooze,
    undo, recall, guide, incident, confirm, grant.
    """
    authority = authority or authority_of(user)
    now = now or times.now()
    if approval.kind != Kind.REAL and not authority.reaches(approval.tier_id, approval.domain_id):
        return frozenset()
    voices = authority.delegations_for(approval.tier_id, approval.domain_id, approval.agent_id)
    decides = bool(voices)
    talks = authority.reviewed_its_queues(approval) or approval.agent_id in authority.operates
    beside = frozenset(_conversation_actions(approval, authority, decides, now))
    if approval.status == Status.HELD:
        mine = approval.decided_by_id == user.pk and decides
        in_time = approval.hold_until is not None and now < approval.hold_until
        return beside | frozenset({"undo"} if mine and in_time else ()) | frozenset({"comment"} if talks else ())
    if approval.status != Status.PENDING or (approval.expires_at and approval.expires_at <= now):
        return beside | frozenset({"comment"} if talks or authority.manager else ())
    may: set[str] = set(beside)
    if talks:
        may |= _TALK if approval.tier.next_id and _may_hand_on(approval, authority) else _TALK - {"escalate"}
    if authority.manager:
        may.add("comment")
    if decides:
        may |= _verdicts(approval, user, authority)
        may |= _claims(approval, user, now)
        may |= {"snooze"}
        if Verdict.APPROVE in may and eligibility.grantable(approval):
            may.add("grant")
    return frozenset(may)


def _may_hand_on(approval: Approval, authority: Authority) -> bool:
    """Whether it is this person's to hand on: who approved in an earlier stage has no say over another field's."""
    return not approval.stages or any(where in (None, approval.domain_id) for _level, where in authority.posts)


def _conversation_actions(approval: Approval, authority: Authority, decides: bool, now: datetime) -> set[str]:
    """What may be said whatever became of it: advice for its run, that harm came of it, whether it ran at all."""
    may = {"guide"} if decides and approval.request.run_id is not None else set()
    if approval.unconfirmed(since=now - settings.ASSENT_CONFIRM_AFTER) and (
        decides or (authority.manager and approval.agent_id not in authority.operates)
    ):
        may.add("confirm")
    if eligibility.may_have_run(approval) and (decides or authority.manager):
        may.add("incident")
    if decides and eligibility.recallable(approval):
        may.add("recall")
    approved = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY) and approval.source == Source.HUMAN
    if decides and approved and approval.status != Status.RECALLED and eligibility.grantable(approval):
        may.add("grant")
    return may


def _verdicts(approval: Approval, user: User, authority: Authority) -> set[str]:
    if (approval.votes > 0 or approval.stage > 0) and delegation_for(approval, user, authority) is SPENT:
        return {"reject"} & set(approval.allowed)
    verdicts = set(approval.allowed)
    proposal = approval.proposal
    if proposal is not None and proposal.author_id == user.pk and approval.approvers > 1:
        # Who modified it may not also be the one who approves the modification alone; the vote counts all the same.
        verdicts -= {Verdict.MODIFY}
    if steps_beyond(approval, authority):
        verdicts -= {Verdict.APPROVE}
    return verdicts


class AlreadyApproved:
    """Nobody: this person, or everyone in whose place this person could speak, has approved it already."""


SPENT = AlreadyApproved()


def delegation_for(approval: Approval, user: User, authority: Authority) -> Delegation | AlreadyApproved | None:
    """As whom this person's approval would count: oneself (None), in place of who is away, or as nobody any more.

    Who is away and who stands in are one voice, whichever of them spoke first.
    """
    voices = authority.delegations_for(approval.tier_id, approval.domain_id, approval.agent_id)
    if approval.votes == 0 and approval.stage == 0:
        return voices[0] if voices else SPENT
    cast = Vote.objects.filter(approval=approval, revision=approval.revision, round=approval.round)
    spoken = list(cast.values_list("user_id", "in_place_of_id"))
    if any(by == user.pk for by, _ in spoken):
        return SPENT
    spent = {place or by for by, place in spoken}
    left = [one for one in voices if (one.of if one else user.pk) not in spent]
    return left[0] if left else SPENT


def steps_beyond(approval: Approval, authority: Authority) -> list[str]:
    """The ids of a plan's steps that this person may not approve: another field, or a tier above. They can go."""
    if approval.item_type != ItemType.PLAN or approval.proposal is None:
        return []
    required_stages = required_stages_of(approval)
    steps = [(str(one["id"]), int(str(one["tier"])), str(one["domain"])) for one in plans.running(approval.proposal)]
    # What is another stage's to read is beyond nobody.
    return [
        step
        for step, tier, field in steps
        if not authority.reaches(tier, field) and not includes_queue(required_stages, tier, field)
    ]


def _claims(approval: Approval, user: User, now: datetime) -> set[str]:
    held = approval.claimed_by_id and approval.claim_until and approval.claim_until > now
    if not held:
        return {"claim"}
    return {"claim", "release_claim"} if approval.claimed_by_id == user.pk else {"take_over"}
