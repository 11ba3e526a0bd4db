"""The options of a call: those of its TypedDict and no other. A misspelt `redacts=` must not send the value."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from assent.shapes import GuardOptions, StepGuardOptions, SubmissionOptions

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "on_rejection": ("raise", "alternative"),
    "on_timeout": ("reject", "escalate", "approve", "proceed", "best_guess"),
}
# Texts are collections, too: of letters, which is never what was meant.
_LISTS = ("redact", "allowed", "rename_to", "remember", "alternatives", "attachments")
_AMENDED = (
    "args", "summary", "reasoning", "context", "alternatives", "signals", "current", "preconditions", "attachments",
)  # fmt: skip


def asking(given: Mapping[str, object], what: str) -> SubmissionOptions:
    """Options of what is submitted. Raises TypeError for another one, ValueError for a choice that there is not."""
    return _checked(given, SubmissionOptions, what)  # type: ignore[return-value]


def guarding(given: Mapping[str, object], what: str) -> GuardOptions:
    """Options of what is run. Raises as `asking`."""
    return _checked(given, GuardOptions, what)  # type: ignore[return-value]


def step_guarding(given: Mapping[str, object], what: str) -> StepGuardOptions:
    """Options of a run's step. Raises as `asking`."""
    return _checked(given, StepGuardOptions, what)  # type: ignore[return-value]


def amendment(given: Mapping[str, object], what: str) -> Mapping[str, object]:
    """Fields of an item that an amendment replaces. Raises as `asking`."""
    return _of(given, _AMENDED, what)


def _checked(given: Mapping[str, object], options: type, what: str) -> Mapping[str, object]:
    return _of(given, sorted(options.__optional_keys__), what)  # type: ignore[attr-defined]  # a TypedDict's


def _of(given: Mapping[str, object], names: Sequence[str], what: str) -> Mapping[str, object]:
    for name, value in given.items():
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{what} takes no option {name!r}.{hint}")
        if value is not None and name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{what}: {name} is one of {', '.join(_CHOICES[name])}, not {value!r}.")
        if name in _LISTS and isinstance(value, str | bytes):
            raise TypeError(f"{what}: {name} is a list, not one text: [{value!r}].")
    return given
