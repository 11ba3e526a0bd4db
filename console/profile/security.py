"""What protects one's account: second factors, sessions, personal tokens, and what happened to it lately."""

from datetime import timedelta

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from agents import keys
from agents.models import ApiKey
from approvals.db import times
from console.http import ConsoleRequest
from console.profile import sessions
from console.sign_in import accounts, demands, factors

LATELY = 20


class TokenForm(forms.Form):
    """A personal token: what it is for, and how long it lives."""

    name = forms.CharField(label=gettext_lazy("What it is for"), max_length=80)
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires after"),
        choices=[(days, gettext_lazy("%s days") % days) for days in (7, 30, 90, 365)],
        coerce=int,
        initial=keys.USUAL.days,
    )


@login_required
@require_safe
def security(request: ConsoleRequest) -> HttpResponse:
    """Everything that protects one's account, on one page."""
    return _page(request, TokenForm())


@login_required
@require_POST
def end_session(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End one of one's own sessions."""
    if not sessions.end_sessions(request, request.user, pks=[pk]):
        raise Http404
    messages.success(request, _("Signed out there."))
    return redirect("profile:security")


@login_required
@require_POST
def end_sessions(request: ConsoleRequest) -> HttpResponse:
    """End all of one's own sessions but this one."""
    sessions.end_sessions(request, request.user)
    messages.success(request, _("Signed out everywhere else."))
    return redirect("profile:security")


@login_required
@require_POST
@reauthentication_required(app="allauth.account")  # type: ignore[untyped-decorator]  # allauth ships no types
def issue_token(request: ConsoleRequest) -> HttpResponse:
    """Make a personal token, and show its secret once."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    expires_at = times.now() + timedelta(days=form.cleaned_data["days"])
    key, secret = keys.issue(user=request.user, name=form.cleaned_data["name"], expires_at=expires_at, by=request.user)
    accounts.record(accounts.Kind.KEY_ISSUED, request, prefix=key.prefix, name=key.name)
    return _page(request, TokenForm(), secret=secret)


@login_required
@require_POST
def revoke_token(request: ConsoleRequest, pk: str) -> HttpResponse:
    """Revoke a personal token of one's own."""
    key = ApiKey.objects.filter(pk=pk, user=request.user).first()
    if key is None:
        raise Http404
    keys.revoke(key, by=request.user)
    accounts.record(accounts.Kind.KEY_REVOKED, request, prefix=key.prefix, name=key.name)
    messages.success(request, _("Revoked."))
    return redirect("profile:security")


def _page(request: ConsoleRequest, form: TokenForm, *, secret: str = "") -> HttpResponse:
    context = {
        "form": form,
        "secret": secret,
        "owed": demands.missing_factor_sentence(request.user),
        "factors": factors.factors_of(request.user),
        "has_app": factors.has_factor(request.user, factors.Type.TOTP),
        "sessions": sessions.sessions_of(request.user),
        "this_session": request.session.session_key,
        "tokens": keys.of_person(request.user),
        "events": request.user.account_events.order_by("-at", "-pk")[:LATELY],
    }
    return render(request, "security.html", context, status=422 if form.errors else 200)
