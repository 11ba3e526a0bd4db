"""A reviewer asks the agent about an approval, and the agent answers. No deadline waits for the answer."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.db.ids import new_id
from approvals.decisions.card_version import load
from approvals.errors import BadVerdict, NoLongerPending, NotAllowed, ReviewError
from approvals.history import audit, recorded
from approvals.history.facts import QuestionAnswered, QuestionAsked
from approvals.models import Agent, AgentQuestion, User
from approvals.models.states import Status
from approvals.notify import outbox
from approvals.people import access, authorities
from approvals.values import texts
from approvals.values.schema import Fault, Json

MOST = 20  # unanswered ones of an approval
_NEXT = 50


class AnsweredDifferently(ReviewError):
    """Another answer was given before; the first one stands."""


@transaction.atomic
def ask(approval_id: UUID, *, by: User, text: str) -> AgentQuestion:
    """Ask the agent about a pending approval. Raises NotAllowed, NoLongerPending, BadVerdict."""
    now = times.now()
    approval = load(approval_id)
    if "ask" not in access.actions_for(approval, by, now=now):
        if not authorities.authority_of(by).reviewed_its_queues(approval):
            raise NotAllowed
        raise NoLongerPending(approval)
    clean_text = _checked(text)
    if approval.inquiries.filter(answered_at=None).count() >= MOST:
        raise BadVerdict([Fault("/text", _("The agent has not answered %(most)d questions yet.") % {"most": MOST})])
    inquiry = AgentQuestion(id=new_id(), approval=approval, user=by, text=clean_text, asked_at=now)
    moved = audit.move_one(
        audit.Move(
            approval.pk,
            QuestionAsked(question=inquiry.pk),
            audit.Actor.person(by),
            expect={"status": Status.PENDING},
            digests=recorded.related_digests(question=inquiry),
        ),
        now=now,
        guard=audit.UNLESS_OVER,
    )
    if not moved:
        raise NoLongerPending(load(approval_id))
    inquiry.seq = moved.event_seq
    inquiry.save(force_insert=True)
    outbox.publish(
        [
            outbox.AgentMessage(
                approval.agent_id,
                outbox.ASKED,
                {"request": str(approval.request_id), "item": approval.item, "question": str(inquiry.pk)},
                approval.pk,
                approval.request.callback_url,
            )
        ]
    )
    return inquiry


@transaction.atomic
def answer(inquiry: AgentQuestion, *, by: Agent, text: str) -> AgentQuestion:
    """Give the agent's answer; the same again is fine. Raises AnsweredDifferently, BadVerdict."""
    now = times.now()
    clean_text = _checked(text, field="/answer")
    inquiry = AgentQuestion.objects.select_for_update().get(pk=inquiry.pk)
    if inquiry.answered_at is not None:
        if inquiry.answer == clean_text:
            return inquiry
        raise AnsweredDifferently("This question was answered before; the first answer stands.")
    inquiry.answer, inquiry.answered_at = clean_text, now
    inquiry.read_at = inquiry.read_at or now
    inquiry.save(update_fields=["answer", "answered_at", "read_at"])
    audit.move_one(
        audit.Move(
            inquiry.approval_id,
            QuestionAnswered(question=inquiry.pk),
            audit.Actor.of(by),
            expect={},
            digests=recorded.related_digests(answer=inquiry),
        ),
        now=now,
    )
    return inquiry


def unanswered(requests: Iterable[UUID]) -> list[AgentQuestion]:
    """The unanswered questions about what still waits in these requests, oldest first."""
    return list(
        AgentQuestion.objects.filter(approval__request__in=requests, approval__status=Status.PENDING, answered_at=None)
        .select_related("approval", "user")
        .defer("approval__assessment")
        .order_by("asked_at", "pk")
    )


def mark_read(inquiries: Iterable[AgentQuestion], *, now: datetime) -> bool:
    """Remember that the agent has these questions; True where any of them was new to it."""
    unread = [inquiry.pk for inquiry in inquiries if inquiry.read_at is None]
    return bool(unread) and AgentQuestion.objects.filter(pk__in=unread, read_at=None).update(read_at=now) > 0


def api_question(inquiry: AgentQuestion) -> dict[str, Json]:
    """A question in the words of the API."""
    return {
        "id": str(inquiry.pk),
        "item": inquiry.approval.item,
        "text": inquiry.text,
        "from": inquiry.user.name,
        "asked_at": inquiry.asked_at.isoformat(),
    }


def _checked(text: str, field: str = "/text") -> str:
    clean_text = text.strip()
    if not clean_text:
        raise BadVerdict([Fault(field, _("Write something first."))])
    if faults := texts.too_long(field, clean_text, texts.ACCOUNT):
        raise BadVerdict(faults)
    return clean_text


def answered_for(user: User) -> list[UUID]:
    """What waits for a verdict, of which this person asked and the agent answered: their next work."""
    answered = AgentQuestion.objects.filter(user=user, answered_at__isnull=False, approval__status=Status.PENDING)
    return list(answered.values_list("approval_id", flat=True).distinct()[:_NEXT])
