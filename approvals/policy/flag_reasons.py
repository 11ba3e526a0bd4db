"""What is unusual about a proposal, each with the number behind it."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from approvals.policy.reasons import Reason, Row
from approvals.values.schema import Json


class Flag(Reason):
    """Something unusual about a proposal, with the number behind it."""

    @property
    def name(self) -> str:
        """What an action type lists it by."""
        return self.code

    @staticmethod
    def of_json(row: Row) -> "Flag":
        flag = Reason.of_json(row)
        if not isinstance(flag, Flag):
            raise TypeError(f"{flag.code} is no flag")
        return flag


class FirstTime(Flag):
    agent: str
    action: str


class Duplicate(Flag):
    """`status` is that of the twin; no `approval`: it is in the same submission."""

    approval: UUID | None = None
    status: str = ""


class UnusualAmount(Flag):
    """`usual` is the median of the last `count` approved, in base currency; `key` is what it is usual for."""

    ratio: Decimal
    usual: Decimal
    count: int
    key: str = ""


class Frequency(Flag):
    """`uncounted`: there are more than `nth`."""

    nth: int
    subject: str
    window: timedelta
    action: str
    uncounted: bool = False


class Burst(Flag):
    """So many proposals of an action in a short time; `alike`: of one template. `uncounted`: more than that."""

    count: int
    window: timedelta
    action: str
    agent: str
    alike: bool = False
    uncounted: bool = False


class NearRepeat(Flag):
    """The rejected `approval` proposed once more; `reason` is a person's, `changed` are pointers into the arguments."""

    approval: UUID
    attempt: int
    by_person: bool
    day: date
    reason: str
    changed: tuple[str, ...]


class HiddenCharacters(Flag):
    """`more` is at how many further places they stand."""

    kinds: tuple[str, ...]
    where: tuple[str, ...]
    more: int = 0


class NumbersNotInArguments(Flag):
    numbers: tuple[str, ...]
    more: int = 0


class RecipientsNotInArguments(Flag):
    recipients: tuple[str, ...]
    more: int = 0


class Deviates(Flag):
    """How it differs from the `step`, the `number`th, of an approved plan; none: no step is like it.

    `waits` are the steps that come before, `used`: it ran already, `action` is that of the step where it is another,
    `differs` the edits of the arguments.
    """

    plan: UUID
    step: str | None = None
    number: int = 0
    waits: tuple[str, ...] = ()
    used: bool = False
    action: str = ""
    differs: tuple[Mapping[str, Json], ...] = ()


class FlagOfStep(Flag):
    """A flag of one step of a plan; `step` is the agent's own id of it."""

    number: int
    action: str
    step: str
    flag: Flag

    @property
    def name(self) -> str:
        return self.flag.name


class Flagged(Reason):
    """A flag that the action type asks a person for."""

    flag: Flag
