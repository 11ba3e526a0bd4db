"""The queue of post-reviews: which approvals are in it, who sees them, and who may record a finding.

A look approves nothing. It is written in the transaction that lets the thing run, so nothing runs unseen.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from approvals.db import bulk
from approvals.models import Approval, ApprovalRequest, PostReview, User
from approvals.models.policy import Silence
from approvals.models.states import ItemType
from approvals.people import access, authorities
from approvals.policy import sampling
from approvals.requests.evaluation import Evaluation

TIMED = (PostReview.Why.VETO, PostReview.Why.REVIEW)  # whose rows say until when
# What the run of these is asked to undo as soon as it has ended, though it was still under way when somebody objected.
RAN_BEFORE_REVIEW = TIMED


def why_of(evaluation: Evaluation) -> str:
    """An Audit.Why of what policy lets pass, empty for none: what the route says, else whether it is drawn."""
    if evaluation.routing.post_review or evaluation.item.item_type != ItemType.ACTION:
        return evaluation.routing.post_review
    share = sampling.drawn_share(evaluation.routing, evaluation.type, evaluation.standing)
    drawn = share > 0 and sampling.is_drawn(evaluation.id, share, settings.SECRET_KEY)
    return PostReview.Why.SAMPLED if drawn else ""


def new_post_review(approval: Approval, evaluation: Evaluation, why: str, *, now: datetime) -> PostReview:
    """The unsaved row of what policy lets pass. The window is the action type's: no agent shortens it."""
    look = _made(approval, why, run=approval.request.run_id, until=now + evaluation.type.expires_after, now=now)
    approval.post_review = look  # the answer to the agent tells of it
    return look


def open_after_silence(approvals: Sequence[Approval], *, now: datetime) -> None:
    """Open a look at each of those that run because nobody answered, where that is what was agreed."""
    ran = [approval for approval in approvals if approval.on_timeout == Silence.PROCEED]
    if not ran:
        return
    runs = dict(ApprovalRequest.objects.filter(pk__in={one.request_id for one in ran}).values_list("pk", "run"))
    bulk.insert([_made(one, PostReview.Why.SILENCE, run=runs[one.request_id], until=None, now=now) for one in ran])


def _made(approval: Approval, why: str, *, run: object, until: datetime | None, now: datetime) -> PostReview:
    return bulk.new_row(
        PostReview,
        approval=approval,
        why=why,
        tier_id=approval.tier_id,
        domain_id=approval.domain_id,
        run_id=run,
        opened_at=now,
        until=until if why in TIMED else None,
    )


# --- Who looks


def open_reviews_of(user: User, authority: authorities.Authority | None = None) -> QuerySet[PostReview]:
    """Every open look that this person sees: of their queues and of the agents they operate, all for who sees all."""
    authority = authority or authorities.authority_of(user)
    post_reviews = PostReview.objects.filter(finding=PostReview.Finding.OPEN)
    if authority.sees_all:
        return post_reviews
    return post_reviews.filter(access.in_queues_of(authority) | Q(approval__agent__in=authority.operates))


# A run is reviewed as a whole: until it has ended nobody has to look.
DUE = ~Q(why=PostReview.Why.REVIEW) | Q(run__ended_at__isnull=False) | Q(run__stopped_at__isnull=False)


def due_reviews_of(user: User, authority: authorities.Authority | None = None) -> QuerySet[PostReview]:
    """What waits for this person's look now."""
    return open_reviews_of(user, authority).filter(DUE)


def may_review(audit: PostReview, authority: authorities.Authority) -> bool:
    """True where this person may say what was found: who could have decided it, and does not operate the agent."""
    return authority.reaches(audit.tier_id, audit.domain_id) and audit.approval.agent_id not in authority.operates


def has_objection(approval_id: UUID) -> bool:
    """True where a person objected to what goes ahead by this approval: what it does is to be undone."""
    return PostReview.objects.filter(
        pk=approval_id, why__in=RAN_BEFORE_REVIEW, finding=PostReview.Finding.FLAGGED
    ).exists()
