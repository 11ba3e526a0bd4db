"""One's own settings: language, time, appearance, keys; and being away."""

from allauth.account.views import EmailView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.db import times
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import User
from approvals.people import absences
from approvals.people.reachable import reachable
from console.forms import AwayForm, ProfileForm
from console.http import ConsoleRequest
from console.sign_in import accounts

THEMES = {"system", "light", "dark"}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: ConsoleRequest) -> HttpResponse:
    """One's own settings, in which tiers one reviews, and when one is away."""
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=request.user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("profile:profile")
    return _profile(request, form, AwayForm(None, user=request.user))


@login_required
@require_POST
def away(request: ConsoleRequest) -> HttpResponse:
    """Enter an absence of one's own, with who stands in."""
    form = AwayForm(request.POST, user=request.user)
    if form.is_valid():
        try:
            absence = absences.enter_absence(request.user, **form.cleaned_data)
        except BadVerdict as bad:
            form.complain(bad.faults)
        else:
            for queue in absences.uncovered(absence):
                messages.warning(request, _("Nobody is left in %(queue)s meanwhile.") % {"queue": queue})
            for other in absences.absences_stood_in_for(absence):
                sentence = _("You stand in for %(name)s until %(until)s. While you are away, nobody does.")
                facts = {"name": other.user.name, "until": date_format(other.ends_at, "SHORT_DATETIME_FORMAT")}
                messages.warning(request, sentence % facts)
            return redirect(reverse("profile:profile") + "#away")
    return _profile(request, ProfileForm(instance=request.user), form)


@login_required
@require_POST
def back(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End one's own absence, or delete one that has not begun."""
    try:
        absences.end_absence(pk, by=request.user)
    except NotAllowed as error:
        raise Http404 from error
    return redirect(reverse("profile:profile") + "#away")


def _profile(request: ConsoleRequest, form: ProfileForm, leaving: AwayForm) -> HttpResponse:
    now = times.now()
    context = {
        "form": form,
        "memberships": request.user.memberships.select_related("tier", "domain"),
        "test_cases": request.user.memberships.filter(tier__seeded__gt=0).exists(),
        "reached": request.user.pk in reachable([request.user]),
        "leaving": leaving,
        "absences": absences.absences_of(request.user, now=now),
        "stands_in": absences.for_others(request.user.pk, now=now),
        "now": now,
    }
    return render(request, "profile.html", context, status=422 if form.errors or leaving.errors else 200)


@login_required
@require_POST
def theme(request: ConsoleRequest) -> HttpResponse:
    """Switch the appearance from the menu, and come back."""
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        User.objects.filter(pk=request.user.pk).update(theme=chosen)
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        back = reverse("inbox:inbox")
    response = redirect(back)
    response.set_cookie("theme", chosen, max_age=31_536_000, samesite="Lax", secure=request.is_secure(), httponly=True)
    return response


class Email(EmailView):  # type: ignore[misc]  # allauth ships no types
    """One's own address. The one an admin gave counts as verified, so that no other passes for it unverified."""

    def dispatch(self, request: ConsoleRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        accounts.keep_address(request.user)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


email = login_required(Email.as_view())


@login_required
def no_password(request: ConsoleRequest) -> HttpResponse:
    """Whoever has no password gets one by a link to the known address, never by a session alone."""
    return redirect("account_reset_password")
