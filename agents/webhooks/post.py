"""One POST to an endpoint: no redirect, no proxy, no more of the answer than its status, and 15 seconds in all.

The name is resolved once, every address that it has is checked, and the connection goes to the checked ones: a name
that means something else a moment later is not asked again. Host and certificate are those of the name.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Self

import httpcore

from agents.webhooks import addresses
from agents.webhooks.addresses import Target

PATIENCE = 15.0  # seconds for the whole of it
_CONNECT = 5.0  # seconds for each of a name's addresses
_AFTERWARDS = 1.0  # seconds for the body, once the status is there
_READ_AT_MOST = 16 * 1024  # of an answer's body, so that the connection can be used again
_LOOKUPS = 64
_USER_AGENT = "Assent-Webhooks/1"

Resolve = Callable[[str, int], Sequence[str]]


class Unanswered(Exception):
    """No answer came: the sentence says why."""


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """An endpoint's answer; its body is nobody's business. `wait` is what Retry-After wishes."""

    status: int
    seconds: float
    wait: timedelta | None = None


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system resolves it. Raises OSError."""
    resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in resolved))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to a name's addresses after they were checked, and to nothing else."""

    def __init__(self, target: Target, resolve: Resolve, threads: ThreadPoolExecutor) -> None:
        self._target, self._resolve, self._threads = target, resolve, threads
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            resolved = await loop.run_in_executor(self._threads, self._resolve, host, port)
        except (OSError, UnicodeError) as error:
            raise Unanswered(f"{host} could not be resolved: {error}") from error
        refused: Exception = Unanswered(f"{host} has no address")
        for address in addresses.allowed(self._target, resolved):
            try:
                return await self._network.connect_tcp(str(address), port, _CONNECT, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
        raise refused


class Poster:
    """Connections to endpoints, kept open between webhooks. Use it as an asynchronous context."""

    def __init__(
        self, *, resolve: Resolve = resolve, trust: ssl.SSLContext | None = None, patience: float = PATIENCE
    ) -> None:
        self._resolve, self._trust, self._patience = resolve, trust, patience
        # A name server that hangs holds a thread: never those that others need.
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="resolve")
        self._pools: dict[tuple[str, str, int], httpcore.AsyncConnectionPool] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> EndpointAnswer:
        """Send it. Raises Forbidden where no webhook goes, Unanswered when no answer came in time."""
        target = addresses.read(url)
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                return await self._post(target, body, headers, start)
        except (TimeoutError, httpcore.TimeoutException):
            raise Unanswered(f"no answer within {self._patience:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
            raise Unanswered(str(error) or type(error).__name__) from error

    async def _post(self, target: Target, body: bytes, headers: Mapping[str, str], start: float) -> EndpointAnswer:
        host = f"[{target.host}]" if ":" in target.host else target.host
        usual = {"https": 443, "http": 80}[target.scheme]
        sent = {
            "Host": host if target.port == usual else f"{host}:{target.port}",
            "User-Agent": _USER_AGENT,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }
        pool = await self._pool(target)
        address = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        async with pool.stream("POST", address, headers=list(sent.items()), content=body) as response:
            answer = EndpointAnswer(response.status, time.monotonic() - start, _wait(response.headers))
            with suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
                async with asyncio.timeout(_AFTERWARDS):
                    await _read(response)
        return answer

    async def _pool(self, target: Target) -> httpcore.AsyncConnectionPool:
        origin = (target.scheme, target.host, target.port)
        if origin not in self._pools:
            if target.scheme == "https" and self._trust is None:
                self._trust = _authorities()
            self._pools[origin] = await self._stack.enter_async_context(
                httpcore.AsyncConnectionPool(
                    ssl_context=self._trust,
                    keepalive_expiry=5,
                    network_backend=CheckedBackend(target, self._resolve, self._threads),
                )
            )
        return self._pools[origin]


async def _read(response: httpcore.Response) -> None:
    """Read the body to its end, so that the connection is used again; whoever answers without end is cut off."""
    read = 0
    async for part in response.aiter_stream():
        read += len(part)
        if read > _READ_AT_MOST:
            return


@cache
def _authorities() -> ssl.SSLContext:
    # Loading them takes longer than a webhook.
    return httpcore.default_ssl_context()


def _wait(headers: Sequence[tuple[bytes, bytes]]) -> timedelta | None:
    """Retry-After in either of its forms (RFC 9110, 10.2.3); None without one that can be read."""
    for name, value in headers:
        if name.lower() == b"retry-after":
            text = value.decode("latin-1").strip()
            if text.isascii() and text.isdecimal() and len(text) < 8:
                return timedelta(seconds=int(text))
            try:
                at = parsedate_to_datetime(text)
            except ValueError:
                return None
            return max(timedelta(0), at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC))
    return None
