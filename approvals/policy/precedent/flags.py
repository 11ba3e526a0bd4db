"""What is unusual about a proposal, each with the number behind it. From our own history and the proposal itself.

A flag informs. It asks a person only where the action type names it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from statistics import median

from django.utils.translation import gettext_lazy as _

from approvals.policy import messages
from approvals.policy.assessed import Flag
from approvals.policy.evaluation_input import EvaluationInput, History
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
_NAMED = 5  # numbers, recipients or places listed in a text

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
        text = messages.FIRST_TIME.format(agent=question.agent_name, action=question.type.title)
        yield Flag("first_time", text, {"proposed": 0})


def _duplicate(past: History) -> Iterator[Flag]:
    if past.twin is None:
        return
    if past.twin.id is None:
        yield Flag("duplicate", messages.DUPLICATE_HERE, {"approval": None})
    else:
        text = messages.DUPLICATE.format(status=messages.TWIN[past.twin.status], id=past.twin.id)
        yield Flag("duplicate", text, {"approval": str(past.twin.id), "status": past.twin.status})


def _unusual_amount(question: EvaluationInput, past: History) -> Iterator[Flag]:
    if question.value is None or len(past.amounts) < UNUSUAL_NEEDS:
        return
    usual = median(abs(amount) for amount in past.amounts)
    if usual <= 0 or abs(question.value) < question.type.usual_times * usual:
        return
    ratio = abs(question.value) / usual
    key = characters.plain(past.keys.baseline)
    text = messages.UNUSUAL_AMOUNT.format(
        ratio=f"{ratio:,.1f}",
        key=messages.USUAL_FOR.format(key=key.replace(":", " ", 1)) if key else "",
        usual=f"{usual:,.2f}",
        count=len(past.amounts),
    )
    data: dict[str, Json] = {"ratio": round(float(ratio), 2), "usual": str(usual), "count": len(past.amounts)}
    yield Flag("unusual_amount", text, {**data, "key": key} if key else data)


def _frequency(question: EvaluationInput, past: History) -> Iterator[Flag]:
    nth = past.same_subject + 1
    if nth < question.type.frequency_from:
        return
    window = question.type.frequency_window
    facts = {"subject": characters.plain(past.keys.count), "span": messages.span(window), "action": question.type.title}
    if past.same_subject >= reader.LOOK_BACK:  # no more of them were counted
        text = messages.FREQUENT.format(count=reader.LOOK_BACK, **facts)
    else:
        text = messages.FREQUENCY.format(nth=messages.ordinal(nth), **facts)
    yield Flag("frequency", text, {"nth": nth, "days": round(window / timedelta(days=1), 3)})


def _burst(question: EvaluationInput, past: History) -> Iterator[Flag]:
    type = question.type
    facts = {"action": type.title, "agent": question.agent_name}
    count = past.recent + 1
    if count >= type.burst_from:
        minutes = int(reader.BURST.total_seconds() // 60)
        yield Flag(
            "burst",
            messages.BURST.format(count=_counted(count), minutes=minutes, **facts),
            {"count": count, "minutes": minutes},
        )
    elif (alike := past.same_template + 1) >= type.burst_from:
        text = messages.ALIKE.format(count=_counted(alike), span=messages.span(type.burst_window), **facts)
        yield Flag("burst", text, {"alike": alike, "hours": round(type.burst_window / timedelta(hours=1), 3)})


def _counted(count: int) -> str:
    return str(count) if count <= reader.LOOK_BACK else messages.MORE_THAN.format(count=reader.LOOK_BACK)


def _near_repeat(past: History) -> Iterator[Flag]:
    repeat = past.repeat
    if repeat is None:
        return
    sentence = messages.REPEATS_PERSON if repeat.by_person else messages.REPEATS_POLICY
    changed: list[Json] = [characters.plain(path) for path in repeat.changed]
    yield Flag(
        "near_repeat",
        sentence.format(nth=messages.nth(repeat.attempt), **repeat.facts),
        {"approval": str(repeat.id), "attempt": repeat.attempt, "changed": changed},
    )


def _hidden_characters(question: EvaluationInput) -> Iterator[Flag]:
    kinds: set[str] = set()
    where: list[str] = []
    for path, text in [("summary", question.summary), *_texts(question.args)]:
        kinds_here = characters.suspicious(text)
        if kinds_here:
            kinds |= kinds_here
            where.append(characters.plain(path))
    if kinds:
        named = sorted(kinds)
        text = messages.HIDDEN.format(kinds=", ".join(messages.CHARACTERS[kind] for kind in named), where=_some(where))
        yield Flag("hidden_characters", text, {"kinds": named, "where": where[:_NAMED]})


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
        shown = [characters.plain(address) for address in recipients]
        text = messages.RECIPIENTS.format(recipients=_some(shown))
        yield Flag("recipients_not_in_arguments", text, {"recipients": shown[:_NAMED]})
    argument_values = {value for text in contained for number in numerals(text) for value in number.values}
    argument_values |= {Decimal(count) for count in _counts(question.args)}
    strange = [number.text for number in dict.fromkeys(numbers) if not number.values & argument_values]
    if strange:
        text = messages.NUMBERS.format(numbers=_some(strange))
        yield Flag("numbers_not_in_arguments", text, {"numbers": strange[:_NAMED]})


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


def _some(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_NAMED])
    return f"{shown} and {len(items) - _NAMED} more" if len(items) > _NAMED else shown
