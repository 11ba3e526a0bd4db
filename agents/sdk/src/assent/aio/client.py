"""The client for coroutines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import ParamSpec, Self, TypeVar, Unpack

import httpx

from assent import binding, execution, fewshot, flows, grants, permits, reporting, talk
from assent.aio import events, guards, runs
from assent.aio.drive import AsyncDriver
from assent.approved_call import ProposedCall
from assent.core import Core, Settings
from assent.decorators import async_decorator
from assent.shapes import (
    Attachment,
    Consumed,
    Decision,
    Describe,
    Event,
    GuardOptions,
    Identity,
    Json,
    Lease,
    Object,
    Observe,
    OnQuestion,
    Request,
    RunOf,
    SubmissionOptions,
    Verdict,
)
from assent.wire import Flow

T = TypeVar("T")
P = ParamSpec("P")


class AsyncAssent:
    """A connection to Assent for one agent. Safe to share between coroutines; close it, or use it in an `async with`.

    `url` and `key` default to ASSENT_URL and ASSENT_KEY. `state` is the folder of the journal (ASSENT_STATE, else a
    folder under the user's own state directory). `agent` is the name that permits must carry; without it the server
    is asked whose key this is. `timeout` and `patience` are seconds: of one call, and of all tries of one call.
    Raises NotConfigured.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        agent: str | None = None,
        state: str | Path | None = None,
        timeout: float = 30.0,
        patience: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings = Settings.resolve(url, key, agent=agent, state=state, timeout=timeout, patience=patience)
        self._core = Core(self.settings)
        self._hands = AsyncDriver(self.settings, transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections and the journal."""
        await self._hands.close()
        self._core.close()

    async def do(self, flow: Flow[T]) -> T:
        """Carry out a flow of the core: how the parts of this package share this client."""
        return await self._hands.drive(flow)

    # --- Asking and waiting

    async def submit(
        self,
        action: str,
        args: Mapping[str, Json],
        *,
        run: str | None = None,
        preconditions: Object | None = None,
        **asking: Unpack[SubmissionOptions],
    ) -> Request:
        """Propose one `action` with its `args`. What policy settles at once comes back decided, with `decision` inside.

        `run` is the key of the workflow it belongs to; `preconditions` are facts that the approval rests on, as they
        are now. Raises BadRequest, Unavailable, NotSerialisable.
        """
        return await self.do(
            flows.submit(self._core, action, args, run=run, preconditions=preconditions, asking=asking)
        )

    async def ask(
        self,
        prompt: str,
        response_schema: Object | None = None,
        best_guess: Json = None,
        *,
        run: str | None = None,
        **asking: Unpack[SubmissionOptions],
    ) -> Request:
        """Put a question, the `prompt`, to people; `wait` then returns a decision with `answer`. Raises as `submit`.

        The answer has the shape of `response_schema` (JSON Schema; without it any). `best_guess` is what holds where
        nobody answers; `run` is the key of the workflow.
        """
        return await self.do(flows.ask(self._core, prompt, response_schema, best_guess, run=run, asking=asking))

    async def plan(
        self, steps: Sequence[Object], *, run: str | None = None, **asking: Unpack[SubmissionOptions]
    ) -> Request:
        """Have several `steps` reviewed at once: {"id", "action": {"name", "args"}, "depends_on"?, "undo"?} each.

        `run` is the key of the workflow. A later `submit` or `guard` of exactly such a step passes without asking.
        Raises as `submit`.
        """
        return await self.do(flows.plan(self._core, steps, run=run, asking=asking))

    async def send(self, request: Object, *, key: str | None = None) -> Request:
        """Submit a `request` as the API takes it: several items, questions and plans mixed. Raises as `submit`.

        `key` is the idempotency key, where the request carries none.
        """
        return await self.do(flows.send(self._core, request, key=key))

    async def evaluate(self, action: str, args: Mapping[str, Json], **asking: Unpack[SubmissionOptions]) -> Object:
        """What policy would do with this `action` and its `args`; nothing is stored."""
        return await self.do(flows.evaluate(self._core, action, args, asking=asking))

    async def read(self, request: Request | str) -> Request:
        """The `request`, or the one of that id, as it stands now."""
        return await self.do(flows.read(self._core, request))

    async def wait(
        self, request: Request | str, *, timeout: float | None = None, on_question: OnQuestion | None = None
    ) -> Decision:
        """Wait until a `request` is decided, at most `timeout` seconds (None: as long as it takes).

        Of a single item that may not run this raises Rejected, RefusedByPolicy, Expired or Cancelled; of several,
        look at each of `items`. Raises StillPending when the time is up, Unavailable after ten minutes without
        Assent. `on_question` answers what reviewers ask meanwhile.
        """
        return await self.do(flows.wait(self._core, request, timeout=timeout, on_question=on_question))

    async def wait_all(
        self, request: Request | str, *, timeout: float | None = None, on_question: OnQuestion | None = None
    ) -> Decision:
        """As `wait`, and raises for no item: whatever became of a `request`, its decision says it of each.

        Raises StillPending after `timeout` seconds, Unavailable. `on_question` answers what reviewers ask meanwhile.
        """
        return await self.do(flows.wait_all(self._core, request, timeout=timeout, on_question=on_question))

    # --- Running what was approved

    def guard(
        self, action: str, args: Mapping[str, Json], *, run: str | None = None, **guarding: Unpack[GuardOptions]
    ) -> guards.AsyncGuard:
        """`async with client.guard("refund", args) as go: pay(**go.args)`: the body runs once, with what was approved.

        `action` and `args` are what is proposed, `run` is the key of the workflow.
        Entering submits, waits, holds the permit against the arguments and uses it; leaving reports what became of
        it. Entering raises every error of this package, and the body is then not run: AlreadyRan when an earlier
        life of this process ran it, Unconfirmed when nobody knows.
        """
        return guards.AsyncGuard(self.do, ProposedCall.by(self._core, action, args, run, guarding))

    async def call(
        self,
        action: str,
        args: Mapping[str, Json],
        function: Callable[..., T | Awaitable[T]],
        *,
        run: str | None = None,
        **guarding: Unpack[GuardOptions],
    ) -> T:
        """Run `function(**approved arguments)` under `guard` and return its result; ran it before, the kept result.

        `action`, `args` and `run` as in `guard`.
        """
        bound = binding.Bound.plain(function, args, coroutines=True)
        proposed_call = ProposedCall.by(self._core, action, args, run, guarding, function=bound)
        result: T = await guards.call_guarded(self.do, proposed_call, bound)
        return result

    async def execute(
        self,
        decision: Decision | Object,
        function: Callable[..., T | Awaitable[T]],
        *,
        item: str | None = None,
        action: str | None = None,
        preconditions: Observe | Object | None = None,
    ) -> T:
        """Run `function(**approved arguments)` by a `decision` that came from elsewhere, once, and return its result.

        `decision` is the one that `wait` returned, in this process or another one, or its `document` as a checkpoint
        carried it; `item` names the one that is meant of several. `action` is the only one that the function runs;
        `preconditions` are the facts as they are now, or what looks at them. The permit is held against the arguments
        and used, the outcome is reported. Ran it before, the kept result is returned, or AlreadyRan raised where none
        was kept; Unconfirmed where it was used by a process that died. Raises every error of this package.
        """
        bound = binding.Bound.plain(function, coroutines=True)
        entering = execution.enter(
            self._core,
            execution.decision_in(decision, item),
            action=action,
            function=bound,
            preconditions=preconditions,
        )
        result: T = await guards.run_entered(self.do, entering, bound)
        return result

    def requires_approval(
        self,
        action: str,
        *,
        run: RunOf = None,
        without: Collection[str] = (),
        describe: Describe | None = None,
        **guarding: Unpack[GuardOptions],
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Decorate a function so that each call is proposed, waited for, and run with the approved arguments.

        A plain function raises TypeError: it needs `Assent`.

        `action` is what is proposed, `run` the key of the workflow, or what makes it of a call's arguments. Parameters
        named in `without` (and self, cls) are not sent; `describe(arguments)` returns what goes with one call, such
        as {"summary": "…"}, and may name its "run".
        """
        return async_decorator(lambda: self, action, run, without, describe, guarding)

    async def consume(
        self,
        decision: Decision | Verdict | str,
        args: Mapping[str, Json] | None = None,
        *,
        preconditions: Observe | Object | None = None,
        attempt: str | None = None,
        executor: str = "",
        attachments: Sequence[str] = (),
    ) -> Consumed:
        """Hold a permit (or the `decision` with it) against the arguments about to run, and use it.

        `args` default to the approved ones; `attachments` are digests; `preconditions` are the facts as they are now,
        or what looks at them. `attempt` repeats a try whose answer was lost; `executor` names who runs it.

        Raises PermitRefused (its `reason` and text say why), WorldMoved, Unavailable.
        """
        return await self.do(
            permits.consume(
                self._core,
                decision,
                args,
                preconditions=preconditions,
                attempt=attempt,
                executor=executor,
                attachments=attachments,
            )
        )

    async def outcome(
        self,
        request: Request | Decision | str,
        result: str,
        *,
        item: str | None = None,
        detail: str = "",
        data: Object | None = None,
    ) -> None:
        """Report what became of a `request`, or of one `item` of it. The first report counts.

        `result` is succeeded, failed, skipped or compensated; `detail` says it in words, `data` as JSON.
        """
        await self.do(flows.outcome(self._core, request, result, item=item, detail=detail, data=data))

    async def lease(
        self, request: Request | str, *, worker: str | None = None, seconds: int = 60, release: bool = False
    ) -> Lease:
        """Be the only `worker` that acts on a `request`'s decision, for `seconds`; `release` gives it back.

        Raises BadRequest (code leased): another is.
        """
        return await self.do(talk.lease(self._core, request, worker=worker, seconds=seconds, release=release))

    def run(self, key: str, name: str = "") -> runs.AsyncRun:
        """A workflow whose steps can be undone; people read its `name`.

        The same `key` after a crash goes on where it was.
        """
        return runs.AsyncRun(self.do, self._core, key, name)

    async def report(self) -> int:
        """Report what ran and could not be told: outcomes, uses of standing approvals. Returns how many."""
        return await self.do(reporting.report(self._core))

    async def grants(self) -> Sequence[Object]:
        """The agent's standing approvals. Those for use while Assent is out of reach are kept in the journal."""
        return await self.do(grants.fetch(self._core))

    # --- Words both ways

    async def amend(self, request: Request | str, *, item: str | None = None, **changes: Json) -> Request:
        """Replace fields of a pending `item` of a `request` (args, summary, reasoning, context …): a new revision."""
        return await self.do(talk.amend(self._core, request, item=item, changes=changes))

    async def cancel(self, request: Request | str, *, reason: str = "") -> Request:
        """Withdraw a `request`, with a `reason`. Raises BadRequest (code already_closed) after the decision."""
        return await self.do(talk.cancel(self._core, request, reason=reason))

    async def answer(self, question: str, text: str) -> None:
        """Answer a reviewer's `question`, by its id, with a `text`."""
        await self.do(talk.answer(self._core, question, text))

    async def attach(self, path: str | Path, *, media_type: str | None = None) -> Attachment:
        """Send the file at `path` (PDF, image, text; 10 MB), to be named in `attachments`; `media_type` by its name."""
        return await self.do(talk.attach(self._core, Path(path), media_type=media_type))

    async def incident(
        self,
        request: Request | Decision | str,
        severity: str,
        text: str,
        *,
        item: str | None = None,
        cost: Decimal | str = "",
    ) -> None:
        """Say that an approved action, an `item` of a `request`, caused harm.

        `severity` is low, high or critical; `text` says what happened, `cost` what it cost in base currency, if known.
        """
        await self.do(talk.incident(self._core, request, severity, text, item=item, cost=cost))

    async def feedback(self, action: str = "", limit: int = 50, *, since: str = "") -> Sequence[Object]:
        """Decided proposals, newest first: proposed, decided, verdict, reason, message, edits, outcome each.

        Those of one `action` type, or of all; at most `limit`; decided `since` that time (RFC 3339).
        """
        return await self.do(talk.feedback(self._core, action, limit, since=since))

    async def few_shot(self, action: str, limit: int = 8) -> str:
        """The `limit` most recent decisions on an `action` type as text for a model's context."""
        return fewshot.few_shot(await self.feedback(action, limit), action=action)

    def events(self, after: str | None = None) -> AsyncIterator[Event]:
        """The feed of the agent's own requests from `after` (an event's id), reconnecting by itself, without end."""
        return events.stream(self._hands, after)

    async def whoami(self) -> Identity:
        """Whose key this is."""
        return await self.do(flows.whoami(self._core))
