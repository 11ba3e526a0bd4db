"""A workflow of an agent whose steps can be undone.

    with client.run("order-981", "Order 981") as run:
        with run.step("reserve", action="reserve_stock", args={"sku": "A1"}, undo=release) as step:
            reserve(**step.args)
        with run.step("charge", action="charge_card", args={"amount": "420.00"}) as step:
            charge(**step.args)      # a person's no here runs release(sku="A1") first, and then raises Rejected

Inside the `with` everything that this client asks belongs to the run. The same key after a crash goes on where it was:
what ran is not run again (AlreadyRan), and undos are found by the name of their step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any, TypeVar

from assent import options
from assent.approved_call import ProposedCall
from assent.binding import Bound
from assent.core import CURRENT, Core, Scope
from assent.rollback import RunContext, Undo
from assent.shapes import GuardOptions, Json, Object, StepGuardOptions
from assent.steps import StepDeclaration

T = TypeVar("T")


class BaseRun:
    """What both kinds share."""

    def __init__(self, core: Core, key: str, name: str) -> None:
        self._core = core
        self._course = RunContext(core, key, name)
        self._token: Token[Scope | None] | None = None

    @property
    def key(self) -> str:
        """The run's key, as it was given."""
        return self._course.key

    def undo(self, step: str, function: Callable[..., object], *, repeatable: bool = False) -> None:
        """Register the `function` that undoes a step, found after a restart before the step itself is reached.

        `repeatable`: running it twice does no harm; without that, an undo that was killed in the middle is left to
        people.
        """
        self._course.undos[step] = Undo(function, repeatable)

    def _declaration(
        self,
        name: str,
        action: str | None,
        args: Mapping[str, Json] | None,
        undo: Callable[..., object] | None,
        undo_args: Object | None,
        repeatable: bool,
        guarding: StepGuardOptions,
        function: Bound[Any] | None = None,
    ) -> StepDeclaration:
        options.step_guarding(guarding, f"step {name!r}")
        registered = Undo(undo) if undo else self._course.undo_of(name)
        return StepDeclaration(
            self._course, name, action, args or {}, registered, undo_args, repeatable, guarding, function
        )

    def _proposed_call(
        self, action: str, args: Mapping[str, Json], guarding: GuardOptions, bound: Bound[Any] | None
    ) -> ProposedCall:
        return ProposedCall.by(self._core, action, args, self.key, guarding, scope=self._course.scope, function=bound)

    def _enter(self) -> None:
        self._token = CURRENT.set(self._course.scope)

    def _leave(self) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
            self._token = None
