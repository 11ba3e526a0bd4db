"""A page whose session has ended: it is told so, instead of being sent a login page into its middle."""

from django.conf import settings
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

from console.middleware import SyncAsyncMiddleware

# On every answer of this kind: "over" asks to sign in, "changed" has a new CSRF token to fetch.
HEADER = "X-Session"
SIGNED_OUT = "_signed_out"  # on a request that ended its session


def wants_part(request: HttpRequest) -> bool:
    """True where a script asks; a person who follows a link or sends a form gets whole pages."""
    headers = request.headers
    if headers.get("HX-Request") == "true":
        return headers.get("HX-Boosted") != "true" and headers.get("HX-History-Restore-Request") != "true"
    return "X-Requested-With" in headers or headers.get("Sec-Fetch-Mode", "navigate") != "navigate"


def signed_out_response() -> HttpResponse:
    """401 without a body: nobody is signed in."""
    response = HttpResponse(status=401)
    response[HEADER] = "over"
    response["Cache-Control"] = "no-store"
    return response


class SessionMiddleware(sessions.SessionMiddleware):
    """Django's, which has the browser forget the session's cookie wherever the session that it names is over.

    A late answer to such a request would so forget the next sign-in of the same browser, made meanwhile in another
    tab or over the card. Only signing out is told to forget.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        name = settings.SESSION_COOKIE_NAME
        if name in response.cookies and not response.cookies[name].value and not getattr(request, SIGNED_OUT, False):
            del response.cookies[name]
        return response


def signed_out(request: HttpRequest | None, **_said: object) -> None:
    """Hears Django's signal of this name."""
    if request is not None:
        setattr(request, SIGNED_OUT, True)


class SessionOverMiddleware(SyncAsyncMiddleware):
    """Answers 401 to a script that would be redirected to the login page."""

    def at_once(self, request: HttpRequest) -> HttpResponseBase:
        return _or_signed_out(request, super().at_once(request))

    async def awaited(self, request: HttpRequest) -> HttpResponseBase:
        return _or_signed_out(request, await super().awaited(request))


def _or_signed_out(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code != 302 or not wants_part(request):
        return response
    path, _query, rest = response["Location"].partition("?")
    sent_to_login = path == resolve_url(settings.LOGIN_URL) and rest.startswith("next=")
    return signed_out_response() if sent_to_login else response
