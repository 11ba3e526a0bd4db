"""How confidence is set in the form: six numbers beside each other, and pairs of bands to choose from."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.policy.precedent.signals import LABELS, STATED, WEIGHTS


class Preset(NamedTuple):
    title: Promise
    auto: Decimal
    review: Decimal


PRESETS: Mapping[str, Preset] = {
    "balanced": Preset(gettext_lazy("Balanced: passes from 0.85, a person from 0.60"), Decimal(".85"), Decimal(".60")),
    "lenient": Preset(
        gettext_lazy("Ask rather than refuse: passes from 0.85, a person from 0.30"), Decimal(".85"), Decimal(".30")
    ),
}


class WeightsWidget(forms.MultiWidget):
    """One number for each signal, in their order; its default shows where it is empty."""

    def __init__(self) -> None:
        super().__init__(
            {
                name: forms.NumberInput(
                    attrs={"min": "0", "max": "1", "step": "0.01", "placeholder": str(default), "aria-label": label}
                )
                for (name, default), label in zip(WEIGHTS.items(), LABELS.values(), strict=True)
            }
        )

    def decompress(self, value: Any) -> list[Any]:
        weights = value if isinstance(value, Mapping) else {}
        return [weights.get(name) for name in WEIGHTS]

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        context = self.get_context(name, value, attrs)
        each = context["widget"]["subwidgets"]
        rows = [(LABELS[signal], signal in STATED, widget) for signal, widget in zip(WEIGHTS, each, strict=True)]
        return render_to_string("admin/policy/_weights.html", {"rows": rows})


class Weights(forms.MultiValueField):
    """The weights that differ from the defaults, by name."""

    def __init__(self, **kwargs: Any) -> None:
        each = [forms.FloatField(required=False, min_value=0, max_value=1) for _name in WEIGHTS]
        super().__init__(each, widget=WeightsWidget(), require_all_fields=False, required=False, **kwargs)

    def compress(self, data_list: list[float | None]) -> dict[str, float]:
        weights = {
            name: int(value) if value == int(value) else value
            for name, value in zip(WEIGHTS, data_list, strict=False)
            if value is not None
        }
        if weights and not any(weights.get(name, WEIGHTS[name]) for name in WEIGHTS):
            raise ValidationError(_("At least one weight must be above 0."))
        return weights

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.clean(data))
        except ValidationError:
            return True
