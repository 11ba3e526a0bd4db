"""One door for everybody: the admin's own login page would know neither the login's rate limits nor second demands."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from approvals.models import User
from console.sign_in import demands

_login = secure_admin_login(admin.site.login)
_permitted = admin.site.has_permission


def login(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Leads whoever is kept out for want of a second factor to where one is added."""
    if isinstance(request.user, User) and demands.lacks_admin_factor(request.user):
        return redirect(reverse("profile:security") + "#factors")
    response: HttpResponse = _login(request, extra_context)
    return response


def has_permission(request: HttpRequest) -> bool:
    """Who may use the admin at all."""
    return _permitted(request) and isinstance(request.user, User) and not demands.lacks_admin_factor(request.user)


admin.site.login = login  # type: ignore[method-assign]
admin.site.has_permission = has_permission  # type: ignore[method-assign]
admin.site.index_title = _("Policy and people")
# An address, like a second factor, belongs to the person's own page.
admin.site.unregister([EmailAddress, Authenticator])
