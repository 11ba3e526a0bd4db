"""What happened: looked at, changed by nobody.

No page here shows arguments, an agent's words or a person's message: those belong to the people who decide.
"""

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from approvals.admin.base import Record
from approvals.admin.changes import differences
from approvals.models import Approval, Decision, Delivery, Event, Incident, PolicyVersion


@admin.register(PolicyVersion)
class PolicyVersionAdmin(Record):
    list_display = ("__str__", "note", "published_by", "published_at")
    list_select_related = ("published_by",)
    fields = ("number", "note", "published_by", "published_at", "digest", "changed")
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.has_perm("approvals.view_policyversion"))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PolicyVersion]:
        versions: models.QuerySet[PolicyVersion] = super().get_queryset(request)
        return versions.defer("snapshot")

    @display(description=_("changed since the version before"))
    def changed(self, version: PolicyVersion) -> SafeString:
        before = PolicyVersion.objects.filter(number__lt=version.number).first()
        rows = list(differences(before.snapshot, version.snapshot)) if before else []
        return SafeString(
            render_to_string("admin/approvals/policyversion/_changes.html", {"before": before, "rows": rows})
        )


@admin.register(Approval)
class ApprovalAdmin(Record):
    list_display = ("id", "action_type", "agent", "tier", "domain", "status", "verdict", "source", "created_at")
    list_filter = ("status", "verdict", "source", "route", "tier", "domain", "kind")
    list_select_related = ("action_type", "agent", "tier", "domain")
    search_fields = ("=id",)
    fieldsets = (
        (None, {"fields": ("id", "action_type", "subject", "kind", "agent", "domain", "tier", "status")}),
        (_("What a verdict covers"), {"fields": ("revision", "round", "digest", "approvers", "votes")}),
        (
            _("Routing"),
            {"fields": ("policy", "route", "gate", "reversibility", "reason_code", "flagged", "confidence", "impact")},
        ),
        (
            _("Time"),
            {"fields": ("created_at", "due_at", "expires_at", "on_timeout", "hold_until", "claimed_by", "escalations")},
        ),
        (_("Decision"), {"fields": ("verdict", "source", "decided_by", "decided_at", "released_at")}),
    )


@admin.register(Event)
class EventAdmin(Record):
    list_display = ("at", "approval_id", "seq", "kind", "actor")
    list_filter = ("kind",)
    search_fields = ("=approval__id",)
    ordering = ("-id",)
    fields = ("approval", "seq", "kind", "actor", "at", "hex", "sealed")
    readonly_fields = fields

    @display(description=_("hash"))
    def hex(self, event: Event) -> str:
        return bytes(event.hash).hex()

    @display(description=_("number in the seal"))
    def sealed(self, event: Event) -> str:
        seal = getattr(event, "seal", None)
        return str(seal.number) if seal else ""


@admin.register(Decision)
class DecisionAdmin(Record):
    list_display = ("decided_at", "approval_id", "verdict", "source", "user", "tier", "surface", "undone_at")
    list_filter = ("verdict", "source", "surface", "tier")
    list_select_related = ("user", "tier")
    search_fields = ("=approval__id",)
    ordering = ("-decided_at",)
    fields = (
        "approval",
        "revision",
        "round",
        "verdict",
        "source",
        "user",
        "tier",
        "surface",
        "decided_at",
        "undone_at",
    )


@admin.register(Delivery)
class DeliveryAdmin(Record):
    list_display = ("created_at", "channel", "topic", "approval_id", "status", "attempts", "due_at")
    list_filter = ("status", "channel")
    search_fields = ("=approval__id",)
    ordering = ("-created_at",)
    fields = ("approval", "channel", "topic", "user", "status", "attempts", "due_at", "last_error", "done_at")


@admin.register(Incident)
class IncidentAdmin(Record):
    list_display = ("opened_at", "approval_id", "severity", "opened_by")
    list_filter = ("severity",)
    list_select_related = ("opened_by",)
    ordering = ("-opened_at",)
    fields = ("approval", "severity", "opened_by", "opened_at")
