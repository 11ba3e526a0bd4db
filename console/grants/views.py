"""Standing approvals: those in force and those that were, given on a card or anew, and revoked."""

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.autonomy import levels
from approvals.db import times
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.execution import grants
from approvals.models import Agent, Approval, Grant
from approvals.models.policy import Verdict
from approvals.models.states import Status
from approvals.people import access, authorities
from approvals.policy import grant_conditions, snapshot
from approvals.policy.compiled_policy import TypePolicy
from approvals.values.schema import Fault, Json
from console.card import toasts
from console.card.verdict import decided, offered
from console.card.views import conflict, on_card_version, once_per_attempt, panel, show
from console.forms import VerdictForm
from console.grants import grant_form
from console.grants.grant_form import ConditionRow, GrantForm
from console.http import ConsoleRequest, visible_or_404

PAGE = 100


@login_required
@require_safe
def grant_list(request: ConsoleRequest) -> HttpResponse:
    """List standing approvals: what each lets pass, how much of it is used, and who gave it."""
    authority = authorities.authority_of(request.user)
    if not (authority.sees_all or authority.posts or authority.operates):
        raise PermissionDenied
    now = times.now()
    whose, state = request.GET.get("whose", ""), request.GET.get("state", "")
    queryset = grants.visible_to(request.user, authority)
    if whose == "mine":
        queryset = queryset.filter(granted_by=request.user)
    queryset = (
        queryset.exclude(grants.in_force(now=now)) if state == "over" else queryset.filter(grants.in_force(now=now))
    )
    listed = list(queryset[:PAGE])
    context = {
        "lines": [(one, grants.could_give(one, authority), _why_over(one, now)) for one in listed],
        "whose": whose,
        "state": state,
        "operators": grant_form.OPERATORS,
        "may_give": bool(authority.posts),
        "more": len(listed) == PAGE,
    }
    return render(request, "grants.html", context)


def _why_over(grant: Grant, now: object) -> str:
    if grant.revoked_at and grant.revoked_by:
        return _("revoked by %(who)s") % {"who": grant.revoked_by.name}
    if grant.used >= grant.most:
        return _("used up")
    return _("over")


@login_required
@require_POST
def revoke(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Revoke a standing approval now."""
    grant = grants.visible_to(request.user).filter(pk=pk).first()
    if grant is None:
        raise Http404
    try:
        grants.revoke(pk, by=request.user)
    except NotAllowed as error:
        raise PermissionDenied(str(error)) from error
    messages.success(request, _("Revoked. From now on this is asked again."))
    return redirect("grants:grants")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def grant_new(request: ConsoleRequest) -> HttpResponse:
    """Give a standing approval without a card: first the agent and action are chosen, then the conditions."""
    authority = authorities.authority_of(request.user)
    policy = snapshot.current()
    given = request.POST if request.method == "POST" else request.GET
    kinds = {
        name: kind
        for name, kind in sorted(policy.types.items(), key=lambda pair: pair[1].title)
        if not grants.refusal(kind) and authority.reaches(kind.tier, kind.domain)
    }
    agents = Agent.objects.exclude(pk__in=authority.operates).order_by("name")
    if not kinds:
        raise PermissionDenied
    kind, agent = kinds.get(given.get("action", "")), agents.filter(name=given.get("agent", "")).first()
    context: dict[str, object] = {"kinds": kinds.values(), "agents": agents[:500], "kind": kind, "agent": agent}
    if kind is None or agent is None:
        return render(request, "grant_new.html", context)
    if request.method != "POST":
        blank = [
            ConditionRow(n, path)
            for n, (path, _part) in enumerate(grant_conditions.paths_of(kind.schema)[: grant_conditions.MOST])
        ]
        return render(request, "grant_new.html", {**context, **_form_context(kind, agent, authority, None, blank)})
    rows, typed_conditions = grant_form.read_rows(request.POST, kind)
    form = _grant_form(request.POST, kind, authority)
    faults: Sequence[Fault] = form.faults
    if form.is_valid():
        try:
            grants.give(form.wish(agent, typed_conditions, now=times.now()), by=request.user)
        except grants.BadGrant as error:
            faults = error.faults
        except NotAllowed as error:
            raise PermissionDenied(str(error)) from error
        else:
            messages.success(request, _("Given. It is in force now."))
            return redirect("grants:grants")
    shown = _form_context(kind, agent, authority, form, rows, faults)
    return render(request, "grant_new.html", {**context, **shown}, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@on_card_version
def grant_from_card(request: ConsoleRequest, approval: Approval) -> HttpResponse:
    """Give a standing approval from a card, for similar requests: together with the card's approval, or after it."""
    kind = snapshot.current().types.get(approval.action_type_id or "")
    authority = authorities.authority_of(request.user)
    if kind is None or "grant" not in access.actions_for(approval, request.user, authority=authority):
        if request.method == "POST":
            return conflict(request, approval, NotAllowed())
        return panel(request, approval, "_grant_not.html")
    if request.method != "POST":
        shown = _form_context(kind, approval.agent, authority, None, grant_form.rows_like(approval, kind))
        return panel(request, approval, "_grant.html", (), status=200, **shown)
    rows, typed_conditions = grant_form.read_rows(request.POST, kind)
    form, verdict = (
        _grant_form(request.POST, kind, authority),
        VerdictForm({**request.POST.dict(), "verdict": "approve"}),
    )
    faults: Sequence[Fault] = [*form.faults, *verdict.faults]
    if not faults:
        try:
            return _give_with_approval(request, approval, form, verdict, typed_conditions)
        except (grants.BadGrant, BadVerdict) as error:
            faults = error.faults
        except ReviewError as error:
            return conflict(request, approval, error)
    shown = _form_context(kind, approval.agent, authority, form, rows, faults)
    return panel(request, approval, "_grant.html", (), status=422, **shown)


def _give_with_approval(
    request: ConsoleRequest,
    approval: Approval,
    form: GrantForm,
    verdict: VerdictForm,
    typed_conditions: Sequence[Mapping[str, Json]],
) -> HttpResponse:
    wish = form.wish(approval.agent, typed_conditions, now=times.now())
    if approval.status == Status.PENDING:
        verdict_input = VerdictInput(
            message=verdict.cleaned_data["message"].strip() or None,
            remember=offered(approval, verdict.cleaned_data["remember"]),
            viewed=verdict.viewed_for,
        )
        giving = partial(
            grants.approve_and_give, verdict.seen(approval), wish, by=request.user, verdict_input=verdict_input
        )
        settled, _grant = once_per_attempt(request, approval, Verdict.APPROVE, giving)
        return decided(request, settled)
    once_per_attempt(request, approval, "grant", partial(grants.give, wish, by=request.user, origin=approval))
    fresh = visible_or_404(request.user, approval.pk)
    text = _("The next %(most)d like this pass without asking.") % {"most": wish.most}
    return show(request, fresh, toast=toasts.toast_of(fresh, text))


def _grant_form(data: Mapping[str, str] | None, kind: TypePolicy, authority: authorities.Authority) -> GrantForm:
    tiers = {level: tier.name for level, tier in snapshot.current().tiers.items()}
    return GrantForm(data, kind, authority, tiers)


def _form_context(
    kind: TypePolicy,
    agent: Agent,
    authority: authorities.Authority,
    form: GrantForm | None,
    rows: Sequence[ConditionRow],
    faults: Sequence[Fault] = (),
) -> dict[str, object]:
    """What the form's template reads; faults stand beside their fields and rows."""
    marked, left = grant_form.with_faults(rows, faults)
    form = form or _grant_form(None, kind, authority)
    left = form.show(left) if form.is_bound else left
    return {
        "grant_form": form,
        "rows": marked,
        "rows_left": [fault.message for fault in left],
        "operators": grant_form.OPERATORS,
        # Level 1 and an open breaker come first in the table; better said now than wondered about later.
        "asks_anyway": levels.asks_everything(agent, kind),
        "grant_kind": kind,
    }
