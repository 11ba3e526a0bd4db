"""The effects that the core yields, carried out in a thread or in an event loop; `aio.drive` drives the flows."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx

from assent.core import Settings
from assent.wire import Answer, Call, Disk, Invoke, NoAnswer, Sleep

T = TypeVar("T")


def headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.key}", "Accept": "application/json", "User-Agent": "assent-python/0.1"}


class Effects:
    """Effects in this thread."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None) -> None:
        self.transport = transport
        self.http = httpx.Client(
            base_url=settings.url, headers=headers(settings), timeout=settings.timeout, transport=transport
        )

    def close(self) -> None:
        self.http.close()

    def _sleep(self, pause: Sleep) -> None:
        time.sleep(pause.seconds)

    def _work(self, disk: Disk) -> object:
        return disk.work()

    def _invoke(self, invocation: Invoke) -> object:
        reply = invocation.function()
        if inspect.isawaitable(reply):
            _close_coroutine(reply)
            raise TypeError("A coroutine function needs AsyncAssent.")
        return reply

    def _call(self, call: Call) -> Answer | NoAnswer:
        try:
            answer = self.http.send(_request(self.http, call))
        except httpx.RequestError as error:
            return lost(error)
        return Answer(answer.status_code, dict(answer.headers), answer.content)


class AsyncEffects:
    """Effects in whatever event loop they are awaited in; each loop has its own connections."""

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

    async def _sleep(self, pause: Sleep) -> None:
        await asyncio.sleep(pause.seconds)

    async def _work(self, disk: Disk) -> object:
        return await _to_its_end(asyncio.to_thread(disk.work))

    async def _invoke(self, invocation: Invoke) -> object:
        reply = invocation.function()
        return await reply if inspect.isawaitable(reply) else reply

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
