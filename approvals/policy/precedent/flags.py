"""What is unusual about a proposal, each with the number behind it. From our own history and the proposal itself.

A flag informs. It asks a person only where the action type names it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from statistics import median

from django.utils.translation import gettext_lazy as _

from approvals.policy import flag_reasons
from approvals.policy.evaluation_input import EvaluationInput, History
from approvals.policy.flag_reasons import Flag
from approvals.policy.precedent import reader
from approvals.values import characters
from approvals.values.numerals import numerals
from approvals.values.schema import Json, pointer_of

LABELS = {
    "first_time": _("First time of this agent and action"),
    "duplicate": _("The same action is pending or was done"),
    "unusual_amount": _("Unusual value"),
    "frequency": _("Again for the same subject"),
    "burst": _("Many in a short time"),
    "near_repeat": _("Nearly repeats what was rejected"),
    "hidden_characters": _("Hidden or misleading characters"),
    "numbers_not_in_arguments": _("Numbers that the arguments do not contain"),
    "recipients_not_in_arguments": _("Recipients that the arguments do not contain"),
}

UNUSUAL_NEEDS = 5  # values
_READ = 20_000  # characters of a summary
_NAMED = 5  # numbers, recipients or places that a flag names

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def flags_of(question: EvaluationInput, past: History) -> list[Flag]:
    """All that is up for this proposal."""
    return [
        *_first_time(question, past),
        *_duplicate(past),
        *_unusual_amount(question, past),
        *_frequency(question, past),
        *_burst(question, past),
        *_near_repeat(past),
        *_hidden_characters(question),
        *_claims(question),
    ]


def _first_time(question: EvaluationInput, past: History) -> Iterator[Flag]:
    if not past.proposed:
        yield flag_reasons.FirstTime(question.agent_name, question.type.title)


def _duplicate(past: History) -> Iterator[Flag]:
    if past.twin is not None:
        yield flag_reasons.Duplicate(past.twin.id, past.twin.status)


def _unusual_amount(question: EvaluationInput, past: History) -> Iterator[Flag]:
    if question.value is None or len(past.amounts) < UNUSUAL_NEEDS:
        return
    usual = median(abs(amount) for amount in past.amounts)
    if usual <= 0 or abs(question.value) < question.type.usual_times * usual:
        return
    ratio = round(abs(question.value) / usual, 2)
    yield flag_reasons.UnusualAmount(ratio, usual, len(past.amounts), characters.plain(past.keys.baseline))


def _frequency(question: EvaluationInput, past: History) -> Iterator[Flag]:
    nth = past.same_subject + 1
    if nth < question.type.frequency_from:
        return
    yield flag_reasons.Frequency(
        nth=min(nth, reader.LOOK_BACK),
        subject=characters.plain(past.keys.count),
        window=question.type.frequency_window,
        action=question.type.title,
        uncounted=nth > reader.LOOK_BACK,
    )


def _burst(question: EvaluationInput, past: History) -> Iterator[Flag]:
    type = question.type
    if past.recent + 1 >= type.burst_from:
        count, window, alike = past.recent + 1, reader.BURST, False
    elif past.same_template + 1 >= type.burst_from:
        count, window, alike = past.same_template + 1, type.burst_window, True
    else:
        return
    yield flag_reasons.Burst(
        count=min(count, reader.LOOK_BACK),
        window=window,
        action=type.title,
        agent=question.agent_name,
        alike=alike,
        uncounted=count > reader.LOOK_BACK,
    )


def _near_repeat(past: History) -> Iterator[Flag]:
    repeat = past.repeat
    if repeat is not None:
        changed = tuple(characters.plain(path) for path in repeat.changed)
        yield flag_reasons.NearRepeat(repeat.id, repeat.attempt, repeat.by_person, repeat.day, repeat.reason, changed)


def _hidden_characters(question: EvaluationInput) -> Iterator[Flag]:
    kinds: set[str] = set()
    where: list[str] = []
    for path, text in [("summary", question.summary), *_texts(question.args)]:
        kinds_here = characters.suspicious(text)
        if kinds_here:
            kinds |= kinds_here
            where.append(characters.plain(path))
    if kinds:
        yield flag_reasons.HiddenCharacters(tuple(sorted(kinds)), *_some(where))


def _claims(question: EvaluationInput) -> Iterator[Flag]:
    """Numbers and recipients that only the agent's prose names."""
    summary = question.summary[:_READ]
    addresses = _ADDRESS.findall(summary)
    numbers = [number for number in numerals(_ADDRESS.sub(" ", summary)) if number.telling]
    if not addresses and not numbers:
        return
    contained = [question.subject, *(text for _, text in _texts(question.args))]
    everything = "\n".join(contained).casefold()
    recipients = [address for address in dict.fromkeys(addresses) if address.casefold() not in everything]
    if recipients:
        yield flag_reasons.RecipientsNotInArguments(*_some([characters.plain(address) for address in recipients]))
    argument_values = {value for text in contained for number in numerals(text) for value in number.values}
    argument_values |= {Decimal(count) for count in _counts(question.args)}
    strange = [number.text for number in dict.fromkeys(numbers) if not number.values & argument_values]
    if strange:
        yield flag_reasons.NumbersNotInArguments(*_some(strange))


def _texts(value: Json) -> Iterator[tuple[str, str]]:
    """Every scalar and key of the arguments as text, with the JSON pointer of where it stands."""
    waiting: list[tuple[tuple[str | int, ...], Json]] = [((), value)]
    while waiting:
        path, here = waiting.pop()
        if isinstance(here, Mapping):
            for key, item in here.items():
                yield pointer_of([*path, key]), key
                waiting.append(((*path, key), item))
        elif isinstance(here, str):
            yield pointer_of(path) or "arguments", here
        elif isinstance(here, Sequence):
            waiting.extend(((*path, index), item) for index, item in enumerate(here))
        elif here is not None and not isinstance(here, bool):
            yield pointer_of(path) or "arguments", _digits(here)


def _counts(value: Json) -> Iterator[int]:
    """Lengths of the lists in the arguments: "25 recipients" is said by a list of 25."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Mapping):
            waiting.extend(here.values())
        elif isinstance(here, Sequence) and not isinstance(here, str):
            yield len(here)
            waiting.extend(here)


def _digits(number: float) -> str:
    return format(Decimal(str(number)), "f")


def _some(items: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """The first of them, and how many more there are."""
    return tuple(items[:_NAMED]), max(len(items) - _NAMED, 0)
