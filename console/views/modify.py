"""Approving with changes: a form made from the schema, the same as JSON, and what would be different."""

from collections.abc import Sequence
from functools import partial

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.models import Approval
from approvals.policy import snapshot
from approvals.policy.schema import Fault, Json
from approvals.review import decisions
from approvals.review.decisions import Words
from approvals.review.errors import BadVerdict, ReviewError
from console import facts, stepup
from console.cards import Card
from console.controls import sentences, typed
from console.controls.build import controls_of, flat, in_order
from console.controls.schemas import Node
from console.controls.typed import Draft, NoEdit
from console.forms import VerdictForm
from console.http import ConsoleRequest
from console.views.card import on_card, once, panel, too_late
from console.views.inbox import filters_of
from console.views.verdict import decided, offered


@require_http_methods(["GET", "HEAD", "POST"])
@on_card
def modify(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET opens the form; POST approves what it holds."""
    if request.method != "POST":
        return editor(request, approval, _begun(approval))
    form = VerdictForm({**request.POST.dict(), "verdict": "modify"})
    draft, faults = _posted(request, approval)
    if faults or not form.is_valid():
        return editor(request, approval, draft, faults=[*faults, *form.faults])
    try:
        fresh = stepup.proved(request, approval, **form.proof)
    except BadVerdict as error:
        return editor(request, approval, draft, faults=error.faults)
    words = Words(
        message=form.cleaned_data["message"].strip() or None,
        edits=draft.edits,
        guidance=form.cleaned_data["guidance"],
        typed=form.cleaned_data["typed"],
        fresh=fresh,
        viewed=form.viewed_for,
        remember=offered(approval, form.cleaned_data["remember"]),
    )
    try:
        deciding = partial(decisions.decide, form.seen(approval), by=request.user, verdict="modify", words=words)
        settled = once(request, approval, "modify", deciding)
    except BadVerdict as error:
        return editor(request, approval, draft, faults=error.faults)
    except ReviewError as error:
        return too_late(request, approval, error)
    return decided(request, settled)


@require_POST
@on_card
def form(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """The form after a press in it: the other tab, an entry more, a field less. Decides nothing."""
    draft, faults = _posted(request, approval)
    card = Card(approval, request.user, filters=filters_of(request))
    left = [fault.message for fault in faults if not draft.faults]
    context = {"card": card, "draft": draft, "edit_faults": left, **_difference(approval, draft)}
    return render(request, "_modify_edit.html", context, status=422 if faults else 200)


@require_POST
@on_card
def diff(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """What the form would change, while it is being typed. Decides nothing."""
    draft, faults = _posted(request, approval)
    return render(request, "_modify_diff.html", {**_difference(approval, draft), "unreadable": _said(draft, faults)})


def editor(request: ConsoleRequest, approval: Approval, draft: Draft, *, faults: Sequence[Fault] = ()) -> HttpResponse:
    """The panel; with faults it is a 422 and keeps what was typed."""
    left = [fault for fault in sentences.put(draft.control, faults) if not _is_beside(draft, fault)]
    return panel(
        request,
        approval,
        "_modify.html",
        left,
        status=422 if faults else 200,
        draft=draft,
        **_difference(approval, draft),
    )


def _is_beside(draft: Draft, fault: Fault) -> bool:
    """Whether it stands in its control already, since it could not be read."""
    return fault in draft.faults


def _begun(approval: Approval) -> Draft:
    return typed.begun(_schema(approval), (_given(approval),))


def _posted(request: ConsoleRequest, approval: Approval) -> tuple[Draft, Sequence[Fault]]:
    """The edit that was posted; where that is none of this card's arguments, a new one and a word about it."""
    try:
        draft = typed.posted(_schema(approval), (_given(approval),), request.POST)
    except NoEdit:
        return _begun(approval), [Fault("", _("This form does not belong to what is shown. Edit it again."))]
    return draft, draft.faults


def _said(draft: Draft, faults: Sequence[Fault]) -> str:
    labels = {control.pointer: control.label for control in flat(draft.control) if control.error}
    listed = ((labels.get(fault.pointer, ""), fault.message) for fault in faults)
    return " ".join(f"{label}: {message}" if label else message for label, message in listed)


def _difference(approval: Approval, draft: Draft) -> dict[str, object]:
    if not draft.changed or not draft.value:
        return {"changes": [], "checks": []}
    schema, (after,) = _schema(approval), draft.value
    before = in_order(schema, schema, _given(approval))
    changed = [change for change in facts.changes_of(before, after) if change.changed]
    kind = snapshot.type_of(approval)
    checks = kind.check(after) if kind else []
    return {"changes": changed, "checks": sentences.worded(controls_of(schema, draft.value), checks) if checks else []}


def _schema(approval: Approval) -> Node:
    """The schema of the version that the approval arrived under."""
    kind = snapshot.type_of(approval)
    return kind.schema if kind else {}


def _given(approval: Approval) -> Json:
    given: Json = approval.proposal.args if approval.proposal else None
    return given
