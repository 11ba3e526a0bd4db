"""What may not be saved as policy, said beside the field before the database refuses it."""

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from approvals.admin.paths import Missing, placeholders, subschema
from approvals.models import ActionType, Autonomy, Rule, Tier
from approvals.models.policy import Gate, Reversibility, Silence, Strategy, Verdict
from approvals.policy import expressions
from approvals.policy.flags import LABELS
from approvals.policy.schema import Json, check_schema
from approvals.policy.signals import WEIGHTS

DURATION = gettext_lazy("Written as hours:minutes:seconds, or days and the rest: 1 04:00:00.")
SILENT = (Silence.APPROVE, Silence.PROCEED, Silence.BEST_GUESS)


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


class ActionTypeForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    schema = IndentedJson(
        label=gettext_lazy("JSON Schema of the arguments"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 18, "spellcheck": "false"}),
        help_text=gettext_lazy("What agents may send as arguments; reviewers get their form from it."),
    )
    weights = IndentedJson(
        label=gettext_lazy("Signal weights"), required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 8})
    )
    allowed = Names(label=gettext_lazy("Allowed verdicts"), choices=Verdict.choices)
    flags = Names(label=gettext_lazy("Flags that ask a person"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "flags" not in self.fields:  # somebody who may only look
            return
        self.fields["flags"].choices = [(name, str(label)) for name, label in LABELS.items()]  # type: ignore[attr-defined]
        self.fields["flags"].help_text = _("The others only inform.")
        self.fields["weights"].help_text = _("Empty: the default weights. Names: %(names)s.") % {
            "names": ", ".join(WEIGHTS)
        }
        self.fields["expires_after"].help_text = DURATION
        self.fields["reversibility"].help_text = _(
            "The first filter. Irreversible: always asks, by a hard or manual gate. Only what is reversible may run "
            "because nobody answered."
        )
        self.fields["on_timeout"].help_text = _(
            "What happens at the deadline when nobody decided. “Runs” and “best guess” are for reversible actions only."
        )
        self.fields["gate"].help_text = _("Soft and work queue are for what can wait or be undone.")

    def clean_schema(self) -> Mapping[str, Json]:
        value: Mapping[str, Json] = self.cleaned_data["schema"] or {}
        if faults := check_schema(value):
            raise ValidationError([f"{fault.pointer or '/'}: {fault.message}" for fault in faults])
        return value

    def clean_weights(self) -> dict[str, float]:
        value = self.cleaned_data["weights"] or {}
        if not isinstance(value, dict):
            raise ValidationError(_('Weights are an object of names and numbers: {"precedent": 0.25}'))
        for name, weight in value.items():
            if name not in WEIGHTS:
                raise ValidationError(_unknown(name, list(WEIGHTS)))
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
                raise ValidationError(_("The weight of “%(name)s” must be a number from 0 to 1.") % {"name": name})
        if value and not sum(value.values()):
            raise ValidationError(_("At least one weight must be above 0."))
        return value

    def clean_allowed(self) -> list[str]:
        return self._in_order("allowed")

    def clean_flags(self) -> list[str]:
        return self._in_order("flags")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        self._check_paths(cleaned)
        self._check_silence(cleaned)
        auto, review = cleaned.get("auto_threshold"), cleaned.get("review_threshold")
        check_bands(self, auto, review, "auto_threshold", "review_threshold")
        if (after := cleaned.get("expires_after")) is not None and after <= timedelta(0):
            self.add_error("expires_after", _("A deadline lies ahead: give it more than nothing, such as 04:00:00."))
        if not {Verdict.APPROVE, Verdict.ANSWER} & set(cleaned.get("allowed") or [Verdict.APPROVE]):
            self.add_error("allowed", _("Nothing could ever be approved or answered: allow one of the two."))
        return cleaned

    def _in_order(self, name: str) -> list[str]:
        """The stored order where the same names are ticked, so that an idle save publishes nothing."""
        chosen: list[str] = self.cleaned_data[name]
        stored: list[str] = getattr(self.instance, name) or []
        return stored if set(stored) == set(chosen) else chosen

    def _check_paths(self, cleaned: Mapping[str, Any]) -> None:
        shape = cleaned.get("schema")
        if shape is None:
            return
        paths = [("headline", path) for path in placeholders(cleaned.get("headline", ""))]
        named = ("value_path", "currency_path", "subject_path")
        paths += [(name, cleaned[name]) for name in named if cleaned.get(name)]
        for field, path in paths:
            try:
                found = subschema(shape, path)
            except Missing as missing:
                self.add_error(field, _unknown(missing.name, missing.known))
                continue
            kind = found.get("type") if found is not None else None
            if field == "value_path" and kind not in {None, "number", "integer", "string"}:
                said = _("“%(path)s” is no number in the schema, so it cannot be a value.")
                self.add_error(field, said % {"path": path})
        if cleaned.get("currency_path") and not cleaned.get("value_path"):
            self.add_error("currency_path", _("A currency goes with a value: name the argument that holds the value."))

    def _check_silence(self, cleaned: Mapping[str, Any]) -> None:
        kind, gate, silence = (cleaned.get(name) for name in ("reversibility", "gate", "on_timeout"))
        if kind == Reversibility.IRREVERSIBLE:
            if cleaned.get("strategy") != Strategy.ALWAYS:
                self.add_error("strategy", _("An irreversible action always asks a person: choose “Always”."))
            if gate not in {Gate.HARD, Gate.MANUAL}:
                self.add_error("gate", _("An irreversible action waits for a yes: choose “Hard” or “Manual”."))
        elif kind == Reversibility.PARTIAL and gate == Gate.SOFT:
            self.add_error("gate", _("A soft gate runs when nobody answers; only reversible actions may do that."))
        if fault := level_fault(cleaned.get("level") or 1, kind or ""):
            self.add_error("level", fault)
        if kind and kind != Reversibility.REVERSIBLE and silence in SILENT:
            self.add_error(
                "on_timeout", _("Only a reversible action may go on without an answer: choose “Nothing runs”.")
            )
        elif gate == Gate.SOFT and kind == Reversibility.REVERSIBLE and silence not in SILENT:
            self.add_error("on_timeout", _("A soft gate proceeds unless stopped: choose “Runs”, or a hard gate."))


class ThresholdForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        check_bands(self, cleaned.get("auto"), cleaned.get("review"), "auto", "review")
        return cleaned


def check_bands(form: "ModelForm[Any]", auto: Any, review: Any, upper: str, lower: str) -> None:
    """The two limits of the bands lie in 0 to 1 and in order; the message names the overlap and its mend."""
    for name, limit in ((upper, auto), (lower, review)):
        if limit is not None and not 0 <= limit <= 1:
            form.add_error(name, _("A confidence lies between 0 and 1."))
    if auto is not None and review is not None and auto < review:
        form.add_error(
            upper,
            _(
                "The bands overlap: between %(auto)s and %(review)s a proposal would pass and ask a person at once. "
                "“Passes from” must be at least %(review)s."
            )
            % {"auto": auto, "review": review},
        )


class TierForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("sla", "hold", "claim"):
            if name in self.fields:
                self.fields[name].help_text = f"{self.fields[name].help_text} {DURATION}"

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        for name in ("sla", "claim"):
            if (span := cleaned.get(name)) is not None and span <= timedelta(0):
                self.add_error(name, _("Nobody answers in no time: give it more than nothing, for example 00:15:00."))
        if (hold := cleaned.get("hold")) is not None and not timedelta(0) <= hold <= timedelta(seconds=30):
            self.add_error("hold", _("A verdict can be taken back for 0 to 30 seconds."))
        if (ceiling := cleaned.get("ceiling")) is not None and ceiling <= 0:
            self.add_error("ceiling", _("A ceiling is above 0; leave it empty for none."))
        level = cleaned.get("level", self.instance.level)
        following: Tier | None = cleaned.get("next")
        if level is not None and following is not None and following.level <= level:
            loop = _loop(level, following)
            self.add_error(
                "next",
                _("Escalation would run in a circle: %(loop)s. Choose a tier above %(level)d, or none.")
                % {"loop": loop, "level": level}
                if loop
                else _("Escalation climbs: choose a tier above %(level)d, or none.") % {"level": level},
            )
        return cleaned


class RuleForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean_expression(self) -> str:
        text: str = self.cleaned_data["expression"]
        try:
            expressions.compile(text)
        except expressions.BadExpression as bad:
            raise ValidationError(
                _("Line %(line)d, column %(column)d: %(message)s")
                % {"line": bad.line, "column": bad.column, "message": bad.message}
            ) from bad
        return text

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        type: ActionType | None = cleaned.get("action_type")
        if type is not None and (unknown := expressions.unknown_paths(cleaned.get("expression", ""), type.schema)):
            self.add_error(
                "expression",
                _("The arguments of “%(type)s” have no %(paths)s.") % {"type": type, "paths": ", ".join(unknown)},
            )
        if cleaned.get("effect") != Rule.Effect.REVIEW:
            if cleaned.get("tier"):
                self.add_error("tier", _("Only “Ask a person” sends it to a tier; leave this empty."))
            if (cleaned.get("approvers") or 1) > 1:
                self.add_error("approvers", _("Only “Ask a person” needs people; leave it at 1."))
        return cleaned


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


class AutonomyForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    signs = False  # whether the one who saves may grant more autonomy

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        type: ActionType | None = cleaned.get("action_type") or getattr(self.instance, "action_type", None)
        level: int | None = cleaned.get("level")
        if type is None or level is None:
            return cleaned
        stored = Autonomy.objects.filter(pk=self.instance.pk).first()
        if level > (stored.level if stored else type.level) and not self.signs:
            self.add_error("level", _("A promotion is signed by a manager; an admin may only lower the level."))
        if stored and stored.breaker_open and not cleaned.get("breaker_open") and not self.signs:
            self.add_error("breaker_open", _("An open breaker is closed by a manager."))
        if fault := level_fault(level, type.reversibility):
            self.add_error("level", fault)
        return cleaned


def level_fault(level: int, reversibility: str) -> str:
    """Why actions of this reversibility never get this level of autonomy; empty when they may."""
    if reversibility == Reversibility.IRREVERSIBLE and level > 2:
        return _("An irreversible action stays at level 1 or 2.")
    if reversibility == Reversibility.PARTIAL and level > 3:
        return _("Level 4 runs without asking; only reversible actions may do that.")
    return ""


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return _("“%(name)s” is not known; did you mean “%(near)s”?") % {"name": name, "near": near[0]}
    return _("“%(name)s” is not known; there are: %(known)s.") % {"name": name, "known": ", ".join(known) or _("none")}


def _loop(level: int, following: Tier | None) -> str:
    """`3 → 1 → 3` when the chain from `following` comes back to `level`, else nothing."""
    path = [level]
    while following is not None:
        path.append(following.level)
        if following.level == level:
            return " → ".join(map(str, path))
        if len(path) > 10:
            break
        following = following.next
    return ""
