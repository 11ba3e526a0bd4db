"""Approving with changes: a form made from the schema, the same as JSON, and what would be different."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.models import Approval
from approvals.policy import snapshot
from approvals.policy.edits import changed_paths
from approvals.policy.schema import Fault, Json
from approvals.review import decisions
from approvals.review.decisions import Words
from approvals.review.errors import BadVerdict, ReviewError
from console import facts, schemaform
from console.forms import VerdictForm
from console.http import ConsoleRequest, content_or_404
from console.schemaform import Field, Unreadable
from console.views.card import panel, too_late
from console.views.verdict import decided, offered


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def modify(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """GET opens the form; POST approves what it holds."""
    approval = content_or_404(request.user, pk)
    if request.method != "POST":
        return editor(request, approval, _given(approval))
    form = VerdictForm({**request.POST.dict(), "verdict": "modify"})
    try:
        args = read(request.POST, approval)
    except Unreadable as error:
        return editor(request, approval, _given(approval), faults=error.faults, posted=request.POST)
    if not form.is_valid():
        return editor(request, approval, args, faults=form.faults, posted=request.POST)
    password = form.cleaned_data["password"]
    words = Words(
        message=form.cleaned_data["message"].strip() or None,
        args=args,
        guidance=form.cleaned_data["guidance"],
        typed=form.cleaned_data["typed"],
        fresh=bool(password) and request.user.check_password(password),
        viewed=form.viewed_for,
        remember=offered(approval, form.cleaned_data["remember"]),
    )
    try:
        settled = decisions.decide(form.seen(approval), by=request.user, verdict="modify", words=words)
    except BadVerdict as error:
        return editor(request, approval, args, faults=error.faults, posted=request.POST)
    except ReviewError as error:
        return too_late(request, approval, error)
    return decided(request, settled)


@login_required
@require_POST
def form(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """The other tab, with what was typed in this one."""
    approval = content_or_404(request.user, pk)
    try:
        args = read(request.POST, approval)
    except Unreadable as error:
        return editor(request, approval, _given(approval), faults=error.faults, posted=request.POST)
    return editor(request, approval, args, mode=request.POST.get("to", "form"))


@login_required
@require_POST
def diff(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """What the form would change, while it is being typed. Decides nothing."""
    approval = content_or_404(request.user, pk)
    try:
        args = read(request.POST, approval)
    except Unreadable as error:
        return render(request, "_modify_diff.html", {"unreadable": str(error)})
    return render(request, "_modify_diff.html", _difference(approval, args))


def read(posted: Mapping[str, str], approval: Approval) -> Json:
    """The arguments the form holds. Raises Unreadable."""
    if posted.get("mode") == "raw":
        return schemaform.read_raw(posted.get("raw", ""))
    return schemaform.read(schemaform.fields_of(_schema(approval), _given(approval)), posted)


def editor(
    request: ConsoleRequest,
    approval: Approval,
    args: Json,
    *,
    mode: str = "",
    faults: Sequence[Fault] = (),
    posted: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The panel; with faults it is a 422 and keeps what was typed."""
    fields: list[Field] = schemaform.fields_of(_schema(approval), args)
    if fields and not schemaform.mirrors(fields, args):
        fields = []  # what the controls cannot hold exactly is edited as JSON
    mode = (mode or (posted or {}).get("mode") or "form") if fields else "raw"
    if posted is not None:
        schemaform.keep(fields, posted)
    left = schemaform.show_faults(fields, faults) if mode == "form" else [_named(fault) for fault in faults]
    raw = posted["raw"] if posted is not None and "raw" in posted else schemaform.pretty(args)
    return panel(
        request,
        approval,
        "_modify.html",
        left,
        status=422 if faults else 200,
        fields=fields,
        mode=mode,
        values={"raw": raw, **{name: (posted or {}).get(name, "") for name in ("message", "guidance")}},
        **_difference(approval, args),
    )


def _difference(approval: Approval, args: Json) -> dict[str, object]:
    before = _given(approval)
    paths = changed_paths(before, args)
    changed = [one for one in facts.changes_of(before, args) if one.changed] if paths else []
    return {"changes": changed, "checks": _checks(approval, args) if paths else []}


def _checks(approval: Approval, args: Json) -> list[Fault]:
    """What the schema says of the arguments already; the verdict is checked again and further."""
    kind = snapshot.load(approval.policy_id).types.get(approval.action_type_id or "")
    return kind.check(args) if kind else []


def _named(fault: Fault) -> Fault:
    place = fault.pointer.removeprefix("/args")
    if fault.pointer in ("/raw", "/typed", "/password", "/message") or not place:
        return fault
    return Fault("", _("%(place)s: %(message)s") % {"place": place, "message": fault.message})


def _schema(approval: Approval) -> Mapping[str, Json]:
    """The schema of the version that the approval arrived under."""
    kind = snapshot.load(approval.policy_id).types.get(approval.action_type_id or "")
    return kind.schema if kind else {}


def _given(approval: Approval) -> Json:
    given: Json = approval.proposal.args if approval.proposal else None
    return given
