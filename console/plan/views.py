"""Editing a plan on its card: each press changes the wish and shows the plan as it would be; the last one decides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from approvals.db import times
from approvals.decisions import plan_edits
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.models import Approval
from approvals.models.policy import Verdict
from approvals.models.states import ItemType
from approvals.people import access, authorities
from approvals.values import texts
from approvals.values.schema import Fault, Json
from console.card import step_up
from console.card.cards import Card
from console.card.verdict import decided
from console.card.views import conflict, on_card_version, once_per_attempt, show
from console.controls import sentences
from console.forms import VerdictForm
from console.http import ConsoleRequest, is_fragment
from console.inbox.views import filters_of
from console.plan import plans
from console.plan.plans import BadPlanEdit, Editing, PlanView

_FOOTER = "_plan_actions.html"


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def plan(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET opens the edit; POST makes one change of it (`op`), or approves what it has become."""
    authority = authorities.authority_of(request.user)
    if approval.item_type != ItemType.PLAN or Verdict.MODIFY not in access.actions_for(
        approval, request.user, authority=authority
    ):
        return conflict(request, approval, NotAllowed())
    if request.method != "POST":
        return _answer(request, approval, PlanView(approval, authority, wish=plans.unchanged_edits(approval)))
    op, _sep, name = request.POST.get("op", "").partition(":")
    try:
        view = PlanView(approval, authority, wish=plans.read_step_edits(request.POST.get("plan", "")))
        if op == "approve":
            return _approve(request, approval, view)
        return _answer(request, approval, _changed_view(request, view, op, name))
    except BadPlanEdit:
        return _answer(
            request, approval, PlanView(approval, authority, wish=plans.unchanged_edits(approval)), status=422
        )


def _changed_view(request: ConsoleRequest, view: PlanView, op: str, name: str) -> PlanView:
    """The plan after one press; what is typed in the step that stands open is kept. Raises BadPlanEdit."""
    opened = request.POST.get("open", "")
    ends = op in ("reset", "cancel", "again") or (
        name == opened and op in ("save", "act", "refuse", "remove", "reject")
    )
    if ends or view.step(opened) is None:
        return _after_press(request, view, op, name)
    if "why" in request.POST:
        return _beside_reason(request, view, op, name)
    if name == opened and op == "edit":
        return _after_press(request, view, "act", name)
    saved = _with_saved_arguments(request, view, opened)
    return saved if saved.open.step else _after_press(request, saved, op, name)


def _beside_reason(request: ConsoleRequest, view: PlanView, op: str, name: str) -> PlanView:
    """Another press while the reason of a rejection is being typed. Raises BadPlanEdit."""
    opened, why = request.POST["open"], request.POST["why"][: texts.WHY]
    if why.strip() and op in ("edit", "reject"):
        error = _("Reject this step, or cancel, first.")
        return _view_with(view, view.wish, Editing(opened, "reject", message=why, error=error))
    after = _after_press(request, view, op, name)
    if not after.open.step and after.step(opened) is not None:
        after.open = replace(after.open, step=opened, mode="reject", message=why)
    return after


def _after_press(request: ConsoleRequest, view: PlanView, op: str, name: str) -> PlanView:
    """The plan after one press, whatever else stands open. Raises BadPlanEdit."""
    if op == "reset":
        return _view_with(view, plans.unchanged_edits(view.approval))
    if op == "again":  # what was not sent is put back
        return view
    if view.step(name) is None:
        raise BadPlanEdit
    match op:
        case "up" | "down":
            return _view_with(view, plans.with_step_moved(view, name, -1 if op == "up" else 1))
        case "remove":
            wish, note = plans.with_step_removed(view, name)
            return _view_with(view, wish, Editing(note=note))
        case "edit":
            return _view_with(view, view.wish, Editing(name, "args", view.draft_of(name)))
        case "act":
            return _view_with(view, view.wish, Editing(name, "args", view.draft_of(name, request.POST)))
        case "save":
            return _with_saved_arguments(request, view, name)
        case "reject":
            return _view_with(view, view.wish, Editing(name, "reject"))
        case "refuse":
            message = request.POST.get("why", "").strip()[: texts.WHY]
            if not message:
                return _view_with(view, view.wish, Editing(name, "reject", error=_("A rejection needs a reason.")))
            wish, note = plans.with_step_rejected(view, name, message)
            return _view_with(view, wish, Editing(note=note))
        case "keep":
            wish = [{"id": name} if one["id"] == name else dict(one) for one in view.wish or ()]
            return _view_with(view, wish)
    return _view_with(view, view.wish)


def _with_saved_arguments(request: ConsoleRequest, view: PlanView, name: str) -> PlanView:
    """The typed arguments as the step's; what is wrong with them stands beside the controls."""
    draft = view.draft_of(name, request.POST)
    if draft.faults:
        return _view_with(view, view.wish, Editing(name, "args", draft))
    wish = plans.with_arguments(view, name, draft)
    index = next(number for number, one in enumerate(wish) if one["id"] == name)
    at = f"/args/steps/{index}/args"
    tried = _dry_run(request, view.approval, wish)[0] if draft.changed else ()
    faults = [fault for fault in tried if fault.pointer.startswith(at)]
    if not faults:
        return _view_with(view, wish)
    left = sentences.attach_faults(draft.control, faults, prefix=at)
    return _view_with(view, view.wish, Editing(name, "args", draft, error=" ".join(fault.message for fault in left)))


def _view_with(view: PlanView, wish: Sequence[object] | None, editing: Editing | None = None) -> PlanView:
    listed = [dict(one) for one in wish or () if isinstance(one, dict)]
    return PlanView(view.approval, view.authority, wish=listed, editing=editing)


def _dry_run(
    request: ConsoleRequest, approval: Approval, wish: Json
) -> tuple[Sequence[Fault], Sequence[Mapping[str, Json]]]:
    """What the domain would say to this plan now: faults, or how it classifies the steps. It changes nothing."""
    try:
        revision = plan_edits.plan_revision(approval, {"steps": wish}, by=request.user, now=times.now())
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
        fresh = step_up.proves_identity(request, approval, **form.proof)
    except BadVerdict as error:
        return _answer(request, approval, view, error.faults, status=422)
    verdict_input = VerdictInput(
        message=form.cleaned_data["message"].strip() or None,
        steps=list(view.wish or ()),
        typed_confirmation=form.cleaned_data["typed"],
        freshly_authenticated=fresh,
        viewed=form.viewed_for,
    )
    try:
        deciding = partial(decide, form.seen(approval), by=request.user, verdict="modify", verdict_input=verdict_input)
        settled = once_per_attempt(request, approval, "modify", deciding)
    except BadVerdict as error:
        return _answer(request, approval, view, error.faults, status=422)
    except ReviewError as error:
        return conflict(request, approval, error)
    return decided(request, settled)


def _answer(
    request: ConsoleRequest, approval: Approval, view: PlanView, faults: Sequence[Fault] = (), *, status: int = 200
) -> HttpResponse:
    """The plan as it would be, and the footer that approves it; where something is wrong, with what."""
    card = Card(approval, request.user, filters=filters_of(request))
    shown_faults = list(faults)
    if view.changed:
        tried, view.fresh = _dry_run(request, approval, list(view.wish or ()))
        shown_faults = shown_faults or list(tried)
    errors = {fault.pointer.removeprefix("/"): fault.message for fault in shown_faults}
    context = {
        "plan": view,
        "errors": errors,
        "plan_faults": [
            fault.message for fault in shown_faults if fault.pointer not in ("/typed", "/password", "/message")
        ],
        "values": {name: value for name, value in request.POST.items() if name in ("typed", "message")},
    }
    if is_fragment(request):
        response = render(request, "_plan_edit.html", {"card": card, **context}, status=status)
        response["HX-Retarget"] = "#plan"
        response["HX-Reswap"] = "outerHTML"
        return response
    return show(request, approval, panel=_FOOTER, status=status, context=context)
