"""Queues at their limits: the banner by itself, the times it was so, and what came in one of them."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from approvals import times
from approvals.models import Degraded
from approvals.review import access, degraded
from approvals.review.errors import NotAllowed
from console import rows, scarcity
from console.http import ConsoleRequest

MOST = 200


@login_required
@require_safe
def banner(request: ConsoleRequest) -> HttpResponse:
    """What the top of every page says, for a page that has been open for a while."""
    return render(request, "_scarcity.html")


@login_required
@require_safe
def catch_up(request: ConsoleRequest) -> HttpResponse:
    """The times in which a queue was in its degraded mode, newest first."""
    authority = access.authority_of(request.user)
    found = list(degraded.known_to(request.user, authority)[: MOST + 1])
    lines = [(one, scarcity.title(one), scarcity.then(one)) for one in found[:MOST]]
    return render(request, "catch_up.html", {"lines": lines, "more": len(found) > MOST})


@login_required
@require_safe
def one(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """What passed or was refused in one of them."""
    authority = access.authority_of(request.user)
    time = _known_or_404(request, pk, authority)
    found = degraded.came(time)
    mine = access.readable_to(request.user, authority).filter(pk__in=found.values("pk"))
    approvals = list(rows.for_rows(mine.order_by("created_at", "pk"))[: MOST + 1])
    return render(
        request,
        "degraded.html",
        {
            "time": time,
            "title": scarcity.title(time),
            "then": scarcity.then(time),
            "came": scarcity.came(time),
            "approvals": approvals[:MOST],
            "more": len(approvals) > MOST,
            "may_mark": degraded.may_mark(time, authority),
        },
    )


@login_required
@require_POST
def mark(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """A reviewer of the queue has looked through it."""
    time = _known_or_404(request, pk, access.authority_of(request.user))
    try:
        first = degraded.mark(time.pk, by=request.user, now=times.now())
    except NotAllowed:
        raise Http404 from None
    messages.info(request, _("Marked as seen.") if first else _("A colleague has looked through it before."))
    return redirect("catch_up")


def _known_or_404(request: ConsoleRequest, pk: UUID, authority: access.Authority) -> Degraded:
    time = degraded.known_to(request.user, authority).filter(pk=pk).first()
    if time is None:
        raise Http404
    return time
