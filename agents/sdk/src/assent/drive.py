"""The two drivers: they carry out what the core yields. No rule lives here."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx

from assent.core import Settings
from assent.wire import Answer, Call, Disk, Flow, Invoke, NoAnswer, Sleep

T = TypeVar("T")


def headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.key}", "Accept": "application/json", "User-Agent": "assent-python/0.1"}


class Driver:
    """Carries a flow out in this thread."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None) -> None:
        self.transport = transport
        self.http = httpx.Client(
            base_url=settings.url, headers=headers(settings), timeout=settings.timeout, transport=transport
        )

    def close(self) -> None:
        self.http.close()

    def drive(self, flow: Flow[T]) -> T:
        """Run a flow to its end. Raises what it raises."""
        reply: object = None
        error: Exception | None = None
        try:
            while True:
                try:
                    effect = flow.throw(error) if error else flow.send(reply)
                except StopIteration as end:
                    result: T = end.value
                    return result
                reply, error = None, None
                try:
                    match effect:
                        case Call():
                            reply = self._call(effect)
                        case Sleep():
                            time.sleep(effect.seconds)
                        case Disk():
                            reply = effect.work()
                        case Invoke():
                            reply = effect.function()
                            if inspect.isawaitable(reply):
                                _close_coroutine(reply)
                                raise TypeError("A coroutine function needs AsyncAssent.")
                except Exception as raised:
                    error = raised
        finally:
            flow.close()

    def _call(self, call: Call) -> Answer | NoAnswer:
        try:
            answer = self.http.send(_request(self.http, call))
        except httpx.RequestError as error:
            return lost(error)
        return Answer(answer.status_code, dict(answer.headers), answer.content)


class AsyncDriver:
    """Carries a flow out in whatever event loop it is awaited in; each loop has its own connections."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None) -> None:
        self._settings, self._transport = settings, transport
        self._http: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def http(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._http is None or self._loop is not loop:
            # Connections of a loop that has ended cannot be closed any more; they went with it.
            self._http = httpx.AsyncClient(
                base_url=self._settings.url,
                headers=headers(self._settings),
                timeout=self._settings.timeout,
                transport=self._transport,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            )
            self._loop = loop
        return self._http

    async def close(self) -> None:
        if self._http is not None and self._loop is asyncio.get_running_loop():
            await self._http.aclose()
        self._http = None

    async def drive(self, flow: Flow[T]) -> T:
        """Run a flow to its end. Raises what it raises."""
        reply: object = None
        error: Exception | None = None
        try:
            while True:
                try:
                    effect = flow.throw(error) if error else flow.send(reply)
                except StopIteration as end:
                    result: T = end.value
                    return result
                reply, error = None, None
                try:
                    match effect:
                        case Call():
                            reply = await self._call(effect)
                        case Sleep():
                            await asyncio.sleep(effect.seconds)
                        case Disk():
                            reply = await _to_its_end(asyncio.to_thread(effect.work))
                        case Invoke():
                            reply = effect.function()
                            if inspect.isawaitable(reply):
                                reply = await reply
                except Exception as raised:
                    error = raised
        finally:
            flow.close()

    async def _call(self, call: Call) -> Answer | NoAnswer:
        try:
            http = self.http
            answer = await http.send(_request(http, call))
        except httpx.RequestError as error:
            return lost(error)
        return Answer(answer.status_code, dict(answer.headers), answer.content)


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What short work returns, which goes on when the caller is cancelled, so that nobody sees it half done."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()
        raise cancelled
    return task.result()


def _request(http: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    return http.build_request(
        call.method,
        call.path,
        params=dict(call.params) or None,
        headers=dict(call.headers),
        content=call.content,
        json=call.body,
        timeout=httpx.USE_CLIENT_DEFAULT if call.timeout is None else call.timeout,
    )


def lost(error: httpx.RequestError) -> NoAnswer:
    return NoAnswer(str(error) or type(error).__name__)


def _close_coroutine(awaitable: object) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()
