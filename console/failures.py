"""What no page can carry out, told as that: a NUL character in what was sent, a database that is away, full or slow."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.defaults import server_error
from psycopg.errors import QueryCanceled

from console.middleware import Answer, Awaited, SyncAsyncMiddleware, may_be_signed_in
from console.sign_in.session import wants_part

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


class PageTimeMiddleware:
    """Ends what a page asks of the database when its time is over, also where nobody reads the page any more.

    Stands last: it calls the view, in the view's own thread, whose connection it is. What is sent in parts (exports)
    and what changes something are not cut short.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Awaited:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        if request.method not in {"GET", "HEAD"} or iscoroutinefunction(view) or not may_be_signed_in(request):
            return None
        try:
            with _time_limit(settings.ASSENT_PAGE_TIME):
                return view(request, *args, **kwargs)
        except (ImmediateHttpResponse, ReauthenticationRequired):
            # Asks to sign in again. Called by Django it asks once more, where allauth's middleware hears it.
            return None


@contextmanager
def _time_limit(limit: timedelta) -> Iterator[None]:
    """How long each statement of this thread may take. The connection goes back to the others without it."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = %s", [int(limit.total_seconds() * 1000)])
    try:
        yield
    finally:
        # A connection that cannot take it is broken, and no other request gets it.
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")


def failed(request: HttpRequest) -> HttpResponse:
    """The answer to a surprise: 503 where it is the database's, as a part where a part was asked for; else 500."""
    error = sys.exc_info()[1]
    if not isinstance(error, OperationalError | InterfaceError):
        return server_error(request)
    slow = isinstance(error.__cause__, QueryCanceled)
    # No request: it would ask for a person.
    part = wants_part(request)
    response = render(None, "_failed.html" if part else "503.html", {"slow": slow}, status=503)
    if part:
        response["HX-Retarget"], response["HX-Reswap"] = "#toasts", "afterbegin"
    if not slow:
        response["Retry-After"] = RETRY_AFTER
    return response
