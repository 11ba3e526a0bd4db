"""Agents' runs: the list, the page of one, words for its agent, and closing by hand what does not get undone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from approvals.db import cursors, times
from approvals.db.cursors import Position
from approvals.db.search import matching
from approvals.decisions import guidance
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import rollback
from approvals.models import Run, Step
from approvals.people import access
from console.http import ConsoleRequest, is_fragment
from console.list_filter import ListFilter
from console.runs.run_page import RunPage
from console.runs.summaries import ENDED, STATES, STOPPED, STUCK, UNDOING, UNDONE, RunState, with_state

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

PAGE = 50


class RunFilter(ListFilter):
    """The filters of the list."""

    state = forms.ChoiceField(
        required=False,
        label=gettext_lazy("State"),
        choices=[("", gettext_lazy("Any state")), *STATES.items()],
    )
    agent = forms.ChoiceField(required=False, label=gettext_lazy("Agent"))

    def apply(self, queryset: QuerySet[WithAnnotations[Run, RunState]]) -> QuerySet[WithAnnotations[Run, RunState]]:
        active = self.active
        if text := active.get("q"):
            queryset = queryset.filter(matching(text))
        if agent := active.get("agent"):
            queryset = queryset.filter(Q(agent__name=agent, stands_for=None) | Q(stands_for__name=agent))
        if state := active.get("state"):
            # Few of very many: begin with the few.
            if state in (STUCK, UNDOING, UNDONE):
                queryset = queryset.filter(pk__in=Step.objects.filter(status=state).values("run"))
            elif state in (STOPPED, ENDED):
                queryset = queryset.filter(**{f"{state}_at__isnull": False})
            queryset = queryset.filter(state=state)
        return queryset


@login_required
@require_safe
def runs(request: ConsoleRequest) -> HttpResponse:
    """The runs this person may see, newest first."""
    chosen = RunFilter(request.GET)
    seen = with_state(access.runs_of(request.user), times.now()).select_related("agent", "stands_for")
    queryset = chosen.apply(seen).order_by("-created_at", "-pk")
    position = cursors.read(request.GET.get("after", ""), "runs")
    if position:
        queryset = queryset.filter(position.older("created_at"))
    rows = list(queryset[: PAGE + 1])
    shown = rows[:PAGE]
    cursor = cursors.write("runs", Position(shown[-1].created_at, shown[-1].pk)) if len(rows) > PAGE else ""
    context = {
        "runs": [(one, STATES[one.state]) for one in shown],
        "filter": chosen,
        "more": urlencode({**chosen.active, "after": cursor}) if cursor else "",
    }
    return render(request, "_run_rows.html" if is_fragment(request) and position else "runs.html", context)


@login_required
@require_safe
def run(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """One run. An open page asks again every few seconds, and is answered only when there is something new."""
    try:
        course = _run_page(request, pk)
    except Http404:
        if not is_fragment(request):
            raise
        response = HttpResponse(status=204)
        response["HX-Refresh"] = "true"  # the person may not see it any more: the page says so as a whole
        return response
    if not is_fragment(request):
        return _page(request, course)
    if request.GET.get("seen") == course.version:
        return HttpResponse(status=204)
    return render(request, "_run.html", {"course": course})


@login_required
@require_POST
def guide(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Words for the running agent, about the run as a whole."""
    course, text = _run_page(request, pk), request.POST.get("guidance", "")
    try:
        guidance.give(course.run.pk, by=request.user, text=text)
    except BadVerdict as error:
        return _page(request, course, status=422, guidance=text, guidance_error=str(error))
    except NotAllowed as error:
        return _page(request, course, status=403, late=str(error))
    messages.success(request, _("Sent to the agent."))
    return redirect("runs:run", pk)


@login_required
@require_POST
def close(request: ConsoleRequest, pk: UUID, step: int) -> HttpResponse:
    """What a person did instead of an undo that does not come about."""
    course, note = _run_page(request, pk), request.POST.get("note", "")
    undoing_step = course.run.steps.filter(pk=step).first()
    if undoing_step is None:
        raise Http404
    try:
        rollback.close(undoing_step, by=request.user, note=note)
    except BadVerdict as error:
        return _page(request, course, status=422, closing=step, note=note, note_error=str(error))
    except NotAllowed as error:
        return _page(request, course, status=403, late=str(error))
    messages.success(request, _("Closed by hand."))
    return redirect("runs:run", pk)


def _run_page(request: ConsoleRequest, pk: UUID) -> RunPage:
    run_record = access.runs_of(request.user).select_related("agent", "stands_for").filter(pk=pk).first()
    if run_record is None:
        raise Http404
    return RunPage(run_record, request.user)


def _page(request: ConsoleRequest, course: RunPage, *, status: int = 200, **extra: object) -> HttpResponse:
    return render(request, "run.html", {"course": course, **extra}, status=status)
