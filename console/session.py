"""A page whose session has ended: it is told so, instead of being sent a login page into its middle."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

from console.middleware import BothWorlds

# On every answer of this kind: "over" asks to sign in, "changed" has a new CSRF token to fetch.
HEADER = "X-Session"


def wants_part(request: HttpRequest) -> bool:
    """True where a script asks; a person who follows a link or sends a form gets whole pages."""
    headers = request.headers
    if headers.get("HX-Request") == "true":
        return headers.get("HX-Boosted") != "true" and headers.get("HX-History-Restore-Request") != "true"
    return "X-Requested-With" in headers or headers.get("Sec-Fetch-Mode", "navigate") != "navigate"


def over() -> HttpResponse:
    """401 without a body: nobody is signed in."""
    response = HttpResponse(status=401)
    response[HEADER] = "over"
    response["Cache-Control"] = "no-store"
    return response


class SessionOverMiddleware(BothWorlds):
    """Answers 401 to a script that would be redirected to the login page."""

    def at_once(self, request: HttpRequest) -> HttpResponseBase:
        return _or_over(request, super().at_once(request))

    async def awaited(self, request: HttpRequest) -> HttpResponseBase:
        return _or_over(request, await super().awaited(request))


def _or_over(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code != 302 or not wants_part(request):
        return response
    path, _query, rest = response["Location"].partition("?")
    sent_to_login = path == resolve_url(settings.LOGIN_URL) and rest.startswith("next=")
    return over() if sent_to_login else response
