"""One agent for those who may pause it: whether it runs, what it has pending, and rejecting all of that."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from approvals.errors import BadVerdict
from approvals.execution import agent_pause
from approvals.models import Agent, Approval
from approvals.models.states import Status
from console.http import ConsoleRequest


@login_required
@require_safe
def agent_detail(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """The agent's page."""
    return _page(request, _agent(request, pk))


@login_required
@require_POST
def pause(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Pause the agent or, with `on=no`, resume it."""
    paused = request.POST.get("on") != "no"
    agent_pause.pause(_agent(request, pk), by=request.user, paused=paused)
    messages.success(request, _("Paused. What is pending stays pending.") if paused else _("Running again."))
    return redirect("agent:agent", pk)


@login_required
@require_POST
def reject(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Reject everything that the agent has pending."""
    agent_record, why = _agent(request, pk), request.POST.get("message", "")
    try:
        count = agent_pause.reject_pending(agent_record, by=request.user, why=why)
    except BadVerdict as error:
        return _page(request, agent_record, why=why, fault=str(error), status=422)
    messages.success(request, ngettext("%(n)d rejected.", "%(n)d rejected.", count) % {"n": count})
    return redirect("agent:agent", pk)


def _agent(request: ConsoleRequest, pk: UUID) -> Agent:
    return get_object_or_404(agent_pause.pausable_by(request.user), pk=pk)


def _page(
    request: ConsoleRequest, agent_record: Agent, *, why: str = "", fault: str = "", status: int = 200
) -> HttpResponse:
    pending = Approval.objects.filter(agent=agent_record, status=Status.PENDING).count()
    context = {"agent": agent_record, "pending": pending, "why": why, "fault": fault}
    return render(request, "agent.html", context, status=status)
