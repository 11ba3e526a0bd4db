"""A reviewer asks the agent, and the agent answers. Nobody's deadline waits for it."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import audit, recorded, times
from approvals.ids import new_id
from approvals.models import Agent, Event, Inquiry, User
from approvals.models.approval import Status
from approvals.policy.schema import Fault, Json
from approvals.review import access, outbox
from approvals.review.decisions import load
from approvals.review.errors import BadVerdict, NoLongerPending, NotAllowed, ReviewError

LONGEST = 4000
MOST = 20  # unanswered ones of an approval
_NEXT = 50


class AnsweredOtherwise(ReviewError):
    """Another answer was given before; the first one stands."""


@transaction.atomic
def ask(approval_id: UUID, *, by: User, text: str) -> Inquiry:
    """Ask the agent about a pending approval. Raises NotAllowed, NoLongerPending, BadVerdict."""
    now = times.now()
    approval = load(approval_id)
    if "ask" not in access.actions_for(approval, by, now=now):
        if not access.authority_of(by).was_asked(approval):
            raise NotAllowed
        raise NoLongerPending(approval)
    said = _checked(text)
    if approval.inquiries.filter(answered_at=None).count() >= MOST:
        raise BadVerdict([Fault("/text", _("The agent has not answered %(most)d questions yet.") % {"most": MOST})])
    inquiry = Inquiry(id=new_id(), approval=approval, user=by, text=said, asked_at=now)
    moved = audit.move(
        [
            audit.Move(
                approval.pk,
                Event.Kind.ASKED,
                audit.Actor.person(by),
                expect={"status": Status.PENDING},
                facts={"question": str(inquiry.pk)},
                digests=recorded.beside(question=inquiry),
            )
        ],
        now=now,
        guard=audit.UNLESS_OVER,
    )
    if not moved:
        raise NoLongerPending(load(approval_id))
    inquiry.seq = moved[0].event_seq
    inquiry.save(force_insert=True)
    outbox.tell(
        [
            outbox.News(
                approval.agent_id,
                outbox.ASKED,
                {"request": str(approval.pause_id), "item": approval.item, "question": str(inquiry.pk)},
                approval.pk,
                approval.pause.callback_url,
            )
        ]
    )
    return inquiry


@transaction.atomic
def answer(inquiry: Inquiry, *, by: Agent, text: str) -> Inquiry:
    """Give the agent's answer; the same again is fine. Raises AnsweredOtherwise, BadVerdict."""
    now = times.now()
    said = _checked(text, field="/answer")
    inquiry = Inquiry.objects.select_for_update().get(pk=inquiry.pk)
    if inquiry.answered_at is not None:
        if inquiry.answer == said:
            return inquiry
        raise AnsweredOtherwise("This question was answered before; the first answer stands.")
    inquiry.answer, inquiry.answered_at = said, now
    inquiry.read_at = inquiry.read_at or now
    inquiry.save(update_fields=["answer", "answered_at", "read_at"])
    audit.move(
        [
            audit.Move(
                inquiry.approval_id,
                Event.Kind.ANSWERED,
                audit.Actor.of(by),
                expect={},
                facts={"question": str(inquiry.pk)},
                digests=recorded.beside(answer=inquiry),
            )
        ],
        now=now,
    )
    return inquiry


def waiting(pauses: Iterable[UUID]) -> list[Inquiry]:
    """The unanswered questions about what still waits in these pauses, oldest first."""
    return list(
        Inquiry.objects.filter(approval__pause__in=pauses, approval__status=Status.PENDING, answered_at=None)
        .select_related("approval", "user")
        .defer("approval__assessment")
        .order_by("asked_at", "pk")
    )


def fetched(inquiries: Iterable[Inquiry], *, now: datetime) -> bool:
    """Remember that the agent has these questions; True where any of them was new to it."""
    unread = [one.pk for one in inquiries if one.read_at is None]
    return bool(unread) and Inquiry.objects.filter(pk__in=unread, read_at=None).update(read_at=now) > 0


def told(inquiry: Inquiry) -> dict[str, Json]:
    """A question in the words of the API."""
    return {
        "id": str(inquiry.pk),
        "item": inquiry.approval.item,
        "text": inquiry.text,
        "from": inquiry.user.name,
        "asked_at": inquiry.asked_at.isoformat(),
    }


def _checked(text: str, field: str = "/text") -> str:
    said = text.strip()
    if not said:
        raise BadVerdict([Fault(field, _("Write something first."))])
    if len(said) > LONGEST:
        raise BadVerdict([Fault(field, _("At most %(most)d characters.") % {"most": LONGEST})])
    return said


def answered_for(user: User) -> list[UUID]:
    """What waits for a verdict, of which this person asked and the agent answered: their next work."""
    answered = Inquiry.objects.filter(user=user, answered_at__isnull=False, approval__status=Status.PENDING)
    return list(answered.values_list("approval_id", flat=True).distinct()[:_NEXT])
