"""Looking at what ran without a person: the page, and what was found, of one or of several."""

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from approvals.models import Audit, Incident
from approvals.review import findings
from approvals.review.errors import BadVerdict, NotAllowed
from approvals.review.findings import AlreadyFound, Words
from console.afterwards import Afterwards
from console.http import ConsoleRequest, is_fragment


@login_required
@require_safe
def afterwards(request: ConsoleRequest) -> HttpResponse:
    """The page. An open one asks again every few seconds, and is answered only when there is something new."""
    page = Afterwards(request.user)
    if not is_fragment(request):
        return _page(request, page)
    if request.GET.get("seen") == page.version:
        return HttpResponse(status=204)
    return _page(request, page)


@login_required
@require_POST
def find(request: ConsoleRequest) -> HttpResponse:
    """What this person found of the picked ones."""
    finding, note = request.POST.get("finding", ""), request.POST.get("note", "")
    severity = request.POST.get("severity", "")
    words = Words(note, "undo" in request.POST, severity if severity in Incident.Severity.values else "")
    picked = _picked(request)
    try:
        found = findings.find(picked, by=request.user, finding=finding, words=words)
    except BadVerdict as error:
        asked = {"open": picked[0] if picked else None, "note": note, "error": str(error)}
        return _page(request, Afterwards(request.user), status=422, **asked)
    except NotAllowed as error:
        return _page(request, Afterwards(request.user), status=403, late=str(error))
    except AlreadyFound as error:
        return _page(request, Afterwards(request.user), status=409, late=str(error))
    text = _said(finding, [one.pk for one in found], missed=len(set(picked)) - len(found))
    if not is_fragment(request):
        messages.success(request, text)
        return redirect("afterwards")
    return _page(request, Afterwards(request.user), toast={"text": text})


def _picked(request: ConsoleRequest) -> list[UUID]:
    found = []
    for given in request.POST.getlist("pick")[: findings.MOST]:
        try:
            found.append(UUID(given.partition(":")[0]))
        except ValueError:
            continue  # no id of ours: nothing is there
    return found


def _said(finding: str, found: Sequence[UUID], *, missed: int) -> str:
    count = len(found)
    stops = Audit.objects.filter(pk__in=found, why=Audit.Why.VETO).count()
    if finding == findings.FINE:
        said = ngettext("%(n)d found fine.", "%(n)d found fine.", count) % {"n": count}
    elif stops == count:
        said = ngettext("Stopped; its run has ended.", "%(n)d stopped; their runs have ended.", count) % {"n": count}
    else:
        said = ngettext("Objected to %(n)d.", "Objected to %(n)d.", count) % {"n": count}
    if missed > 0:
        others = ngettext("Somebody else was first with %(n)d.", "Somebody else was first with %(n)d.", missed) % {
            "n": missed
        }
        said = f"{said} {others}"
    return said


def _page(request: ConsoleRequest, page: Afterwards, *, status: int = 200, **said: object) -> HttpResponse:
    template = "_afterwards.html" if is_fragment(request) else "afterwards.html"
    context = {"page": page, "severities": Incident.Severity.choices, **said}
    return render(request, template, context, status=status)
