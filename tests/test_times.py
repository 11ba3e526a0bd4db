"""Times as agents and pages send them."""

from datetime import UTC, datetime

import pytest

from approvals.db import times


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-21T09:00:00Z", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ("2026-11-21T09:00:00+02:00", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        ("1146-02-08T13:01:02+22:37", datetime(1146, 2, 7, 14, 24, 2, tzinfo=UTC)),
        ("2026-11-21T09:00:00", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("9999-12-31T23:59:59-10:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("now", None),
        ("", None),
    ],
)
def test_a_time_is_read_in_utc_or_not_at_all(text, read):
    moment = times.read(text)

    assert moment == read
    assert moment is None or moment.utcoffset() == read.utcoffset()
