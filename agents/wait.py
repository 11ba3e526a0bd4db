"""A request's decision: as it stands, or as soon as there is news of it.

Nobody who waits holds a thread: the process's waker looks for all.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef

from agents import threads
from agents.long_poll import Waiter, waker
from agents.problems import not_found
from approvals.db import times
from approvals.decisions import agent_questions
from approvals.models import AgentQuestion, ApprovalRequest
from approvals.models.states import Status
from approvals.requests import decision_document
from approvals.values.compact import compact
from approvals.values.schema import Json

LONGEST = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class DecisionState:
    """A request's decision at one moment: 200 with the stored bytes, or 202 with what is settled and what is asked.

    `left` counts its open items, less those that were recalled: whatever happens to an item makes it smaller.
    `has_questions` is True where a reviewer's question is told for the first time.
    """

    status: int
    body: bytes
    left: int = 0
    has_questions: bool = False


def read_decision(pk: UUID, agent_id: UUID | None, *, first: bool = False) -> DecisionState:
    """The decision as it stands: the newest document, or the `first`. Raises Problem 404 for another agent's."""
    # One query for whoever only waits: thousands ask again every minute.
    open_ = AgentQuestion.objects.filter(
        approval__request=OuterRef("pk"), approval__status=Status.PENDING, answered_at=None
    )
    own = ApprovalRequest.objects.filter(pk=pk, agent=agent_id).defer("resume", "labels", "callback_url")
    request = own.annotate(is_asked=Exists(open_)).first()
    if request is None:
        raise not_found()
    if request.answer:
        return DecisionState(200, (request.answer if first else decision_document.newest_document(request)).encode())
    questions = agent_questions.unanswered([request.pk]) if request.is_asked else []
    document = decision_document.open_document(request, [agent_questions.api_question(one) for one in questions])
    body = compact(document).encode()
    has_questions = agent_questions.mark_read(questions, now=times.now()) if questions else False
    # Whoever takes the answer all at once is not woken by a part of it. What is recalled is news as what is settled.
    if request.decide != ApprovalRequest.Decide.INDEPENDENTLY:
        return DecisionState(202, body, 0, has_questions)
    recalled = sum(isinstance(item, Mapping) and item["status"] == "recalled" for item in items_of(document))
    return DecisionState(202, body, request.open_items - recalled, has_questions)


def items_of(document: Mapping[str, Json]) -> Sequence[Json]:
    """The items in what an open request says."""
    items = document["items"]
    return items if isinstance(items, Sequence) and not isinstance(items, str) else []


async def until_news(
    pk: UUID, seconds: float, look: Callable[[], DecisionState], look_again: Callable[[], DecisionState]
) -> DecisionState:
    """What `look` says, at once where it is decided or asks something; else what `look_again` says when there is news
    of the request, or the first after so many seconds.
    """
    if not seconds:
        return await threads.reads.run(look)
    room = waker()
    # Joined before the first look: what is settled between look and wait is not missed.
    waiter = Waiter(pk, asyncio.get_running_loop().create_future())
    room.join(waiter)
    try:
        current = await threads.reads.run(look)
        waiter.left = current.left
        if current.status == 200 or current.has_questions:
            return current
        try:
            await asyncio.wait_for(waiter.woken, seconds)
        except TimeoutError:
            return current
        return await threads.reads.run(look_again)
    finally:
        room.leave(waiter)
