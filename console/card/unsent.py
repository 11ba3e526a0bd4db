"""What a person typed and did not send: kept and given back to the page that it was typed on."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from approvals.decisions import unsent_text
from approvals.people import access
from console.card.unsent_text import BadUnsentText, read
from console.http import ConsoleRequest, content_or_404


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def texts(request: ConsoleRequest) -> HttpResponse:
    """GET gives what this person left unsent, of one object or on the cards; POST keeps what a form holds now."""
    if request.method == "POST":
        return _keep(request)
    approval, run = _id(request.GET.get("approval")), _id(request.GET.get("run"))
    return JsonResponse(
        {
            "person": request.user.pk,
            "texts": unsent_text.unsent_texts_of(request.user, approval_id=approval, run_id=run),
            "approvals": unsent_text.approvals_with_text(request.user),
        }
    )


def _keep(request: ConsoleRequest) -> HttpResponse:
    try:
        message = read(request.body)
        form = message.form
        if message.person != str(request.user.pk):
            return HttpResponse(status=409)  # typed by somebody else, in a page that is still open in this browser
        if form.approval_id is not None:
            content_or_404(request.user, form.approval_id)
        elif form.run_id is not None and not access.runs_of(request.user).filter(pk=form.run_id).exists():
            raise Http404
        row = unsent_text.keep(
            form,
            message.fields,
            by=request.user,
            tab=message.tab,
            turn=message.turn,
            instead_of=message.instead_of,
        )
    except BadUnsentText:
        return HttpResponse(status=400)
    except unsent_text.UnsentTextTooLong as error:
        return JsonResponse({"error": str(error)}, status=413)
    except unsent_text.Ended as error:
        return JsonResponse({"error": str(error)}, status=410)
    return JsonResponse({"id": str(row.pk) if row else None})


@login_required
@require_POST
def discard(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Its author wants it no more; of anybody else's nothing is known here."""
    if not unsent_text.discard(pk, by=request.user):
        raise Http404
    return HttpResponse(status=204)


def _id(given: str | None) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError:
        raise Http404 from None
