"""The fleet for those who read everything, and for managers the signature of a promotion: the one way to more trust."""

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from approvals.autonomy import breakers, levels
from approvals.db import times
from approvals.errors import NotAllowed, ReviewError
from approvals.models import Autonomy, Incident, LevelEvidence, SystemAuditEvent, User
from approvals.models.evidence import SEVERE
from approvals.people import authorities
from approvals.people.authorities import Authority
from console.evidence import fleet as cells
from console.evidence.breaker_views import NewBreakerForm
from console.evidence.sentences import EVENTS, LEVELS, event_sentence
from console.http import ConsoleRequest

STATES = {
    "sign": (gettext_lazy("To be signed"), cells.earned_rows),
    "breaker": (gettext_lazy("Breaker open"), cells.held_rows),
    "gate": (gettext_lazy("May lose their gate"), cells.gate_rows),
}
MOST_EVENTS = 50


class FleetFilter(forms.Form):
    """What of the fleet is shown; what is not valid is not applied."""

    agent = forms.CharField(required=False, max_length=80)
    type = forms.CharField(required=False, max_length=80)
    state = forms.ChoiceField(required=False, choices=[("", ""), *((name, name) for name in STATES)])
    page = forms.IntegerField(required=False, min_value=1)

    def valid(self, name: str) -> str:
        self.is_valid()
        return str(self.cleaned_data.get(name) or "")


@login_required
@require_safe
def fleet(request: ConsoleRequest) -> HttpResponse:
    """Every version of every agent with every action type: its level, and what it lacks for the next."""
    reader_or_403(request.user)
    chosen = FleetFilter(request.GET)
    agent, name, state = chosen.valid("agent"), chosen.valid("type"), chosen.valid("state")
    matching = Q(agent__name=agent) if agent else Q()
    matching &= Q(action_type=name) if name else Q()
    matching &= STATES[state][1]() if state else Q()
    page = Paginator(cells.rows().filter(matching), cells.PAGE).get_page(chosen.valid("page") or 1)
    pairs = Autonomy.objects.order_by("agent__name", "action_type__title")
    named = pairs.values_list("agent__name", "action_type", "action_type__title").distinct()[:2000]
    context = {
        "cells": cells.cells_of(page.object_list, now=times.now()),
        "page": page,
        "agents": sorted({agent for agent, _name, _title in named}),
        "types": sorted({(title, name) for _agent, name, title in named}),
        "states": [(name, title) for name, (title, _rows) in STATES.items()],
        "agent": agent,
        "type": name,
        "state": state,
        "query": urlencode({"agent": agent, "type": name, "state": state}),
        "levels": LEVELS,
        "breakers": breakers.open_breakers().select_related("agent", "action_type")[:20],
    }
    return render(request, "evidence/fleet.html", context)


@login_required
@require_safe
def cell(request: ConsoleRequest, pk: int) -> HttpResponse:
    """One version of an agent with one action type."""
    authority = reader_or_403(request.user)
    return cell_page(request, get_object_or_404(cells.rows(), pk=pk), authority)


@login_required
@require_POST
def sign(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Sign a promotion; `pk` is the evidence that it rests on, `level` the level that the page showed."""
    reader_or_403(request.user)
    evidence = get_object_or_404(LevelEvidence, pk=pk)
    level = request.POST.get("level", "")
    try:
        levels.sign(pk, by=request.user, from_level=int(level) if level.isdecimal() and len(level) == 1 else 0)
    except NotAllowed as error:
        raise PermissionDenied from error
    except ReviewError as error:
        return _refused(request, evidence.autonomy_id, str(error))
    messages.success(request, _("Signed. It holds from the next proposal on."))
    return redirect("evidence:cell", evidence.autonomy_id)


@login_required
@require_POST
def lower(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Lower the level, whatever was earned."""
    reader_or_403(request.user)
    get_object_or_404(Autonomy, pk=pk)
    level = request.POST.get("level", "")
    if level not in {"1", "2", "3"}:
        return _refused(request, pk, _("Choose a level from 1 to 3."))
    try:
        levels.lower_by_hand(pk, by=request.user, level=int(level))
    except NotAllowed as error:
        if not breakers.may_open(request.user):
            raise PermissionDenied from error
        return _refused(request, pk, str(error))
    messages.success(request, _("Lowered. It holds from the next proposal on."))
    return redirect("evidence:cell", pk)


@login_required
@require_POST
def close_incident(request: ConsoleRequest, pk: str) -> HttpResponse:
    """Close an incident of high severity, so that it holds up no promotion."""
    reader_or_403(request.user)
    incidents = Incident.objects.select_related("approval__agent")
    incident = get_object_or_404(incidents.filter(severity__in=SEVERE), pk=pk)
    try:
        levels.close_incident(incident, by=request.user)
    except NotAllowed as error:
        raise PermissionDenied from error
    messages.success(request, _("Incident closed."))
    approval = incident.approval
    row = Autonomy.objects.filter(agent=approval.agent_id, action_type=approval.action_type_id, newest=True).first()
    return redirect("evidence:cell", row.pk) if row else redirect("evidence:fleet")


def cell_page(
    request: ConsoleRequest,
    autonomy: Autonomy,
    authority: Authority,
    *,
    late: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page of a cell, with what could not be done."""
    [shown] = cells.cells_of([autonomy], now=times.now())
    subjects = [autonomy.pair, f"agent:{autonomy.agent.name}", f"action_type:{autonomy.action_type_id}"]
    events = SystemAuditEvent.objects.filter(subject__in=subjects, kind__in=EVENTS).order_by("-seq")
    incidents = Incident.objects.filter(
        severity__in=SEVERE, approval__agent=autonomy.agent_id, approval__action_type=autonomy.action_type_id
    )
    open_incidents = incidents.filter(closed_at=None).select_related("approval").order_by("opened_at")
    context = {
        "cell": shown,
        "versions": cells.rows().filter(agent=autonomy.agent_id, action_type=autonomy.action_type_id)[:20],
        "history": [(event, event_sentence(event)) for event in events[:MOST_EVENTS]],
        "open_incidents": open_incidents[:20],
        "may_sign": authority.manager and autonomy.agent_id not in authority.operates,
        "operates": autonomy.agent_id in authority.operates,
        "may_open": breakers.may_open(request.user),
        "lower_levels": range(1, max(band.level for band in shown.bands)),
        "form": NewBreakerForm(),
        "levels": LEVELS,
        "late": late,
    }
    return render(request, "evidence/cell.html", context, status=status)


def reader_or_403(user: User) -> Authority:
    """The rights of somebody who reads everybody's figures."""
    authority = authorities.authority_of(user)
    if not authority.sees_all:
        raise PermissionDenied
    return authority


def _refused(request: ConsoleRequest, pk: int, sentence: str) -> HttpResponse:
    authority = authorities.authority_of(request.user)
    return cell_page(request, get_object_or_404(cells.rows(), pk=pk), authority, late=sentence, status=409)
