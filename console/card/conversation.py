"""Words beside the verdict: asking the agent, advising its run, reporting harm, setting aside; and files to look at."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from approvals.db import times
from approvals.decisions import agent_questions, guidance
from approvals.decisions import snooze as snoozing
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.execution import incidents
from approvals.models import Approval, Attachment, Incident, Proposal
from approvals.requests.attachments import IMAGES
from approvals.values.schema import Fault
from console.card import toasts
from console.card.cards import Card
from console.card.verdict import onward
from console.card.views import conflict, on_card_version, once_per_attempt, panel, show
from console.http import ConsoleRequest, content_or_404, visible_or_404
from console.inbox.views import filters_of

# Whatever it is, it runs nothing, loads nothing and belongs to no origin.
_SANDBOX = "sandbox; default-src 'none'"


@require_safe
@on_card_version
def thread(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """What was asked and answered about an approval, and what its agent was advised."""
    card = Card(approval, request.user, filters=filters_of(request))
    return render(request, "_thread.html", {"card": card})


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def ask(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET opens the panel; POST puts the question to the agent, and the deadline goes on."""
    return _say(
        request,
        approval,
        "_ask.html",
        "ask",
        lambda approval, text: agent_questions.ask(approval.pk, by=request.user, text=text),
        _("Asked. The deadline goes on."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def guide(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET opens the panel; POST sends advice to the run at once, without a verdict."""

    def give(approval: Approval, text: str) -> None:
        if approval.request.run_id is None:
            raise NotAllowed(_("This belongs to no run."))
        guidance.give(approval.request.run_id, by=request.user, text=text, approval_id=approval.pk)

    return _say(request, approval, "_guide.html", "guide", give, _("Sent to the agent."), field="guidance")


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def incident(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET opens the panel; POST records that harm came of it."""

    def report(approval: Approval, text: str) -> None:
        severity = request.POST.get("severity", "")
        cost = request.POST.get("cost", "")
        incidents.open_incident(approval, by=request.user, severity=severity, text=text, cost=cost)

    return _say(
        request, approval, "_incident.html", "incident", report, _("Recorded."), severities=Incident.Severity.choices
    )


def _say(
    request: ConsoleRequest,
    approval: Approval,
    template: str,
    does: str,
    say: Callable[[Approval, str], object],
    done: str,
    *,
    field: str = "text",
    severities: Sequence[tuple[str, object]] = (),
) -> HttpResponse:
    if request.method != "POST":
        return panel(request, approval, template, severities=severities)
    try:
        once_per_attempt(request, approval, does, partial(say, approval, request.POST.get(field, "")))
    except BadVerdict as error:
        return panel(request, approval, template, error.faults, status=422, severities=severities)
    except ReviewError as error:
        return conflict(request, approval, error)
    fresh = visible_or_404(request.user, approval.pk)
    return show(request, fresh, toast=toasts.toast_of(fresh, done))


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def snooze(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET offers the times that are left before the deadline; POST sets it aside and goes on to the next one."""
    if request.method != "POST":
        return panel(request, approval, "_snooze.html", choices=_times(approval))
    try:
        until = _moment(request.POST.get("until", ""))
        aside = once_per_attempt(
            request, approval, "snooze", partial(snoozing.snooze, approval.pk, by=request.user, until=until)
        )
    except BadVerdict as error:
        return panel(request, approval, "_snooze.html", error.faults, status=422, choices=_times(approval))
    except ReviewError as error:
        return conflict(request, approval, error)
    return onward(request, aside, toasts.toast_of(aside, _("Snoozed.")))


def _moment(text: str) -> datetime:
    until = times.read(text)
    if until is None:
        raise BadVerdict([Fault("/until", _("Choose a time."))])
    return until


def _times(approval: Approval) -> list[tuple[datetime, str]]:
    """What can be chosen: none of it later than the deadline less a margin."""
    now = times.now()
    last = snoozing.latest_wake(approval, now=now)
    tomorrow = (localtime(now) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    offered = [
        (now + timedelta(minutes=15), _("15 minutes")),
        (now + timedelta(hours=1), _("One hour")),
        (now + timedelta(hours=4), _("Four hours")),
        (tomorrow, _("Tomorrow")),
    ]
    if last is None:
        return []
    return [*((at, label) for at, label in offered if at < last), (last, _("As long as there is time"))]


@login_required
@require_safe
def attachment(request: ConsoleRequest, pk: UUID, file: UUID) -> HttpResponse:
    """A file beside an approval, for whoever may read the card: an image to look at, everything else to keep."""
    approval = content_or_404(request.user, pk)
    if not Proposal.objects.filter(approval=approval, attachments__contains=[{"id": str(file)}]).exists():
        raise Http404
    kept = Attachment.objects.filter(pk=file, agent=approval.agent_id).first()
    if kept is None:
        raise Http404
    image = kept.media_type in IMAGES
    response = HttpResponse(bytes(kept.content), content_type=kept.media_type)
    disposition = content_disposition_header(as_attachment=not image, filename=kept.name)
    response["Content-Disposition"] = disposition or ("inline" if image else "attachment")
    response["Content-Security-Policy"] = _SANDBOX
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response
