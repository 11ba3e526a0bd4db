"""Agents that wait for a decision, without a thread of their own: a small ASGI application beside Django.

An async Django view pins a thread for every wait: 800 waits, 801 threads. Here the process's waker looks for all.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qs
from uuid import UUID

from django.db.models import Exists, OuterRef

from agents import problems
from agents.asgi import Receive, Reply, Scope, Send, header, refusal, send_reply
from agents.auth import agent_behind, limited, secret_in
from agents.keys import Caller
from agents.long_poll import Waiter, in_thread, waker
from agents.models import Scope as KeyScope
from agents.problems import Problem, invalid, not_found
from approvals.db import times
from approvals.decisions import agent_questions
from approvals.models import AgentQuestion, ApprovalRequest
from approvals.models.approval import Status
from approvals.requests import decision_document
from approvals.values.compact import compact
from approvals.values.schema import Fault, Json

LONGEST = 60.0  # seconds
FIRST = "1 for the first document, 0 for the newest."
_DECISION_PATH = re.compile(r"^/api/v1/requests/([0-9a-fA-F-]{36})/decision$")

logger = logging.getLogger(__name__)


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


def is_waiting(scope: Mapping[str, object]) -> bool:
    """True for a decision that is read with `wait`; without it Django answers as always."""
    if scope["method"] != "GET" or not _DECISION_PATH.match(str(scope["path"])):
        return False
    return "wait" in _query(scope)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """GET /api/v1/requests/{id}/decision?wait=seconds&first=1."""
    try:
        current = await _answer(scope, receive)
        if current is not None:
            await send_reply(send, Reply(current.status, current.body))
    except Problem as problem:
        problems.log(problem, f"GET {scope['path']}")
        await send_reply(send, refusal(problem))
    except Exception:
        logger.exception("GET %s failed", ascii(str(scope["path"])[:200]))
        await send_reply(send, refusal(Problem(500, "internal_error", "Something went wrong here. Ask again.")))


async def _answer(scope: Scope, receive: Receive) -> DecisionState | None:
    """What to say after at most the wished time; None when the agent has gone."""
    secret = secret_in(header(scope, b"authorization") or "")
    caller = await in_thread(_admit, secret)
    seconds, pk = _seconds(scope), _request_id(scope)
    first = _first(scope)
    room = waker()
    # Joined before the first look: what is settled between look and wait is not missed.
    waiter = Waiter(pk, asyncio.get_running_loop().create_future())
    room.join(waiter)
    try:
        current = await in_thread(partial(read_decision, first=first), pk, caller.agent_id)
        waiter.left = current.left
        if current.status == 200 or current.has_questions or not seconds:
            return current
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({gone, waiter.woken}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return None
            if not waiter.woken.done():
                return current
        finally:
            gone.cancel()
        # The key may have been revoked meanwhile, and the decision is not for whoever holds it now.
        return await in_thread(partial(_read_decision_again, first=first), secret, pk)
    finally:
        room.leave(waiter)


def _admit(secret: str) -> Caller:
    caller = agent_behind(secret, KeyScope.READ)
    limited(caller)
    return caller


def _read_decision_again(secret: str, pk: UUID, *, first: bool) -> DecisionState:
    return read_decision(pk, agent_behind(secret, KeyScope.READ).agent_id, first=first)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _query(scope: Mapping[str, object]) -> dict[str, list[str]]:
    raw = scope.get("query_string", b"")
    return parse_qs(raw.decode("latin-1") if isinstance(raw, bytes) else "", keep_blank_values=True)


def _seconds(scope: Scope) -> float:
    query = _query(scope)
    unknown = [name for name in query if name not in ("wait", "first")]
    faults = [Fault(f"/{name}"[:200], "This parameter is not known.") for name in unknown]
    given = query["wait"]
    if not faults and len(given) == 1 and re.fullmatch(r"\d{1,3}(\.\d{1,3})?", given[0]):
        seconds = float(given[0])
        if seconds <= LONGEST:
            return seconds
    raise invalid(faults or [Fault("/wait", f"Seconds from 0 to {LONGEST:.0f}.")])


def _first(scope: Scope) -> bool:
    """Whether the first document is meant. Raises Problem 422 for anything but 1 or 0, once."""
    given = _query(scope).get("first", ["0"])
    if given not in (["0"], ["1"]):
        raise invalid([Fault("/first", FIRST)])
    return given == ["1"]


def _request_id(scope: Scope) -> UUID:
    match = _DECISION_PATH.match(str(scope["path"]))
    try:
        return UUID(match.group(1) if match else "")
    except ValueError:
        raise not_found() from None
