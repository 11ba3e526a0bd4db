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
from concurrent.futures import Future
from contextvars import Token
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from assent import guards, options, rollback, steps
from assent.approved_call import ProposedCall
from assent.binding import Bound
from assent.core import CURRENT, Core, Scope
from assent.errors import AlreadyRan, Denied
from assent.rollback import RunContext, Undo
from assent.shapes import GuardOptions, Guidance, Json, Object, Rollback, StepGuardOptions
from assent.steps import Step, StepDeclaration
from assent.wire import Flow

T = TypeVar("T")


class BaseRun:
    """What both kinds share."""

    def __init__(self, core: Core, key: str, name: str) -> None:
        self._core = core
        self._course = RunContext(core, key, name)
        self._token: Token[Scope | None] | None = None

    @property
    def key(self) -> str:
        return self._course.key

    def undo(self, step: str, function: Callable[..., object], *, repeatable: bool = False) -> None:
        """Register what undoes a step, so that it is found after a restart before the step itself is reached.

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


class Run(BaseRun):
    """A run of `Assent`; made by `client.run(key, name)`."""

    def __init__(self, do: guards.Drive, core: Core, key: str, name: str) -> None:
        super().__init__(core, key, name)
        self._do = do

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """A person's no that leaves the `with` rolls the run back, once; without an error the run is over."""
        self._leave()
        no = steps.denial_in(error)
        if no is not None:
            self._do(steps.on_denial(self._course, no))
        elif error is None:
            self._do(rollback.end(self._course))

    def step(
        self,
        name: str,
        *,
        action: str | None = None,
        args: Mapping[str, Json] | None = None,
        undo: Callable[..., object] | None = None,
        undo_args: Object | None = None,
        repeatable: bool = False,
        **guarding: Unpack[StepGuardOptions],
    ) -> StepGuard:
        """`with run.step(…) as step:` a step, asked for when it has an `action`, recorded with its `undo`.

        The undo is called with the approved arguments, unless `undo_args` or `step.undo_with(…)` says otherwise.
        Entering raises AlreadyRan where an earlier life did it.
        """
        return StepGuard(self._do, self._declaration(name, action, args, undo, undo_args, repeatable, guarding))

    def do(
        self,
        name: str,
        function: Callable[..., T],
        *,
        action: str | None = None,
        args: Mapping[str, Json] | None = None,
        undo: Callable[..., object] | None = None,
        undo_args: Object | None = None,
        repeatable: bool = False,
        **guarding: Unpack[StepGuardOptions],
    ) -> T | None:
        """A step that is one function: `function(**approved arguments)`. What an earlier life ran is not run again:
        its kept result comes back (None for a step without an action)."""
        bound: Bound[Any] = Bound.plain(function, args or ())
        declaration = self._declaration(name, action, args, undo, undo_args, repeatable, guarding, bound)
        try:
            step = self._do(steps.begin(declaration))
        except AlreadyRan as ran:
            return steps.result_of(ran, declaration)  # type: ignore[return-value]  # as JSON carried it
        try:
            result = bound.call(step.args)
            if isinstance(result, Future):  # of a pool of threads: it has run when it is done
                result = result.result()
            step.result = result  # kept if it is JSON
        except BaseException as error:
            self._do(steps.end(step, error))
            raise
        self._do(steps.end(step, None))
        return result  # type: ignore[no-any-return]  # what the function says that it returns

    def guard(self, action: str, args: Mapping[str, Json], **guarding: Unpack[GuardOptions]) -> guards.Guard:
        """`Assent.guard` inside this run."""
        return guards.Guard(self._do, self._proposed_call(action, args, guarding, None), self._on_no)

    def call(
        self, action: str, args: Mapping[str, Json], function: Callable[..., T], **guarding: Unpack[GuardOptions]
    ) -> T:
        """`Assent.call` inside this run."""
        bound = Bound.plain(function, args)
        return guards.call_guarded(self._do, self._proposed_call(action, args, guarding, bound), bound, self._on_no)

    def roll_back(self) -> Rollback:
        """Undo what the run did, newest first; a failing undo is tried three times and then left to people."""
        return self._do(rollback.roll_back(self._course))

    def undo_asked(self) -> Rollback:
        """Undo what people asked to be undone of it: a reviewer objected to a step after it had run."""
        return self._do(rollback.roll_back(self._course, "to_undo"))

    def end(self) -> None:
        """Say that the run is over; its `with` does, when it is left without an error."""
        self._do(rollback.end(self._course))

    def guidance(self) -> tuple[Guidance, ...]:
        """What reviewers told this run since the last call."""
        return self._do(rollback.guidance(self._course))

    def state(self) -> Object:
        """The run as Assent knows it."""
        return self._do(rollback.state(self._course))

    def _on_no(self, no: Denied) -> Flow[None]:
        return steps.on_denial(self._course, no)


class StepGuard:
    """A step in a `with`."""

    def __init__(self, do: guards.Drive, declaration: StepDeclaration) -> None:
        self._do, self._declaration = do, declaration
        self._step: Step | None = None

    def __enter__(self) -> Step:
        self._step = self._do(steps.begin(self._declaration))
        return self._step

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._step is not None:
            self._do(steps.end(self._step, error))
