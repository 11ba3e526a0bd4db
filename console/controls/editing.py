"""What was typed in the touched controls, read as an edit of the stored value.

The page sends, beside the operations that it was made with, one list for each touched control: where, how the text is
read, the text, and for a new field its name. Nothing else of the form is looked at.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from approvals.values.edits import BadEdit, Operation, Side, apply, operations, read_operations
from approvals.values.schema import Fault, Json, pointer_of
from console.controls.build import Control, all_controls, as_json, controls_of
from console.controls.schemas import Node

LONGEST = 2_000_000  # characters of what a form carries
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z", re.ASCII)
_BREAK = re.compile(r"\r\n|\r|\n")


class UnreadableInput(ValueError):
    """What was typed is no value; the message says why."""


class NoEdit(ValueError):
    """What came back is no edit of this form."""


@dataclass(slots=True)
class EditInProgress:
    """An edit while it is being made: the value so far, its controls, and what could not be read of what was typed.

    `edits` are the operations that make `value` of the stored arguments.
    """

    schema: Node
    stored: Side
    edits: Sequence[Operation] = ()
    mode: str = "form"
    value: Side = ()
    whole: Control | None = None
    faults: Sequence[Fault] = ()
    focus: str = ""  # the control to go on with

    @property
    def control(self) -> Control:
        """The control of the whole."""
        if self.whole is None:
            self.whole = _whole(self.schema, self.value, self.mode)
        return self.whole

    @property
    def json(self) -> str:
        """The operations as the page carries them."""
        return json.dumps([operation.as_json() for operation in self.edits])

    @property
    def changed(self) -> bool:
        return bool(self.edits)


def draft_of(schema: Node, stored: Side, *, edits: Sequence[Operation] = (), mode: str = "form") -> EditInProgress:
    """The edit with these operations done. Raises BadEdit."""
    return EditInProgress(schema, stored, edits, mode, _after(stored, edits))


def posted_draft(schema: Node, stored: Side, form: Mapping[str, str]) -> EditInProgress:
    """The edit that a form holds: `edits` it was made with, what was `touched` since, and the `act` that was pressed.

    What cannot be read stays in its control, with its fault, and is read again the next time. Raises NoEdit.
    """
    mode = "raw" if form.get("mode") == "raw" else "form"
    try:
        draft = draft_of(schema, stored, edits=read_operations(_listed(form.get("edits", ""))), mode=mode)
        typed = [_entry(given) for given in _listed(form.get("touched", ""))]
        act, at = form.get("act", ""), form.get("act_at", "")
    except BadEdit as error:
        raise NoEdit(str(error)) from error
    made, unread = _read(draft, typed)
    value = _after_typing(draft.value, made)
    if act and not unread:
        value = _after_button(draft, value, act, at)
    after = operations(stored[0], value[0]) if stored and value else _initial_operations(value)
    to = form.get("to", "") if not unread else ""
    fresh = EditInProgress(schema, stored, after, to if to in ("form", "raw") else mode, value)
    fresh.focus = _next(at, act, fresh)
    fresh.faults = [_keep_typed_text(fresh, entry, message) for entry, message in unread]
    return fresh


@dataclass(frozen=True, slots=True)
class TouchedControl:
    """One touched control: where, how it is read, its text, and the name of a new field."""

    at: str
    reading: str
    text: str
    name: str = ""


def _initial_operations(value: Side) -> list[Operation]:
    return [Operation("add", "", value[0])] if value else []


def _after(stored: Side, edits: Sequence[Operation]) -> Side:
    if not edits:
        return stored
    return (apply(stored[0] if stored else None, edits),)


def _after_typing(value: Side, made: Sequence[Operation]) -> Side:
    """Entries are added behind all else, so that no other place of a list moves."""
    ordered = [*(one for one in made if one.op != "add"), *(one for one in made if one.op == "add")]
    return (apply(value[0] if value else {}, ordered),) if ordered else value


def _whole(schema: Node, value: Side, mode: str) -> Control:
    return as_json(schema, value[0] if value else None) if mode == "raw" else controls_of(schema, value)


def _listed(text: str) -> Sequence[Json]:
    try:
        listed = read_json(text) if text and len(text) <= LONGEST else []
    except UnreadableInput as error:
        raise NoEdit(str(error)) from error
    if not isinstance(listed, list) or len(text) > LONGEST:
        raise NoEdit
    return listed


def _entry(given: Json) -> TouchedControl:
    if not isinstance(given, list) or not 3 <= len(given) <= 4 or not all(isinstance(part, str) for part in given):
        raise NoEdit
    return TouchedControl(*map(str, given))


def _read(
    draft: EditInProgress, typed: Sequence[TouchedControl]
) -> tuple[list[Operation], list[tuple[TouchedControl, str]]]:
    """The operations for what was typed, and what could not be read, each with why."""
    controls = {control.at: control for control in all_controls(draft.control) if control.kind not in ("group", "list")}
    made: list[Operation] = []
    unread: list[tuple[TouchedControl, str]] = []
    for entry in typed:
        control = controls.get(entry.at)
        if control is None:
            raise NoEdit
        try:
            operation = _operation(draft, control, entry, made)
        except UnreadableInput as error:
            unread.append((entry, str(error)))
        else:
            made += [operation] if operation else []
    return made, unread


def _operation(
    draft: EditInProgress, control: Control, entry: TouchedControl, made: Sequence[Operation]
) -> Operation | None:
    if control.named:
        return _new_field(draft, control, entry, made)
    if entry.reading == "absent":
        return Operation("remove", control.pointer) if control.side and control.pointer else None
    value = _value(control, entry, _stored_text(draft, control))
    return Operation("replace" if control.side else "add", control.pointer, value)


def _new_field(draft: EditInProgress, control: Control, entry: TouchedControl, made: Sequence[Operation]) -> Operation:
    if not entry.name:
        raise UnreadableInput(_("Enter a name for the new field."))
    pointer = control.pointer + pointer_of([entry.name])
    taken = {inner.pointer for inner in all_controls(draft.control) if inner.side} | {one.path for one in made}
    if pointer in taken:
        raise UnreadableInput(_("There is a field of this name already."))
    if control.kind == "absent":
        return Operation("add", pointer, _empty(control))
    return Operation("add", pointer, _value(control, entry, ""))


def _stored_text(draft: EditInProgress, control: Control) -> str:
    """The text that the browser's line breaks are held against."""
    return str(control.side[0]) if control.side and isinstance(control.side[0], str) else ""


def _value(control: Control, entry: TouchedControl, before: str) -> Json:
    match entry.reading:
        case "text":
            return with_original_line_breaks(before, entry.text)
        case "number" | "integer":
            return read_number(entry.text, whole=entry.reading == "integer")
        case "json":
            return read_json(entry.text)
        case "true" | "false":
            return entry.reading == "true"
        case "null":
            return None
    raise NoEdit


def read_number(text: str, *, whole: bool = False) -> int | float:
    """A number as it was typed: 20 stays whole, 1.0 keeps its point. Raises Unreadable, also for what is rounded."""
    text = text.strip()
    if not _NUMBER.match(text):
        raise UnreadableInput(_("Enter a whole number.") if whole else _("Enter a number, like 12.50."))
    if text.lstrip("-").isdigit():
        return _whole_number(text)
    return _exact(text)


def read_json(text: str) -> Json:
    """The value that a JSON text says, exactly. Raises Unreadable, which says where it ends to be JSON."""
    try:
        value: Json = json.loads(
            text, parse_constant=_refuse, parse_float=_exact, parse_int=_whole_number, object_pairs_hook=_no_repeats
        )
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno, "why": error.msg}
        raise UnreadableInput(_("This is not JSON: line %(line)d, column %(column)d: %(why)s.") % where) from error
    except RecursionError as error:
        raise UnreadableInput(_("This is not JSON: it is nested too deep.")) from error
    return value


def with_original_line_breaks(before: str, typed: str) -> str:
    """The typed text with the line breaks of the text before, where its lines stayed.

    A browser gives every line break back as LF, and leaves the break before the first line as it is.
    """
    if "\r" not in before:
        return _BREAK.sub("\n", typed)
    old, ends = _BREAK.split(before), _BREAK.findall(before)
    new = _BREAK.split(typed)
    shorter = min(len(old), len(new))
    start = next((number for number in range(shorter) if old[number] != new[number]), shorter)
    rest = next((n - 1 for n in range(1, shorter - start + 1) if old[-n] != new[-n]), shorter - start)
    usual = max(set(ends), key=ends.count)
    made = []
    for number, line in enumerate(new[:-1]):
        behind = len(new) - 1 - number  # how many lines follow
        if number < start or len(old) == len(new):
            end = ends[number] if number < len(ends) else usual
        elif behind < rest + 1 and behind <= len(ends):
            end = ends[len(ends) - behind]
        else:
            end = usual
        made.append(line + end)
    return "".join([*made, new[-1]])


def _whole_number(text: str) -> int:
    if len(text.lstrip("-")) > 16 or abs(int(text)) >= 2**53:
        raise UnreadableInput(_("This number has more digits than can be kept exactly; it would need to be a text."))
    return int(text)


def _exact(text: str) -> float:
    value = float(text)
    if Decimal(text) != Decimal(repr(value)) or abs(value) >= 2**53:
        raise UnreadableInput(_("This number has more digits than can be kept exactly; it would need to be a text."))
    return value


def _refuse(constant: str) -> float:
    raise UnreadableInput(_("This is not JSON: %(constant)s is no number.") % {"constant": constant})


def _no_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise UnreadableInput(_("This is not JSON: a name appears twice in one object."))
    return made


# --- Acts: what a press does to the value, and where one goes on


def _after_button(draft: EditInProgress, value: Side, act: str, at: str) -> Side:
    control = next((control for control in all_controls(draft.control) if control.at == at), None)
    if control is None:
        raise NoEdit
    operation = _button_operation(control, act)
    return (apply(value[0] if value else {}, [operation]),) if operation else value


def _button_operation(control: Control, act: str) -> Operation | None:
    present = "replace" if control.side else "add"
    match act:
        case "add" if control.kind in ("absent", "null"):
            return Operation(present, control.pointer, _empty(control))
        case "add" if control.kind == "list" and control.begins is not None:
            return Operation("add", f"{control.pointer}/-", control.begins)
        case "add" if control.kind in ("list", "group"):
            return None  # what was typed in the last place is in, and there is another one
        case "remove" if control.side and control.pointer and control.removable:
            return Operation("remove", control.pointer)
        case "null" if control.nullable and not control.entry:
            return Operation(present, control.pointer, None)
    raise NoEdit


def _empty(control: Control) -> Json:
    return [] if control.shape and control.shape.types == ("array",) else {}


def _next(at: str, act: str, draft: EditInProgress) -> str:
    if not act:
        return ""
    listed = list(all_controls(draft.control))
    at = at.removesuffix("/~new")
    home = next((control for control in listed if control.at == at), None)
    if act == "add" and home is not None and home.fields:
        return home.fields[-1].at
    return at if home is not None else at.rpartition("/")[0]


def _keep_typed_text(draft: EditInProgress, entry: TouchedControl, message: str) -> Fault:
    """What was typed, in its control, with what is wrong."""
    for control in all_controls(draft.control):
        if control.at == entry.at:
            control.text, control.reading, control.name = entry.text, entry.reading, entry.name
            control.error, control.touched = message, True
            return Fault(control.pointer, message)
    return Fault("", message)
