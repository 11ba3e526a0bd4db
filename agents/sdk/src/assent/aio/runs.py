"""A workflow of an agent whose steps can be undone: `assent.runs` says how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from assent import rollback, steps
from assent.aio import guards
from assent.binding import Bound
from assent.core import Core
from assent.errors import AlreadyRan, Denied
from assent.guards import AsyncDrive, finished_async
from assent.runs import BaseRun
from assent.shapes import GuardOptions, Guidance, Json, Object, Rollback, StepGuardOptions
from assent.steps import Step, StepDeclaration
from assent.wire import Flow

T = TypeVar("T")


class AsyncRun(BaseRun):
    """A run of `AsyncAssent`; made by `client.run(key, name)`."""

    def __init__(self, do: AsyncDrive, core: Core, key: str, name: str) -> None:
        super().__init__(core, key, name)
        self._do = do

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """A person's no that leaves the `with` rolls the run back, once; without an error the run is over."""
        self._leave()
        no = steps.denial_in(error)
        if no is not None:
            await self._do(steps.on_denial(self._course, no))
        elif error is None:
            await self._do(rollback.end(self._course))

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
    ) -> AsyncStepGuard:
        """`async with run.step(…) as step:` a step, asked for when it has an `action`, recorded with its `undo`.

        Its `name` is its own in the run, `args` are the arguments. The undo is called with the approved arguments,
        unless `undo_args` or `step.undo_with(…)` says otherwise; `repeatable`: running it twice does no harm.
        Entering raises AlreadyRan where an earlier life did it.
        """
        return AsyncStepGuard(self._do, self._declaration(name, action, args, undo, undo_args, repeatable, guarding))

    async def do(
        self,
        name: str,
        function: Callable[..., T | Awaitable[T]],
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
        bound: Bound[Any] = Bound.plain(function, args or (), coroutines=True)
        declaration = self._declaration(name, action, args, undo, undo_args, repeatable, guarding, bound)
        try:
            step = await self._do(steps.begin(declaration))
        except AlreadyRan as ran:
            return steps.result_of(ran, declaration)  # type: ignore[return-value]  # as JSON carried it
        try:
            step.result = result = await finished_async(bound.call(step.args))  # kept if it is JSON
        except BaseException as error:
            await self._do(steps.end(step, error))
            raise
        await self._do(steps.end(step, None))
        return result  # type: ignore[no-any-return]  # what the function says that it returns

    def guard(self, action: str, args: Mapping[str, Json], **guarding: Unpack[GuardOptions]) -> guards.AsyncGuard:
        """A client's `guard` inside this run: of the `action` with these `args`."""
        return guards.AsyncGuard(self._do, self._proposed_call(action, args, guarding, None), self._on_no)

    async def call(
        self,
        action: str,
        args: Mapping[str, Json],
        function: Callable[..., T | Awaitable[T]],
        **guarding: Unpack[GuardOptions],
    ) -> T:
        """A client's `call` inside this run: `function(**approved args)` of the `action`."""
        bound = Bound.plain(function, args, coroutines=True)
        result: T = await guards.call_guarded(
            self._do, self._proposed_call(action, args, guarding, bound), bound, self._on_no
        )
        return result

    async def roll_back(self) -> Rollback:
        """Undo what the run did, newest first; a failing undo is tried three times and then left to people."""
        return await self._do(rollback.roll_back(self._course))

    async def undo_asked(self) -> Rollback:
        """Undo what people asked to be undone of it: a reviewer objected to a step after it had run."""
        return await self._do(rollback.roll_back(self._course, "to_undo"))

    async def end(self) -> None:
        """Say that the run is over; its `with` does, when it is left without an error."""
        await self._do(rollback.end(self._course))

    async def guidance(self) -> tuple[Guidance, ...]:
        """What reviewers told this run since the last call."""
        return await self._do(rollback.guidance(self._course))

    async def state(self) -> Object:
        """The run as Assent knows it."""
        return await self._do(rollback.state(self._course))

    def _on_no(self, no: Denied) -> Flow[None]:
        return steps.on_denial(self._course, no)


class AsyncStepGuard:
    """A step in an `async with`."""

    def __init__(self, do: AsyncDrive, declaration: StepDeclaration) -> None:
        self._do, self._declaration = do, declaration
        self._step: Step | None = None

    async def __aenter__(self) -> Step:
        self._step = await self._do(steps.begin(self._declaration))
        return self._step

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._step is not None:
            await self._do(steps.end(self._step, error))
