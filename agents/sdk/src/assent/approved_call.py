"""One call of the gate: what is asked, which occurrence it is, and the leave to run it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from assent import options
from assent.core import Core, Occurrences, Scope
from assent.journal import Entry
from assent.shapes import Args, GuardOptions, Json, SubmissionOptions, Verdict

_OWN = ("preconditions", "wait_s", "on_question", "on_rejection")


class Checks(Protocol):
    """Whoever will run it: `check` raises PermitRefused where the approved arguments do not fit."""

    def check(self, args: Mapping[str, Json]) -> None: ...


@dataclass(frozen=True, slots=True)
class ProposedCall:
    """One call of a guard; `function` looks at the approved arguments before the permit is used."""

    core: Core
    action: str
    args: Mapping[str, Json]
    run: str | None
    guarding: GuardOptions
    life: Occurrences
    function: Checks | None = None

    @classmethod
    def by(
        cls,
        core: Core,
        action: str,
        args: Mapping[str, Json],
        run: str | None,
        guarding: GuardOptions,
        *,
        scope: Scope | None = None,
        function: Checks | None = None,
    ) -> ProposedCall:
        """In the named run, else in the one whose `with` this code stands in, else in none. Raises TypeError for an
        option that there is not."""
        options.guarding(guarding, action)
        scope = scope or (core.scope() if run is None else None)
        if scope is None:
            return cls(core, action, args, run, guarding, core.life, function)
        if scope.name:
            guarding = {"run_name": scope.name, **guarding}
        return cls(core, action, args, scope.key, guarding, scope.life, function)

    @property
    def asking(self) -> SubmissionOptions:
        return {name: value for name, value in self.guarding.items() if name not in _OWN}  # type: ignore[return-value]


@dataclass(slots=True)
class ApprovedCall:
    """Leave to run once. `args` are the approved arguments: run these. What is put into `result` is kept."""

    args: Args
    action: str
    request: str
    item: Verdict | None
    entry: Entry = field(repr=False)
    proposed_call: ProposedCall = field(repr=False)
    occurrence: Occurrence = field(repr=False)
    result: Json = None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Which occurrence of which action this is."""

    key: str
    once: str
    mark: str
    number: int  # 0: the caller named the key
