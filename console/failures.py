"""What no page can carry out, told as that: a NUL character in what was sent, a database that is away or full."""

import sys

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.defaults import server_error

from console.middleware import SyncAsyncMiddleware

RETRY_AFTER = "5"  # seconds


class NulMiddleware(SyncAsyncMiddleware):
    """Answers 400 where a field or the address holds a NUL, which the database's texts cannot."""

    def at_once(self, request: HttpRequest) -> HttpResponseBase:
        return _refused() if _holds_nul(request) else super().at_once(request)

    async def awaited(self, request: HttpRequest) -> HttpResponseBase:
        posts = request.method == "POST"
        if await sync_to_async(_holds_nul)(request) if posts else _holds_nul(request):
            return _refused()
        return await super().awaited(request)


def _holds_nul(request: HttpRequest) -> bool:
    if request.path_info.startswith("/api/"):
        return False  # it says for itself what is wrong, and where
    if "\0" in request.path_info:
        return True
    sent = [request.GET]
    if request.method == "POST":
        request.body  # noqa: B018  # whole, since a view that wants it as it came may not read it after its fields
        sent.append(request.POST)
    return any(
        "\0" in name or any("\0" in value for value in values if isinstance(value, str))
        for query in sent
        for name, values in query.lists()
    )


def _refused() -> HttpResponse:
    text = _("What was sent holds a NUL character, which no text here can. Nothing was done.")
    return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")


def failed(request: HttpRequest) -> HttpResponse:
    """The answer to a surprise: 503 and when to come back where it is the database's, else 500."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        response = render(None, "503.html", status=503)  # no request: it would ask for a person
        response["Retry-After"] = RETRY_AFTER
        return response
    return server_error(request)
