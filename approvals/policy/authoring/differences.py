"""What differs between two policies, in the words of the admin's forms: "Refund: passes from 0.85 → 0.95"."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from approvals.models.policy import Impact
from approvals.policy.authoring.fields import (
    ACTION_TYPE,
    BAND,
    CAPACITY,
    CURRENCY,
    RULE,
    TERMS,
    TIER,
    PolicyFields,
    Row,
)
from approvals.policy.authoring.shapes import plain
from approvals.policy.rules.readings import explained
from approvals.values.schema import Fault, Json


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
    fields = ACTION_TYPE
    while parts:
        part = parts.pop(0)
        if part == "types" and parts:
            name = parts.pop(0)
            labels.append(str(snapshot["types"].get(name, {}).get("title") or name))
        elif part == "tiers" and parts:
            labels.append(_tier_name(parts[0], snapshot["tiers"].get(parts.pop(0))))
            fields = TIER
        elif part == "capacities" and parts:
            labels.append(parts.pop(0) or _("every domain"))
            fields = CAPACITY
        elif part == "terms" and parts:
            labels.append(parts.pop(0))
            fields = TERMS
        elif part == "rules" and parts:
            labels.append(_("rule “%(name)s”") % {"name": parts.pop(0)})
            fields = RULE
        elif part == "thresholds" and parts:
            labels.append(_impact(parts.pop(0)))
            fields = BAND
        elif part == "rates":
            labels.append(_("currencies"))
        elif part == "tiers":
            labels.append(_("tiers"))
        else:
            labels.append(fields.label(part))
    return " · ".join(labels)


def _tiers(before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[PolicyChange]:
    for level in sorted({*before, *after}, key=int):
        was, becomes = before.get(level), after.get(level)
        name = _tier_name(level, becomes or was)
        yield from _object(TIER, "tier", level, name, was, becomes)
        if becomes:
            # A tier that is new says its own terms already: beside them stands what differs.
            left, right = _rows_of(was, becomes, "terms")
            yield from _by_domain(TERMS, level, name, left, right, was or becomes, becomes)
            left, right = _rows_of(was, becomes, "capacities")
            yield from _by_domain(CAPACITY, level, name, left, right, left.get("", {}), right.get("", {}))


def _rows_of(before: Row | None, after: Row, below: str) -> list[dict[str, Row]]:
    return [{part["domain"] or "": part for part in row[below]} for row in (before or {below: ()}, after)]


def _by_domain(
    fields: PolicyFields,
    level: str,
    name: str,
    left: Mapping[str, Row],
    right: Mapping[str, Row],
    before: Row,
    after: Row,
) -> Iterator[PolicyChange]:
    """What holds in each domain that has, or had, a row of its own under the tier; else `before` and `after` do."""
    for domain in sorted({*left, *right}):
        thing = f"{name}, {domain or _('every domain')}"
        was, becomes = ({**rows.get(domain, own), "domain": domain} for rows, own in ((left, before), (right, after)))
        differences = list(_object(fields, "tier", level, thing, was, becomes))
        if not differences and (domain in left) != (domain in right):
            # The same as before, and from now on its own.
            there = [thing if domain in row else None for row in (left, right)]
            differences = [PolicyChange("tier", level, thing, "", there[0], there[1])]
        yield from differences


def _types(before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[PolicyChange]:
    for name in sorted({*before, *after}):
        was, becomes = before.get(name), after.get(name)
        title = str((becomes or was or {}).get("title") or name)
        for change in _object(ACTION_TYPE, "actiontype", name, title, was, becomes):
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
        settings = dict(_settings(RULE, rule))
        then = [settings.pop(RULE.label("effect"))]
        for name in ("when", "message"):
            settings.pop(RULE.label(name), None)
        then += [f"{label} {shown}" for label, shown in settings.items()]
        when = explained(rule["when"], row["schema"])
        yield _("rule “%(name)s”") % {"name": rule["name"]}, f"{when}: {', '.join(then)}"


def _bands(key: str, title: str, before: Row, after: Row) -> Iterator[PolicyChange]:
    for impact in Impact.values:
        was, becomes = before.get(impact), after.get(impact)
        if was != becomes:
            yield PolicyChange("actiontype", key, title, _impact(impact), _band(was), _band(becomes))


def _band(limits: Row | None) -> str:
    if limits is None:
        return _("as the action type's own")
    return _("passes from {auto}, a person from {review}").format(**limits)


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
        for change in _object(RULE, kind, key, thing, left.get(name), right.get(name)):
            worded = change.field == RULE.label("when")
            yield _in_words(change, left[name], right[name], schema) if worded else change


def _in_words(change: PolicyChange, before: Row, after: Row, schema: Mapping[str, Json] | None) -> PolicyChange:
    """A condition that changed as a reader of the draft would say it; as it is written where that says nothing new."""
    was, becomes = (explained(row["when"], schema) for row in (before, after))
    return change if was == becomes else replace(change, before=plain(was), after=plain(becomes))


def _rates(before: Row, after: Row) -> Iterator[PolicyChange]:
    for code in sorted({*before, *after}):
        was, becomes = before.get(code), after.get(code)
        if was == becomes:
            continue
        field = CURRENCY.label("rate") if was and becomes else ""
        yield PolicyChange("currency", code, _("Currency %(code)s") % {"code": code}, field, was, becomes)


def _object(
    fields: PolicyFields, kind: str, key: str, thing: str, before: Row | None, after: Row | None
) -> Iterator[PolicyChange]:
    if before is None or after is None:
        if before is not after:
            there = [None if row is None else thing for row in (before, after)]
            yield PolicyChange(kind, key, thing, "", there[0], there[1], tuple(_settings(fields, after or {})))
        return
    for field in fields:
        was, becomes = field.of(before), field.of(after)
        if field.name == "schema":
            yield from _reordered(kind, key, thing, field.label, was, becomes)
            yield from _within(kind, key, thing, field.label, was, becomes)
        elif was != becomes and (field.name != "schema_version" or before["schema"] == after["schema"]):
            yield PolicyChange(kind, key, thing, field.label, field.shown(was), field.shown(becomes))


def _settings(fields: PolicyFields, row: Row) -> Iterator[tuple[str, str]]:
    """What a new object says, by label: everything that is neither empty nor what it would be by itself."""
    for field in fields if row else ():
        value = field.of(row)
        if field.says or (field.says is None and value not in (None, "", False) and value != field.default):
            if field.name == "schema":
                shown = ", ".join(_properties(value))
            else:
                shown = plain(explained(str(value))) if field.name == "when" else field.shown(value)
            if shown:
                yield field.label, shown


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
        yield PolicyChange(kind, key, thing, label, plain(before), plain(after))
        return
    for name in dict.fromkeys([*before, *after]):
        inner_label = label if name == "properties" else f"{label} / {name}"
        if name in before and name in after:
            yield from _within(kind, key, thing, inner_label, before[name], after[name])
        else:
            was, becomes = (plain(row[name]) if name in row else _("nothing") for row in (before, after))
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


def _impact(impact: str) -> str:
    labels: dict[str, str] = {value: str(label) for value, label in Impact.choices}
    return labels.get(impact, impact)


def _tier_name(level: str, row: Row | None) -> str:
    return f"{level} · {row['name']}" if row else level
