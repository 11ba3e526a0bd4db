"""Taking back a released approval that has not run: the panel, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, ReviewError
from approvals.execution import recall as recalling
from approvals.models import Approval
from approvals.models.verdict import RecallReason
from approvals.values.schema import Fault
from console.card import toasts
from console.card.views import conflict, on_card_version, once_per_attempt, panel, show
from console.forms import RecallForm
from console.http import ConsoleRequest, visible_or_404


@dataclass(frozen=True, slots=True)
class RecallConsequences:
    """What goes with a recall: steps of a plan, standing approvals given on the card, and uses held for an outage."""

    steps_ran: int
    steps_left: int
    grants: int
    offline: int

    @classmethod
    def of(cls, approval: Approval) -> "RecallConsequences":
        steps = list(approval.planned.select_related("used_by"))
        ran = sum(1 for step in steps if step.used_by is not None and step.used_by.consumed_at is not None)
        grants = list(approval.granted.filter(revoked_at=None))
        held = sum(grant.reserved - grant.used_offline for grant in grants)
        return cls(ran, len(steps) - ran, len(grants), held)


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def recall(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET opens the panel; POST takes it back, or says when its permit was used."""
    if request.method != "POST":
        return _panel(request, approval)
    form = RecallForm(request.POST)
    if not form.is_valid():
        return _panel(request, approval, form.faults, status=422)
    recall_input = VerdictInput(reason=form.cleaned_data["reason"], message=form.cleaned_data["message"])
    try:
        recalling_it = partial(recalling.recall, form.seen(approval), by=request.user, verdict_input=recall_input)
        recalled = once_per_attempt(request, approval, "recall", recalling_it)
    except BadVerdict as error:
        return _panel(request, approval, error.faults, status=422)
    except ReviewError as error:
        return conflict(request, approval, error)
    fresh = visible_or_404(request.user, recalled.pk)
    return show(request, fresh, toast=toasts.toast_of(fresh, _("Recalled. The agent can no longer run it.")))


def _panel(
    request: ConsoleRequest, approval: Approval, faults: Sequence[Fault] = (), *, status: int = 200
) -> HttpResponse:
    beside, reasons = RecallConsequences.of(approval), RecallReason.choices
    return panel(request, approval, "_recall.html", faults, status=status, beside=beside, reasons=reasons)
