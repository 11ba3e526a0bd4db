"""Who sees an approval, and what each person may do with it now. Templates and views ask here and compare no roles."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Least

from approvals import times
from approvals.models import Approval, Domain, Run, Tier, User, Vote
from approvals.models.approval import OPEN, Kind, Source, Status, Subject, queue_name
from approvals.models.policy import Gate, Reversibility, Verdict
from approvals.review import plans

_TALK = frozenset({"escalate", "comment", "ask"})
_MAY_HAVE_RUN = frozenset({Status.RELEASED, Status.EXECUTED, Status.FAILED, Status.COMPENSATED})


@dataclass(frozen=True, slots=True)
class Authority:
    """A person's rights as the database has them now. `reviews` pairs a tier with a domain, None for every domain."""

    user_id: UUID
    reviews: tuple[tuple[int, str | None], ...] = ()
    operates: frozenset[UUID] = frozenset()
    manager: bool = False
    auditor: bool = False
    superuser: bool = False

    @property
    def sees_all(self) -> bool:
        return self.manager or self.auditor

    def reaches(self, tier: int, domain: str) -> bool:
        """True where this person reviews in the domain at that tier or above it."""
        return any(level >= tier and where in (None, domain) for level, where in self.reviews)

    def was_asked(self, approval: Approval) -> bool:
        """True where the approval is, or has been, in a tier of this person's."""
        return self.reaches(approval.tier_id, approval.domain_id) or any(
            level in approval.tiers_visited and where in (None, approval.domain_id) for level, where in self.reviews
        )


NOBODY = Authority(UUID(int=0))


def authority_of(user: User) -> Authority:
    """Read a person's rights; a deactivated person has none."""
    if not user.is_active or not user.pk:
        return NOBODY
    return Authority(
        user_id=user.pk,
        reviews=tuple(user.memberships.values_list("tier_id", "domain_id")),
        operates=frozenset(user.operated_agents.values_list("pk", flat=True)),
        manager=user.is_manager,
        auditor=user.is_auditor,
        superuser=user.is_superuser,
    )


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
    return approvals.filter(_asked(authority) | Q(agent_id__in=authority.operates))


def runs_of(user: User, authority: Authority | None = None) -> QuerySet[Run]:
    """Every run of which this person may read an approval; all of an agent that the person operates."""
    authority = authority or authority_of(user)
    runs = Run.objects.all()
    if authority.sees_all:
        return runs
    read = readable_to(user, authority).filter(pause__run=OuterRef("pk"))
    return runs.filter(Q(agent_id__in=authority.operates) | Exists(read))


def inbox_of(user: User, authority: Authority | None = None) -> QuerySet[Approval]:
    """The open approvals this person's work list shows, least time left first."""
    authority = authority or authority_of(user)
    approvals = Approval.objects.filter(status__in=OPEN)
    if not authority.sees_all:
        approvals = approvals.filter(reached(authority) | Q(agent_id__in=authority.operates))
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
        approvals = approvals.filter(reached(authority) | Q(agent_id__in=authority.operates))
    return approvals.order_by("consumed_at", "pk")


def reached(authority: Authority) -> Q:
    """What lies in the tiers and domains that this person reviews; of rows that name a tier and a domain."""
    wanted = Q(pk__in=[])
    for level, domain in authority.reviews:
        wanted |= Q(tier_id__lte=level) & (Q(domain_id=domain) if domain else Q())
    return wanted


def _asked(authority: Authority) -> Q:
    wanted = reached(authority)
    for level, domain in authority.reviews:
        wanted |= Q(tiers_visited__contains=[level]) & (Q(domain_id=domain) if domain else Q())
    return wanted


def queues_of(user: User, authority: Authority | None = None) -> list[str]:
    """The queues whose changes this person's open pages hear of, by name (`2.finance`)."""
    authority = authority or authority_of(user)
    pairs = [
        (tier, domain)
        for tier in Tier.objects.values_list("pk", flat=True)
        for domain in Domain.objects.values_list("pk", flat=True)
    ]
    if authority.sees_all:
        return [queue_name(*pair) for pair in pairs]
    watched = [pair for pair in pairs if authority.reaches(*pair)]
    if authority.operates:
        routed = Approval.objects.filter(agent_id__in=authority.operates, status__in=OPEN)
        watched += [pair for pair in routed.values_list("tier_id", "domain_id").distinct() if pair not in watched]
    return [queue_name(*pair) for pair in watched]


def sees_content(approval: Approval, user: User, authority: Authority | None = None) -> bool:
    """False for someone who administers the installation and reviews nothing here: metadata only."""
    authority = authority or authority_of(user)
    return authority.sees_all or authority.was_asked(approval) or approval.agent_id in authority.operates


def actions_for(
    approval: Approval, user: User, *, now: datetime | None = None, authority: Authority | None = None
) -> frozenset[str]:
    """What this person may do with this approval at this moment.

    Any of: approve, modify, reject, answer, skip, claim, take_over, release_claim, escalate, comment, ask, snooze,
    undo, guide, incident, confirm, grant.
    """
    authority = authority or authority_of(user)
    now = now or times.now()
    if approval.kind != Kind.REAL and not authority.reaches(approval.tier_id, approval.domain_id):
        return frozenset()
    decides = authority.reaches(approval.tier_id, approval.domain_id) and approval.agent_id not in authority.operates
    talks = authority.was_asked(approval) or approval.agent_id in authority.operates
    beside = frozenset(_beside(approval, authority, decides, now))
    if approval.status == Status.HELD:
        mine = approval.decided_by_id == user.pk and decides
        in_time = approval.hold_until is not None and now < approval.hold_until
        return beside | frozenset({"undo"} if mine and in_time else ()) | frozenset({"comment"} if talks else ())
    if approval.status != Status.PENDING or (approval.expires_at and approval.expires_at <= now):
        return beside | frozenset({"comment"} if talks or authority.manager else ())
    may: set[str] = set(beside)
    if talks:
        may |= _TALK if approval.tier.next_id else _TALK - {"escalate"}
    if authority.manager:
        may.add("comment")
    if decides:
        may |= _verdicts(approval, user, authority)
        may |= _claims(approval, user, now)
        may |= {"snooze"}
        if Verdict.APPROVE in may and grantable(approval):
            may.add("grant")
    return frozenset(may)


def _beside(approval: Approval, authority: Authority, decides: bool, now: datetime) -> set[str]:
    """What may be said whatever became of it: advice for its run, that harm came of it, whether it ran at all."""
    may = {"guide"} if decides and approval.pause.run_id is not None else set()
    if approval.unconfirmed(since=now - settings.ASSENT_CONFIRM_AFTER) and (
        decides or (authority.manager and approval.agent_id not in authority.operates)
    ):
        may.add("confirm")
    if may_have_run(approval) and (decides or authority.manager):
        may.add("incident")
    approved = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY) and approval.source == Source.HUMAN
    if decides and approved and grantable(approval):
        may.add("grant")
    return may


def may_have_run(approval: Approval) -> bool:
    """True where harm can have come of it: what the agent was told it may run, whether or not it has said it did."""
    return (
        approval.kind == Kind.REAL
        and approval.verdict in (Verdict.APPROVE, Verdict.MODIFY)
        and approval.status in _MAY_HAVE_RUN
    )


def _verdicts(approval: Approval, user: User, authority: Authority) -> set[str]:
    voted = (
        approval.votes > 0
        and Vote.objects.filter(approval=approval, revision=approval.revision, round=approval.round, user=user).exists()
    )
    if voted:
        return {"reject"} & set(approval.allowed)
    verdicts = set(approval.allowed)
    proposal = approval.proposal
    if proposal is not None and proposal.author_id == user.pk and approval.approvers > 1:
        # Who modified it may not also be the one who approves the modification alone; the vote counts all the same.
        verdicts -= {Verdict.MODIFY}
    if steps_beyond(approval, authority):
        verdicts -= {Verdict.APPROVE}
    return verdicts


def steps_beyond(approval: Approval, authority: Authority) -> list[str]:
    """The ids of a plan's steps that this person may not approve: another field, or a tier above. They can go."""
    if approval.subject != Subject.PLAN or approval.proposal is None:
        return []
    return [
        str(one["id"])
        for one in plans.running(approval.proposal)
        if not authority.reaches(int(str(one["tier"])), str(one["domain"]))
    ]


def grantable(approval: Approval) -> bool:
    """True where the next ones like it may be approved beforehand: never what a person must always decide."""
    return (
        approval.subject == Subject.ACTION
        and approval.kind == Kind.REAL
        and approval.reversibility != Reversibility.IRREVERSIBLE
        and approval.gate != Gate.MANUAL
        and approval.approvers == 1
        and approval.source != Source.GRANT
    )


def _claims(approval: Approval, user: User, now: datetime) -> set[str]:
    held = approval.claimed_by_id and approval.claim_until and approval.claim_until > now
    if not held:
        return {"claim"}
    return {"claim", "release_claim"} if approval.claimed_by_id == user.pk else {"take_over"}


def batchable(approval: Approval) -> bool:
    """True where the approval may be settled together with others of its kind."""
    return (
        approval.status == Status.PENDING
        and approval.gate not in (Gate.MANUAL, Gate.CLARIFY)
        and approval.approvers == 1
        and not approval.flagged
        and approval.subject == "action"
    )
