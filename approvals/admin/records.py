"""What happened: looked at, changed by nobody.

No page here shows arguments, an agent's words or a person's message: those belong to the people who decide.
"""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from approvals.admin.base import Record
from approvals.models import Approval, Decision, Event, Incident


@admin.register(Approval)
class ApprovalAdmin(Record):
    list_display = ("id", "action_type", "agent", "tier", "domain", "status", "verdict", "source", "created_at")
    list_filter = ("status", "verdict", "source", "route", "tier", "domain", "kind")
    list_select_related = ("action_type", "agent", "tier", "domain")
    search_fields = ("=id",)
    fieldsets = (
        (None, {"fields": ("id", "action_type", "subject", "kind", "agent", "domain", "tier", "status")}),
        (
            _("What a verdict covers"),
            {"fields": ("revision", "round", "digest", "stages", "stage", "approvers", "votes", "typed")},
        ),
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
    list_display = (
        "decided_at",
        "approval_id",
        "verdict",
        "source",
        "user",
        "tier",
        "surface",
        "undone_at",
        "recalled_at",
    )
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
        "recalled_at",
    )


@admin.register(Incident)
class IncidentAdmin(Record):
    list_display = ("opened_at", "approval_id", "severity", "opened_by")
    list_filter = ("severity",)
    list_select_related = ("opened_by",)
    ordering = ("-opened_at",)
    fields = ("approval", "severity", "opened_by", "opened_at")
