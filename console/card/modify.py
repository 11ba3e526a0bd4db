"""Approving with changes: a form made from the schema, the same as JSON, and what would be different."""

from collections.abc import Sequence
from functools import partial

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, ReviewError
from approvals.models import Approval
from approvals.policy import snapshot
from approvals.values.schema import Fault, Json
from console.card import facts, step_up
from console.card.cards import Card
from console.card.verdict import decided, offered
from console.card.views import conflict, on_card_version, once_per_attempt, panel
from console.controls import editing, sentences
from console.controls.build import all_controls, controls_of, in_schema_order
from console.controls.editing import EditInProgress, NoEdit
from console.controls.schemas import Node
from console.forms import VerdictForm
from console.http import ConsoleRequest
from console.inbox.views import filters_of


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def modify(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """GET opens the form; POST approves what it holds."""
    if request.method != "POST":
        return editor(request, approval, _new_draft(approval))
    form = VerdictForm({**request.POST.dict(), "verdict": "modify"})
    draft, faults = _posted_draft(request, approval)
    if faults or not form.is_valid():
        return editor(request, approval, draft, faults=[*faults, *form.faults])
    try:
        fresh = step_up.proves_identity(request, approval, **form.proof)
    except BadVerdict as error:
        return editor(request, approval, draft, faults=error.faults)
    verdict_input = VerdictInput(
        message=form.cleaned_data["message"].strip() or None,
        edits=draft.edits,
        guidance=form.cleaned_data["guidance"],
        typed_confirmation=form.cleaned_data["typed"],
        freshly_authenticated=fresh,
        viewed=form.viewed_for,
        remember=offered(approval, form.cleaned_data["remember"]),
    )
    try:
        deciding = partial(decide, form.seen(approval), by=request.user, verdict="modify", verdict_input=verdict_input)
        settled = once_per_attempt(request, approval, "modify", deciding)
    except BadVerdict as error:
        return editor(request, approval, draft, faults=error.faults)
    except ReviewError as error:
        return conflict(request, approval, error)
    return decided(request, settled)


@require_POST
@on_card_version
def redraw_form(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """The form after a press in it: the other tab, an entry more, a field less. Decides nothing."""
    draft, faults = _posted_draft(request, approval)
    card = Card(approval, request.user, filters=filters_of(request))
    left = [fault.message for fault in faults if not draft.faults]
    context = {"card": card, "draft": draft, "edit_faults": left, **_difference(approval, draft)}
    return render(request, "_modify_edit.html", context, status=422 if faults else 200)


@require_POST
@on_card_version
def diff(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """What the form would change, while it is being typed. Decides nothing."""
    draft, faults = _posted_draft(request, approval)
    return render(
        request, "_modify_diff.html", {**_difference(approval, draft), "unreadable": _fault_sentences(draft, faults)}
    )


def editor(
    request: ConsoleRequest, approval: Approval, draft: EditInProgress, *, faults: Sequence[Fault] = ()
) -> HttpResponse:
    """The panel; with faults it is a 422 and keeps what was typed."""
    left = [fault for fault in sentences.attach_faults(draft.control, faults) if not _is_beside(draft, fault)]
    return panel(
        request,
        approval,
        "_modify.html",
        left,
        status=422 if faults else 200,
        draft=draft,
        **_difference(approval, draft),
    )


def _is_beside(draft: EditInProgress, fault: Fault) -> bool:
    """Whether it stands in its control already, since it could not be read."""
    return fault in draft.faults


def _new_draft(approval: Approval) -> EditInProgress:
    return editing.draft_of(_schema(approval), (_stored_args(approval),))


def _posted_draft(request: ConsoleRequest, approval: Approval) -> tuple[EditInProgress, Sequence[Fault]]:
    """The edit that was posted; where that is none of this card's arguments, a new one and a word about it."""
    try:
        draft = editing.posted_draft(_schema(approval), (_stored_args(approval),), request.POST)
    except NoEdit:
        return _new_draft(approval), [Fault("", _("This form does not belong to what is shown. Edit it again."))]
    return draft, draft.faults


def _fault_sentences(draft: EditInProgress, faults: Sequence[Fault]) -> str:
    labels = {control.pointer: control.label for control in all_controls(draft.control) if control.error}
    listed = ((labels.get(fault.pointer, ""), fault.message) for fault in faults)
    return " ".join(f"{label}: {message}" if label else message for label, message in listed)


def _difference(approval: Approval, draft: EditInProgress) -> dict[str, object]:
    if not draft.changed or not draft.value:
        return {"changes": [], "checks": []}
    schema, (after,) = _schema(approval), draft.value
    before = in_schema_order(schema, schema, _stored_args(approval))
    changed = [change for change in facts.changes_of(before, after) if change.changed]
    kind = snapshot.type_of(approval)
    checks = kind.check(after) if kind else []
    return {
        "changes": changed,
        "checks": sentences.fault_sentences(controls_of(schema, draft.value), checks) if checks else [],
    }


def _schema(approval: Approval) -> Node:
    """The schema of the version that the approval arrived under."""
    kind = snapshot.type_of(approval)
    return kind.schema if kind else {}


def _stored_args(approval: Approval) -> Json:
    given: Json = approval.proposal.args if approval.proposal else None
    return given
