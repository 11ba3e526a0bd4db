"""How far agents are trusted: admins lower levels and open breakers. More trust is a manager's, on the fleet page."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext as _

from approvals.admin.base import NeverDeleted, ValidatedAsWhole, signed_in
from approvals.autonomy import breakers, levels
from approvals.db import times
from approvals.models import ActionType, Autonomy, Breaker
from approvals.policy.authoring import action_type_checks


class AutonomyForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    signs = False  # whether the one who saves may turn shadow mode on

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        type: ActionType | None = cleaned.get("action_type") or getattr(self.instance, "action_type", None)
        level: int | None = cleaned.get("level")
        if type is None or level is None:
            return cleaned
        stored = Autonomy.objects.filter(pk=self.instance.pk).first()
        if level > (stored.level if stored else type.level):
            self.add_error("level", _("A level is only lowered here; a manager signs a promotion on the fleet page."))
        if cleaned.get("shadow") and not (stored and stored.shadow):
            if not self.signs:
                self.add_error("shadow", _("Shadow mode asks nobody any more, so a manager signs it."))
            if fault := action_type_checks.shadow_fault(type.reversibility, type.gate):
                self.add_error("shadow", fault)
        if fault := action_type_checks.level_fault(level, type.reversibility):
            self.add_error("level", fault)
        return cleaned


class BreakerForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if not cleaned.get("agent") and not cleaned.get("action_type"):
            raise ValidationError(_("Name an agent, an action type, or both."))
        if not cleaned.get("why"):
            self.add_error("why", _("Say why, in a few words."))
        if fault := breakers.trial_fault(cleaned.get("trial_decisions") or 0, cleaned.get("trial_wrong") or 0):
            self.add_error("trial_decisions", fault)
        return cleaned


@admin.register(Autonomy)
class AutonomyAdmin(NeverDeleted, ValidatedAsWhole):
    """How far an agent is trusted with one action type. Less is any admin's to set; a manager signs more elsewhere."""

    form = AutonomyForm
    list_display = ("agent", "action_type", "version", "level", "shadow", "changed_at")
    list_filter = ("level", "shadow", "agent")
    list_select_related = ("agent", "action_type")
    autocomplete_fields = ("agent", "action_type")
    fields = ("agent", "action_type", "agent_model", "prompt_version", "tool_version", "level", "shadow")

    def get_readonly_fields(self, request: HttpRequest, obj: Autonomy | None = None) -> tuple[str, ...]:
        return ("agent", "action_type", "agent_model", "prompt_version", "tool_version") if obj else ()

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        """What lowers the level goes by the one way to do so; what is new takes the place of the newest version."""
        assert isinstance(obj, Autonomy)  # noqa: S101
        level = obj.level
        stored = Autonomy.objects.filter(pk=obj.pk).first()
        if stored is not None:
            obj.level = stored.level
        else:
            Autonomy.objects.filter(agent=obj.agent, action_type=obj.action_type).update(newest=False)
        super().save_model(request, obj, form, change)
        if stored is None:
            levels.begin(obj, levels.BANDS, now=times.now())
        elif any(stored.level_in(band) > level for band in levels.BANDS):
            levels.lower_by_hand(obj.pk, by=signed_in(request), level=level)

    def get_form(
        self, request: HttpRequest, obj: models.Model | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[models.Model]]":
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"signs": signed_in(request).is_manager})


@admin.register(Breaker)
class BreakerAdmin(NeverDeleted):
    """While it is open everything of its agent or action type asks a person. Admins open it; managers close it."""

    form = BreakerForm
    list_display = ("__str__", "cause", "opened_at", "closed_at")
    list_filter = ("cause", "agent")
    list_select_related = ("agent", "action_type")
    autocomplete_fields = ("agent", "action_type")
    fields = ("agent", "action_type", "why", "trial_decisions", "trial_wrong")

    def has_change_permission(self, request: HttpRequest, obj: Breaker | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        assert isinstance(obj, Breaker)  # noqa: S101
        breakers.open_by_hand(obj, by=signed_in(request))
