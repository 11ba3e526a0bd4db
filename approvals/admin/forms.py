"""What may not be saved as policy, said beside the field before the database refuses it."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import ModelForm, Script
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextareaWidget,
)

from approvals.admin.fields import Days, Zone, column_texts, use_minute_inputs
from approvals.admin.weights import PRESETS, Weights
from approvals.execution import permits
from approvals.models import ActionType, Tier
from approvals.models.people import workdays
from approvals.models.policy import Accompanying, Verdict, default_allowed
from approvals.policy.authoring import action_type_checks, checks, validation
from approvals.policy.precedent.flags import LABELS
from approvals.values.schema import Json, check_schema


class IndentedJson(forms.JSONField):
    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, forms.fields.InvalidJSONInput | str):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


class Names(forms.MultipleChoiceField):
    """A list of known names, as boxes to tick. Ticking none of them in another order is no change."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=UnfoldAdminCheckboxSelectMultipleWidget, **kwargs)

    def has_changed(self, initial: Collection[Any] | None, data: Collection[Any] | None) -> bool:
        return set(initial or ()) != set(data or ())


# What a new action type begins with: something to write over.
STARTER = {
    "type": "object",
    "properties": {"amount": {"type": "number", "title": "Amount", "minimum": 0}},
    "required": ["amount"],
    "additionalProperties": False,
}


class ActionTypeForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    schema = IndentedJson(
        **column_texts(ActionType, "schema"),
        initial=STARTER,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 18, "spellcheck": "false"}),
    )
    preset = forms.ChoiceField(
        label=gettext_lazy("Bands"),
        required=False,
        choices=[("", gettext_lazy("As written below")), *((name, one.title) for name, one in PRESETS.items())],
        widget=UnfoldAdminRadioSelectWidget,
    )
    weights = Weights(**column_texts(ActionType, "weights"))
    allowed = Names(**column_texts(ActionType, "allowed"), choices=Verdict.choices, initial=default_allowed)
    flags = Names(**column_texts(ActionType, "flags"), required=False)
    required = Names(**column_texts(ActionType, "required"), required=False, choices=Accompanying.choices)

    class Media:
        js = (Script("js/admin-shares.js", type="module"), Script("js/admin-sections.js", type="module"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "flags" not in self.fields:  # somebody who may only look
            return
        for name in ("reversibility", "strategy"):  # both decide too much to stand there by themselves
            choices: Any = self.fields[name]
            choices.choices = [("", _("Choose")), *((value, label) for value, label in choices.choices if value)]
        self.fields["flags"].choices = [(name, str(label)) for name, label in LABELS.items()]  # type: ignore[attr-defined]
        self.fields["preset"].help_text = _("What is chosen here is what “passes from” and “a person from” become.")
        self.fields["expires_after"].widget.attrs["data-shares"] = reverse("admin:approvals_actiontype_shares")

    def clean_schema(self) -> Mapping[str, Json]:
        value: Mapping[str, Json] = self.cleaned_data["schema"] or {}
        if faults := check_schema(value):
            raise ValidationError([f"{fault.pointer or '/'}: {fault.message}" for fault in faults])
        return value

    def clean_permit_valid(self) -> timedelta:
        """A key that retires is published for as long as the longest permit it may have signed."""
        value: timedelta = self.cleaned_data["permit_valid"]
        if not timedelta(0) < value <= permits.OVERLAP:
            raise ValidationError(_("Between one second and %(days)d days.") % {"days": permits.OVERLAP.days})
        return value

    def clean_weights(self) -> dict[str, float]:
        """As they are stored where they say the same, so that an idle save publishes nothing."""
        value: dict[str, float] = self.cleaned_data["weights"] or {}
        stored: dict[str, float] = self.instance.weights or {}
        if value == stored:
            return stored
        if wrong := list(checks.weights(value)):
            raise ValidationError(wrong)
        return value

    def clean_allowed(self) -> list[str]:
        return self._in_order("allowed")

    def clean_flags(self) -> list[str]:
        return self._in_order("flags")

    def clean_required(self) -> list[str]:
        return self._in_order("required")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if preset := PRESETS.get(cleaned.pop("preset", "")):
            cleaned |= {"auto_threshold": preset.auto, "review_threshold": preset.review}
        complain(self, action_type_checks.of_type({name: cleaned[name] for name in cleaned if name != "weights"}))
        return cleaned

    def _in_order(self, name: str) -> list[str]:
        """The stored order where the same names are ticked, so that an idle save publishes nothing."""
        chosen: list[str] = self.cleaned_data[name]
        stored: list[str] = getattr(self.instance, name) or []
        return stored if set(stored) == set(chosen) else chosen


class ThresholdForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        complain(self, action_type_checks.of_band(cleaned))
        return cleaned


def complain(form: "ModelForm[Any]", complaints: Iterable[tuple[str, str]]) -> None:
    """Say each beside its field; above the form where that does not show."""
    for field, sentence in complaints:
        form.add_error(field if field in form.fields else None, sentence)


class TermsForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A ceiling, the time to answer and its hours: a tier's own, or those of a domain."""

    workdays = Days(
        **column_texts(Tier, "workdays"),
        initial=workdays,
    )
    time_zone = Zone(**column_texts(Tier, "time_zone"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        use_minute_inputs(self, "opens", "closes")


class TierForm(TermsForm):
    # A new highest tier and where the one below it ends only stand together.
    ceiling_below = forms.DecimalField(
        label=gettext_lazy("The tier below ends at"),
        required=False,
        min_value=Decimal("0.01"),
        max_digits=16,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=gettext_lazy(
            "Only for a new highest tier: the one that was the highest so far has no ceiling, and needs one now."
        ),
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        following: Tier | None = cleaned.get("next")
        columns = {
            "level": self.instance.level,
            **cleaned,
            "next_id": following.level if following else None,
        }
        complain(self, validation.of_tier(columns, dict(Tier.objects.values_list("level", "next_id"))))
        if cleaned.get("ceiling_below") is not None and self.below is None:
            self.add_error("ceiling_below", _("There is no tier below without a ceiling; leave this empty."))
        return cleaned

    @property
    def below(self) -> Tier | None:
        """The tier right below a new one, where it has no ceiling."""
        level = self.cleaned_data.get("level")
        if level is None or not self.instance._state.adding:
            return None
        tier = Tier.objects.filter(active=True, level__lt=level).order_by("-level").first()
        return tier if tier and tier.ceiling is None else None


class CurrencyForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"].upper()
        if len(code) != 3 or not code.isascii() or not code.isalpha():
            raise ValidationError(_("A currency code is three letters: EUR."))
        return code

    def clean_rate(self) -> Any:
        if (rate := self.cleaned_data["rate"]) <= 0:
            raise ValidationError(_("A rate is above 0."))
        return rate
