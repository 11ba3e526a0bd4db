"""What is unusual about a proposal, each with the number behind it. From our own history and the proposal itself.

A flag informs. It asks a person only where the action type names it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from statistics import median

from django.utils.translation import gettext_lazy as _

from approvals.policy import characters, history, words
from approvals.policy.history import History, Question
from approvals.policy.schema import Json, pointer_of

LABELS = {
    "first_time": _("First time of this agent and action"),
    "duplicate": _("The same action is pending or was done"),
    "unusual_amount": _("Unusual value"),
    "frequency": _("Again for the same subject"),
    "burst": _("Many in a short time"),
    "hidden_characters": _("Hidden or misleading characters"),
    "numbers_not_in_arguments": _("Numbers that the arguments do not contain"),
    "recipients_not_in_arguments": _("Recipients that the arguments do not contain"),
}

UNUSUAL_FROM = Decimal(3)  # times the median
UNUSUAL_NEEDS = 5  # values
BURST_FROM = 10  # proposals, this one included
_READ = 20_000  # characters of a summary
_NAMED = 5  # numbers, recipients or places listed in a text

_NUMBER = re.compile(r"\d+(?:[.,'\u202f\u00a0]\d+)*")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True, slots=True)
class Flag:
    """Something unusual: its name, a sentence with the number, and the numbers as data."""

    name: str
    text: str
    data: Mapping[str, Json] = field(default_factory=dict)


def flags_of(question: Question, past: History) -> list[Flag]:
    """All that is up for this proposal."""
    return [
        *_first_time(question, past),
        *_duplicate(past),
        *_unusual_amount(question, past),
        *_frequency(question, past),
        *_burst(question, past),
        *_hidden_characters(question),
        *_claims(question),
    ]


def _first_time(question: Question, past: History) -> Iterator[Flag]:
    if not past.proposed:
        text = words.FIRST_TIME.format(agent=question.agent_name, action=question.type.title)
        yield Flag("first_time", text, {"proposed": 0})


def _duplicate(past: History) -> Iterator[Flag]:
    if past.twin is None:
        return
    if past.twin.id is None:
        yield Flag("duplicate", words.DUPLICATE_HERE, {"approval": None})
    else:
        text = words.DUPLICATE.format(status=words.TWIN[past.twin.status], id=past.twin.id)
        yield Flag("duplicate", text, {"approval": str(past.twin.id), "status": past.twin.status})


def _unusual_amount(question: Question, past: History) -> Iterator[Flag]:
    if question.value is None or len(past.amounts) < UNUSUAL_NEEDS:
        return
    usual = median(abs(amount) for amount in past.amounts)
    if usual <= 0 or abs(question.value) < UNUSUAL_FROM * usual:
        return
    ratio = abs(question.value) / usual
    text = words.UNUSUAL_AMOUNT.format(ratio=f"{ratio:,.1f}", usual=f"{usual:,.2f}", count=len(past.amounts))
    data: dict[str, Json] = {"ratio": round(float(ratio), 2), "usual": str(usual), "count": len(past.amounts)}
    yield Flag("unusual_amount", text, data)


def _frequency(question: Question, past: History) -> Iterator[Flag]:
    if past.about:
        nth, days = past.about + 1, history.FREQUENCY.days
        text = words.FREQUENCY.format(
            nth=words.ordinal(nth), action=question.type.title, about=characters.plain(question.about), days=days
        )
        yield Flag("frequency", text, {"nth": nth, "days": days})


def _burst(question: Question, past: History) -> Iterator[Flag]:
    count = past.recent + 1
    if count >= BURST_FROM:
        minutes = int(history.BURST.total_seconds() // 60)
        text = words.BURST.format(count=count, action=question.type.title, agent=question.agent_name, minutes=minutes)
        yield Flag("burst", text, {"count": count, "minutes": minutes})


def _hidden_characters(question: Question) -> Iterator[Flag]:
    kinds: set[str] = set()
    where: list[str] = []
    for place, text in [("summary", question.summary), *_texts(question.args)]:
        found = characters.suspicious(text)
        if found:
            kinds |= found
            where.append(characters.plain(place))
    if kinds:
        named = sorted(kinds)
        text = words.HIDDEN.format(kinds=", ".join(words.CHARACTERS[kind] for kind in named), where=_some(where))
        yield Flag("hidden_characters", text, {"kinds": named, "where": where[:_NAMED]})


def _claims(question: Question) -> Iterator[Flag]:
    """Numbers and recipients that only the agent's prose names."""
    summary = question.summary[:_READ]
    addresses = _ADDRESS.findall(summary)
    numbers = [number for number in _NUMBER.findall(_ADDRESS.sub(" ", summary)) if _is_telling(number)]
    if not addresses and not numbers:
        return
    contained = [question.about, *(text for _, text in _texts(question.args))]
    everything = "\n".join(contained).casefold()
    recipients = [address for address in dict.fromkeys(addresses) if address.casefold() not in everything]
    if recipients:
        shown = [characters.plain(address) for address in recipients]
        text = words.RECIPIENTS.format(recipients=_some(shown))
        yield Flag("recipients_not_in_arguments", text, {"recipients": shown[:_NAMED]})
    known = {reading for text in contained for number in _NUMBER.findall(text) for reading in _readings(number)}
    known |= {Decimal(count) for count in _counts(question.args)}
    strange = [number for number in dict.fromkeys(numbers) if not _readings(number) & known]
    if strange:
        text = words.NUMBERS.format(numbers=_some(strange))
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


def _is_telling(number: str) -> bool:
    """A lone digit counts things in prose; more than that states a fact."""
    return len(number) > 1


def _readings(number: str) -> set[Decimal]:
    """What a written number may mean: 1,200 is 1200 or 1.2, and 1.234,50 is 1234.50."""
    bare = re.sub(r"['\u202f\u00a0]", "", number)
    readings = set()
    for text in (bare.replace(",", ""), bare.replace(".", "").replace(",", ".")):
        try:
            readings.add(Decimal(text))
        except InvalidOperation:
            continue
    return readings or {Decimal(part) for part in re.split(r"\D", bare) if part}


def _some(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_NAMED])
    return f"{shown} and {len(items) - _NAMED} more" if len(items) > _NAMED else shown
