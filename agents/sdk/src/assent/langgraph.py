"""LangGraph: a node asks with `gate`, `Threads` puts what threads wait for to people and resumes them, each once.

    decision = gate("refund", {"order": order, "amount": amount})    # in a node; side effects after it
    return {"paid": assent.client().execute(decision, pay)}

    threads = Threads(graph)
    threads.invoke({"order": "456"}, config)                         # as far as the question
    threads.resume(config)                                           # or follow(): on from the answer, by any worker

Interrupts are answered by their ids, never by order. What a thread waits for is read again under a lease of the
request, so that of several workers one resumes it, and an answer that comes twice answers no other question. What
does not have the shape that the interrupt wants never reaches the graph.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langgraph.config import get_config
from langgraph.types import Command, interrupt

from assent import defaults
from assent.dialects import Dialect, dialect_of, question_of
from assent.errors import AssentError, BadRequest, PermitRefused
from assent.keys import key_for
from assent.shapes import Args, Json, Object, Request
from assent.sync.client import Assent
from assent.values import encode

DECISIONS = "assent_requests"  # in a config: ids of requests by the call, or the node, that they decided
# What a node is about to do, of the thread's values: the action, and its arguments.
Proposal: TypeAlias = Callable[[Any], tuple[str, Mapping[str, object]]]


def gate(action: str, args: Mapping[str, object], **asking: Any) -> Object:  # options of the API's item
    """Pause the node here until `action` with its `args` is decided; returns the decision, for `execute` or a look.

    `asking` is what goes with it: summary, reasoning, context, subject, allowed … The node runs again from its top
    when it is resumed: let nothing before this touch the world.
    """
    answer: Object = interrupt(question_of(action, args, asking))
    return answer


def decided(node: str) -> Object:
    """Inside a `node` that the graph stops before (or after the one before it): the decision, for `execute`.

    Raises PermitRefused (missing) where somebody else resumed the thread.
    """
    request = get_config()["configurable"].get(DECISIONS, {}).get(node)
    decision = defaults.client().read(request).decision if request else None
    if decision is None:
        raise PermitRefused(f"Nobody was asked about {node}, so nothing may run by it.", reason="missing")
    return decision.document


@dataclass(frozen=True, slots=True)
class PendingInterrupt:
    """What a thread waits for. `dialect` is None where the graph only stops, and wants to go on without an answer;
    `answered` says that the answer was handed over before, to a worker that was then killed."""

    id: str
    key: str
    body: Args
    dialect: Dialect | None
    answered: bool


class Threads:
    """The threads of one compiled `graph`, asked about and resumed through `client` (else the environment's).

    `proposals` say, by the name of a node that the graph stops at by interrupt_before (or by interrupt_after of the
    node before it), what it is about to do; the node asks `decided` for the decision. `lease_s` seconds after a worker
    died another one may take up its thread; a living one renews its lease.
    """

    def __init__(
        self,
        graph: Any,
        client: Assent | None = None,
        *,
        proposals: Mapping[str, Proposal] | None = None,
        lease_s: int = 60,
    ) -> None:
        self.graph = graph
        self.proposals = proposals or {}
        self.lease_s = lease_s
        self.worker = secrets.token_hex(8)
        self._client = client

    @property
    def client(self) -> Assent:
        """The client that asks."""
        return self._client or defaults.client()

    def invoke(self, input: Any, config: Mapping[str, Any], **options: Any) -> Any:
        """Run the graph as its own `invoke` does, with `input`, `config` and `options`, and ask what it then waits
        for. Policy may answer at once; then it goes on at once. Returns the state at which it stands."""
        self.graph.invoke(input, config, **options)
        self.resume(config, **options)
        return self.graph.get_state(config).values

    def ask(self, config: Mapping[str, Any]) -> Sequence[Request]:
        """Put everything that a thread waits for to people. Asked again it is the same requests, decided or not."""
        return [self._send(config, pause) for pause in self._pauses(config)]

    def resume(self, config: Mapping[str, Any], **options: Any) -> bool:
        """Go on with a thread as far as decisions reach; whether it went on. `options` are those of `invoke`.

        Nothing happens while nobody has decided, while another worker is at it, or when it went on before.
        """
        resumed = False
        while self._resume_once(config, options):
            resumed = True
        return resumed

    def follow(self, after: str | None = None, *, count: int | None = None) -> str | None:
        """Resume each thread of these as soon as it is decided, from the event `after` on; without end, or until
        `count` threads went on. Returns the last event's id, from which another `follow` goes on."""
        for event in self.client.events(after):
            after = event.id
            request = event.data.get("request")
            if event.topic not in _ENDS or not isinstance(request, str):
                continue
            decision = self.client.read(request).decision
            if decision is not None and decision.resume.get("langgraph") == self.graph.name:
                resumed = self.resume({"configurable": {"thread_id": decision.resume["thread"]}})
                if resumed and count is not None:
                    count -= 1
            if count == 0:
                break
        return after

    def _resume_once(self, config: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
        pending = {pause.key: self._send(config, pause) for pause in self._pauses(config)}
        if not any(request.decision for request in pending.values()):
            return False
        with self._only_worker(pending) as alone:
            if not alone:
                return False
            # Read again: another worker may have resumed it while this one took the leases.
            answers: dict[str, Json] = {}
            requests: dict[str, str] = {}
            again = False
            for pause in self._pauses(config):
                request = pending.get(pause.key)
                if request is None or request.decision is None:
                    continue
                requests |= {item.id: request.id for item in request.items}
                again = again or pause.answered or pause.dialect is None
                if pause.dialect is not None and not pause.answered:
                    answers[pause.id] = pause.dialect.answer(pause.body, request.decision)
            if not answers and not again:
                return False
            carrying = {**config, "configurable": {**config["configurable"], DECISIONS: requests}}
            # What was answered before, and whose worker was killed, goes on by itself.
            self.graph.invoke(self._command(answers, requests) if answers else None, carrying, **options)
        return True

    def _command(self, answers: Mapping[str, Json], requests: Mapping[str, str]) -> Command[Any]:
        kept = {DECISIONS: dict(requests)} if DECISIONS in self.graph.channels else None
        return Command(resume=dict(answers), update=kept)

    def _pauses(self, config: Mapping[str, Any]) -> Sequence[PendingInterrupt]:
        state = self.graph.get_state(config)
        position = state.config["configurable"]
        held = self._answers_held(state)
        pauses = []
        for task in state.tasks:
            proposal = self.proposals.get(task.name)
            if proposal is not None and not task.interrupts:
                action, args = proposal(state.values)
                item = {"id": task.name, "action": {"name": action, "args": encode(dict(args))}}
                key = key_for(
                    thread=str(position["thread_id"]), checkpoint=str(position["checkpoint_id"]), interrupt=task.name
                )
                pauses.append(PendingInterrupt(task.name, key, {"items": [item]}, None, False))
            for waiting in task.interrupts:
                dialect = dialect_of(waiting.value)
                if dialect is None:
                    continue
                body = dialect.body(waiting, state.values)
                key = key_for(
                    thread=str(position["thread_id"]),
                    checkpoint=str(position["checkpoint_id"]),
                    interrupt=waiting.id,
                )
                pauses.append(
                    PendingInterrupt(waiting.id, key, body, dialect, dialect.holds(body, held.get(task.id, ())))
                )
        return pauses

    def _answers_held(self, state: Any) -> Mapping[str, Sequence[Any]]:
        """The answers that each task was given already: its worker may have been killed since."""
        saved = self.graph.checkpointer.get_tuple(state.config)
        held: dict[str, list[Any]] = {}
        for task, channel, value in (saved.pending_writes if saved else None) or ():
            if channel == "__resume__":
                held.setdefault(task, []).extend(value if isinstance(value, list) else [value])
        return held

    def _send(self, config: Mapping[str, Any], pause: PendingInterrupt) -> Request:
        thread = str(config["configurable"]["thread_id"])
        document = {
            "run": {"id": thread, "name": "", "step": ""},
            "resume": {"langgraph": self.graph.name, "thread": thread, "interrupt": pause.id},
            **pause.body,
        }
        return self.client.send(encode(document), key=pause.key)

    @contextlib.contextmanager
    def _only_worker(self, pending: Mapping[str, Request]) -> Iterator[bool]:
        """Be the only worker on all that a thread waits for, and stay it for as long as that takes."""
        ids = sorted(request.id for request in pending.values())
        held: list[str] = []
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(ids, ended), daemon=True)
        try:
            for request in ids:
                try:
                    self.client.lease(request, worker=self.worker, seconds=self.lease_s)
                except BadRequest as refused:
                    if refused.code != "leased":
                        raise
                    break
                held.append(request)
            alone = len(held) == len(ids)
            if alone:
                renewing.start()
            yield alone
        finally:
            ended.set()
            if renewing.ident is not None:
                renewing.join()
            for request in held:
                with contextlib.suppress(AssentError):
                    self.client.lease(request, worker=self.worker, release=True)

    def _renew(self, requests: Sequence[str], ended: threading.Event) -> None:
        while not ended.wait(self.lease_s / 3):
            for request in requests:
                with contextlib.suppress(AssentError):
                    self.client.lease(request, worker=self.worker, seconds=self.lease_s)


_ENDS = frozenset({"released", "expired", "cancelled", "stopped", "superseded", "recalled"})
