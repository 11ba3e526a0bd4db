"""Help: how to use Assent, for whoever builds agents and for whoever decides. No data of anybody's."""

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from console.help import pages
from console.http import ConsoleRequest


@require_safe
def start(request: ConsoleRequest) -> HttpResponse:
    """The first page."""
    return redirect("help:page", pages.slugs()[0])


@require_safe
def titles(request: ConsoleRequest) -> HttpResponse:
    """What every page is called, for the command bar."""
    entries = [entry for _group, entries in pages.contents() for entry in entries]
    shown = [{"title": entry.title, "url": reverse("help:page", args=[entry.slug])} for entry in entries]
    return JsonResponse({"pages": shown})


@require_safe
def page(request: ConsoleRequest, slug: str) -> HttpResponse:
    """One page, with the list of all of them beside it."""
    try:
        shown = pages.page(slug)
    except KeyError:
        raise Http404 from None
    order = pages.slugs()
    at = order.index(slug)
    following = pages.page(order[at + 1]) if at + 1 < len(order) else None
    return render(request, "help.html", {"page": shown, "contents": pages.contents(), "following": following})
