"""Who sees an approval, and what each person may do with it now. Templates and views ask here and compare no roles."""

from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Least

from approvals.db import times
from approvals.execution import plans
from approvals.models import Approval, Run, Tier, User, Vote
from approvals.models.policy import Verdict
from approvals.models.states import DISGUISED, OPEN, ItemType, Kind, Source, Status, queue_name
from approvals.people import eligibility
from approvals.people.authorities import Authority, Delegation, authority_of
from approvals.policy.stages import includes_queue, required_stages_of

_TALK = frozenset({"escalate", "comment", "ask"})


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
    return approvals.filter(_was_in_queues_of(authority) | _of_operated(authority))


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
        approvals = approvals.filter(in_queues_of(authority) | _of_operated(authority))
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


def _of_operated(authority: Authority) -> Q:
    """What the agents that this person operates proposed, and no test case in their name."""
    return Q(agent_id__in=authority.operates) & ~Q(kind__in=DISGUISED)


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
    mine = approval.agent_id in authority.operates and approval.kind not in DISGUISED
    return authority.sees_all or authority.reviewed_its_queues(approval) or mine


def actions_for(
    approval: Approval, user: User, *, now: datetime | None = None, authority: Authority | None = None
) -> frozenset[str]:
    """What this person may do with this approval at this moment.

    Any of: approve, modify, reject, answer, skip, claim, take_over, release_claim, escalate, comment, ask, snooze,
    undo, recall, guide, incident, confirm, grant.
    """
    authority = authority or authority_of(user)
    now = now or times.now()
    if approval.kind not in (Kind.REAL, *DISGUISED) and not authority.reaches(approval.tier_id, approval.domain_id):
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
