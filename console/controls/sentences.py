"""What is wrong with a value, in the words of whoever fills in the form: what to enter, not which rule refused it."""

from collections.abc import Sequence
from dataclasses import replace

from django.utils.translation import gettext as _

from approvals.values.schema import Fault
from console.controls.build import Control, all_controls
from console.controls.schemas import ValueShape

_SCALARS = {"integer", "number", "string", "boolean", "array", "object"}


def attach_faults(control: Control, faults: Sequence[Fault], *, prefix: str = "/args") -> list[Fault]:
    """Write each fault beside the control it points into; those that belong to none come back, by their place."""
    controls = {one.pointer: one for one in all_controls(control) if not one.new}
    left = []
    for fault in faults:
        if not (fault.pointer == prefix or fault.pointer.startswith(f"{prefix}/")):
            left.append(fault)
            continue
        pointer = fault.pointer.removeprefix(prefix)
        home = _nearest(controls, pointer)
        message = sentence(fault, home.shape if home and home.pointer == pointer else None)
        if home is None or (not home.pointer and home.kind == "group"):
            left.append(replace(fault, message=f"{pointer} {message}".strip(), pointer=""))
        elif home.pointer == pointer or not home.error:
            text = message if home.pointer == pointer else f"{pointer.removeprefix(home.pointer)} {message}"
            home.error = home.error or text
    return left


def fault_sentences(control: Control, faults: Sequence[Fault]) -> list[Fault]:
    """The faults of a value in the same words, where they are listed and not beside their controls."""
    shapes = {one.pointer: one.shape for one in all_controls(control) if not one.new}
    return [replace(fault, message=sentence(fault, shapes.get(fault.pointer))) for fault in faults]


def _nearest(controls: dict[str, Control], pointer: str) -> Control | None:
    while pointer not in controls and pointer:
        pointer = pointer.rpartition("/")[0]
    return controls.get(pointer)


def sentence(fault: Fault, shape: ValueShape | None) -> str:
    """What to enter instead; the schema's own description where only a pattern refused it."""
    if shape is None:
        return fault.message
    match fault.keyword:
        case "type" | "anyOf" | "oneOf" | "oneOfNotValid":
            return _of_types(shape) or fault.message
        case "pattern" | "format":
            return _of_form(shape)
        case "enum" | "const" | "constant":
            return _("Choose one of the values that are listed.")
        case "required":
            return _("This field is required.")
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum" | "multipleOf":
            return _of_numbers(fault.keyword, shape) or fault.message
        case "minLength" | "maxLength" | "minItems" | "maxItems":
            return _of_lengths(fault.keyword, shape) or fault.message
    return fault.message


def _of_types(shape: ValueShape) -> str:
    types = set(shape.types) & _SCALARS
    if types == {"integer"}:
        return _("Enter a whole number.")
    if types and types <= {"integer", "number"}:
        return _("Enter a number.")
    if types == {"string"}:
        return _("Enter a text.")
    if types == {"boolean"}:
        return _("Choose true or false.")
    return ""


def _of_form(shape: ValueShape) -> str:
    formats = {
        "date": _("Enter a date, like 2026-11-28."),
        "time": _("Enter a time, like 17:30:00Z."),
        "date-time": _("Enter a date and time, like 2026-11-28T17:30:00Z."),
        "email": _("Enter an email address."),
        "uri": _("Enter an address, like https://example.com."),
        "uuid": _("Enter a UUID."),
    }
    return formats.get(shape.text("format")) or shape.text("description") or _("This does not have the right form.")


def _of_numbers(keyword: str, shape: ValueShape) -> str:
    limit = shape.number(keyword)
    if limit is None:
        return ""
    return {
        "minimum": _("Enter %(limit)s or more."),
        "exclusiveMinimum": _("Enter more than %(limit)s."),
        "maximum": _("Enter %(limit)s or less."),
        "exclusiveMaximum": _("Enter less than %(limit)s."),
        "multipleOf": _("Enter a multiple of %(limit)s."),
    }[keyword] % {"limit": limit}


def _of_lengths(keyword: str, shape: ValueShape) -> str:
    limit = shape.number(keyword)
    if limit is None:
        return ""
    if keyword == "minLength" and limit == 1:
        return _("This cannot be empty.")
    return {
        "minLength": _("Enter at least %(limit)s characters."),
        "maxLength": _("Enter at most %(limit)s characters."),
        "minItems": _("At least %(limit)s entries."),
        "maxItems": _("At most %(limit)s entries."),
    }[keyword] % {"limit": limit}
