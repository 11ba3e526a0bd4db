"""The site, and beside the API a view that does nothing: what a request costs before anything is done for it."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


async def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/json")


urlpatterns = [path("api/v1/bench/empty", empty), path("", include("console.urls"))]
