"""Queues at their limits: the banner by itself, the times it was so, and what came in one of them."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from approvals.db import times
from approvals.errors import NotAllowed
from approvals.models import Overload
from approvals.people import access, authorities
from approvals.workload import overload
from console.http import ConsoleRequest
from console.inbox import rows
from console.overload import overload_banner

MOST = 200


@login_required
@require_safe
def banner(request: ConsoleRequest) -> HttpResponse:
    """What the top of every page says, for a page that has been open for a while."""
    return render(request, "_overload.html")


@login_required
@require_safe
def overload_list(request: ConsoleRequest) -> HttpResponse:
    """Periods in which a queue was in its degraded mode, newest first."""
    authority = authorities.authority_of(request.user)
    overloads = list(overload.visible_to(request.user, authority)[: MOST + 1])
    lines = [
        (overload, overload_banner.title(overload), overload_banner.consequence(overload))
        for overload in overloads[:MOST]
    ]
    return render(request, "catch_up.html", {"lines": lines, "more": len(overloads) > MOST})


@login_required
@require_safe
def overload_detail(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """What passed or was refused in one period of overload."""
    authority = authorities.authority_of(request.user)
    time = _overload_or_404(request, pk, authority)
    approval_rows = overload.approvals_during(time)
    mine = access.readable_to(request.user, authority).filter(pk__in=approval_rows.values("pk"))
    approvals = list(rows.with_row_relations(mine.order_by("created_at", "pk"))[: MOST + 1])
    return render(
        request,
        "overload_period.html",
        {
            "time": time,
            "title": overload_banner.title(time),
            "then": overload_banner.consequence(time),
            "came": overload_banner.counts_sentence(time),
            "approvals": approvals[:MOST],
            "more": len(approvals) > MOST,
            "may_mark": overload.may_mark_reviewed(time, authority),
        },
    )


@login_required
@require_POST
def mark(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Mark a period as looked through, by a reviewer of the queue."""
    time = _overload_or_404(request, pk, authorities.authority_of(request.user))
    try:
        first = overload.mark_reviewed(time.pk, by=request.user, now=times.now())
    except NotAllowed:
        raise Http404 from None
    messages.info(request, _("Marked as seen.") if first else _("A colleague has looked through it before."))
    return redirect("overload:catch_up")


def _overload_or_404(request: ConsoleRequest, pk: UUID, authority: authorities.Authority) -> Overload:
    time = overload.visible_to(request.user, authority).filter(pk=pk).first()
    if time is None:
        raise Http404
    return time
