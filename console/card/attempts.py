"""What became of a press whose answer was lost: said for certain, and by that settled."""

from collections.abc import Mapping
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from approvals.db import times
from approvals.decisions import attempts, batches
from approvals.models import Approval, Attempt
from approvals.models.policy import Verdict
from approvals.people import access
from console.batch.views import outcome
from console.card import toasts
from console.forms import PickForm
from console.http import ConsoleRequest
from console.inbox import rows


@login_required
@require_POST
def attempt_state(request: ConsoleRequest, key: UUID) -> HttpResponse:
    """Whether an attempt was recorded, and the parts of the page that say so; if not, it never will be.

    Of a batch (`pick`) what became of each; of a card, its `approval`.
    """
    picked = [seen.id for seen in PickForm({}, request.POST.getlist("pick")).seen][: batches.MOST]
    approval_ids = picked or _ids(request)
    visible = list(access.visible_to(request.user).filter(pk__in=approval_ids).values_list("pk", flat=True))
    attempt_by_approval = attempts.look_up(key, visible, by=request.user)
    recorded = {pk: attempt for pk, attempt in attempt_by_approval.items() if not attempt.void}
    if not recorded:
        return JsonResponse({"recorded": False, "text": _("Not recorded. Try again.")})
    if picked:
        return JsonResponse({"recorded": True, "html": "", "page": _batch(request, key, picked, recorded)})
    [attempt] = recorded.values()
    approval = rows.with_row_relations(Approval.objects.filter(pk=attempt.approval_id)).get()
    parts = {"toast": toasts.attempt(approval, attempt), "settled": approval, "now": times.now()}
    return JsonResponse({"recorded": True, "html": render_to_string("_aside.html", parts, request)})


def _ids(request: ConsoleRequest) -> list[UUID]:
    try:
        return [UUID(request.POST.get("approval", ""))]
    except ValueError:
        return []


def _batch(request: ConsoleRequest, key: UUID, picked: list[UUID], recorded: Mapping[UUID, Attempt]) -> str:
    results = [
        batches.BatchResult(pk, True, str(toasts.DONE[Verdict(recorded[pk].does)]))
        if pk in recorded
        else batches.BatchResult(pk, False, _("Not recorded"))
        for pk in picked
    ]
    return render_to_string("_batch.html", outcome(results, request.user, key), request)
