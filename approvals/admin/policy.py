"""Policy: what agents may propose, who is asked, and what follows from a rule. Each save publishes one version."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from approvals.admin.base import Judged, Kept, Publishing, signed_in
from approvals.admin.forms import ActionTypeForm, AutonomyForm, CurrencyForm, RuleForm, ThresholdForm, TierForm
from approvals.admin.people import MembershipInline
from approvals.admin.staffing import Gap, Roster
from approvals.models import ActionType, Autonomy, Currency, Rule, Threshold, Tier


@admin.register(Tier)
class TierAdmin(Kept, Publishing):
    form = TierForm
    inlines = [MembershipInline]
    list_display = ("__str__", "ceiling", "sla", "hold", "next", "reviewers")
    fieldsets = (
        (None, {"fields": ("level", "name", "ceiling")}),
        (_("Time"), {"fields": ("sla", "next", "hold", "claim")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tier]:
        active = Count("memberships__user", filter=Q(memberships__user__is_active=True), distinct=True)
        tiers: QuerySet[Tier] = super().get_queryset(request).select_related("next").annotate(active=active)
        return tiers

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> tuple[str, ...]:
        return ("level",) if obj else ()  # another level would be another tier

    @display(description=_("active reviewers"), ordering="active", label={"0": "danger"})
    def reviewers(self, tier: Tier) -> str:
        return str(getattr(tier, "active", 0))

    def judge(self, obj: models.Model, before: frozenset[Gap], after: frozenset[Gap]) -> Iterable[str]:
        """A tier that something leads to has somebody in it, and ceilings rise with the level."""
        yield from super().judge(obj, before, after)
        if not Roster().count(obj.pk):
            yield from sorted(str(gap) for gap in after & before if gap.tier == obj.pk)
        yield from ceiling_faults(list(Tier.objects.order_by("level")))


def ceiling_faults(tiers: list[Tier]) -> Iterable[str]:
    """What is wrong with the value ceilings of tiers in order of level: overlaps, and values that nobody covers."""
    for lower, upper in pairwise(tiers):
        facts = {"lower": lower, "upper": upper, "below": lower.ceiling, "above": upper.ceiling}
        if lower.ceiling is None:
            yield (
                gettext("“%(lower)s” has no ceiling, so no value ever reaches “%(upper)s”. Give “%(lower)s” a ceiling.")
                % facts
            )
        elif upper.ceiling is not None and upper.ceiling <= lower.ceiling:
            yield (
                gettext(
                    "Ceilings must rise with the level: “%(upper)s” ends at %(above)s, where “%(lower)s” already "
                    "reaches %(below)s. Set “%(upper)s” above %(below)s."
                )
                % facts
            )
    if tiers and tiers[-1].ceiling is not None:
        yield gettext(
            "Values above %(ceiling)s would belong to no tier. Leave the ceiling of “%(tier)s”, the highest, empty."
        ) % {"ceiling": tiers[-1].ceiling, "tier": tiers[-1]}


class ThresholdInline(TabularInline):
    model = Threshold
    form = ThresholdForm
    extra = 0
    max_num = 3
    verbose_name_plural = _("confidence bands by impact; without a row the ones above hold")


@admin.register(ActionType)
class ActionTypeAdmin(Kept, Publishing):
    """Switched off rather than deleted: approvals and versions name it."""

    form = ActionTypeForm
    inlines = [ThresholdInline]
    list_display = ("title", "name", "domain", "reversibility", "strategy", "gate", "tier", "active")
    list_filter = ("domain", "reversibility", "strategy", "gate", "tier", "active")
    list_select_related = ("domain", "tier")
    search_fields = ("name", "title")
    fieldsets = (
        (None, {"fields": ("name", "title", "headline", "domain", "active")}),
        (_("What agents send"), {"fields": ("schema", "value_path", "currency_path", "subject_path", "subject_kind")}),
        (
            _("When and how a person is asked"),
            {
                "fields": ("reversibility", "strategy", "gate", "tier", "approvers", "level", "flags"),
                "description": _("Reversibility decides first; rules, flags and the value only raise what is asked."),
            },
        ),
        (
            _("Confidence"),
            {
                "fields": ("auto_threshold", "review_threshold", "weights"),
                "description": _(
                    "At or above “passes from” it runs; at or above “a person from” somebody is asked; below, it is "
                    "refused and the agent told to reformulate."
                ),
            },
        ),
        (_("Deciding"), {"fields": ("allowed", "reason_required", "policy_text")}),
        (_("Silence"), {"fields": ("expires_after", "on_timeout")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: ActionType | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()  # agents send it; another name would be another action type

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        if isinstance(obj, ActionType) and change and "schema" in form.changed_data:
            obj.schema_version += 1  # it is in the digest of what executes
        super().save_model(request, obj, form, change)


@admin.register(Rule)
class RuleAdmin(Publishing):
    form = RuleForm
    list_display = ("name", "action_type", "effect", "tier", "approvers", "active")
    list_filter = ("effect", "active", "action_type__domain")
    list_select_related = ("action_type", "tier")
    search_fields = ("name", "message", "expression")
    autocomplete_fields = ("action_type",)
    fieldsets = (
        (None, {"fields": ("name", "action_type", "active")}),
        (_("When"), {"fields": ("expression",)}),
        (_("Then"), {"fields": ("effect", "tier", "approvers", "message")}),
    )


@admin.register(Currency)
class CurrencyAdmin(Kept, Publishing):
    form = CurrencyForm
    list_display = ("code", "rate")

    def get_readonly_fields(self, request: HttpRequest, obj: Currency | None = None) -> tuple[str, ...]:
        return ("code",) if obj else ()

    def judge(self, obj: models.Model, before: frozenset[Gap], after: frozenset[Gap]) -> Iterable[str]:
        """Exactly one currency is the base: the one whose rate is 1."""
        base = list(Currency.objects.filter(rate=Decimal(1)).values_list("code", flat=True))
        if not base:
            yield gettext("No currency would have the rate 1. The base currency keeps it: ceilings are written in it.")
        elif len(base) > 1:
            yield gettext("%(codes)s would both have the rate 1; only the base currency has it.") % {
                "codes": ", ".join(base)
            }


@admin.register(Autonomy)
class AutonomyAdmin(Kept, Judged):
    """How far an agent is trusted with one action type. Less is any admin's to set; more is signed by a manager."""

    form = AutonomyForm
    list_display = ("agent", "action_type", "level", "breaker_open", "changed_at")
    list_filter = ("level", "breaker_open", "agent")
    list_select_related = ("agent", "action_type")
    autocomplete_fields = ("agent", "action_type")
    fields = ("agent", "action_type", "level", "breaker_open")

    def get_readonly_fields(self, request: HttpRequest, obj: Autonomy | None = None) -> tuple[str, ...]:
        return ("agent", "action_type") if obj else ()

    def get_form(
        self, request: HttpRequest, obj: models.Model | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[models.Model]]":
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"signs": signed_in(request).is_manager})
