"""Permits that were used and never confirmed: the list, and a person's word on one."""

from functools import partial

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from approvals.errors import BadVerdict, ReviewError
from approvals.execution.unconfirmed import confirm as confirm_use
from approvals.models import Approval
from approvals.people import access
from console.card import toasts
from console.card.views import conflict, on_card_version, once_per_attempt, panel, show
from console.http import ConsoleRequest, visible_or_404
from console.inbox import rows

MOST = 200


@login_required
@require_safe
def unconfirmed(request: ConsoleRequest) -> HttpResponse:
    """Oldest first: those are the ones that somebody should have missed by now."""
    approvals = list(rows.with_row_relations(access.unconfirmed_of(request.user))[: MOST + 1])
    return render(request, "unconfirmed.html", {"approvals": approvals[:MOST], "more": len(approvals) > MOST})


@require_POST
@on_card_version
def confirm(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """Record whether it ran, and how this person knows."""
    ran, note = request.POST.get("ran"), request.POST.get("note", "")
    try:
        if ran not in ("yes", "no"):
            return panel(request, approval, "_confirm.html", status=422)
        confirming = partial(confirm_use, approval.pk, by=request.user, ran=ran == "yes", note=note)
        once_per_attempt(request, approval, "confirm", confirming)
    except BadVerdict as error:
        return panel(request, approval, "_confirm.html", error.faults, status=422)
    except ReviewError as error:
        return conflict(request, approval, error)
    text = _("Closed: it ran.") if ran == "yes" else _("Closed: it did not run.")
    fresh = visible_or_404(request.user, approval.pk)
    return show(request, fresh, toast=toasts.toast_of(fresh, text))
