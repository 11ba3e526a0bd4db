"""Editing a plan on its card: each press changes the wish and shows the plan as it would be; the last one decides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from approvals import times
from approvals.models import Approval
from approvals.models.approval import Subject
from approvals.models.policy import Verdict
from approvals.policy.schema import Fault, Json
from approvals.review import access, decisions, replanning
from approvals.review.decisions import Words
from approvals.review.errors import BadVerdict, NotAllowed, ReviewError
from console import plans, stepup
from console.cards import Card
from console.controls import sentences
from console.forms import VerdictForm
from console.http import ConsoleRequest, is_fragment
from console.plans import Editing, NoWish, PlanView
from console.views.card import on_card, once, show, too_late
from console.views.inbox import filters_of
from console.views.verdict import decided

_FOOTER = "_plan_actions.html"


@require_http_methods(["GET", "HEAD", "POST"])
@on_card
def plan(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET opens the edit; POST makes one change of it (`op`), or approves what it has become."""
    authority = access.authority_of(request.user)
    if approval.subject != Subject.PLAN or Verdict.MODIFY not in access.actions_for(
        approval, request.user, authority=authority
    ):
        return too_late(request, approval, NotAllowed())
    if request.method != "POST":
        return _answer(request, approval, PlanView(approval, authority, wish=plans.wish_of(approval)))
    op, _sep, name = request.POST.get("op", "").partition(":")
    try:
        view = PlanView(approval, authority, wish=plans.read_wish(request.POST.get("plan", "")))
        if op == "approve":
            return _approve(request, approval, view)
        return _answer(request, approval, _changed(request, view, op, name))
    except NoWish:
        return _answer(request, approval, PlanView(approval, authority, wish=plans.wish_of(approval)), status=422)


def _changed(request: ConsoleRequest, view: PlanView, op: str, name: str) -> PlanView:
    """The plan after one press; what is typed in the step that stands open is kept. Raises NoWish."""
    opened = request.POST.get("open", "")
    ends = op in ("reset", "cancel", "again") or (
        name == opened and op in ("save", "act", "refuse", "remove", "reject")
    )
    if ends or view.step(opened) is None:
        return _pressed(request, view, op, name)
    if "why" in request.POST:
        return _beside_reason(request, view, op, name)
    if name == opened and op == "edit":
        return _pressed(request, view, "act", name)
    saved = _saved(request, view, opened)
    return saved if saved.open.step else _pressed(request, saved, op, name)


def _beside_reason(request: ConsoleRequest, view: PlanView, op: str, name: str) -> PlanView:
    """Another press while the reason of a rejection is being typed. Raises NoWish."""
    opened, why = request.POST["open"], request.POST["why"][: replanning.LONGEST_REASON]
    if why.strip() and op in ("edit", "reject"):
        error = _("Reject this step, or cancel, first.")
        return _with(view, view.wish, Editing(opened, "reject", message=why, error=error))
    after = _pressed(request, view, op, name)
    if not after.open.step and after.step(opened) is not None:
        after.open = replace(after.open, step=opened, mode="reject", message=why)
    return after


def _pressed(request: ConsoleRequest, view: PlanView, op: str, name: str) -> PlanView:
    """The plan after one press, whatever else stands open. Raises NoWish."""
    if op == "reset":
        return _with(view, plans.wish_of(view.approval))
    if op == "again":  # what was not sent is put back
        return view
    if view.step(name) is None:
        raise NoWish
    match op:
        case "up" | "down":
            return _with(view, plans.moved(view, name, -1 if op == "up" else 1))
        case "remove":
            wish, note = plans.without(view, name)
            return _with(view, wish, Editing(note=note))
        case "edit":
            return _with(view, view.wish, Editing(name, "args", view.draft_of(name)))
        case "act":
            return _with(view, view.wish, Editing(name, "args", view.draft_of(name, request.POST)))
        case "save":
            return _saved(request, view, name)
        case "reject":
            return _with(view, view.wish, Editing(name, "reject"))
        case "refuse":
            message = request.POST.get("why", "").strip()[: replanning.LONGEST_REASON]
            if not message:
                return _with(view, view.wish, Editing(name, "reject", error=_("A rejection needs a reason.")))
            wish, note = plans.refused(view, name, message)
            return _with(view, wish, Editing(note=note))
        case "keep":
            wish = [{"id": name} if one["id"] == name else dict(one) for one in view.wish or ()]
            return _with(view, wish)
    return _with(view, view.wish)


def _saved(request: ConsoleRequest, view: PlanView, name: str) -> PlanView:
    """The typed arguments as the step's; what is wrong with them stands beside the controls."""
    draft = view.draft_of(name, request.POST)
    if draft.faults:
        return _with(view, view.wish, Editing(name, "args", draft))
    wish = plans.edited(view, name, draft)
    place = next(number for number, one in enumerate(wish) if one["id"] == name)
    at = f"/args/steps/{place}/args"
    tried = _tried(request, view.approval, wish)[0] if draft.changed else ()
    faults = [fault for fault in tried if fault.pointer.startswith(at)]
    if not faults:
        return _with(view, wish)
    left = sentences.put(draft.control, faults, prefix=at)
    return _with(view, view.wish, Editing(name, "args", draft, error=" ".join(fault.message for fault in left)))


def _with(view: PlanView, wish: Sequence[object] | None, editing: Editing | None = None) -> PlanView:
    listed = [dict(one) for one in wish or () if isinstance(one, dict)]
    return PlanView(view.approval, view.authority, wish=listed, editing=editing)


def _tried(
    request: ConsoleRequest, approval: Approval, wish: Json
) -> tuple[Sequence[Fault], Sequence[Mapping[str, Json]]]:
    """What the domain would say to this plan now: faults, or how it classifies the steps. It changes nothing."""
    try:
        revision = replanning.of(approval, {"steps": wish}, by=request.user, now=times.now())
    except BadVerdict as error:
        return error.faults, ()
    except NotAllowed as error:
        return [Fault("", str(error))], ()
    return (), revision.proposal.assessed


def _approve(request: ConsoleRequest, approval: Approval, view: PlanView) -> HttpResponse:
    form = VerdictForm({**request.POST.dict(), "verdict": "modify"})
    if not form.is_valid():
        return _answer(request, approval, view, form.faults, status=422)
    try:
        fresh = stepup.proved(request, approval, **form.proof)
    except BadVerdict as error:
        return _answer(request, approval, view, error.faults, status=422)
    words = Words(
        message=form.cleaned_data["message"].strip() or None,
        steps=list(view.wish or ()),
        typed=form.cleaned_data["typed"],
        fresh=fresh,
        viewed=form.viewed_for,
    )
    try:
        deciding = partial(decisions.decide, form.seen(approval), by=request.user, verdict="modify", words=words)
        settled = once(request, approval, "modify", deciding)
    except BadVerdict as error:
        return _answer(request, approval, view, error.faults, status=422)
    except ReviewError as error:
        return too_late(request, approval, error)
    return decided(request, settled)


def _answer(
    request: ConsoleRequest, approval: Approval, view: PlanView, faults: Sequence[Fault] = (), *, status: int = 200
) -> HttpResponse:
    """The plan as it would be, and the footer that approves it; where something is wrong, with what."""
    card = Card(approval, request.user, filters=filters_of(request))
    found = list(faults)
    if view.changed:
        tried, view.fresh = _tried(request, approval, list(view.wish or ()))
        found = found or list(tried)
    errors = {fault.pointer.removeprefix("/"): fault.message for fault in found}
    context = {
        "plan": view,
        "errors": errors,
        "plan_faults": [fault.message for fault in found if fault.pointer not in ("/typed", "/password", "/message")],
        "values": {name: value for name, value in request.POST.items() if name in ("typed", "message")},
    }
    if is_fragment(request):
        response = render(request, "_plan_edit.html", {"card": card, **context}, status=status)
        response["HX-Retarget"] = "#plan"
        response["HX-Reswap"] = "outerHTML"
        return response
    return show(request, approval, panel=_FOOTER, status=status, context=context)
