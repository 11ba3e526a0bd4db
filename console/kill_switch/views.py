"""The kill switch: what it does, who threw it and why, and lifting it after a fresh login."""

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.execution import agent_pause, kill_switch
from approvals.people import access
from console.http import ConsoleRequest

MOST = 200  # agents


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: ConsoleRequest) -> HttpResponse:
    """The page of the switch; a POST stops everything."""
    _refuse_unless_allowed(request)
    if request.method != "POST":
        return _page(request)
    why = request.POST.get("why", "").replace("\0", "").strip()
    if not 0 < len(why) <= kill_switch.LONGEST_WHY:
        text = _("Say why, in a few words; every page shows it.") if not why else _("At most 500 characters.")
        return _page(request, why=why, fault=text, status=422)
    kill_switch.stop(by=request.user, why=why)
    messages.warning(request, _("Everything is stopped."))
    return redirect("kill_switch:stop")


@login_required
@require_POST
def lift(request: ConsoleRequest) -> HttpResponse:
    """Lift the stop; asks for a fresh sign-in first."""
    _refuse_unless_allowed(request)
    if not did_recently_reauthenticate(request):
        raise ReauthenticationRequired
    lifted = kill_switch.lift(by=request.user)
    messages.success(request, _("Lifted. Everything goes on.") if lifted else _("Nothing was stopped."))
    return redirect("kill_switch:stop")


def _refuse_unless_allowed(request: ConsoleRequest) -> None:
    if not access.may_stop(request.user):
        raise PermissionDenied


def _page(request: ConsoleRequest, *, why: str = "", fault: str = "", status: int = 200) -> HttpResponse:
    agents = agent_pause.pausable_by(request.user)
    context = {"stops": kill_switch.recent(), "agents": agents[:MOST], "why": why, "fault": fault}
    return render(request, "stop.html", context, status=status)
