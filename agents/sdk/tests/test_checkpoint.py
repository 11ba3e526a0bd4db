"""Where an agent stands comes back exactly, or is refused by name."""

from datetime import date
from decimal import Decimal

import pytest

from assent import BrokenJournal, Checkpoint, NotSerialisable


def test_what_was_saved_comes_back(tmp_path):
    saved = Checkpoint(
        history=[{"role": "user", "content": "hello"}],
        results={"call_1": [1, 2.5, None]},
        position="pay",
        pending={"action": "refund", "args": {"amount": "1.00"}},
        variables={"tries": 2},
    )
    saved.save(tmp_path / "deep" / "thread.json")

    assert Checkpoint.load(tmp_path / "deep" / "thread.json") == saved
    assert Checkpoint.load(tmp_path / "nothing.json") is None


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ({"variables": {"orders": [{}, {}, {"due": date(2026, 11, 21)}]}}, "variables.orders[2].due"),
        ({"history": [{"content": b"bytes"}]}, "history[0].content"),
        ({"results": {"call_1": Decimal("4.2")}}, "results.call_1"),
        ({"pending": {"args": {"pair": (1, 2)}}}, "pending.args.pair"),
        ({"variables": {"rate": float("inf")}}, "variables.rate"),
        ({"variables": {1: 2}}, "variables"),
    ],
)
def test_what_would_not_come_back_is_refused_by_name_and_the_old_state_stays(tmp_path, state, path):
    file = tmp_path / "thread.json"
    Checkpoint(position="before").save(file)

    with pytest.raises(NotSerialisable) as refused:
        Checkpoint(**state).save(file)

    assert refused.value.path == path
    assert Checkpoint.load(file) == Checkpoint(position="before")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 99}', '{"version": 1, "mind": 0}'])
def test_another_file_is_no_checkpoint(tmp_path, content):
    (tmp_path / "x").write_text(content)

    with pytest.raises(BrokenJournal):
        Checkpoint.load(tmp_path / "x")
