"""The answer to a question while it is given: the controls of its schema, which begin with nothing.

The controls are those of every edit. What is touched makes the answer, and nothing else does: no choice is made and no
null is sent that nobody chose. A few choices stand as buttons, and what an object must have stands open.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from django.utils.translation import gettext as _

from approvals.decisions.verdict_input import NoAnswer
from approvals.models import Proposal
from approvals.values import dialect
from approvals.values.edits import Side, same
from approvals.values.schema import BadSchema, Fault, Json
from console.controls import editing, sentences
from console.controls.build import Choice, Control, all_controls
from console.controls.schemas import Node, Option, shape_of

FEW = 7  # choices that stand as buttons; more are a list to open
DEEPEST = 6
AT = "/answer"


class AnswerInProgress:
    """An answer for one card: `control` draws it, `value` is what was given so far."""

    def __init__(self, node: Node, form: Mapping[str, str] | None = None) -> None:
        self.schema = node
        self.form = form

    @cached_property
    def draft(self) -> editing.EditInProgress:
        """What was posted; the beginning where that is none of this question's. Never raises NoEdit."""
        nothing = _empty_answer(self.schema, self.schema, 0)
        if self.form is not None and "touched" in self.form:
            try:
                return editing.posted_draft(self.schema, nothing, self.form)
            except editing.NoEdit:
                fresh = editing.draft_of(self.schema, nothing)
                fresh.faults = [Fault("", _("This form does not belong to what is shown. Answer again."))]
                return fresh
        return editing.draft_of(self.schema, nothing)

    @cached_property
    def control(self) -> Control:
        """The control of the whole, in the words of an answer."""
        whole = self.draft.control
        whole.label = whole.label or _("Your answer")
        for control in list(all_controls(whole)):
            self._answer_control(control)
        return whole

    @property
    def keyed(self) -> str:
        """The id of the first choice that stands as buttons: 1, 2 … choose there."""
        picks = (control.id for control in all_controls(self.control) if control.kind in ("picks", "several"))
        return next(picks, "")

    @property
    def value(self) -> "Json | NoAnswer":
        """What was given; nothing where nothing was touched."""
        return self.draft.value[0] if self.draft.edits and self.draft.value else NoAnswer.NOTHING

    @property
    def faults(self) -> list[Fault]:
        """What could not be read of it."""
        return [replace(fault, pointer=AT + fault.pointer) for fault in self.draft.faults]

    def put(self, faults: Sequence[Fault]) -> list[Fault]:
        """Write what is wrong beside the controls; what belongs to none of them comes back."""
        if self.value is NoAnswer.NOTHING:
            faults = self._missing() or faults
        kept = {fault.message for fault in self.draft.faults if fault.pointer or self.control.error}
        left = sentences.attach_faults(
            self.control, [_fault_of_unchosen(self.control, fault) for fault in faults], prefix=AT
        )
        return [fault for fault in left if fault.message not in kept]

    def _missing(self) -> list[Fault]:
        """What must be there, where nothing was given."""
        if not self.draft.value:
            return []
        try:
            faults = dialect.check(self.schema, self.draft.value[0])
        except BadSchema:
            return []
        return [replace(fault, pointer=AT + fault.pointer) for fault in faults]

    def _answer_control(self, control: Control) -> None:
        several = _of_several(control, self.schema)
        if several:
            control.kind, control.reading, control.fields = "several", "json", []
            control.choices = [_choice(option, control.side) for option in several]
            control.text = typed_json(control.side)
        elif control.kind == "choice":
            control.choices = [_boolean_choice(choice, control) for choice in control.choices]
            if len(control.choices) <= FEW + 1:
                control.kind = "picks"
                control.text = next((choice.json for choice in control.choices if choice.chosen), "")
                control.choices = [choice for choice in control.choices if choice.json or not control.required]
        elif not control.side and not control.named:
            _read_in_one_way(control)
        if not control.required and not control.entry and not control.new:
            control.label = _("%(label)s (optional)") % {"label": control.label}


def answer_to(proposal: Proposal | None, form: Mapping[str, str] | None = None) -> AnswerInProgress | None:
    """The answer to a question that has a schema; None where any text will do."""
    return AnswerInProgress(proposal.schema, form) if proposal is not None and proposal.schema else None


def typed_json(side: Side) -> str:
    return "" if not side else json.dumps(side[0], ensure_ascii=False)


def _empty_answer(node: Json, root: Node, depth: int) -> Side:
    """What an answer begins with: an object that must be there, and in it those that it must have. No value at all."""
    shape = shape_of(node, root)
    if shape.types != ("object",) or shape.nullable or shape.options or shape.branches or depth > DEEPEST:
        return ()
    made: dict[str, Json] = {}
    for name, inner in shape.properties.items():
        if name in shape.required:
            side = _empty_answer(inner, root, depth + 1)
            made |= {name: side[0]} if side else {}
    return (made,)


def _of_several(control: Control, root: Node) -> Sequence[Option]:
    """The values of which a list may hold some, where they are few; empty for any other control."""
    shape = control.shape
    if shape is None or shape.types != ("array",) or shape.nullable or shape.options or shape.branches:
        return ()
    options = shape_of(shape.of_entry(0), root).options
    held = control.side[0] if control.side and isinstance(control.side[0], list | tuple) else ()
    once = [sum(same(option.value, value) for value in held) for option in options]
    whole = sum(once) == len(held) and max(once, default=0) <= 1
    return options if len(options) <= 2 * FEW and whole and not shape.node.get("prefixItems") else ()


def _choice(option: Option, side: Side) -> Choice:
    held = side[0] if side and isinstance(side[0], list | tuple) else ()
    return Choice(typed_json((option.value,)), option.title, any(same(option.value, value) for value in held))


def _boolean_choice(choice: Choice, control: Control) -> Choice:
    """Yes and no for true and false; nothing chosen yet for what is not set."""
    if not choice.json:
        return replace(choice, label=_("no answer") if not control.required else _("Choose…"))
    if control.shape and not control.shape.options and choice.json in ("true", "false"):
        return replace(choice, label=_("Yes") if choice.json == "true" else _("No"))
    return choice


def _read_in_one_way(control: Control) -> None:
    """What can be read in one way only needs no choice of it: an empty box is no answer."""
    ways = [way for way in control.readings if way[0] != "absent"]
    if len(ways) == 1:
        control.reading, control.readings = ways[0][0], ()


def _fault_of_unchosen(whole: Control, fault: Fault) -> Fault:
    """Where nothing was chosen the keyword says so, whatever keyword refused the nothing."""
    control = next((control for control in all_controls(whole) if AT + control.pointer == fault.pointer), None)
    picks = control is not None and (control.kind in ("picks", "several", "choice") and not control.side)
    return replace(fault, message=_("Choose one."), keyword="") if picks else fault
