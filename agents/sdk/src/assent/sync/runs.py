# Made by agents/sdk/make_sync.py of assent/aio/runs.py: change that one.

"""A workflow of an agent whose steps can be undone: `assent.runs` says how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from assent import rollback, steps
from assent.binding import Bound
from assent.core import Core
from assent.errors import AlreadyRan, Denied
from assent.guards import Drive, finished
from assent.runs import BaseRun
from assent.shapes import GuardOptions, Guidance, Json, Object, Rollback, StepGuardOptions
from assent.steps import Step, StepDeclaration
from assent.sync import guards
from assent.wire import Flow

T = TypeVar("T")


class Run(BaseRun):
    """A run of `Assent`; made by `client.run(key, name)`."""

    def __init__(self, do: Drive, core: Core, key: str, name: str) -> None:
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

        Its `name` is its own in the run, `args` are the arguments. The undo is called with the approved arguments,
        unless `undo_args` or `step.undo_with(…)` says otherwise; `repeatable`: running it twice does no harm.
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
        its kept result comes back (None for a step without an action).

        `name`, `action`, `args`, `undo`, `undo_args` and `repeatable` as in `step`.
        """
        bound: Bound[Any] = Bound.plain(function, args or (), coroutines=False)
        declaration = self._declaration(name, action, args, undo, undo_args, repeatable, guarding, bound)
        try:
            step = self._do(steps.begin(declaration))
        except AlreadyRan as ran:
            return steps.result_of(ran, declaration)  # type: ignore[return-value]  # as JSON carried it
        try:
            step.result = result = finished(bound.call(step.args))  # kept if it is JSON
        except BaseException as error:
            self._do(steps.end(step, error))
            raise
        self._do(steps.end(step, None))
        return result  # type: ignore[no-any-return]  # what the function says that it returns

    def guard(self, action: str, args: Mapping[str, Json], **guarding: Unpack[GuardOptions]) -> guards.Guard:
        """A client's `guard` inside this run: of the `action` with these `args`."""
        return guards.Guard(self._do, self._proposed_call(action, args, guarding, None), self._on_no)

    def call(
        self,
        action: str,
        args: Mapping[str, Json],
        function: Callable[..., T],
        **guarding: Unpack[GuardOptions],
    ) -> T:
        """A client's `call` inside this run: `function(**approved args)` of the `action`."""
        bound = Bound.plain(function, args, coroutines=False)
        result: T = guards.call_guarded(
            self._do, self._proposed_call(action, args, guarding, bound), bound, self._on_no
        )
        return result

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

    def __init__(self, do: Drive, declaration: StepDeclaration) -> None:
        self._do, self._declaration = do, declaration
        self._step: Step | None = None

    def __enter__(self) -> Step:
        self._step = self._do(steps.begin(self._declaration))
        return self._step

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._step is not None:
            self._do(steps.end(self._step, error))
