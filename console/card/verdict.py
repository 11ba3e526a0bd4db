"""What moves a card on: a verdict or an escalation, and the next card after it."""

from collections.abc import Sequence
from functools import partial

from django.contrib import messages
from django.db.models import F, Q
from django.db.models.functions import Least
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.decisions import claims
from approvals.decisions import decide as decisions
from approvals.decisions.verdict_input import NoAnswer, VerdictInput
from approvals.errors import BadVerdict, ReviewError
from approvals.models import Approval
from approvals.models.policy import Verdict
from approvals.models.states import Status
from approvals.people import access, authorities, eligibility
from approvals.values.schema import Fault, Json
from console.card import answer_form, questions, stages, step_up, toasts
from console.card.cards import Card
from console.card.toasts import Toast
from console.card.views import answer_draft, conflict, on_card_version, once_per_attempt, panel, show
from console.forms import NoteForm, VerdictForm
from console.http import ConsoleRequest, is_fragment, visible_or_404
from console.inbox import live, rows
from console.inbox.filters import PAGE, InboxFilter, first_of
from console.inbox.remaining import next_moment
from console.inbox.views import filters_of, list_context


@require_POST
@on_card_version
def decide(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """One verdict on what the card showed."""
    form = VerdictForm(request.POST)
    if not form.is_valid():
        return refuse(request, approval, form.faults)
    verdict = form.cleaned_data["verdict"]
    try:
        verdict_input = _verdict_input(request, form, approval)
        deciding = partial(
            decisions.decide, form.seen(approval), by=request.user, verdict=verdict, verdict_input=verdict_input
        )
        settled = once_per_attempt(request, approval, verdict, deciding)
    except BadVerdict as error:
        return refuse(request, approval, error.faults)
    except ReviewError as error:
        return conflict(request, approval, error)
    return decided(request, settled, stay=form.cleaned_data["stay"])


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def escalate(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET says who would receive it and by when; POST hands it over."""
    if request.method != "POST":
        return panel(request, approval, "_escalate.html")
    form = NoteForm(request.POST)
    note = form.cleaned_data["note"] if form.is_valid() else request.POST.get("note", "")
    try:
        escalating = partial(claims.escalate, approval.pk, by=request.user, note=note)
        escalated = once_per_attempt(request, approval, "escalate", escalating)
    except BadVerdict as error:
        return panel(request, approval, "_escalate.html", error.faults, status=422)
    except ReviewError as error:
        return conflict(request, approval, error)
    toast = toasts.toast_of(escalated, _("Escalated to %(tier)s.") % {"tier": escalated.tier.name})
    return onward(request, escalated, toast)


# --- Answers


def refuse(request: ConsoleRequest, approval: Approval, faults: Sequence[Fault]) -> HttpResponse:
    """422: the panel again, with what is wrong."""
    verdict = request.POST.get("verdict", "")
    if verdict == Verdict.REJECT:
        return panel(request, approval, "_reject.html", faults, status=422)
    if verdict == Verdict.APPROVE and eligibility.page_only(approval):
        return panel(request, approval, "_approve.html", faults, status=422)
    if verdict == Verdict.ANSWER:
        answer = answer_form.answer_to(approval.proposal, request.POST)
        left = answer.put(faults) if answer else faults
        return panel(request, approval, "_answer.html", left, status=422, answer=answer)
    return show(request, approval, status=422, late=" ".join(fault.message for fault in faults))


def decided(request: ConsoleRequest, settled: Approval, *, stay: bool = False) -> HttpResponse:
    """The answer to a verdict: the next card of the same list, and a toast with the seconds left to undo."""
    if settled.status == Status.PENDING:
        return onward(request, settled, toasts.toast_of(settled, stages.vote_sentence(settled)), stay=stay)
    return onward(request, settled, toasts.verdict(settled, by=request.user), stay=stay)


@authorities.reading_once()
def onward(request: ConsoleRequest, settled: Approval, toast: Toast, *, stay: bool = False) -> HttpResponse:
    """The next card under the same filters, or this one again; without htmx a redirect to the list."""
    if not is_fragment(request):
        messages.success(request, str(toast).removesuffix(" in"))
        filters = filters_of(request)
        return redirect(
            f"{reverse('card:card', args=[settled.pk])}{Card(settled, request.user, filters=filters).query}"
        )
    following = visible_or_404(request.user, settled.pk) if stay else _next(request, settled)
    context: dict[str, object] = {"toast": toast, "settled": _row(settled), "gone": _gone(request, settled), "late": ""}
    if following is None:
        context = {**list_context(request), **context}
        response = render(request, "_decided.html", context)
        response["HX-Push-Url"] = (
            reverse("inbox:inbox") + Card(settled, request.user, filters=filters_of(request)).query
        )
        return response
    card = Card(following, request.user, filters=filters_of(request))
    response = render(request, "_decided.html", {**context, "card": card, "now": card.now, **answer_draft(card)})
    response["HX-Push-Url"] = reverse("card:card", args=[following.pk]) + card.query
    return response


def _row(approval: Approval) -> Approval | None:
    return rows.with_row_relations(Approval.objects.filter(pk=approval.pk)).first()


def _gone(request: ConsoleRequest, settled: Approval) -> str:
    """Where it waits now, when that is no longer in this person's list."""
    authority = authorities.authority_of(request.user)
    mine = authority.sees_all or settled.agent_id in authority.operates
    if settled.status != Status.PENDING or mine or authority.reaches(settled.tier_id, settled.domain_id):
        return ""
    return stages.queue_label(settled)


def _next(request: ConsoleRequest, settled: Approval) -> Approval | None:
    """The most urgent one of the same filters that no colleague is reading; first those after the settled one."""
    user = request.user
    card = Card(settled, user)
    pending = access.waiting_of(user, card.authority, now=card.now).exclude(pk=settled.pk)
    pending = pending.exclude(agent__in=card.authority.operates)
    condition = Q()
    if filters_of(request):
        condition = InboxFilter(request.GET, user, live.watch_of(user).queues).condition(card.now)
    free = pending.filter(Q(claimed_by=None) | Q(claim_until__lte=card.now) | Q(claimed_by=user))
    at = card.left.at
    timed = free.only("due_at", "expires_at").annotate(at=Least("due_at", "expires_at"))
    candidates = first_of(timed, condition, F("at"), PAGE)
    later = [approval.pk for approval in candidates if at and (next_moment(approval) or at) >= at]
    chosen = (later or [approval.pk for approval in candidates])[:1]
    return visible_or_404(user, chosen[0], card.authority) if chosen else None


def _verdict_input(request: ConsoleRequest, form: VerdictForm, approval: Approval) -> VerdictInput:
    cleaned = form.cleaned_data
    message = cleaned["message"].strip()
    return VerdictInput(
        message=message or None,
        reason=cleaned["reason"],
        alternative=cleaned["alternative"],
        answer=_answer(request, approval) if cleaned["verdict"] == Verdict.ANSWER else NoAnswer.NOTHING,
        stop=cleaned["stop"],
        guidance=cleaned["guidance"],
        remember=offered(approval, cleaned["remember"]),
        typed_confirmation=cleaned["typed"],
        freshly_authenticated=step_up.proves_identity(request, approval, **form.proof),
        viewed=form.viewed_for,
    )


def offered(approval: Approval, number: int | None) -> Json:
    """What the agent offered to remember under this number; None for only this time."""
    offers: list[Json] = list(approval.proposal.remember) if approval.proposal else []
    return offers[number] if number is not None and number < len(offers) else None


def _answer(request: ConsoleRequest, approval: Approval) -> "Json | NoAnswer":
    """The agent's best guess where that was pressed, else what the controls hold. Raises BadVerdict."""
    if request.POST.get("guess"):
        return questions.best_guess(approval.proposal)
    answer = answer_form.answer_to(approval.proposal, request.POST)
    if answer is None:
        return request.POST.get("answer", "").replace("\r\n", "\n")
    if answer.faults:
        raise BadVerdict(answer.faults)
    return answer.value
