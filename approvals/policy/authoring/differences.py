"""What differs between two policies, in the words of the admin's forms: "Refund: passes from 0.85 → 0.95"."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Model
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _

from approvals.models import ActionType, Capacity, DomainTerms, Rule, Threshold, Tier
from approvals.models.policy import Impact, OverloadMode
from approvals.policy.authoring import stage_rules
from approvals.policy.authoring.documents import Row, number
from approvals.policy.precedent.flags import LABELS
from approvals.policy.rules.readings import explained
from approvals.values import durations
from approvals.values.schema import Fault, Json

LONGEST = 300  # of a value that is shown; the version holds it whole
_RENAMED = {"when": "expression"}  # keys of the snapshot that are not the column's name


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One thing that differs. `field` empty: the whole `thing` is new (`before` None) or gone (`after` None).

    `kind` and `key` name the object: actiontype refund, tier 2, currency USD, rule "" (of all action types).
    """

    kind: str
    key: str
    thing: str
    field: str
    before: str | None
    after: str | None
    says: tuple[tuple[str, str], ...] = ()  # of a whole that is new: its settings in words, without those left alone

    def __str__(self) -> str:
        if self.field:
            return f"{self.thing}: {self.field} {self.before} → {self.after}"
        sentence = _("%(thing)s is new") if self.before is None else _("%(thing)s is gone")
        return sentence % {"thing": self.thing}


def changes(before: Row, after: Row) -> list[PolicyChange]:
    """Everything that differs, tiers first, then action types with their rules and bands, shared rules, currencies."""
    return [
        *_tiers(before["tiers"], after["tiers"]),
        *_types(before["types"], after["types"]),
        *_rules("rule", "", "", before["rules"], after["rules"]),
        *_rates(before["rates"], after["rates"]),
    ]


def location_of(fault: Fault, snapshot: Row) -> str:
    """Where a fault is, in words: `Refund · rule “big” · when`; empty for the whole."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in fault.pointer.split("/")[1:]]
    labels: list[str] = []
    model: type[Model] = ActionType
    while parts:
        part = parts.pop(0)
        if part == "types" and parts:
            name = parts.pop(0)
            labels.append(str(snapshot["types"].get(name, {}).get("title") or name))
        elif part == "tiers" and parts:
            labels.append(_tier_name(parts[0], snapshot["tiers"].get(parts.pop(0))))
            model = Tier
        elif part == "capacities" and parts:
            labels.append(parts.pop(0) or _("every domain"))
            model = Capacity
        elif part == "terms" and parts:
            labels.append(parts.pop(0))
            model = DomainTerms
        elif part == "rules" and parts:
            labels.append(_("rule “%(name)s”") % {"name": parts.pop(0)})
            model = Rule
        elif part == "thresholds" and parts:
            labels.append(_impact(parts.pop(0)))
            model = Threshold
        elif part == "rates":
            labels.append(_("currencies"))
        elif part == "tiers":
            labels.append(_("tiers"))
        else:
            labels.append(_label(model, part))
    return " · ".join(labels)


def _tiers(before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[PolicyChange]:
    for level in sorted({*before, *after}, key=int):
        was, becomes = before.get(level), after.get(level)
        name = _tier_name(level, becomes or was)
        yield from _object(Tier, "tier", level, name, _alone(was), _alone(becomes))
        if becomes:
            yield from _terms(level, name, was or {}, becomes)
            yield from _capacities(level, name, was or {}, becomes)


_NO_LIMIT = {"limit": None, "when_full": OverloadMode.QUEUE.value, "when_empty": OverloadMode.QUEUE.value}


def _alone(row: Row | None) -> Row | None:
    """A tier without what stands under it by domain."""
    if row is None:
        return None
    own = {name: row[name] for name in row if name not in ("capacities", "terms")}
    return {"second_factor": False, **own}  # which an old version does not say


def _terms(level: str, name: str, before: Row, after: Row) -> Iterator[PolicyChange]:
    """What holds in each domain that has, or had, terms of its own; else those of the tier hold there."""
    left, right = ({terms["domain"]: terms for terms in row.get("terms", ())} for row in (before, after))
    for domain in sorted({*left, *right}):
        thing = f"{name}, {domain}"
        # A tier that is new says its own already: beside them stands what differs.
        was = left.get(domain) or {**(before or after), "domain": domain}
        becomes = right.get(domain) or {**after, "domain": domain}
        was, becomes = ({part: row[part] for part in _TERMS if part in row} for row in (was, becomes))
        differences = list(_object(DomainTerms, "tier", level, thing, was, becomes))
        if not differences and (domain in left) != (domain in right):
            # The same as before, and from now on its own.
            there = [thing if domain in row else None for row in (left, right)]
            differences = [PolicyChange("tier", level, thing, "", there[0], there[1])]
        yield from differences


_TERMS = ("ceiling", "sla", "working", "opens", "closes", "workdays", "time_zone")


def _capacities(level: str, name: str, before: Row, after: Row) -> Iterator[PolicyChange]:
    """What may wait in each queue of a tier; one without a row has what holds for every other domain."""
    left, right = ({one["domain"] or "": one for one in row.get("capacities", ())} for row in (before, after))
    for domain in sorted({*left, *right}):
        was, becomes = (rows.get(domain) or rows.get("") or _NO_LIMIT for rows in (left, right))
        thing = f"{name}, {domain or _('every domain')}"
        differs = False
        for column in _NO_LIMIT:
            if was[column] != becomes[column]:
                differs = True
                shown = [
                    _("any number") if row[column] is None else _shown(Capacity, column, row[column])
                    for row in (was, becomes)
                ]
                yield PolicyChange("tier", level, thing, _label(Capacity, column), shown[0], shown[1])
        if not differs and (domain in left) != (domain in right):
            # The same as before, and from now on its own.
            there = [thing if domain in row else None for row in (left, right)]
            yield PolicyChange("tier", level, thing, "", there[0], there[1])


def _types(before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[PolicyChange]:
    for name in sorted({*before, *after}):
        was, becomes = before.get(name), after.get(name)
        title = str((becomes or was or {}).get("title") or name)
        for change in _object(ActionType, "actiontype", name, title, _bare(was), _bare(becomes)):
            new = becomes is not None and change.before is None
            yield replace(change, says=(*change.says, *_inside(becomes))) if new and becomes else change
        if was and becomes:
            yield from _bands(name, title, was["thresholds"], becomes["thresholds"])
            yield from _rules("actiontype", name, title, was["rules"], becomes["rules"], becomes["schema"])


def _inside(row: Row) -> Iterator[tuple[str, str]]:
    """The bands and the rules of a new action type: `rule “big”`, `the value is above 250: Refuse`."""
    for impact, limits in row["thresholds"].items():
        yield _impact(impact), _band(limits)
    for rule in row["rules"]:
        then = [_shown(Rule, "effect", rule["effect"])]
        then += [f"{label} {said}" for label, said in _settings(Rule, _follows(rule))]
        when = explained(rule["when"], row["schema"])
        yield _("rule “%(name)s”") % {"name": rule["name"]}, f"{when}: {', '.join(then)}"


def _follows(rule: Row) -> Row:
    return {name: rule[name] for name in ("tier", "approvers", "stages", "typed") if name in rule}


def _bands(key: str, title: str, before: Row, after: Row) -> Iterator[PolicyChange]:
    for impact in Impact.values:
        was, becomes = before.get(impact), after.get(impact)
        if was != becomes:
            yield PolicyChange("actiontype", key, title, _impact(impact), _band(was), _band(becomes))


def _band(limits: Sequence[str] | None) -> str:
    if limits is None:
        return _("as the action type's own")
    return _("passes from {}, a person from {}").format(*limits)


def _rules(
    kind: str,
    key: str,
    title: str,
    before: Sequence[Row],
    after: Sequence[Row],
    schema: Mapping[str, Json] | None = None,
) -> Iterator[PolicyChange]:
    left, right = ({row["name"]: row for row in found} for found in (before, after))
    for name in sorted({*left, *right}):
        called = (_("rule “%(name)s”") if title else _("Rule “%(name)s” of every action type")) % {"name": name}
        thing = f"{title}, {called}" if title else called
        for change in _object(Rule, kind, key, thing, left.get(name), right.get(name)):
            worded = change.field == _label(Rule, "when")
            yield _in_words(change, left[name], right[name], schema) if worded else change


def _in_words(change: PolicyChange, before: Row, after: Row, schema: Mapping[str, Json] | None) -> PolicyChange:
    """A condition that changed as a reader of the draft would say it; as it is written where that says nothing new."""
    was, becomes = (explained(row["when"], schema) for row in (before, after))
    return change if was == becomes else replace(change, before=_plain(was), after=_plain(becomes))


def _rates(before: Row, after: Row) -> Iterator[PolicyChange]:
    for code in sorted({*before, *after}):
        was, becomes = before.get(code), after.get(code)
        if was == becomes:
            continue
        field = _("in base currency") if was and becomes else ""
        yield PolicyChange("currency", code, _("Currency %(code)s") % {"code": code}, field, was, becomes)


def _object(
    model: type[Model], kind: str, key: str, thing: str, before: Row | None, after: Row | None
) -> Iterator[PolicyChange]:
    if before is None or after is None:
        if before is not after:
            was, becomes = (None if row is None else thing for row in (before, after))
            yield PolicyChange(kind, key, thing, "", was, becomes, tuple(_settings(model, after or {})))
        return
    for name in dict.fromkeys([*after, *before]):
        if name == "name" and model is Rule:
            continue
        was, becomes = before.get(name), after.get(name)
        if name == "schema":
            yield from _reordered(kind, key, thing, _label(model, name), was, becomes)
        if was == becomes or (name == "schema_version" and before["schema"] != after["schema"]):
            continue
        label = _label(model, name)
        if name == "schema":
            yield from _within(kind, key, thing, label, was, becomes)
        else:
            yield PolicyChange(kind, key, thing, label, _shown(model, name, was), _shown(model, name, becomes))


_ALWAYS_SHOWN = ("effect", "gate", "sla")  # of what is new, even where it is as it would be by itself


def _settings(model: type[Model], row: Row) -> Iterator[tuple[str, str]]:
    """What a new object says, by label: everything that is neither empty nor what it would be by itself."""
    order = [field.name for field in model._meta.concrete_fields]
    entries = [(field, name, value) for name, value in row.items() if (field := _field(model, name)) is not None]
    for field, name, value in sorted(entries, key=lambda entry: order.index(entry[0].name)):
        if name in ("name", "title", "schema_version", "pack"):
            continue
        if name == "schema":
            shown = ", ".join(_properties(value))
        elif name == "when":
            shown = _plain(explained(str(value)))
        else:
            shown = _shown(model, name, value)
        if shown and (name in _ALWAYS_SHOWN or (value not in (None, "", False) and shown != _by_itself(model, field))):
            yield _label(model, name), shown


def _by_itself(model: type[Model], field: "models.Field[Any, Any]") -> str:
    """What a column says that was left alone; empty where it has to be filled in."""
    value = field.get_default() if field.has_default() else ""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif isinstance(field, models.DecimalField) and value not in (None, ""):
        value = number(Decimal(value))
    return _shown(model, field.name, value) if field.has_default() else ""


def _properties(schema: Json) -> Iterator[str]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    for name, property_schema in (properties or {}).items() if isinstance(properties, Mapping) else ():
        kind = property_schema.get("type") if isinstance(property_schema, Mapping) else None
        yield f"{name} ({kind})" if isinstance(kind, str) else str(name)


def _within(kind: str, key: str, thing: str, label: str, before: Json, after: Json) -> Iterator[PolicyChange]:
    """The fields of a JSON document that differ, each with its place."""
    if before == after:
        return
    if not isinstance(before, Mapping) or not isinstance(after, Mapping) or not before or not after:
        yield PolicyChange(kind, key, thing, label, _plain(before), _plain(after))
        return
    for name in dict.fromkeys([*before, *after]):
        inner_label = label if name == "properties" else f"{label} / {name}"
        if name in before and name in after:
            yield from _within(kind, key, thing, inner_label, before[name], after[name])
        else:
            was, becomes = (_plain(row[name]) if name in row else _("nothing") for row in (before, after))
            yield PolicyChange(kind, key, thing, inner_label, was, becomes)


def _reordered(kind: str, key: str, thing: str, label: str, before: Json, after: Json) -> Iterator[PolicyChange]:
    """Objects whose fields are the same in another order, which is the order of the form."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return
    for name, inner in after.items():
        was = before.get(name)
        inner_label = label if name == "properties" else f"{label} / {name}"
        if name == "properties" and isinstance(was, Mapping) and isinstance(inner, Mapping):
            first, then = ", ".join(was), ", ".join(inner)
            if first != then and was.keys() == inner.keys():
                yield PolicyChange(kind, key, thing, _("%(label)s / order") % {"label": label}, first, then)
        yield from _reordered(kind, key, thing, inner_label, was, inner)


def _bare(row: Row | None) -> Row | None:
    return None if row is None else {name: row[name] for name in row if name not in ("rules", "thresholds")}


def _field(model: type[Model], name: str) -> "models.Field[Any, Any] | None":
    field_name = _RENAMED.get(name, name)
    return next((field for field in model._meta.concrete_fields if field_name == field.name), None)


def _label(model: type[Model], name: str) -> str:
    field = _field(model, name)
    return str(field.verbose_name) if field is not None else name.replace("_", " ")


def _shown(model: type[Model], name: str, value: Json) -> str:
    field = _field(model, name)
    if value is None or value == "":
        return _("nothing")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if name == "stages":
        return stage_rules.in_words(value)
    if isinstance(field, models.DurationField) and isinstance(value, int | float):
        return durations.written(timedelta(seconds=value))
    if field is not None and field.choices and isinstance(value, str):
        return str(dict(field.flatchoices).get(value, value))
    if name in ("flags", "allowed", "required") and isinstance(value, list):
        return ", ".join(str(LABELS.get(str(one), one)) for one in value) or _("nothing")
    if name == "workdays" and isinstance(value, list):
        return ", ".join(str(WEEKDAYS_ABBR[int(str(day)) - 1]) for day in value) or _("nothing")
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in value.items()) or _("the default")
    return _plain(value)


def _plain(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _impact(impact: str) -> str:
    labels: dict[str, str] = {value: str(label) for value, label in Impact.choices}
    return labels.get(impact, impact)


def _tier_name(level: str, row: Row | None) -> str:
    return f"{level} · {row['name']}" if row else level
