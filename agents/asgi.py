"""What the small ASGI applications beside Django share: a request's headers and body, and an answer as bytes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TypeAlias

from agents import problems
from agents.problems import Problem
from approvals.values.compact import compact
from approvals.values.schema import Json

Scope: TypeAlias = MutableMapping[str, object]
Message: TypeAlias = MutableMapping[str, object]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is ready to be sent."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def reply(document: Json, status: int, headers: Mapping[str, str]) -> Reply:
    return Reply(status, _bytes(document), headers=headers)


def refusal(problem: Problem, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        problem.status_code,
        _bytes(problem.document()),
        problems.MEDIA_TYPE,
        {**(headers or {}), **problem.headers},
    )


def header(scope: Mapping[str, object], header_name: bytes) -> str | None:
    """A header as Django reads it: of several with one name, all of them, joined."""
    headers = scope["headers"]
    if not isinstance(headers, Iterable):
        return None
    values = [str(value, "latin-1") for name, value in headers if name == header_name]
    return ",".join(values) if values else None


async def body_of(receive: Receive, most: int) -> bytes | None:
    """The body, one byte more than `most` of it where it is longer; None when the caller has gone."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if isinstance(part, bytes) and size <= most:
            parts.append(part[: most + 1 - size])
            size += len(parts[-1])
        if not message.get("more_body"):
            return b"".join(parts)


async def send_reply(send: Send, reply: Reply) -> None:
    fields = {
        "Content-Type": reply.kind,
        "Content-Length": str(len(reply.body)),
        "Cache-Control": "no-store",
        **reply.headers,
    }
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
    await send({"type": "http.response.body", "body": reply.body})


def _bytes(document: Json) -> bytes:
    return compact(document).encode()
