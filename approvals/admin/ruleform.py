"""A rule as an admin writes it: the condition with completion and a check beside it, ordered stages as rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.forms import ModelForm, Script
from django.template.loader import render_to_string
from django.urls import reverse_lazy
from django.utils.datastructures import MultiValueDict
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from approvals.admin.fields import column_texts
from approvals.admin.forms import complain
from approvals.models import ActionType, Domain, Rule, Tier
from approvals.policy.authoring import stage_rules, validation
from approvals.policy.rules import expressions


class ConditionWidget(UnfoldAdminTextareaWidget):
    """The box for an expression. Without script it is an ordinary box, checked when it is saved."""

    def __init__(self) -> None:
        super().__init__(
            attrs={
                "rows": 4,
                "spellcheck": "false",
                "autocomplete": "off",
                "autocapitalize": "off",
                "data-condition": "",
                "data-names": reverse_lazy("admin:approvals_rule_names"),
                "data-check": reverse_lazy("admin:approvals_rule_check"),
                "data-say-place": gettext_lazy("Go to line and column %s"),
                "data-say-list": gettext_lazy("What may be typed here"),
                "data-say-lost": gettext_lazy("It could not be checked just now; it is checked when you save."),
            }
        )


class StagesWidget(forms.Widget):
    """Rows of tier, domain and people. All of them are there; script hides the unused ones and moves the others."""

    template_name = "admin/policy/stages.html"
    tiers: Sequence[tuple[int, str]] = ()
    domains: Sequence[tuple[str, str]] = ()

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        stages = list(value) if isinstance(value, list | tuple) else []
        stages += [{}] * (stage_rules.MOST - len(stages))
        rows = [
            {
                "tier": str(stage.get("tier", "")),
                "domain": str(stage.get("domain") or ""),
                "approvers": str(stage.get("approvers") or 1),
            }
            for stage in stages
        ]
        return {
            **super().get_context(name, value, attrs),
            "rows": rows,
            "tiers": [(str(level), words) for level, words in self.tiers],
            "domains": self.domains,
        }

    def render(self, name: str, value: Any, attrs: Any = None, renderer: object = None) -> SafeString:
        # The form renderer looks for templates among Django's own alone.
        return mark_safe(render_to_string(self.template_name, self.get_context(name, value, attrs)))  # noqa: S308

    def value_from_datadict(self, data: Mapping[str, Any], files: object, name: str) -> list[dict[str, Any]]:
        if not isinstance(data, MultiValueDict):
            return list(data.get(name) or ())
        columns = [data.getlist(f"{name}-{column}") for column in ("tier", "domain", "approvers")]
        rows = [dict(zip(("tier", "domain", "approvers"), row, strict=True)) for row in zip(*columns, strict=False)]
        return [row for row in rows if row["tier"] or row["domain"] or row["approvers"] not in ("", "1")]

    def value_omitted_from_data(self, data: Mapping[str, Any], files: object, name: str) -> bool:
        return f"{name}-tier" not in data

    def id_for_label(self, id_: str | None) -> str:
        return ""  # a group of fields has a legend of its own


class StagesField(forms.Field):
    """A list of stages as a rule holds them: [{"tier": 2, "domain": "", "approvers": 1}]."""

    widget = StagesWidget

    def to_python(self, value: Any) -> list[dict[str, Any]]:
        stages = []
        for number, row in enumerate(value or (), 1):
            if not row["tier"]:
                raise ValidationError(_("Stage %(number)d: choose its tier, or empty the row.") % {"number": number})
            try:
                tier, approvers = int(row["tier"]), int(row["approvers"] or 1)
            except ValueError as error:
                raise ValidationError(_("Stage %(number)d: 1 to 5 people approve.") % {"number": number}) from error
            stages.append({"tier": tier, "domain": row["domain"] or "", "approvers": approvers})
        return stages

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or []))
        except ValidationError:
            return True


class RuleForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    stages = StagesField(
        **column_texts(Rule, "stages"),
        required=False,
    )

    class Meta:
        widgets = {"expression": ConditionWidget}  # Django reads it so

    class Media:
        css = {"all": ["css/rule.css"]}  # Django reads it so
        js = (Script("js/admin-rule.js", type="module"), Script("js/admin-stages.js", type="module"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "stages" not in self.fields:  # somebody who may only look
            return
        widget = self.fields["stages"].widget
        widget.tiers = [(tier.level, str(tier)) for tier in Tier.objects.filter(active=True).order_by("level")]
        standing = [one.get("domain") for one in self.instance.stages or ()]
        offered = Domain.objects.filter(Q(active=True) | Q(slug__in=[slug for slug in standing if slug]))
        widget.domains = list(offered.order_by("name").values_list("slug", "name"))
        active_levels = {level for level, _words in widget.tiers}
        # A tier that was switched off since is shown as what it is, and refused when the rule is saved.
        gone = {one["tier"] for one in self.instance.stages or ()} - active_levels
        widget.tiers += [(level, _("%(level)d (not active)") % {"level": level}) for level in sorted(gone)]

    def clean_expression(self) -> str:
        text: str = self.cleaned_data["expression"]
        try:
            expressions.compiled_expression(text)
        except expressions.BadExpression as bad:
            raise ValidationError(str(bad)) from bad
        return text

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        type: ActionType | None = cleaned.get("action_type")
        tier: Tier | None = cleaned.get("tier")
        columns = {**cleaned, "tier_id": tier.pk if tier else None}
        complain(self, validation.of_rule(columns, type.schema if type else None, str(type)))
        levels = Tier.objects.filter(active=True).values_list("level", flat=True)
        domains = Domain.objects.values_list("slug", flat=True)
        complain(self, stage_rules.of_names(cleaned.get("stages") or (), set(levels), set(domains)))
        return cleaned
