"""The door of calls that wait: a small ASGI application beside Django's handler, for the views that say so.

Django's handler pins a thread for every request, so that 800 waits would hold 801 threads, and it cannot take many
submissions in one transaction. A HeldView is called here without it; authentication, limits, bodies and errors are
the view's own, and everything else of the API goes through Django.
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from io import BytesIO

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, URLPattern

from agents import parsers, urls
from agents.api.base import HeldView
from agents.asgi import Receive, Scope, Send
from agents.events import EventStream

_PREFIX = "/api/"


def view_of(scope: Mapping[str, object]) -> ResolverMatch | None:
    """The view of a call that is answered here; None for every other."""
    path = str(scope["path"])
    if path.startswith(_PREFIX):
        for pattern in _held():
            if match := pattern.resolve(path.removeprefix(_PREFIX)):
                return match
    return None


@cache
def _held() -> list[URLPattern]:
    return [one for one in urls.urlpatterns if issubclass(getattr(one.callback, "view_class", object), HeldView)]


async def application(match: ResolverMatch, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a call by its view."""
    raw = await _body(receive)
    if raw is None:
        return
    request = ASGIRequest(scope, BytesIO(raw))
    answering = match.func(request, *match.args, **match.kwargs)
    if request.method == "POST":  # what was sent is taken, whether or not its agent stays for the answer
        await _send(send, await answering)
        return
    response = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({response, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not response.done():
            return
        if isinstance(stream := response.result(), EventStream):
            await stream.serve(gone, send)
        else:
            await _send(send, response.result())
    finally:
        gone.cancel()
        response.cancel()


async def _body(receive: Receive) -> bytes | None:
    """The body, one byte more than the limit of it where it is longer; None when the caller has gone."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if isinstance(part, bytes) and size <= parsers.LIMIT:
            parts.append(part[: parsers.LIMIT + 1 - size])
            size += len(parts[-1])
        if not message.get("more_body"):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, response: HttpResponse) -> None:
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    response["Content-Length"] = str(len(response.content))
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
