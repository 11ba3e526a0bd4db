"""One's own settings: language, time, appearance, keys."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.models import User
from approvals.reachable import reachable
from console.forms import ProfileForm
from console.http import ConsoleRequest

THEMES = {"system", "light", "dark"}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: ConsoleRequest) -> HttpResponse:
    """One's own settings, and in which tiers one reviews."""
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=request.user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("profile")
    context = {
        "form": form,
        "memberships": request.user.memberships.select_related("tier", "domain"),
        "reached": request.user.pk in reachable([request.user]),
    }
    return render(request, "profile.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def theme(request: ConsoleRequest) -> HttpResponse:
    """Switch the appearance from the menu, and come back."""
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        User.objects.filter(pk=request.user.pk).update(theme=chosen)
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        back = reverse("inbox")
    response = redirect(back)
    response.set_cookie("theme", chosen, max_age=31_536_000, samesite="Lax", secure=request.is_secure(), httponly=True)
    return response
