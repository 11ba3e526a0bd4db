"""What moves a card on: a verdict or an escalation, and the next card after it."""

from collections.abc import Sequence
from functools import partial

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.models import Approval
from approvals.models.approval import Status
from approvals.models.policy import Verdict
from approvals.policy.schema import Fault, Json
from approvals.review import access, claims, decisions
from approvals.review.decisions import NoAnswer, Words
from approvals.review.errors import BadVerdict, ReviewError
from console import answers, live, questions, rows, stages, stepup, toasts
from console.cards import Card
from console.filters import InboxFilter
from console.forms import NoteForm, VerdictForm
from console.http import ConsoleRequest, is_fragment, visible_or_404
from console.toasts import Toast
from console.views.card import answering, on_card, once, panel, show, too_late
from console.views.inbox import filters_of, list_context


@require_POST
@on_card
def decide(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """One verdict on what the card showed."""
    form = VerdictForm(request.POST)
    if not form.is_valid():
        return refuse(request, approval, form.faults)
    verdict = form.cleaned_data["verdict"]
    try:
        words = _words(request, form, approval)
        deciding = partial(decisions.decide, form.seen(approval), by=request.user, verdict=verdict, words=words)
        settled = once(request, approval, verdict, deciding)
    except BadVerdict as error:
        return refuse(request, approval, error.faults)
    except ReviewError as error:
        return too_late(request, approval, error)
    return decided(request, settled, stay=form.cleaned_data["stay"])


@require_http_methods(["GET", "HEAD", "POST"])
@on_card
def escalate(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET says who would receive it and by when; POST hands it over."""
    if request.method != "POST":
        return panel(request, approval, "_escalate.html")
    form = NoteForm(request.POST)
    note = form.cleaned_data["note"] if form.is_valid() else request.POST.get("note", "")
    try:
        escalating = partial(claims.escalate, approval.pk, by=request.user, note=note)
        escalated = once(request, approval, "escalate", escalating)
    except BadVerdict as error:
        return panel(request, approval, "_escalate.html", error.faults, status=422)
    except ReviewError as error:
        return too_late(request, approval, error)
    told = toasts.of(escalated, _("Escalated to %(tier)s.") % {"tier": escalated.tier.name})
    return onward(request, escalated, told)


# --- Answers


def refuse(request: ConsoleRequest, approval: Approval, faults: Sequence[Fault]) -> HttpResponse:
    """422: the panel again, with what is wrong."""
    verdict = request.POST.get("verdict", "")
    if verdict == Verdict.REJECT:
        return panel(request, approval, "_reject.html", faults, status=422)
    if verdict == Verdict.APPROVE and access.page_only(approval):
        return panel(request, approval, "_approve.html", faults, status=422)
    if verdict == Verdict.ANSWER:
        answer = answers.answer_to(approval.proposal, request.POST)
        left = answer.put(faults) if answer else faults
        return panel(request, approval, "_answer.html", left, status=422, answer=answer)
    return show(request, approval, status=422, late=" ".join(fault.message for fault in faults))


def decided(request: ConsoleRequest, settled: Approval, *, stay: bool = False) -> HttpResponse:
    """After a verdict: the next card of the same list, and a toast with the seconds left to undo."""
    if settled.status == Status.PENDING:
        return onward(request, settled, toasts.of(settled, stages.gone_on(settled)), stay=stay)
    return onward(request, settled, toasts.verdict(settled, by=request.user), stay=stay)


def onward(request: ConsoleRequest, settled: Approval, toast: Toast, *, stay: bool = False) -> HttpResponse:
    """The next card of the same filters, or the same one; without htmx back to the list."""
    if not is_fragment(request):
        messages.success(request, str(toast).removesuffix(" in"))
        filters = filters_of(request)
        return redirect(f"{reverse('approval', args=[settled.pk])}{Card(settled, request.user, filters=filters).query}")
    following = visible_or_404(request.user, settled.pk) if stay else _next(request, settled)
    context: dict[str, object] = {"toast": toast, "settled": _row(settled), "gone": _gone(request, settled), "late": ""}
    if following is None:
        context = {**list_context(request), **context}
        response = render(request, "_decided.html", context)
        response["HX-Push-Url"] = reverse("inbox") + Card(settled, request.user, filters=filters_of(request)).query
        return response
    card = Card(following, request.user, filters=filters_of(request))
    response = render(request, "_decided.html", {**context, "card": card, "now": card.now, **answering(card)})
    response["HX-Push-Url"] = reverse("approval", args=[following.pk]) + card.query
    return response


def _row(approval: Approval) -> Approval | None:
    return rows.for_rows(Approval.objects.filter(pk=approval.pk)).first()


def _gone(request: ConsoleRequest, settled: Approval) -> str:
    """Where it waits now, when that is no longer in this person's list."""
    authority = access.authority_of(request.user)
    mine = authority.sees_all or settled.agent_id in authority.operates
    if settled.status != Status.PENDING or mine or authority.reaches(settled.tier_id, settled.domain_id):
        return ""
    return stages.queue_words(settled)


def _next(request: ConsoleRequest, settled: Approval) -> Approval | None:
    """The most urgent one of the same filters that no colleague is reading; first those after the settled one."""
    user = request.user
    card = Card(settled, user)
    pending = access.waiting_of(user, card.authority, now=card.now).exclude(pk=settled.pk)
    pending = pending.exclude(agent__in=card.authority.operates)
    if filters_of(request):
        pending = InboxFilter(request.GET, user, live.watch_of(user).queues).apply(pending, card.now)
    free = pending.filter(claimed_by=None) | pending.filter(claim_until__lte=card.now) | pending.filter(claimed_by=user)
    at = card.left.at
    candidates = list(free.values_list("pk", "due_at", "expires_at")[:50])
    later = [pk for pk, due, end in candidates if at and min(filter(None, (due, end)), default=at) >= at]
    chosen = (later or [pk for pk, _due, _end in candidates])[:1]
    return visible_or_404(user, chosen[0], card.authority) if chosen else None


def _words(request: ConsoleRequest, form: VerdictForm, approval: Approval) -> Words:
    cleaned = form.cleaned_data
    said = cleaned["message"].strip()
    return Words(
        message=said or None,
        reason=cleaned["reason"],
        alternative=cleaned["alternative"],
        answer=_answer(request, approval) if cleaned["verdict"] == Verdict.ANSWER else NoAnswer.NOTHING,
        stop=cleaned["stop"],
        guidance=cleaned["guidance"],
        remember=offered(approval, cleaned["remember"]),
        typed=cleaned["typed"],
        fresh=stepup.proved(request, approval, **form.proof),
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
    answer = answers.answer_to(approval.proposal, request.POST)
    if answer is None:
        return request.POST.get("answer", "").replace("\r\n", "\n")
    if answer.faults:
        raise BadVerdict(answer.faults)
    return answer.value
