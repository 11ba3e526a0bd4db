"""Durations are read as people write them, and what is written reads back as what it was."""

from datetime import timedelta

import pytest

from approvals.values import durations

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("15 min", 15 * MINUTE),
        ("15m", 15 * MINUTE),
        ("15 Minutes", 15 * MINUTE),
        ("90 s", timedelta(seconds=90)),
        ("1.5 h", 90 * MINUTE),
        ("1,5 h", 90 * MINUTE),
        ("1 day 4 h", DAY + 4 * HOUR),
        ("1 day, 4 hours", DAY + 4 * HOUR),
        ("1h30m", 90 * MINUTE),
        ("2 weeks", 14 * DAY),
        ("0.5 s", timedelta(milliseconds=500)),
        ("00:15:00", 15 * MINUTE),
        ("1 04:00:00", DAY + 4 * HOUR),
        ("  2   days ", 2 * DAY),
        ("0", timedelta(0)),
    ],
)
def test_it_is_read_as_people_write_it(text, duration):
    assert durations.read(text) == duration


@pytest.mark.parametrize(
    "text",
    ["", "15", "soon", "10:30", "-5 min", "-1 00:00:00", "1 h 2 h", "30 min 1 h", "1 h 5", "1e3 s", "٣ min", "1 min x",
     "NaN s", "1..5 h", "x" * 10_000, "9" * 10_000 + " s"],
)  # fmt: skip
def test_what_is_none_is_refused(text):
    with pytest.raises(durations.NoDuration):
        durations.read(text)


@pytest.mark.parametrize("text", ["99999999999 days", "9999999999999999999:00:00", f"{'9' * 70} weeks"])
def test_what_nothing_can_hold_is_too_long(text):
    with pytest.raises(durations.TooLong):
        durations.read(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (15 * MINUTE, "15 min"),
        (90 * MINUTE, "1 h 30 min"),
        (2 * DAY, "2 days"),
        (DAY + 4 * HOUR, "1 day 4 h"),
        (DAY + HOUR + MINUTE + timedelta(seconds=1, microseconds=1), "1 day 1 h 1 min 1.000001 s"),
        (timedelta(seconds=10), "10 s"),
        (timedelta(milliseconds=500), "0.5 s"),
        (timedelta(0), "0 s"),
    ],
)
def test_what_is_written_reads_back(duration, text):
    assert durations.written(duration) == text
    assert durations.read(text) == duration
