"""What every page goes through: compression, the person's language and time zone, the admin's wider content policy."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from zoneinfo import ZoneInfo

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils import timezone, translation

from approvals.models import User
from approvals.people import authorities
from console.sign_in import presence

Awaited = HttpResponseBase | Awaitable[HttpResponseBase]
Answer = Callable[[HttpRequest], Awaited]


class SyncAsyncMiddleware:
    """A middleware that is called by threads and by an event loop, so that it costs no thread hop.

    `at_once` and `awaited` are what it does; by themselves both pass the request on.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Awaited:
        return self.awaited(request) if self.is_async else self.at_once(request)

    def at_once(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        assert isinstance(response, HttpResponseBase)  # noqa: S101  # the other kind is awaited below
        return response

    async def awaited(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        assert not isinstance(response, HttpResponseBase)  # noqa: S101
        return await response


class CompressedPageMiddleware(SyncAsyncMiddleware):
    """Sends pages compressed where the browser takes that; Django adds random bytes against guessing by length."""

    def at_once(self, request: HttpRequest) -> HttpResponseBase:
        return _compressed(request, super().at_once(request))

    async def awaited(self, request: HttpRequest) -> HttpResponseBase:
        return _compressed(request, await super().awaited(request))


def _compressed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if isinstance(response, HttpResponse) and response.get("Content-Type", "").startswith("text/html"):
        return GZipMiddleware(lambda _: response).process_response(request, response)
    return response


class PersonMiddleware(SyncAsyncMiddleware):
    """Stands behind the authentication middleware."""

    def at_once(self, request: HttpRequest) -> HttpResponseBase:
        user = request.user if may_be_signed_in(request) else None
        if user is not None and user.is_authenticated:
            presence.touch(request)
        with as_seen_by(user), _reading(request):
            return _with_admin_csp(request, super().at_once(request))

    async def awaited(self, request: HttpRequest) -> HttpResponseBase:
        user = await request.auser() if may_be_signed_in(request) else None
        if user is not None and user.is_authenticated:
            presence.touch(request)  # the session was read for the person
        with as_seen_by(user), _reading(request):
            return _with_admin_csp(request, await super().awaited(request))


def _reading(request: HttpRequest) -> AbstractContextManager[None]:
    """What only reads asks for a person's rights once; what changes something asks anew each time."""
    return authorities.reading_once() if request.method in {"GET", "HEAD"} else nullcontext()


def as_seen_by(user: User | AnonymousUser | None) -> ExitStack:
    """A context in the person's language and time zone; of nobody, in those of the request."""
    stack = ExitStack()
    if user is None or not user.is_authenticated:
        return stack
    if user.language in dict(settings.LANGUAGES):
        stack.enter_context(translation.override(user.language))
    stack.enter_context(timezone.override(_zone(user.time_zone)))
    return stack


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return ZoneInfo("UTC")  # a zone that this machine does not know must not lock the person out


def may_be_signed_in(request: HttpRequest) -> bool:
    """Without a session cookie nobody is, and neither health checks nor the login page need the database for it."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES


def _with_admin_csp(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if may_be_signed_in(request):
        response.headers.setdefault("Cache-Control", "private, no-store")  # what one person sees is nobody else's
    response.headers["Content-Language"] = translation.get_language() or settings.LANGUAGE_CODE
    # Only what the admin itself answered: whatever fails before or beside it keeps the strict policy.
    if request.resolver_match is not None and "admin" in request.resolver_match.app_names:
        response._csp_config = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]  # django-csp's
    return response
