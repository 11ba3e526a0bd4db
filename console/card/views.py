"""One approval: reading it, claiming it, talking about it, and the panels in which a verdict is prepared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from approvals.decisions import attempts, claims, escalation
from approvals.decisions.card_version import CardVersion, card_version_of
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import reason_required
from approvals.errors import NoLongerPending, NotAllowed, OutOfDate, ReviewError, Stopped, how_it_ended
from approvals.execution.recall import TooLate
from approvals.models import Approval, Attempt, User
from approvals.models.policy import Verdict
from approvals.models.states import Status
from approvals.models.verdict import RejectionReason
from approvals.policy import snapshot
from approvals.values.schema import Fault
from console.card import answer_form, stages, step_up, toasts
from console.card.cards import Card
from console.card.toasts import Toast
from console.http import ConsoleRequest, content_or_404, is_fragment, visible_or_404
from console.inbox import rows
from console.inbox.views import filters_of, list_context

# In the place of the buttons: until the person says that the new version was read.
REREAD = "_reread.html"


P = ParamSpec("P")
T = TypeVar("T")


def on_card_version(
    view: Callable[Concatenate[ConsoleRequest, Approval, P], HttpResponse],
) -> Callable[..., HttpResponse]:
    """A view of what leaves from a card: it is given the approval, and only in the version that the card shows.

    Every request says which version that is, whatever was fetched since. One that says another, or none, gets the
    card as it is now instead, which decides nothing before it was read again.
    """

    @wraps(view)
    @login_required
    def checked(request: ConsoleRequest, pk: UUID, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        approval = content_or_404(request.user, pk)
        before = attempts.recorded(attempt_of(request), pk, by=request.user)
        if before is not None:
            return repeated(request, before)
        try:
            shown = CardVersion.read(pk, _version(request))
        except ValueError:
            late = _("This page did not say which version it shows. Read it again.")
            return show(request, approval, status=422, late=late, panel=REREAD if is_waiting(approval) else "")
        try:
            attempts.refuse_unless_shown(shown, approval)
        except ReviewError as error:
            return conflict(request, approval, error)
        return view(request, approval, *args, **kwargs)

    return checked


def _version(request: ConsoleRequest) -> str:
    """The version of the card that a request left from."""
    return (request.POST if request.method == "POST" else request.GET).get("version", "")


def attempt_of(request: ConsoleRequest) -> UUID | None:
    """The id that the page gave this press; without script there is none."""
    try:
        return UUID(request.POST.get("attempt", ""))
    except ValueError:
        return None


def once_per_attempt(request: ConsoleRequest, approval: Approval, does: str, change: Callable[[], T]) -> T:
    """Make a change to what the card showed, under the id of its attempt. Raises what `attempts.change_once` does."""
    shown = card_version_of(approval)
    return attempts.change_once(
        attempt_of(request), approval.pk, by=request.user, does=does, change=change, shown=shown
    )


@login_required
@require_safe
def approval(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """The card: for htmx alone, else with the list beside it. From an open card of another version it is locked."""
    approval = visible_or_404(request.user, pk)
    version = request.GET.get("version", "")
    if not version or (version == approval.version and is_waiting(approval)):
        return show(request, approval)
    late = _what_changed_sentence(approval, version, request.user)
    return show(request, approval, late=late, panel=REREAD if is_waiting(approval) else "")


def is_waiting(approval: Approval) -> bool:
    return approval.status == Status.PENDING


def _what_changed_sentence(approval: Approval, version: str, user: User) -> str:
    """What became of the card that an open page showed in this version; "" where this person settled it."""
    if not is_waiting(approval):
        return "" if approval.decided_by_id == user.pk else how_it_ended(approval)
    try:
        shown = CardVersion.read(approval.pk, version)
    except ValueError:
        return _("This changed while you were reading. Read it again.")
    if replace(shown, stage=approval.stage) == card_version_of(approval) and shown.stage < approval.stage:
        sentence = _("A colleague approved this stage. Now it waits for %(queue)s.")
        return sentence % {"queue": stages.queue_label(approval)}
    if shown.revision != approval.revision:
        return revised_by(approval)
    return _("This changed while you were reading. Read it again.")


def revised_by(approval: Approval) -> str:
    """Who made the version that there is now."""
    author = approval.proposal.author if approval.proposal else None
    if author is None:
        return _("The agent revised this (v%(n)d). Read it again.") % {"n": approval.revision}
    return _("%(who)s changed this (v%(n)d). Read it again.") % {"who": author.name, "n": approval.revision}


@require_safe
@on_card_version
def actions(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """The buttons of the card, as after closing a panel."""
    card = Card(approval, request.user, filters=filters_of(request))
    return render(request, "_actions.html", {"card": card, **answer_draft(card)})


@require_safe
@on_card_version
def claimed(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """Who is reading the card now."""
    card = Card(approval, request.user, filters=filters_of(request))
    return render(request, "_claim.html", {"card": card})


def _claimant(request: ConsoleRequest, shown: Approval) -> HttpResponse:
    """Claim it if it is still what was shown, and return who is reading it then."""
    fresh = content_or_404(request.user, shown.pk)
    if fresh.version != shown.version:
        return conflict(request, fresh, OutOfDate(fresh) if is_waiting(fresh) else NoLongerPending(fresh))
    return render(request, "_claim.html", {"card": Card(fresh, request.user, filters=filters_of(request))})


@require_safe
@on_card_version
def approve(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """The panel of a manual gate: what to type, and the password or a passkey."""
    return panel(request, approval, "_approve.html")


@require_POST
@on_card_version
def passkey(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """What to ask the browser for a passkey with, in place of the password, for what the card shows."""
    card = Card(approval, request.user)
    if not (card.manual and card.has_passkey and Verdict.APPROVE in approval.allowed and is_waiting(approval)):
        raise Http404
    return JsonResponse(step_up.challenge(request, approval))


@require_safe
@on_card_version
def reject(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """The panel that asks for the reason."""
    return panel(request, approval, "_reject.html")


@require_POST
@on_card_version
def claim(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """Claim the card that stands open; a colleague's claim is taken over only on request."""
    take_over = request.POST.get("take_over") == "1"
    try:
        once_per_attempt(
            request, approval, "claim", lambda: claims.claim(approval.pk, by=request.user, take_over=take_over)
        )
    except ReviewError as error:
        if take_over:
            return conflict(request, approval, error)
        # The card says who has it; being second is no failure.
        return _claimant(request, approval) if is_fragment(request) else redirect("card:card", approval.pk)
    if take_over or not is_fragment(request):
        return show(request, visible_or_404(request.user, approval.pk))
    return _claimant(request, approval)


@login_required
@require_POST
def release(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Leaving a card undecided returns it to the queue, in whatever version."""
    approval = content_or_404(request.user, pk)
    try:
        claims.release_claim(approval.pk, by=request.user)
    except NotAllowed:
        return HttpResponse(status=204)  # it was not held any more
    return HttpResponse(status=204) if is_fragment(request) else redirect("inbox:inbox")


@require_POST
@on_card_version
def undo_verdict(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """Take one's own verdict back while it is held."""
    try:
        once_per_attempt(request, approval, "undo", lambda: undo(approval.pk, by=request.user))
    except ReviewError as error:
        return conflict(request, approval, error)
    fresh = visible_or_404(request.user, approval.pk)
    return show(request, fresh, toast=toasts.toast_of(fresh, _("Taken back. It waits again.")))


@require_POST
@on_card_version
def comment(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """Words for colleagues; the agent does not read them."""
    try:
        text = request.POST.get("text", "")
        once_per_attempt(request, approval, "comment", lambda: claims.comment(approval.pk, by=request.user, text=text))
    except ReviewError as error:
        return conflict(request, approval, error)
    return show(request, visible_or_404(request.user, approval.pk))


# --- Answers


def show(
    request: ConsoleRequest,
    approval: Approval,
    *,
    panel: str = "",
    status: int = 200,
    late: str = "",
    toast: Toast | None = None,
    context: Mapping[str, object] | None = None,
) -> HttpResponse:
    """The card, with a panel open where one is named."""
    card = Card(approval, request.user, filters=filters_of(request))
    shown = {"card": card, "panel": panel, "late": late, "toast": toast, **answer_draft(card), **(context or {})}
    if is_fragment(request):
        settled = rows.with_row_relations(Approval.objects.filter(pk=approval.pk)).first() if toast or late else None
        shown |= {"settled": settled, "now": card.now}
        response = render(request, "_decided.html", shown, status=status)
        response["HX-Push-Url"] = reverse("card:card", args=[approval.pk]) + card.query
        # A part that was asked for may be answered by the whole card.
        response["HX-Retarget"] = "#pane"
        response["HX-Reswap"] = "innerHTML"
        return response
    if toast:
        messages.success(request, str(toast))
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
        "values": {name: value for name, value in request.POST.items() if name not in ("password", "passkey")},
        "reasons": RejectionReason.choices,
        "required": reason_required(approval),
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


def repeated(request: ConsoleRequest, attempt: Attempt) -> HttpResponse:
    """The same press arrived again: what it did the first time, and the card as it now is."""
    fresh = visible_or_404(request.user, attempt.approval_id)
    return show(request, fresh, toast=toasts.attempt(fresh, attempt))


def conflict(request: ConsoleRequest, approval: Approval, error: ReviewError) -> HttpResponse:
    """403 or 409: the card as it now is, and who was first."""
    if isinstance(error, attempts.Repeated):
        return repeated(request, error.attempt)
    status = 409 if isinstance(error, NoLongerPending | OutOfDate | TooLate | Stopped) else 403
    try:
        fresh = visible_or_404(request.user, approval.pk)
    except Http404:
        raise PermissionDenied(str(error)) from error  # it left the person's sight together with the error
    revised = isinstance(error, OutOfDate) and is_waiting(fresh)
    staged = isinstance(error, OutOfDate) and error.staged
    late = revised_by(fresh) if revised and not staged and fresh.revision != 1 else str(error)
    return show(request, fresh, status=status, late=late, panel=REREAD if revised else "")


@require_POST
@on_card_version
def answer(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """The controls of an answer after a press in them: an entry more, a field less. Decides nothing."""
    card = Card(approval, request.user, filters=filters_of(request))
    return render(request, "_answer_fields.html", {"card": card, **answer_draft(card, request.POST)})


def answer_draft(card: Card, posted: Mapping[str, str] | None = None) -> dict[str, object]:
    """The answer to a question, with what was typed so far; None where any text answers it, and for what is none."""
    return {"answer": answer_form.answer_to(card.proposal, posted) if card.is_question else None}
