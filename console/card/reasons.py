"""Why policy asked, passed or refused: its reasons, among them every rule that matched, and which of them decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from approvals.models import Approval
from approvals.models.rule import Rule
from approvals.policy import reasons, snapshot
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.messages import sentence
from approvals.policy.reasons import Reason
from approvals.policy.rules.readings import explained

_EFFECTS = {
    Rule.Effect.BLOCK.value: gettext_lazy("refuses"),
    Rule.Effect.REVIEW.value: gettext_lazy("asks a person"),
    Rule.Effect.FLAG.value: gettext_lazy("only informs"),
    Rule.Effect.ALLOW.value: gettext_lazy("lets it pass"),
}


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule that matched. `when` is its condition in words, empty where nobody knows it any more."""

    name: str
    effect: str
    message: str
    when: str
    decided: bool = False
    overruled: bool = False


@dataclass(frozen=True, slots=True)
class ShownReason:
    """One reason: a sentence of policy, or a rule."""

    text: str = ""
    rule: Matched | None = None


def reasons_of(approval: Approval) -> list[ShownReason]:
    """The reasons in their order, each rule in the place of its reason, and then the rules that no reason names."""
    stored = reasons.read(approval.reasons)
    rules = [row for row in approval.assessment.get("rules", []) if isinstance(row, Mapping)]
    indexes = [_index_of(reason, rules) for reason in stored]
    deciding = _deciding(rules, stored)
    kind = snapshot.type_of(approval) if rules else None
    shown: set[int] = set()
    whys = []
    for reason, index in zip(stored, indexes, strict=True):
        if index is None:
            whys.append(ShownReason(sentence(reason)))
        elif index not in shown:
            shown.add(index)
            whys.append(ShownReason(rule=_matched(rules[index], kind, approval, decided=index in deciding)))
    rest = [place for place in range(len(rules)) if place not in shown]
    return whys + [ShownReason(rule=_matched(rules[place], kind, approval, decided=False)) for place in rest]


def _index_of(reason: Reason, rules: Sequence[Mapping[str, Any]]) -> int | None:
    """Which of the rules that matched it speaks of."""
    if isinstance(reason, reasons.RuleFailed):
        named = (place for place, row in enumerate(rules) if row.get("failed") and row["name"] == reason.rule)
    elif isinstance(reason, reasons.RuleReason):
        names = (reason.rule, reason.message)
        named = (place for place, row in enumerate(rules) if (row["name"], row["message"]) == names)
    else:
        return None
    return next(named, None)


def _deciding(rules: Sequence[Mapping[str, Any]], stored: Sequence[Reason]) -> set[int]:
    """The rules that settled it: where the first reason is a rule's, all that ask for the same."""
    first = next((reason for reason in stored if not isinstance(reason, reasons.WorldMoved)), None)
    index = None if first is None else _index_of(first, rules)
    if index is None:
        return set()
    weight = _weight(rules[index])
    return {place for place, row in enumerate(rules) if _weight(row) == weight and weight}


def _weight(row: Mapping[str, Any]) -> str:
    """What a rule can settle; empty for nothing."""
    if row.get("failed"):
        return "review"
    if row["effect"] == Rule.Effect.ALLOW:
        return "" if row.get("uses_stated") else "allow"
    if row["effect"] == Rule.Effect.FLAG and row.get("tier") is None and (row.get("approvers") or 1) <= 1:
        return ""
    return "block" if row["effect"] == Rule.Effect.BLOCK else "review"


def _matched(row: Mapping[str, Any], kind: TypePolicy | None, approval: Approval, *, decided: bool) -> Matched:
    return Matched(
        name=str(row["name"]),
        effect=_effect(row),
        message=str(row["message"]),
        when=_when(row, kind),
        decided=decided,
        overruled=row["effect"] == Rule.Effect.ALLOW and not row.get("failed") and approval.route != "auto",
    )


def _effect(row: Mapping[str, Any]) -> str:
    if row.get("failed"):
        return _("could not be evaluated, so it asks a person")
    parts = [str(_EFFECTS.get(row["effect"], row["effect"]))]
    if row.get("tier") is not None:
        parts.append(_("tier %(tier)s") % {"tier": row["tier"]})
    if stages := len(row.get("stages") or ()):
        parts.append(ngettext("%(count)d stage", "%(count)d stages", stages) % {"count": stages})
    if (people := row.get("approvers") or 1) > 1:
        parts.append(_("%(count)d people") % {"count": people})
    if row.get("typed"):
        parts.append(_("a typed value"))
    return ", ".join(parts)


def _when(row: Mapping[str, Any], kind: TypePolicy | None) -> str:
    same = ("name", "effect", "message")
    rules = kind.rules if kind else ()
    match = next((rule for rule in rules if all(getattr(rule, name) == row[name] for name in same)), None)
    return explained(match.when, kind.schema) if match and kind else ""
