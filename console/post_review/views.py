"""Looking at what ran without a person: the page, and what was found, of one or of several."""

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import post_review
from approvals.execution.post_review import AlreadyReviewed, FindingInput
from approvals.models import Incident, PostReview
from console.http import ConsoleRequest, is_fragment
from console.post_review.page import PostReviewPage


@login_required
@require_safe
def post_reviews(request: ConsoleRequest) -> HttpResponse:
    """The page. An open one asks again every few seconds, and is answered only when there is something new."""
    page = PostReviewPage(request.user)
    if not is_fragment(request):
        return _page(request, page)
    if request.GET.get("seen") == page.version:
        return HttpResponse(status=204)
    return _page(request, page)


@login_required
@require_POST
def record_finding(request: ConsoleRequest) -> HttpResponse:
    """Record this person's finding of the picked ones."""
    finding, note = request.POST.get("finding", ""), request.POST.get("note", "")
    severity = request.POST.get("severity", "")
    finding_input = FindingInput(note, "undo" in request.POST, severity if severity in Incident.Severity.values else "")
    picked = _picked_ids(request)
    try:
        reviewed = post_review.record_finding(picked, by=request.user, finding=finding, finding_input=finding_input)
    except BadVerdict as error:
        reopened = {"open": picked[0] if picked else None, "note": note, "error": str(error)}
        return _page(request, PostReviewPage(request.user), status=422, **reopened)
    except NotAllowed as error:
        return _page(request, PostReviewPage(request.user), status=403, late=str(error))
    except AlreadyReviewed as error:
        return _page(request, PostReviewPage(request.user), status=409, late=str(error))
    text = _finding_sentence(finding, [one.pk for one in reviewed], missed=len(set(picked)) - len(reviewed))
    if not is_fragment(request):
        messages.success(request, text)
        return redirect("post_review:post_review")
    return _page(request, PostReviewPage(request.user), toast={"text": text})


def _picked_ids(request: ConsoleRequest) -> list[UUID]:
    audit_ids = []
    for given in request.POST.getlist("pick")[: post_review.MOST]:
        try:
            audit_ids.append(UUID(given.partition(":")[0]))
        except ValueError:
            continue  # no id of ours: nothing is there
    return audit_ids


def _finding_sentence(finding: str, audit_ids: Sequence[UUID], *, missed: int) -> str:
    count = len(audit_ids)
    stops = PostReview.objects.filter(pk__in=audit_ids, why=PostReview.Why.VETO).count()
    if finding == post_review.OK:
        sentence = ngettext("%(n)d found fine.", "%(n)d found fine.", count) % {"n": count}
    elif stops == count:
        sentence = ngettext("Stopped; its run has ended.", "%(n)d stopped; their runs have ended.", count) % {
            "n": count
        }
    else:
        sentence = ngettext("Objected to %(n)d.", "Objected to %(n)d.", count) % {"n": count}
    if missed > 0:
        others = ngettext("Somebody else was first with %(n)d.", "Somebody else was first with %(n)d.", missed) % {
            "n": missed
        }
        sentence = f"{sentence} {others}"
    return sentence


def _page(request: ConsoleRequest, page: PostReviewPage, *, status: int = 200, **extra: object) -> HttpResponse:
    template = "_post_review.html" if is_fragment(request) else "post_review.html"
    context = {"page": page, "severities": Incident.Severity.choices, **extra}
    return render(request, template, context, status=status)
