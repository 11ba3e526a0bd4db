"""Who is signed in, for a page that has been open for long; and what a form with an old CSRF token is answered."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from console.sign_in.session import HEADER, signed_out_response, wants_part


@never_cache
@require_safe
def session(request: HttpRequest) -> JsonResponse:
    """The person who is signed in in this browser, null for nobody, and a token to sign in or to go on with."""
    person = str(request.user.pk) if request.user.is_authenticated else None
    return JsonResponse({"person": person, "csrf": get_token(request)})


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form of before one signed in, out, or in again. A script hears which of them it was."""
    if not wants_part(request):
        return render(request, "403_csrf.html", status=403)
    if not request.user.is_authenticated:
        return signed_out_response()
    response = signed_out_response()
    response[HEADER] = "changed"
    return response
