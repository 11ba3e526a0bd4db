"""Server-sent events of an agent's own requests.

The number of an event is its place in history, so `Last-Event-ID` resumes after any interruption
with nothing lost and nothing twice. One task of a process reads for all of its streams, in one query; a stream that
resumes far back first reads on its own until it has caught up.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from uuid import UUID
from weakref import WeakKeyDictionary

from django.http import HttpResponse

from agents import feed, keys, send_buffer, threads
from agents.asgi import Send
from agents.keys import Caller
from agents.models import Scope as KeyScope
from agents.problems import Problem, invalid
from approvals.history import seal
from approvals.values.schema import Fault

KEEP_ALIVE = 15.0  # seconds without an event, after which a comment says that the stream lives
TICK = 0.5  # seconds between two looks; the sealer numbers what was committed within a second
KEY_CHECK = 1.5  # seconds; with the two for which a key is remembered, a revocation holds within five
MOST_BEHIND = 1 << 20  # bytes that a slow reader may leave lying in this process
MOST_QUEUED = 1000  # events
MOST_STREAMS = 100  # of one key in one process

_OPENED = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Where a stream begins (None: from now on), and which types of events it wants (none named: all)."""

    after: int | None
    types: frozenset[str]


@dataclass(eq=False, slots=True)
class Stream:
    """One open connection. `position` is the last number that it has been given or passed over."""

    caller: Caller
    secret: str
    position: int
    queued: list[feed.FeedEvent] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: str = ""

    def give(self, event: feed.FeedEvent) -> None:
        if event.number > self.position:
            self.position = event.number
            self.queued.append(event)
            if len(self.queued) > MOST_QUEUED:
                self.end("too slow; resume after the last event")
            self.news.set()

    def end(self, why: str) -> None:
        self.ended = why
        self.news.set()


@dataclass(eq=False)
class Hub:
    """The streams of one event loop, and the task that reads for them up to `position`."""

    streams: dict[UUID, set[Stream]] = field(default_factory=dict)
    position: int = 0
    # Nobody joins during a reading: it was not read for whoever came after it began, and would be passed over.
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    watch: asyncio.Task[None] | None = None

    async def join(self, stream: Stream) -> bool:
        """Have it given what comes after its position; False where it has to read first what others had already."""
        async with self.reading:
            if not self.streams:
                self.position = stream.position
            elif stream.position < self.position:
                return False
            if stream.caller.agent_id is not None:
                self.streams.setdefault(stream.caller.agent_id, set()).add(stream)
            if self.watch is None or self.watch.done():
                self.watch = asyncio.create_task(self._watch())
            return True

    def leave(self, stream: Stream) -> None:
        if stream.caller.agent_id is None:
            return
        those = self.streams.get(stream.caller.agent_id, set())
        those.discard(stream)
        if not those:
            self.streams.pop(stream.caller.agent_id, None)

    def of_key(self, caller: Caller) -> int:
        """How many streams this key has open here."""
        those = self.streams.get(caller.agent_id, ()) if caller.agent_id else ()
        return sum(one.caller.key_id == caller.key_id for one in those)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while self.streams:
            try:
                whole = await self._read()
                if loop.time() - checked >= KEY_CHECK:
                    checked = loop.time()
                    await self._check()
            except Exception:
                logger.exception("The event streams could not be read for; again in a moment.")
                whole = True
            if whole:
                await asyncio.sleep(TICK)

    async def _read(self) -> bool:
        async with self.reading:
            page = await threads.reads.run(feed.read, list(self.streams), self.position)
            self.position = page.upto
        for event in page.events:
            for stream in self.streams.get(event.agent_id, ()):
                stream.give(event)
        return page.whole

    async def _check(self) -> None:
        """End the streams of keys that are no longer in force."""
        everyone = [stream for those in self.streams.values() for stream in those]
        callers = await threads.reads.run(keys.who_all, {stream.secret for stream in everyone})
        for stream in everyone:
            caller = callers.get(stream.secret)
            if caller is None or KeyScope.READ not in caller.scopes:
                stream.end("the key is no longer in force")


hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running loop."""
    return hubs.setdefault(asyncio.get_running_loop(), Hub())


class EventStream(HttpResponse):
    """An answer that goes on: the door has it serve itself."""

    def __init__(self, caller: Caller, secret: str, wish: StreamOptions) -> None:
        super().__init__(headers=_OPENED)
        self.stream = Stream(caller, secret, start_number(wish))
        self.types = wish.types

    async def serve(self, gone: "asyncio.Future[None]", send: Send) -> None:
        """Send what happens until nobody listens any more."""
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await _serve(self.stream, self.types, gone, send)
        finally:
            hub().leave(self.stream)


def within_streams(caller: Caller) -> None:
    """Raises Problem 429 where the key has as many streams as it may."""
    if hub().of_key(caller) >= MOST_STREAMS:
        raise Problem(429, "too_many_streams", f"This key has {MOST_STREAMS} streams open.")


async def _serve(stream: Stream, types: frozenset[str], gone: "asyncio.Future[None]", send: Send) -> None:
    say = partial(_say, send)
    await say(b"retry: 1000\n\n")
    caught_up = False
    while not caught_up and not gone.done():
        page = await threads.reads.run(feed.read, [stream.caller.agent_id], stream.position)
        stream.position = page.upto
        await say(feed.lines(page.events, types) or b": reading\n\n")
        if await send_buffer.is_stuck(send, MOST_BEHIND, gone):
            send_buffer.cut(send)
            return
        caught_up = page.whole and await hub().join(stream)
    while not gone.done():
        queued, stream.queued = stream.queued, []
        stream.news.clear()
        if content := feed.lines(queued, types):
            await say(content)
        if stream.ended:
            await send({"type": "http.response.body", "body": f": {stream.ended}\n\n".encode(), "more_body": False})
            return
        if send_buffer.unsent(send) > MOST_BEHIND:
            logger.info("An event stream of %s is too slow and is cut.", stream.caller.agent_name)
            send_buffer.cut(send)
            return
        await _wait_for_news(stream.news, gone, say)


async def _wait_for_news(
    news: asyncio.Event, gone: "asyncio.Future[None]", say: Callable[[bytes], Awaitable[None]]
) -> None:
    """Sleep until there is news or nobody listens any more, with a sign of life now and then."""
    waiting: asyncio.Future[Literal[True]] = asyncio.ensure_future(news.wait())
    either: set[asyncio.Future[Any]] = {waiting, gone}
    try:
        while not (await asyncio.wait(either, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED))[0]:
            await say(b": alive\n\n")
    finally:
        waiting.cancel()


async def _say(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def start_number(wish: StreamOptions) -> int:
    """The number after which the stream begins. Raises Problem 422 for one that was not given yet."""
    last = seal.feed()
    if wish.after is None:
        return last
    if wish.after > last:
        raise invalid([Fault("/after", f"The newest event has the number {last}.")])
    return wish.after


def stream_options(query: Mapping[str, list[str]], last_event_id: str | None) -> StreamOptions:
    """What the query and the header ask for; of `Last-Event-ID` and `after` the header, which is later, counts.

    Raises Problem 422.
    """
    faults = [Fault(f"/{name}"[:200], "This parameter is not known.") for name in query.keys() - {"after", "types"}]
    faults += [Fault(f"/{name}", "Give this parameter once.") for name, values in query.items() if len(values) > 1]
    after = None
    for pointer, given in (("/after", query.get("after", [None])[0]), ("/Last-Event-ID", last_event_id)):
        if given and re.fullmatch(r"[0-9]{1,18}", given):
            after = int(given)
        elif given is not None and (given or pointer == "/after"):
            faults.append(Fault(pointer, "The number of an event."))
    types = frozenset(one for one in query.get("types", [""])[0].split(",") if one)
    unknown = sorted(types - set(feed.NAMES))
    if unknown:
        faults.append(Fault("/types", f"Of {', '.join(feed.NAMES)}, separated by commas."))
    if faults:
        raise invalid(faults)
    return StreamOptions(after, types)
