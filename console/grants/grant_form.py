"""The form of a standing approval: conditions as rows, prefilled from a card's arguments or empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from approvals.execution.grants import LONGEST_REASON, MOST, GrantRequest, offline_refusal
from approvals.models import Agent, Approval
from approvals.people.authorities import Authority
from approvals.policy import grant_conditions
from approvals.policy.compiled_policy import TypePolicy
from approvals.values import schema
from approvals.values.schema import Fault, Json
from console.card.facts import plain

OPERATORS = {
    "eq": _("is"),
    "ne": _("is not"),
    "lt": _("below"),
    "le": _("at most"),
    "gt": _("above"),
    "ge": _("at least"),
    "in": _("is one of"),
    "starts": _("starts with"),
}
SPANS = (1, 8, 24, 24 * 7, 24 * 30, 24 * 90)  # hours
_SINGLE = (str, int, float, bool)
_LINE = 200  # characters of a text in one row


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """One condition as it is typed: `on` False is left out."""

    number: int
    path: str = ""
    op: str = "eq"
    value: str = ""
    on: bool = False
    error: str = ""


class GrantForm(forms.Form):
    """How often, until when, up to which tier; the conditions are rows beside it."""

    most = forms.IntegerField(label=_("How many"), min_value=1, max_value=MOST, initial=5)
    hours = forms.TypedChoiceField(label=_("For the next"), coerce=int, initial=24)
    tier = forms.TypedChoiceField(label=_("Up to tier"), coerce=int)
    reserved = forms.IntegerField(
        label=_("Of them while Assent is out of reach"), min_value=0, max_value=MOST, required=False, initial=0
    )
    expression = forms.CharField(label=_("And when (CEL)"), required=False, max_length=4000)
    reason = forms.CharField(label=_("Why, for colleagues"), required=False, max_length=LONGEST_REASON)

    def __init__(
        self, data: Mapping[str, str] | None, kind: TypePolicy, authority: Authority, tiers: Mapping[int, str]
    ):
        super().__init__(data)
        self.kind = kind
        field = self.fields["tier"]
        levels = [level for level in sorted(tiers) if level >= kind.tier and authority.reaches(level, kind.domain)]
        if isinstance(field, forms.TypedChoiceField):
            field.choices = [(level, tiers[level]) for level in levels]
        self.fields["most"].widget.attrs["data-focus"] = ""
        spans = self.fields["hours"]
        if isinstance(spans, forms.TypedChoiceField):
            spans.choices = [(hours, _span(hours)) for hours in SPANS]
        if offline_refusal(kind):
            del self.fields["reserved"]

    def wish(self, agent: Agent, typed_conditions: Sequence[Mapping[str, Json]], *, now: datetime) -> GrantRequest:
        """What was typed; only after `is_valid()`."""
        cleaned = self.cleaned_data
        return GrantRequest(
            agent=agent.pk,
            action=self.kind.name,
            most=cleaned["most"],
            expires_at=now + timedelta(hours=cleaned["hours"]),
            tier=cleaned["tier"],
            conditions=tuple(typed_conditions),
            expression=cleaned["expression"],
            reserved=cleaned.get("reserved") or 0,
            reason=cleaned["reason"],
        )

    @property
    def faults(self) -> list[Fault]:
        return [Fault(f"/{name}", str(message)) for name, messages in self.errors.items() for message in messages]

    def show(self, faults: Sequence[Fault]) -> list[Fault]:
        """Write each fault beside its field; returns those that belong to none, the rows' own among them."""
        left = []
        for fault in faults:
            name = fault.pointer.removeprefix("/")
            name = "hours" if name == "expires_at" else name
            if name in self.fields:
                if not self.has_error(name):
                    self.add_error(name, fault.message)
            else:
                left.append(fault)
        return left


def _span(hours: int) -> str:
    if hours < 24:
        return ngettext("%d hour", "%d hours", hours) % hours
    return ngettext("%d day", "%d days", hours // 24) % (hours // 24)


def rows_like(approval: Approval, kind: TypePolicy) -> list[ConditionRow]:
    """Conditions for the next like what a card shows, each of them checked: its value as a limit, the rest as it is.

    Who wants to let more pass takes conditions away. A text that no line can hold counts by how it begins.
    """
    args: Json = approval.proposal.args if approval.proposal else None
    rows = []
    for number, (path, _part) in enumerate(grant_conditions.paths_of(kind.schema)[: grant_conditions.MOST]):
        value = schema.pick(args, path)
        if not isinstance(value, _SINGLE):
            continue
        limit = path == kind.value_path and grant_conditions.number_of(value) is not None
        text = plain(value)
        if isinstance(value, str) and (len(text) > _LINE or len(text.splitlines()) > 1):
            beginning = text.splitlines()[0][:_LINE]
            rows.append(ConditionRow(number, path, "starts", beginning, on=bool(beginning)))
        else:
            rows.append(ConditionRow(number, path, "le" if limit else "eq", text, on=True))
    return rows


def read_rows(posted: Mapping[str, str], kind: TypePolicy) -> tuple[list[ConditionRow], list[dict[str, Json]]]:
    """What was typed, and the conditions it says, each value as its argument's schema wants it."""
    numbers = sorted(
        int(name.removeprefix("path-")) for name in posted if name.startswith("path-") and name[5:].isdecimal()
    )
    rows = [
        ConditionRow(
            number,
            posted[f"path-{number}"][:200],
            posted.get(f"op-{number}", "eq"),
            posted.get(f"value-{number}", "")[:1000],
            on=f"on-{number}" in posted,
        )
        for number in numbers[: 2 * grant_conditions.MOST]
    ]
    typed_conditions: list[dict[str, Json]] = [
        {"path": row.path, "op": row.op, "value": _value(row, grant_conditions.part_of(kind.schema, row.path) or {})}
        for row in rows
        if row.on and row.path
    ]
    return rows, typed_conditions


def with_faults(rows: Sequence[ConditionRow], faults: Sequence[Fault]) -> tuple[list[ConditionRow], list[Fault]]:
    """The rows with what is wrong beside them; and the faults that are none of theirs."""
    chosen = [row for row in rows if row.on and row.path]
    errors: dict[int, str] = {}
    left = []
    for fault in faults:
        parts = fault.pointer.split("/")
        if parts[1:2] == ["conditions"] and len(parts) > 2 and int(parts[2]) < len(chosen):
            errors.setdefault(chosen[int(parts[2])].number, fault.message)
        else:
            left.append(fault)
    return [replace(row, error=errors.get(row.number, "")) for row in rows], left


def _value(row: ConditionRow, part: Mapping[str, Json]) -> Json:
    if row.op == "in":
        return [_single(text.strip(), part) for text in row.value.split(",") if text.strip()]
    if row.op in ("lt", "le", "gt", "ge", "starts"):
        return row.value.strip() if row.op != "starts" else row.value
    return _single(row.value, part)


def _single(text: str, part: Mapping[str, Json]) -> Json:
    """A value as typed, as what the argument is: a number for a number, a text for a text."""
    named = part.get("type")
    kinds = [str(one) for one in named] if isinstance(named, list | tuple) else [str(named)] if named else []
    options = part.get("enum")
    if isinstance(options, list | tuple):
        return next((option for option in options if plain(option) == text), text)
    if "string" in kinds:
        return text
    if "boolean" in kinds and text in ("true", "false"):
        return text == "true"
    number = grant_conditions.number_of(text.strip()) if {"number", "integer"} & set(kinds) else None
    if number is None:
        return text
    return int(number) if number == number.to_integral_value() else float(number)
