"""Records in the admin, to read only: approvals, events, decisions, incidents.

No page here shows arguments, an agent's words or a person's message: those belong to the people who decide.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from approvals.admin.base import ReadOnlyAdmin
from approvals.models import Approval, AuditEvent, Decision, Incident


def shortened(pk: object) -> SafeString:
    """An id as a list shows it: its ends, and the whole on hover."""
    text = str(pk)
    return format_html('<span class="mono whole" title="{}">{}…{}</span>', text, text[:8], text[-4:])


class ApprovalRecordAdmin(ReadOnlyAdmin):
    """A record of one approval, named in the list by its id."""

    @display(description=_("approval"), ordering="approval_id")
    def of(self, row: Any) -> SafeString:
        return shortened(row.approval_id)


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    list_display = ("brief", "action_type", "agent", "tier", "domain", "status", "verdict", "source", "created_at")
    list_filter = ("status", "verdict", "source", "route", "tier", "domain")
    list_select_related = ("action_type", "agent", "tier", "domain")
    search_fields = ("=id",)
    fieldsets = (
        (None, {"fields": ("id", "action_type", "item_type", "shown", "agent", "domain", "tier", "status")}),
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

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """By no address a list of what waits shows which of it are test cases."""
        return not lookup.startswith("kind") and super().lookup_allowed(lookup, value, request)

    @display(description=_("kind"))
    def shown(self, approval: Approval) -> str:
        return str(approval.shown_kind.label)

    @display(description=_("id"), ordering="id")
    def brief(self, approval: Approval) -> SafeString:
        return shortened(approval.pk)


@admin.register(AuditEvent)
class EventAdmin(ApprovalRecordAdmin):
    list_display = ("at", "of", "seq", "kind", "actor")
    list_filter = ("kind",)
    search_fields = ("=approval__id",)
    ordering = ("-id",)
    fields = ("approval", "seq", "kind", "actor", "at", "hex", "sealed")
    readonly_fields = fields

    @display(description=_("hash"))
    def hex(self, event: AuditEvent) -> str:
        return bytes(event.hash).hex()

    @display(description=_("number in the seal"))
    def sealed(self, event: AuditEvent) -> str:
        seal = getattr(event, "seal", None)
        return str(seal.number) if seal else ""


@admin.register(Decision)
class DecisionAdmin(ApprovalRecordAdmin):
    list_display = (
        "decided_at",
        "of",
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
    ordering = ("-id",)  # which is by time
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
class IncidentAdmin(ApprovalRecordAdmin):
    list_display = ("opened_at", "of", "severity", "opened_by")
    list_filter = ("severity",)
    list_select_related = ("opened_by",)
    ordering = ("-opened_at",)
    fields = ("approval", "severity", "opened_by", "opened_at")
