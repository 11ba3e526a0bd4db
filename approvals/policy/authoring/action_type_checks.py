"""Validates an action type: what its settings say together. Each fault says how to mend it."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from django.utils.translation import gettext as _

from approvals.models.policy import GOING_ON, Gate, OptimisticExecution, Reversibility, Strategy, Verdict
from approvals.policy.authoring.fields import ACTION_TYPE, BAND
from approvals.policy.rules.paths import UnknownField, not_known_sentence, placeholders, subschema

# Columns of one row by name; one that is missing was found faulty before. Complaints: (column, sentence).
Columns: TypeAlias = Mapping[str, Any]
Complaints: TypeAlias = Iterator[tuple[str, str]]


def of_type(columns: Columns) -> Complaints:
    """An action type: paths against its schema, reversibility first, silence, bands, weights, verdicts."""
    yield from ACTION_TYPE.complaints(columns)
    yield from _paths(columns)
    yield from _silence(columns)
    yield from _afterwards(columns)
    yield from _overlap(columns, "auto_threshold", "review_threshold")
    if not {Verdict.APPROVE, Verdict.ANSWER} & set(columns.get("allowed") or [Verdict.APPROVE]):
        yield "allowed", _("Nothing could ever be approved or answered: allow one of the two.")
    yield from _by_law(columns)
    if columns.get("shadow") and (why := shadow_fault(columns.get("reversibility") or "", columns.get("gate") or "")):
        yield "shadow", why


def of_band(columns: Columns) -> Complaints:
    """The confidence band of one impact."""
    yield from BAND.complaints(columns)
    yield from _overlap(columns, "auto", "review")


def _overlap(columns: Columns, upper: str, lower: str) -> Complaints:
    """The two limits of a band are in order; the sentence names the overlap and its mend."""
    auto, review = columns.get(upper), columns.get(lower)
    if auto is not None and review is not None and auto < review:
        message = _(
            "The bands overlap: between %(auto)s and %(review)s a proposal would pass and ask a person at once. "
            "“Passes from” must be at least %(review)s."
        )
        yield upper, message % {"auto": auto, "review": review}


def _paths(columns: Columns) -> Complaints:
    """Arguments that are named: the schema has them, and what goes with a value has one."""
    paths = [("headline", path) for path in placeholders(columns.get("headline", ""))]
    named = ("value_path", "currency_path", "subject_path", "baseline_path", "frequency_path")
    paths += [(name, columns[name]) for name in named if columns.get(name)]
    material = columns.get("material")
    paths += [("material", path) for path in material if isinstance(path, str)] if isinstance(material, list) else []
    for field, path in paths if columns.get("schema") is not None else ():
        try:
            part_schema = subschema(columns["schema"], path)
        except UnknownField as missing:
            yield field, not_known_sentence(missing.name, missing.candidates)
            continue
        kind = part_schema.get("type") if part_schema is not None else None
        if field == "value_path" and kind not in (None, "number", "integer", "string") and not isinstance(kind, list):
            yield field, _("“%(path)s” is no number in the schema: name an argument that is one.") % {"path": path}
    if columns.get("value_path"):
        return
    if columns.get("currency_path"):
        yield "currency_path", _("A currency goes with a value: name the argument that holds the value.")
    if columns.get("baseline_path"):
        yield "baseline_path", _("A usual value needs a value: name the argument that holds it, or leave this empty.")
    if (columns.get("spend_limit") or 0) > 0:
        yield "spend_limit", _("Without a value nothing is spent: name the argument that holds the value first.")


def _silence(columns: Columns) -> Complaints:
    kind, gate, silence = (columns.get(name) for name in ("reversibility", "gate", "on_timeout"))
    if kind == Reversibility.IRREVERSIBLE:
        if columns.get("strategy") != Strategy.ALWAYS:
            yield "strategy", _("An irreversible action always asks a person: choose “Always”.")
        if gate not in {Gate.HARD, Gate.MANUAL}:
            yield "gate", _("An irreversible action waits for a yes: choose “Hard” or “Manual”.")
    elif kind == Reversibility.PARTIAL and gate == Gate.SOFT:
        yield "gate", _("A soft gate runs when nobody answers; only reversible actions may do that. Choose “Hard”.")
    if fault := level_fault(columns.get("level") or 1, kind or ""):
        yield "level", fault
    if kind and kind != Reversibility.REVERSIBLE and silence in GOING_ON:
        yield "on_timeout", _("Only a reversible action may go on without an answer: choose “Nothing runs”.")
    elif gate == Gate.SOFT and kind == Reversibility.REVERSIBLE and silence not in GOING_ON:
        yield "on_timeout", _("A soft gate proceeds unless stopped: choose “Runs”, or a hard gate.")


def _afterwards(columns: Columns) -> Complaints:
    """What may go on before anybody has looked, and how much of what passes is looked at later."""
    kind, gate, ahead = (columns.get(name) for name in ("reversibility", "gate", "runs_before_review"))
    if ahead == OptimisticExecution.VETO and (gate != Gate.SOFT or kind != Reversibility.REVERSIBLE):
        yield (
            "runs_before_review",
            _("Only a reversible action with a soft gate goes on unless stopped: choose “It waits”, or both."),
        )
    elif ahead == OptimisticExecution.REVIEW and kind == Reversibility.IRREVERSIBLE:
        yield (
            "runs_before_review",
            _("What cannot be undone never runs ahead of its review: choose “It waits for the verdict”."),
        )
    elif ahead == OptimisticExecution.REVIEW and gate == Gate.MANUAL:
        yield (
            "runs_before_review",
            _("A manual gate always waits for a typed yes: choose “It waits for the verdict”, or a hard gate."),
        )
    elif ahead in (OptimisticExecution.VETO, OptimisticExecution.REVIEW) and (columns.get("approvers") or 1) > 1:
        yield (
            "runs_before_review",
            _("What several people must approve waits for them: choose “It waits for the verdict”, or one."),
        )
    elif ahead in (OptimisticExecution.VETO, OptimisticExecution.REVIEW) and columns.get("strategy") == Strategy.NEVER:
        yield (
            "runs_before_review",
            _("It never asks a person, so nothing is ahead of one: choose “It waits for the verdict”."),
        )


def _by_law(columns: Columns) -> Complaints:
    """Where the law wants a person, nothing else of the type may say otherwise."""
    if not columns.get("by_law"):
        return
    if columns.get("strategy") == Strategy.NEVER:
        yield "strategy", _("The law wants a person, so it cannot be “never”: choose another.")
    if columns.get("gate") == Gate.SOFT:
        yield "gate", _("The law wants a person, and a soft gate goes on without one: choose a hard or manual gate.")
    if columns.get("on_timeout") in GOING_ON:
        yield (
            "on_timeout",
            _("The law wants a person, so nothing runs in silence: choose “Nothing runs” or “Escalates”."),
        )
    if columns.get("runs_before_review") not in (None, "", OptimisticExecution.WAITS):
        yield "runs_before_review", _("The law wants a person, so it waits: choose “It waits for the verdict”.")
    if columns.get("shadow"):
        yield "shadow", _("The law wants a person, and shadow mode asks nobody: leave it off.")


def level_fault(level: int, reversibility: str) -> str:
    """Why actions of this reversibility never get this level of autonomy; empty when they may."""
    if reversibility == Reversibility.IRREVERSIBLE and level > 2:
        return _("An irreversible action stays at level 1 or 2.")
    if reversibility == Reversibility.PARTIAL and level > 3:
        return _("Level 4 runs without asking; only reversible actions may do that. Choose 1 to 3.")
    return ""


def shadow_fault(reversibility: str, gate: str) -> str:
    """Why shadow mode never passes such actions; empty where it may."""
    if reversibility == Reversibility.IRREVERSIBLE:
        return _("What cannot be undone always asks a person; shadow mode is for the other actions. Leave it off.")
    if gate == Gate.MANUAL:
        return _("A manual gate always asks a person; choose another gate, or leave shadow mode off.")
    return ""
