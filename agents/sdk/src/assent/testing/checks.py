"""Assertions about what the code under test did; each failure says what was expected and what there was."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from assent.shapes import Json
from assent.testing.records import AskedItem, Consumed, Reported


class Checks(ABC):
    """What a fake gateway can be asked after the act."""

    consumed: list[Consumed]
    reported: list[Reported]

    @property
    @abstractmethod
    def asked_items(self) -> list[AskedItem]:
        """Every item that was asked for, oldest first."""

    def assert_asked(self, action: str, *, times: int | None = None, **args: Json) -> AskedItem:
        """It was asked for (exactly `times`), with these arguments among them; returns the last such item."""
        same = [one for one in self.asked_items if one.action == action]
        fitting = [one for one in same if _holds(one.args, args)]
        if same and not fitting:
            _fail(f"{action!r} was asked for, but never with {args}", same)
        if not fitting or (times is not None and len(fitting) != times):
            expectation = "" if times is None else f" {times} times"
            _fail(f"expected {action!r} to be asked for{expectation}, it was {len(fitting)} times", self.asked_items)
        return fitting[-1]

    def assert_not_asked(self, action: str | None = None) -> None:
        """Nothing (of this action) was asked for."""
        matches = [one for one in self.asked_items if action in (None, one.action)]
        if matches:
            _fail(f"expected {_what(action)} not to be asked for", matches)

    def assert_ran(self, action: str, *, times: int = 1, **args: Json) -> Consumed:
        """Its permit was used so many times, the last time for these approved arguments; returns that use."""
        uses = [one for one in self.consumed if one.action == action]
        if len(uses) != times or not uses:
            _fail(f"expected {times} permits of {action!r} to be used, there were {len(uses)}", self.consumed)
        if not _holds(uses[-1].args, args):
            _fail(f"{action!r} ran, but what was approved was not {args}", uses)
        return uses[-1]

    def assert_nothing_ran(self, action: str | None = None) -> None:
        """No permit (of this action) was used."""
        uses = [one for one in self.consumed if action in (None, one.action)]
        if uses:
            _fail(f"expected {_what(action)} not to run", uses)

    def assert_reported(self, result: str, *, action: str | None = None) -> Reported:
        """This result was reported (of this action); returns the last such report."""
        reports = [one for one in self.reported if one.result == result and action in (None, one.action)]
        if not reports:
            _fail(f"expected {_what(action)} to be reported {result!r}", self.reported)
        return reports[-1]

    def assert_all_reported(self) -> None:
        """Whatever ran was reported."""
        reported_items = {(one.request, one.item) for one in self.reported}
        unreported = [one for one in self.consumed if (one.request, one.item) not in reported_items]
        if unreported:
            _fail("these permits were used, and nobody said what came of it", unreported)


def _holds(value: Json, expected: dict[str, Json]) -> bool:
    return all(isinstance(value, dict) and name in value and value[name] == one for name, one in expected.items())


def _what(action: str | None) -> str:
    return repr(action) if action else "anything"


def _fail(text: str, records: Sequence[object]) -> None:
    listed = "".join(f"\n  {one}" for one in records) or " nothing"
    raise AssertionError(f"{text}; there was:{listed}")
