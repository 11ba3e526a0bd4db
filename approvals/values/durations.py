"""Durations as people write them: "15 min", "1 h 30 min", "2 days". What is written here is read here."""

import re
from datetime import timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

EXAMPLE = "15 min, 1 h 30 min or 2 days"
LONGEST = timedelta(days=3660)  # ten years; far within what the database and a clock can hold
LONGEST_TEXT = 80  # characters

_SECONDS = {"week": 604800, "day": 86400, "h": 3600, "min": 60, "s": 1}
_SPELLINGS = {
    "week": ("w", "week", "weeks"),
    "day": ("d", "day", "days"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "min": ("m", "min", "mins", "minute", "minutes"),
    "s": ("s", "sec", "secs", "second", "seconds"),
}
_UNITS = {spelling: _SECONDS[unit] for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_PART = re.compile(r"\s*([0-9]+(?:[.,][0-9]+)?)\s*([a-z]+)(?:[\s,.]|$|(?=[0-9]))", re.ASCII)
_CLOCK = re.compile(r"(?:([0-9]+)(?: days?,)? )?([0-9]+):([0-5][0-9]):([0-5][0-9](?:\.[0-9]+)?)", re.ASCII)


class NoDuration(ValueError):
    """The text is no duration; as text, this says how one is written."""

    def __str__(self) -> str:
        return _("Write a number with its unit, such as %(example)s.") % {"example": EXAMPLE}


class TooLong(NoDuration):
    """It is one, and longer than anything here may last."""

    def __str__(self) -> str:
        return _("Nothing here lasts longer than %(most)s.") % {"most": written(LONGEST)}


def read(text: str) -> timedelta:
    """15 min, 15m, 90 s, 1.5 h, 1 day 4 h, 00:15:00, 1 04:00:00; 0 for none. A number without a unit is refused."""
    text = " ".join(text.casefold().split())
    if len(text) > LONGEST_TEXT:
        raise NoDuration(text[:LONGEST_TEXT])
    if text == "0":
        return timedelta(0)
    if clock := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = clock.groups(default="0")
        return _made(Decimal(days) * 86400 + Decimal(hours) * 3600 + Decimal(minutes) * 60 + Decimal(seconds))
    return _made(_added(text))


def _added(text: str) -> Decimal:
    """The seconds of "1 day 4 h", largest unit first and each once."""
    total, at, last = Decimal(0), 0, float("inf")
    while at < len(text):
        part = _PART.match(text, at)
        size = _UNITS.get(part[2]) if part else None
        if part is None or size is None or size >= last:
            raise NoDuration(text)
        total, at, last = total + Decimal(part[1].replace(",", ".")) * size, part.end(), size
    if not text:
        raise NoDuration(text)
    return total


def _made(seconds: Decimal) -> timedelta:
    if seconds > Decimal(LONGEST.total_seconds()):
        raise TooLong(str(seconds))
    return timedelta(microseconds=int(seconds * 1_000_000))


def written(duration: timedelta) -> str:
    """Exactly this duration: 15 min, 1 h 30 min, 2 days, 0.5 s. Reads back as what it was."""
    if duration < timedelta(0):
        return f"-{written(-duration)}"
    days, rest = duration.days, duration - timedelta(days=duration.days)
    hours, rest = divmod(rest, timedelta(hours=1))
    minutes, rest = divmod(rest, timedelta(minutes=1))
    parts = [f"{days} day" if days == 1 else f"{days} days"] if days else []
    parts += [f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min")) if count]
    if rest:
        seconds = f"{rest.seconds}.{rest.microseconds:06}" if rest.microseconds else str(rest.seconds)
        parts.append(f"{seconds.rstrip('0') if '.' in seconds else seconds} s")
    return " ".join(parts) or "0 s"
