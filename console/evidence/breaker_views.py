"""Breakers: opened by managers, tried, and closed by a manager who does not operate the agent."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from approvals.autonomy import breakers
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.models import Autonomy, Breaker
from approvals.people import authorities
from console.http import ConsoleRequest

MOST, ALLOWED = breakers.TRIAL


class TrialForm(forms.Form):
    """Of so many considered decisions at most so many may be wrong."""

    decisions = forms.IntegerField(
        label=gettext_lazy("Decisions of the trial"), initial=MOST, min_value=5, max_value=500
    )
    wrong = forms.IntegerField(label=gettext_lazy("Of which may be wrong"), initial=ALLOWED, min_value=0, max_value=125)

    def clean(self) -> dict[str, object] | None:
        cleaned = super().clean() or {}
        if not self.errors and (fault := breakers.trial_fault(cleaned["decisions"], cleaned["wrong"])):
            self.add_error("decisions", fault)
        return cleaned


class NewBreakerForm(TrialForm):
    """A new breaker, seen from a cell: of the pair, of all that the agent does, or of the action type of all agents."""

    OF = (
        ("pair", gettext_lazy("This agent with this action")),
        ("agent", gettext_lazy("Everything this agent does")),
        ("type", gettext_lazy("This action of every agent")),
    )
    scope = forms.ChoiceField(label=gettext_lazy("Ask a person for"), choices=OF, initial="pair")
    why = forms.CharField(label=gettext_lazy("Why"), max_length=breakers.LONGEST_WHY)
    field_order = ("scope", "why", "decisions", "wrong")

    def breaker_of(self, autonomy: Autonomy) -> Breaker:
        """The breaker that the form describes."""
        values = self.cleaned_data
        return Breaker(
            agent=autonomy.agent if values["scope"] != "type" else None,
            action_type=autonomy.action_type if values["scope"] != "agent" else None,
            why=values["why"],
            trial_decisions=values["decisions"],
            trial_wrong=values["wrong"],
        )


@login_required
@require_POST
def open_breaker(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Open a breaker from a cell's page."""
    if not breakers.may_open(request.user) or not authorities.authority_of(request.user).sees_all:
        raise PermissionDenied
    autonomy = get_object_or_404(Autonomy.objects.select_related("agent", "action_type"), pk=pk)
    form = NewBreakerForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("evidence:cell", pk)
    opened = breakers.open_by_hand(form.breaker_of(autonomy), by=request.user)
    messages.success(request, _("Breaker opened. Everything asks a person now.") if opened else _("It was open."))
    return redirect("evidence:cell", pk)


@login_required
@require_safe
def breaker_detail(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """A breaker with its trial."""
    return _page(request, _breaker(request, pk))


@login_required
@require_POST
def close_breaker(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Close it after its trial."""
    breaker = _breaker(request, pk)
    try:
        breakers.close(pk, by=request.user)
    except NotAllowed as error:
        raise PermissionDenied from error
    except ReviewError as error:
        return _page(request, breaker, late=str(error), status=409)
    messages.success(request, _("Breaker closed. Policy and level decide again who is asked."))
    return redirect("evidence:breaker", pk)


@login_required
@require_POST
def declare_trial(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Start another trial."""
    breaker, form = _breaker(request, pk), TrialForm(request.POST)
    if not breakers.may_close(request.user, breaker):
        raise PermissionDenied
    if not form.is_valid():
        return _page(request, breaker, form=form, status=422)
    try:
        breakers.declare_trial(pk, by=request.user, **form.cleaned_data)
    except BadVerdict as error:
        return _page(request, breaker, form=form, late=str(error), status=422)
    messages.success(request, _("A new trial has begun."))
    return redirect("evidence:breaker", pk)


def _breaker(request: ConsoleRequest, pk: UUID) -> Breaker:
    if not authorities.authority_of(request.user).sees_all:
        raise PermissionDenied
    return get_object_or_404(Breaker.objects.select_related("agent", "action_type", "opened_by", "closed_by"), pk=pk)


def _page(
    request: ConsoleRequest, breaker: Breaker, *, form: TrialForm | None = None, late: str = "", status: int = 200
) -> HttpResponse:
    row = Autonomy.objects.filter(agent=breaker.agent_id, action_type=breaker.action_type_id, newest=True).first()
    context = {
        "breaker": breaker,
        "trial": breakers.trial_of(breaker) if breaker.closed_at is None else None,
        "may_close": breakers.may_close(request.user, breaker),
        "form": form or TrialForm(),
        "cell": row,
        "late": late,
    }
    return render(request, "evidence/breaker.html", context, status=status)
