"""Policy: what agents may propose, who is asked, and what follows from a rule. What is saved is a draft."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.forms import BaseFormSet, ModelForm
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from approvals.admin.base import NeverDeleted, PolicyAdmin
from approvals.admin.channels import ChannelInline, unreachable_in
from approvals.admin.deadline_shares import shares
from approvals.admin.forms import ActionTypeForm, CurrencyForm, ThresholdForm, TierForm
from approvals.admin.memberships import MembershipInline, say_waiting
from approvals.admin.queues import CapacityInline, DomainTermsInline
from approvals.models import ActionType, Currency, DomainTerms, Threshold, Tier
from approvals.policy.authoring import advice, validation
from approvals.policy.authoring.coverage import Gap, ReviewerRoster
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.policy.authoring.fields import ACTION_TYPE, TIER
from approvals.policy.authoring.tables import schema_version

TIER_FORM, TYPE_FORM = TIER.layout(), ACTION_TYPE.layout()


@admin.register(Tier)
class TierAdmin(NeverDeleted, PolicyAdmin):
    form = TierForm
    inlines = [DomainTermsInline, CapacityInline, MembershipInline, ChannelInline]
    list_display = ("__str__", "up_to", "sla", "hold", "next", "reviewers", "silent", "active")
    fieldsets = (
        (None, {"fields": ("level", *TIER_FORM["authority"], "active")}),
        (_("Time"), {"fields": TIER_FORM["time"]}),
        (_("Working hours"), {"fields": TIER_FORM["hours"]}),
        (_("Oversight"), {"fields": TIER_FORM["oversight"]}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tier]:
        staff = Count("memberships__user", filter=Q(memberships__user__is_active=True), distinct=True)
        tiers: QuerySet[Tier] = super().get_queryset(request).select_related("next").annotate(staff=staff)
        return tiers

    def save_formset(self, request: HttpRequest, form: "ModelForm[Any]", formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        say_waiting(request, formset)

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> tuple[str, ...]:
        return ("level",) if obj else ()  # another level would be another tier

    def get_fieldsets(self, request: HttpRequest, obj: Tier | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None or not Tier.objects.filter(active=True, ceiling=None).exists():
            return fieldsets
        (title, first), *rest = fieldsets
        return [
            (title, {**first, "fields": [*first["fields"][:-1], "ceiling_below", first["fields"][-1]]}),
            *rest,
        ]

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        below = form.below if isinstance(form, TierForm) else None  # asked before the new one is there
        super().save_model(request, obj, form, change)
        if below is not None and (ceiling := form.cleaned_data.get("ceiling_below")) is not None:
            Tier.objects.filter(pk=below.pk).update(ceiling=ceiling)
            DomainTerms.objects.filter(tier=below, ceiling=None).update(ceiling=ceiling)

    @display(description=_("value ceiling"), ordering="ceiling")
    def up_to(self, tier: Tier) -> str:
        return "" if tier.ceiling is None else f"{tier.ceiling:,.2f}".removesuffix(".00")

    @display(description=_("active reviewers"), ordering="staff", label={"0": "danger"})
    def reviewers(self, tier: Tier) -> str:
        return str(getattr(tier, "staff", 0))

    @display(description=_("nothing reaches"), label={"silent": "danger"})
    def silent(self, tier: Tier) -> tuple[str, str]:
        """Who of the tier cannot be told that something waits."""
        return "silent", unreachable_in(tier)

    def judge(self, obj: models.Model, before: frozenset[Gap], after: frozenset[Gap]) -> Iterable[str]:
        """A tier that something leads to has somebody in it, and ceilings rise with the level."""
        yield from super().judge(obj, before, after)
        if not ReviewerRoster().count(obj.pk):
            yield from sorted(str(gap) for gap in after & before if gap.tier == obj.pk)
        yield from validation.ceilings(snapshot_of_tables())


class ThresholdInline(TabularInline):
    model = Threshold
    form = ThresholdForm
    extra = 0
    max_num = 3
    verbose_name_plural = _("bands by impact")


@admin.register(ActionType)
class ActionTypeAdmin(NeverDeleted, PolicyAdmin):
    """Switched off rather than deleted: approvals and versions name it."""

    form = ActionTypeForm
    change_form_template = "admin/policy/actiontype.html"
    inlines = [ThresholdInline]
    list_display = ("called", "domain", "reversibility", "strategy", "gate", "tier", "active")
    list_filter = ("domain", "reversibility", "strategy", "gate", "tier", "active")
    list_select_related = ("domain", "tier")
    search_fields = ("name", "title")
    fieldsets = (
        (None, {"fields": ("name", *TYPE_FORM["card"], "active")}),
        (_("What agents send"), {"fields": TYPE_FORM["sent"]}),
        (
            _("Asking a person"),
            {
                "fields": TYPE_FORM["asks"],
                "description": _("Reversibility decides first; rules, flags and the value only raise what is asked."),
            },
        ),
        (
            _("Confidence"),
            {
                "fields": ("preset", *TYPE_FORM["confidence"]),
                "description": _(
                    "At or above “passes from” it runs; at or above “a person from” somebody is asked; below, it is "
                    "refused and the agent told to reformulate. Bands by impact, below, take their place."
                ),
            },
        ),
        (_("Time and silence"), {"fields": TYPE_FORM["time"]}),
        (
            _("Checkpoints"),
            {
                "classes": ("collapse",),
                "fields": TYPE_FORM["checkpoints"],
                "description": _("Whatever the strategy, also at level 4."),
            },
        ),
        (
            _("What is unusual"),
            {
                "classes": ("collapse",),
                "fields": TYPE_FORM["unusual"],
                "description": _("Told from our own history, and shown on the card with the number behind it."),
            },
        ),
        (_("Before review, audit, shadow"), {"classes": ("collapse",), "fields": TYPE_FORM["ahead"]}),
        (_("Evidence"), {"classes": ("collapse",), "fields": TYPE_FORM["evidence"]}),
    )

    @display(description=_("action type"), ordering="title", header=True)
    def called(self, type: ActionType) -> tuple[str, str]:
        """Its title, and below it the name by which agents call it."""
        return type.title, type.name

    def get_urls(self) -> list[URLPattern]:
        own = [path("shares/", self.admin_site.admin_view(self.shares), name="approvals_actiontype_shares")]
        return [*own, *super().get_urls()]

    def shares(self, request: HttpRequest) -> HttpResponse:
        """How the tiers would share the deadline that is being typed."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        return JsonResponse({"text": shares(request.GET)})

    def get_readonly_fields(self, request: HttpRequest, obj: ActionType | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()  # agents send it; another name would be another action type

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        if isinstance(obj, ActionType) and change and "schema" in form.changed_data:
            # It is in the digest of what executes. A draft may be saved many times and is one schema in the end.
            obj.schema_version = schema_version(obj.name, obj.schema)
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: "ModelForm[Any]", formsets: "list[BaseFormSet[Any]]", change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        type: ActionType = form.instance
        by_impact = {row.impact: (row.auto, row.review) for row in type.thresholds.all()}
        for doubt in advice.doubts_about_type(type.schema, (type.auto_threshold, type.review_threshold), by_impact):
            messages.warning(request, doubt)


@admin.register(Currency)
class CurrencyAdmin(NeverDeleted, PolicyAdmin):
    form = CurrencyForm
    list_display = ("code", "rate")

    def get_readonly_fields(self, request: HttpRequest, obj: Currency | None = None) -> tuple[str, ...]:
        return ("code",) if obj else ()

    def judge(self, obj: models.Model, before: frozenset[Gap], after: frozenset[Gap]) -> Iterable[str]:
        """Exactly one currency is the base: the one whose rate is 1."""
        yield from validation.of_rates({row.code: str(row.rate) for row in Currency.objects.all()})
