"""Agents that wait for a decision, without a thread of their own: a small ASGI application beside Django.

An async Django view pins a thread for every wait: 800 waits, 801 threads. Here the process's waker looks for all.
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs
from uuid import UUID

from django.db.models import Exists, OuterRef

from agents import problems
from agents.auth import agent_behind, limited, secret_in
from agents.beside import Receive, Reply, Scope, Send, answer, header, refusal
from agents.keys import Caller
from agents.models import Scope as KeyScope
from agents.problems import Problem, invalid, not_found
from agents.waker import Waiter, in_thread, waker
from approvals import times
from approvals.models import Inquiry, Pause
from approvals.models.approval import Status
from approvals.policy.schema import Fault
from approvals.review import answers, inquiries

LONGEST = 60.0  # seconds
_PLACE = re.compile(r"^/api/v1/requests/([0-9a-fA-F-]{36})/decision$")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """A request's decision at one moment: 200 with the stored bytes, or 202 with what is settled and what is asked.

    `asked` is True where a reviewer's question is told for the first time.
    """

    status: int
    body: bytes
    open_items: int = 0
    asked: bool = False


def look(pk: UUID, agent_id: UUID | None) -> Look:
    """The decision as it stands. Raises Problem 404 for what is not this agent's."""
    # One query for whoever only waits: thousands ask again every minute.
    open_ = Inquiry.objects.filter(approval__pause=OuterRef("pk"), approval__status=Status.PENDING, answered_at=None)
    own = Pause.objects.filter(pk=pk, agent=agent_id).defer("resume", "labels", "callback_url")
    pause = own.annotate(is_asked=Exists(open_)).first()
    if pause is None:
        raise not_found()
    if pause.answer:
        return Look(200, pause.answer.encode())
    questions = inquiries.waiting([pause.pk]) if pause.is_asked else []
    told = answers.partial(pause, [inquiries.told(one) for one in questions])
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    asked = inquiries.fetched(questions, now=times.now()) if questions else False
    # Whoever takes the answer all at once is not woken by a part of it.
    return Look(202, body, pause.open_items if pause.decide == Pause.Decide.INDEPENDENTLY else 0, asked)


def is_waiting(scope: Mapping[str, object]) -> bool:
    """True for a decision that is read with `wait`; without it Django answers as always."""
    if scope["method"] != "GET" or not _PLACE.match(str(scope["path"])):
        return False
    return "wait" in _query(scope)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """GET /api/v1/requests/{id}/decision?wait=seconds."""
    try:
        found = await _answer(scope, receive)
        if found is not None:
            await answer(send, Reply(found.status, found.body))
    except Problem as problem:
        problems.log(problem, f"GET {scope['path']}")
        await answer(send, refusal(problem))
    except Exception:
        logger.exception("GET %s failed", ascii(str(scope["path"])[:200]))
        await answer(send, refusal(Problem(500, "internal_error", "Something went wrong here. Ask again.")))


async def _answer(scope: Scope, receive: Receive) -> Look | None:
    """What to say after at most the wished time; None when the agent has gone."""
    secret = secret_in(header(scope, b"authorization") or "")
    caller = await in_thread(_admit, secret)
    seconds, pk = _seconds(scope), _wanted(scope)
    room = waker()
    # Joined before the first look: what is settled between look and wait is not missed.
    waiter = Waiter(pk, asyncio.get_running_loop().create_future())
    room.join(waiter)
    try:
        found = await in_thread(look, pk, caller.agent_id)
        waiter.open_items = found.open_items
        if found.status == 200 or found.asked or not seconds:
            return found
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({gone, waiter.woken}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return None
            if not waiter.woken.done():
                return found
        finally:
            gone.cancel()
        # The key may have been revoked meanwhile, and the decision is not for whoever holds it now.
        return await in_thread(_look_again, secret, pk)
    finally:
        room.leave(waiter)


def _admit(secret: str) -> Caller:
    caller = agent_behind(secret, KeyScope.READ)
    limited(caller)
    return caller


def _look_again(secret: str, pk: UUID) -> Look:
    return look(pk, agent_behind(secret, KeyScope.READ).agent_id)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _query(scope: Mapping[str, object]) -> dict[str, list[str]]:
    raw = scope.get("query_string", b"")
    return parse_qs(raw.decode("latin-1") if isinstance(raw, bytes) else "", keep_blank_values=True)


def _seconds(scope: Scope) -> float:
    query = _query(scope)
    faults = [Fault(f"/{name}"[:200], "This parameter is not known.") for name in query if name != "wait"]
    given = query["wait"]
    if not faults and len(given) == 1 and re.fullmatch(r"\d{1,3}(\.\d{1,3})?", given[0]):
        seconds = float(given[0])
        if seconds <= LONGEST:
            return seconds
    raise invalid(faults or [Fault("/wait", f"Seconds from 0 to {LONGEST:.0f}.")])


def _wanted(scope: Scope) -> UUID:
    place = _PLACE.match(str(scope["path"]))
    try:
        return UUID(place.group(1) if place else "")
    except ValueError:
        raise not_found() from None
