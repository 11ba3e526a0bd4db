"""One approval: reading it, claiming it, talking about it, and the panels in which a verdict is prepared."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from approvals.models import Approval
from approvals.models.approval import Status
from approvals.policy import snapshot
from approvals.policy.schema import Fault
from approvals.review import claims, decisions, escalation
from approvals.review.errors import (
    NoLongerPending,
    NotAllowed,
    OutOfDate,
    ReviewError,
    how_it_ended,
)
from console import rows, schemaform, stages
from console.cards import Card
from console.http import ConsoleRequest, content_or_404, is_fragment, visible_or_404
from console.views.inbox import filters_of, list_context
from console.words import REASONS


@login_required
@require_safe
def approval(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """The card: for htmx alone, else with the list beside it."""
    approval = visible_or_404(request.user, pk)
    since = request.GET.get("since", "")
    moved_on = waits(approval) and _moved_on(approval, since)
    panel = REREAD if since and waits(approval) and not moved_on else ""
    return show(request, approval, late=_since(approval, since), panel=panel)


# In the place of the buttons: until the person says that the new version was read.
REREAD = "_reread.html"


def waits(approval: Approval) -> bool:
    return approval.status == Status.PENDING


def _since(approval: Approval, seen: str) -> str:
    """What became of the card that an open page showed as revision and round `seen`."""
    if not seen:
        return ""
    if not waits(approval):
        return how_it_ended(approval)
    if _moved_on(approval, seen):
        said = _("A colleague approved this stage. Now it waits for %(queue)s.")
        return said % {"queue": stages.queue_words(approval)}
    if seen.partition(".")[0] != str(approval.revision):
        return revised_by(approval)
    return _("This changed while you were reading. Read it again.")


def _moved_on(approval: Approval, seen: str) -> bool:
    """What an open page showed as revision, round and stage `seen` is the same, and in a later stage now."""
    before, _dot, stage = seen.rpartition(".")
    return before == f"{approval.revision}.{approval.round}" and stage.isdecimal() and int(stage[:9]) < approval.stage


def revised_by(approval: Approval) -> str:
    """Who made the version that there is now."""
    author = approval.proposal.author if approval.proposal else None
    if author is None:
        return _("The agent revised this (v%(n)d). Read it again.") % {"n": approval.revision}
    return _("%(who)s changed this (v%(n)d). Read it again.") % {"who": author.name, "n": approval.revision}


@login_required
@require_safe
def actions(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """The buttons of the card, as after closing a panel."""
    card = Card(content_or_404(request.user, pk), request.user, filters=filters_of(request))
    return render(request, "_actions.html", {"card": card, **answering(card)})


@login_required
@require_safe
def claimed(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Who is reading the card now."""
    return _claimant(request, pk)


def _claimant(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    card = Card(content_or_404(request.user, pk), request.user, filters=filters_of(request))
    return render(request, "_claim.html", {"card": card})


@login_required
@require_safe
def approve(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """The panel of a manual gate: what to type, and the password again."""
    return panel(request, content_or_404(request.user, pk), "_approve.html")


@login_required
@require_safe
def reject(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """The panel that asks for the reason."""
    return panel(request, content_or_404(request.user, pk), "_reject.html")


@login_required
@require_POST
def claim(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Opening a card claims it; a colleague's claim is only taken over on request."""
    approval = content_or_404(request.user, pk)
    take_over = request.POST.get("take_over") == "1"
    _leave(request)
    try:
        claims.claim(approval.pk, by=request.user, take_over=take_over)
    except ReviewError as error:
        if take_over:
            return too_late(request, approval, error)
        # The card says who has it; being second is no failure.
        return _claimant(request, pk) if is_fragment(request) else redirect("approval", pk)
    if take_over or not is_fragment(request):
        return show(request, visible_or_404(request.user, pk))
    return _claimant(request, pk)


def _leave(request: ConsoleRequest) -> None:
    """Opening the next card returns the one before it to the queue."""
    with suppress(ValueError, ReviewError):
        claims.release_claim(UUID(request.POST.get("leave", "")), by=request.user)


@login_required
@require_POST
def release(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Leaving a card undecided returns it to the queue."""
    approval = content_or_404(request.user, pk)
    try:
        claims.release_claim(approval.pk, by=request.user)
    except NotAllowed:
        return HttpResponse(status=204)  # it was not held any more
    return HttpResponse(status=204) if is_fragment(request) else redirect("inbox")


@login_required
@require_POST
def undo(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Take one's own verdict back while it is held."""
    approval = content_or_404(request.user, pk)
    try:
        decisions.undo(approval.pk, by=request.user)
    except ReviewError as error:
        return too_late(request, approval, error)
    return show(request, visible_or_404(request.user, pk), toast={"text": _("Taken back. It waits again.")})


@login_required
@require_POST
def comment(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Words for colleagues; the agent does not read them."""
    approval = content_or_404(request.user, pk)
    try:
        claims.comment(approval.pk, by=request.user, text=request.POST.get("text", ""))
    except ReviewError as error:
        return too_late(request, approval, error)
    return show(request, visible_or_404(request.user, pk))


# --- Answers


def show(
    request: ConsoleRequest,
    approval: Approval,
    *,
    panel: str = "",
    status: int = 200,
    late: str = "",
    toast: Mapping[str, object] | None = None,
    context: Mapping[str, object] | None = None,
) -> HttpResponse:
    """The card, with a panel open where one is named."""
    card = Card(approval, request.user, filters=filters_of(request))
    shown = {"card": card, "panel": panel, "late": late, "toast": toast, **answering(card), **(context or {})}
    if is_fragment(request):
        settled = rows.for_rows(Approval.objects.filter(pk=approval.pk)).first() if toast or late else None
        shown |= {"settled": settled, "now": card.now}
        response = render(request, "_decided.html", shown, status=status)
        response["HX-Push-Url"] = reverse("approval", args=[approval.pk]) + card.query
        return response
    if toast:
        messages.success(request, str(toast["text"]))
    return render(request, "inbox.html", {**list_context(request), **shown}, status=status)


def panel(
    request: ConsoleRequest,
    approval: Approval,
    template: str,
    faults: Sequence[Fault] = (),
    *,
    status: int = 200,
    **context: object,
) -> HttpResponse:
    """A panel in the place of the buttons; a fault stands beside its field, or above them all."""
    card = Card(approval, request.user, filters=filters_of(request))
    errors = {fault.pointer.removeprefix("/"): fault.message for fault in faults}
    shown = {
        "errors": errors,
        "faults": [{"message": fault.message, "field": fault.pointer.removeprefix("/") in FIELDS} for fault in faults],
        "values": {name: value for name, value in request.POST.items() if name != "password"},
        "reasons": REASONS.items(),
        "required": approval.action_type is None or approval.action_type.reason_required,
        **context,
    }
    if template == "_escalate.html" and "escalate" in card.actions:
        shown["receiver"] = escalation.receiver_of(approval, snapshot.load(approval.policy_id), now=card.now)
    if is_fragment(request):
        response = render(request, template, {"card": card, **shown}, status=status)
        response["HX-Retarget"] = "#actions"
        response["HX-Reswap"] = "innerHTML"
        return response
    return show(request, approval, panel=template, status=status, context=shown)


# Fields that a panel marks themselves; other faults are said above them.
FIELDS = {"message", "typed", "password", "raw", "answer", "text", "guidance"}


def too_late(request: ConsoleRequest, approval: Approval, error: ReviewError) -> HttpResponse:
    """403 or 409: the card as it now is, and who was first."""
    status = 409 if isinstance(error, NoLongerPending | OutOfDate) else 403
    try:
        fresh = visible_or_404(request.user, approval.pk)
    except Http404:
        raise PermissionDenied(str(error)) from error  # it left the person's sight together with the error
    revised = isinstance(error, OutOfDate) and waits(fresh) and not error.staged
    late = revised_by(fresh) if revised and fresh.revision != 1 else str(error)
    return show(request, fresh, status=status, late=late, panel=REREAD if revised else "")


def answering(card: Card, posted: Mapping[str, str] | None = None) -> dict[str, list[schemaform.Field]]:
    """The controls of a question whose answer has a schema of several fields."""
    schema = card.proposal.schema if card.proposal and card.is_question else {}
    if not schema.get("properties"):
        return {"answer_fields": []}
    guess = card.proposal.best_guess if card.proposal and isinstance(card.proposal.best_guess, dict) else {}
    fields = schemaform.fields_of(schema, guess, prefix="answer")
    if posted is not None:
        schemaform.keep(fields, posted)
    return {"answer_fields": fields}
