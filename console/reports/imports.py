"""Outcomes and incidents from a CSV file: what each line would do first, then all of it or nothing."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from approvals.execution import outcome_import
from approvals.execution.outcome_import import BadImport, ImportCheck, ImportFault
from approvals.people import authorities
from console.http import ConsoleRequest

SHOWN = 200  # rows and faults of a check; the numbers above them are of all
MOST_ROWS = 1000  # each is written by itself, in some 30 ms, while the browser waits
MEANINGS = {
    "approval": gettext_lazy("The approval's id, as the exports have it. Or name it by the next columns:"),
    "request": gettext_lazy("The request's id; of several items with item."),
    "item": gettext_lazy("The item of the request, as its agent named it."),
    "agent": gettext_lazy("The agent's name, with key."),
    "key": gettext_lazy(
        "The idempotency key under which the agent submitted: an id of your own system, as often as not."
    ),
    "outcome": gettext_lazy("succeeded, failed, skipped or compensated; empty for none."),
    "severity": gettext_lazy("low, high or critical: an incident; empty for none."),
    "cost": gettext_lazy("Of the incident, in base currency, like 420.00."),
    "time": gettext_lazy("When it happened, with its zone: 2026-11-03T14:05:00+01:00."),
    "note": gettext_lazy("What happened; an incident needs it."),
}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def import_outcomes(request: ConsoleRequest) -> HttpResponse:
    """The form; what a file would do; what it did. The second post carries the checked text, and is checked again."""
    authority = authorities.authority_of(request.user)
    if not authority.manager:
        raise PermissionDenied
    content = _content(request)
    if content is None:
        faults = [ImportFault(0, _("Choose a file."))] if request.method == "POST" else []
        return _page(request, ImportCheck((), faults), status=422 if faults else 200)
    if "take" not in request.POST:
        checked = outcome_import.check(content, by=request.user, most=MOST_ROWS)
        # What is no text was refused as a whole, so that nothing is lost here.
        return _page(
            request, checked, text=content.decode("utf-8-sig", "replace"), status=422 if checked.faults else 200
        )
    try:
        return _page(request, outcome_import.take(content, by=request.user, most=MOST_ROWS), taken=True)
    except BadImport as error:
        return _page(request, ImportCheck((), error.faults), status=409)


def _content(request: ConsoleRequest) -> bytes | None:
    if "text" in request.POST:
        return request.POST["text"].encode()
    file = request.FILES.get("file")
    return file.read(outcome_import.MOST_BYTES + 1) if file else None


def _page(
    request: ConsoleRequest, checked: ImportCheck, *, text: str = "", taken: bool = False, status: int = 200
) -> HttpResponse:
    context = {
        "checked": checked,
        "rows": checked.rows[:SHOWN],
        "faults": checked.faults[:SHOWN],
        "text": text,
        "taken": taken,
        "columns": MEANINGS.items(),
        "example": "approval,outcome,severity,cost,time,note",
    }
    return render(request, "reports/import.html", context, status=status)
