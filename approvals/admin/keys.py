"""The keys that sign permits and grants: listed, rotated, and never shown."""

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from approvals.admin.base import NeverDeleted, signed_in
from approvals.db import times
from approvals.execution import permits
from approvals.models import SigningKey


@admin.register(SigningKey)
class SigningKeyAdmin(NeverDeleted):
    """Nobody adds, changes or deletes a key here; a rotation makes the next one."""

    list_display = ("kid", "created_at", "retired_at", "published_until", "state")
    ordering = ("-created_at",)
    fields = ("kid", "public", "created_at", "retired_at", "published_until")
    readonly_fields = fields
    actions_list = ("rotate",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    @display(description=_("state"), label={"signs": "success", "published": "info"})
    def state(self, key: SigningKey) -> tuple[str, str]:
        if key.retired_at is None:
            return "signs", gettext("signs")
        if key.published_until and key.published_until > times.now():
            return "published", gettext("published")
        return "over", gettext("over")

    def has_rotate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("approvals.change_signingkey")

    @action(description=_("Rotate"), icon="autorenew", permissions=["rotate"])
    def rotate(self, request: HttpRequest) -> HttpResponse:
        """Ask first; only the POST makes another key sign."""
        if request.method == "POST":
            key = permits.rotate(by=signed_in(request))
            self.log_addition(request, key, "Signs from now on.")
            messages.success(request, gettext("%(key)s… signs from now on.") % {"key": key})
            return HttpResponseRedirect(reverse("admin:approvals_signingkey_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Rotate the signing key"),
            "overlap": permits.OVERLAP.days,
        }
        return TemplateResponse(request, "admin/agents/rotate_keys.html", context)
