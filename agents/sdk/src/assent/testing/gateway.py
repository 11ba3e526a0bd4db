"""A gateway that answers as it is told."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from assent.shapes import Json, Object
from assent.testing import permits, routes
from assent.testing.calls import ADDRESS, Call, Reply
from assent.testing.checks import Checks
from assent.testing.endpoints import Endpoints
from assent.testing.records import (
    Answer,
    AskedItem,
    Document,
    Exchange,
    Fault,
)
from assent.testing.shapes import VERDICTS, Kind, Refusal, not_found
from assent.testing.state import State, rfc3339
from assent.testing.transport import NotReached, Transport, served
from assent.testing.verdicts import Verdicts

_API, _KEYS = "/api/v1/", "/.well-known/jwks.json"
_PUBLIC = ("keys", "openapi")
_PROBLEM = {"content-type": "application/problem+json"}


class NoInstruction(AssertionError):
    """The code under test waits for an answer that the test never gave."""


class FakeGateway(Verdicts, Checks):
    """Speaks Assent's wire, and answers as told: `fake.approve("refund")`, `fake.reject("too much")`.

    An instruction holds for whatever is asked from now on and for what still waits. Those with `times` are used up
    first, in the order given; then the latest that fits wins. Waiting for something that no instruction covers is an
    error of the test, NoInstruction. Give `transport` to a client, or `served()` its address to another process.
    `asked_items`, `consumed`, `reported` and `exchanges` say what happened; the methods that begin with `assert_`
    complain in a sentence when it did not.
    """

    url = ADDRESS
    key = "asn_test"

    def __init__(self, agent: str = "test-agent", *, longest_hold: float = 0.05) -> None:
        self.state = State(agent)
        self.longest_hold = longest_hold  # seconds that a long poll hangs, however long it asks to
        self.exchanges: list[Exchange] = []
        self._answers: list[Answer] = []
        self._faults: list[Fault] = []
        self._moved: list[Fault] = []
        self._endpoints = Endpoints(self.state, self._look_up, self._has_moved)
        self._lock = threading.RLock()
        self.transport = Transport(self)
        self.consumed = self._endpoints.consumed
        self.reported = self._endpoints.reported
        self.incidents = self._endpoints.incidents

    @property
    def asked_items(self) -> list[AskedItem]:
        """Every item that was asked for, in order."""
        return [one for _, one in self.state.items()]

    @property
    def environment(self) -> dict[str, str]:
        """What points a client of this process here, beside `transport`."""
        return {"ASSENT_URL": self.url, "ASSENT_KEY": self.key}

    def served(self) -> AbstractContextManager[str]:
        """This gateway on a port of the loopback interface, for other processes; gives its address."""
        return served(self)

    def say(self, answer: Answer) -> None:
        """Any instruction, and at once to whatever waits."""
        with self._lock:
            self._answers.append(answer)
            for request in list(self.state.requests.values()):
                self._endpoints.answer_what_waits(request)

    def action_type(
        self,
        name: str,
        schema: Object | None = None,
        *,
        allowed: Sequence[str] = VERDICTS,
        reversible: bool = False,
    ) -> None:
        """Have an action type, with the JSON Schema of its arguments; from then on others are refused, and so are
        arguments that do not fit, from agents (422) and from the reviewers that a test plays (AssertionError)."""
        self.state.kinds[name] = Kind(name, schema or {}, tuple(allowed), reversible)

    def recall(
        self, action: str | None = None, *, reason: str = "not_needed", message: str | None = None
    ) -> list[AskedItem]:
        """A reviewer takes back what was approved and not used, of one action or all; returns what was taken back."""
        with self._lock:
            unused = [
                (request, asked_item)
                for request, asked_item in self.state.items()
                if asked_item.status == "decided" and asked_item.decided["verdict"] in ("approve", "modify")
                if asked_item.jti not in self.state.used and action in (None, asked_item.action)
                if not any((told.request, told.item) == (asked_item.request, asked_item.item) for told in self.reported)
            ]
            for request, asked_item in unused:
                self.state.recall(request, asked_item, reason, message)
            return [one for _, one in unused]

    def guide(self, run: str, text: str, **about: Json) -> None:
        """Tell a running agent something."""
        here, now = self.state.run(run), rfc3339(self.state.now())
        message: Document = {"id": str(uuid.uuid4()), "text": text, "from": "Test Reviewer", "given_at": now}
        here.guidance.append({**message, "request": None, "item": None, **about})
        here.unread += 1

    def stop_run(self, run: str) -> None:
        """End a run from outside."""
        self.state.run(run).stopped = True

    def stop(self) -> None:
        """Stop everything: nothing is approved and no permit is used until `lift()`."""
        self.state.stopped = True

    def lift(self) -> None:
        """Let everything go on; what waits is answered as told."""
        with self._lock:
            self.state.stopped = False
            for request in list(self.state.requests.values()):
                self._endpoints.answer_what_waits(request)

    def object_to(self, run: str, step: str) -> None:
        """A reviewer looks at what a run did, and asks for one step to be undone."""
        with self._lock:
            self.state.run(run).steps[step]["status"] = "undoing"

    def grant(
        self,
        action: str,
        conditions: Sequence[Object] = (),
        *,
        most: int = 100,
        seconds: float = 3600,
        offline: bool = True,
    ) -> str:
        """Sign a standing approval, and return its id."""
        pk, now = str(uuid.uuid4()), self.state.now()
        ends = now + timedelta(seconds=seconds)
        grant_document: Document = {
            "id": pk,
            "action": action,
            "conditions": list(conditions),
            "expression": "",
            "most": most,
        }
        grant_document |= {
            "used": 0,
            "expires_at": rfc3339(ends),
            "offline": offline,
            "reserved": most if offline else 0,
        }
        grant_document["token"] = None
        if offline:
            claims: Document = {"iss": ADDRESS, "aud": self.state.agent, "jti": pk, "iat": int(now.timestamp())}
            claims |= {"exp": int(ends.timestamp()), "action": action, "conditions": list(conditions), "most": most}
            grant_document["token"] = self.state.signer.signed(claims, permits.GRANT)
        self.state.grants[pk] = grant_document
        return pk

    # --- What goes wrong

    def unreachable(self, call: str | None = None, *, times: int | None = None) -> AbstractContextManager[None]:
        """Nothing listens there any more, until `reachable()`; or inside a `with`. `call` limits it to one endpoint."""
        return self._fault(Fault("unreachable", _checked_endpoint(call), times))

    def loses_answer(self, call: str | None = None, *, times: int | None = 1) -> AbstractContextManager[None]:
        """Calls arrive and do their work, and the answer gets lost on the way back."""
        return self._fault(Fault("lost", _checked_endpoint(call), times))

    def fails(
        self, status: int = 503, call: str | None = None, *, times: int | None = None
    ) -> AbstractContextManager[None]:
        """Answer calls with a status that says nothing of the action."""
        return self._fault(Fault("status", _checked_endpoint(call), times, status))

    def reachable(self) -> None:
        """All is well again."""
        self._faults.clear()

    def returns_world_moved(self, action: str | None = None, *, times: int | None = 1) -> None:
        """At the next use of a permit the world has moved, and the reviewer is asked again."""
        self._moved.append(Fault("moved", action, times))

    def forge(self, how: str, *, times: int = 1) -> None:
        """Make the next permits wrong in one of these ways: permits.FORGERIES."""
        if how not in permits.FORGERIES:
            raise ValueError(f"no such forgery: {how!r}; there are {', '.join(permits.FORGERIES)}")
        self.state.forgeries += [how] * times

    def use_permits(self) -> None:
        """Somebody else uses every permit that was issued and not used."""
        for _, asked_item in self.state.items():
            if asked_item.jti:
                self.state.used.setdefault(asked_item.jti, {"jti": asked_item.jti, "attempt": "somebody else's"})

    def rotate_key(self) -> None:
        """Sign with another key from now on; the old one stays published."""
        self.state.signer = permits.Signer()
        self.state.published.append(self.state.signer)

    def later(self, seconds: float) -> None:
        """Put the gateway's clock forward."""
        self.state.shift += timedelta(seconds=seconds)

    @contextmanager
    def _until_reachable(self, fault: Fault) -> Iterator[None]:
        try:
            yield
        finally:
            self._faults[:] = [one for one in self._faults if one is not fault]

    def _fault(self, fault: Fault) -> AbstractContextManager[None]:
        self._faults.append(fault)
        return self._until_reachable(fault)

    # --- Answering calls

    def hold_seconds(self, call: Call) -> float:
        """How many seconds a call may hang while its answer is 202."""
        return min(_seconds(call), self.longest_hold)

    def reply(self, call: Call, *, strict: bool = True) -> Reply:
        """What the gateway says to a call. Raises NotReached, NoInstruction when `strict`."""
        with self._lock:
            name, named = self._endpoint(call)
            fault = next((one for one in self._faults if one.hits(name)), None)
            if fault and fault.how == "unreachable":
                raise NotReached(arrived=False)
            if fault and fault.how == "status":
                problem = Refusal(fault.status, "told_so", f"The fake gateway was told to answer {fault.status}.")
                return Reply(fault.status, problem.document(), {**_PROBLEM, "retry-after": "3600"})
            reply = self._replied(name, call, named)
            if strict and name == "decision" and reply.status == 202 and _seconds(call) > 0:
                self._require_instruction(named[0])
            if fault:
                raise NotReached(arrived=True)
            return reply

    def _replied(self, name: str, call: Call, named: Sequence[str]) -> Reply:
        try:
            if name not in _PUBLIC and call.headers.get("authorization") != f"Bearer {self.key}":
                raise Refusal(401, "unauthorized", "Send a key that is in force: Authorization: Bearer <key>.")
            if not name:
                raise not_found()
            reply: Reply = getattr(self._endpoints, name)(call, *named)
        except Refusal as problem:
            return _refused(problem)
        return reply

    def answered(self, call: Call, reply: Reply) -> None:
        """Remember an exchange."""
        name, _ = self._endpoint(call)
        try:
            body: Json = call.body() if "json" in call.headers.get("content-type", "") else None
        except Refusal:
            body = None
        self.exchanges.append(
            Exchange(name, call.method, call.path, dict(call.query), body, reply.status, reply.document)
        )

    def _endpoint(self, call: Call) -> tuple[str, tuple[str, ...]]:
        if call.path == _KEYS:
            return "keys", ()
        return routes.match_route(call.method, call.path.removeprefix(_API)) or ("", ())

    def _look_up(self, asked_item: AskedItem) -> Answer | None:
        fitting = [answer for answer in self._answers if answer.fits(asked_item.action)]
        limited = [answer for answer in fitting if answer.times is not None]
        return limited[0] if limited else fitting[-1] if fitting else None

    def _has_moved(self, action: str) -> bool:
        return any(one.hits(action) for one in self._moved)

    def _require_instruction(self, pk: str) -> None:
        request = self.state.requests[pk]
        untold = [one for one in request.items if one.status == "pending" and self._look_up(one) is None]
        if untold:
            name = untold[0].action
            raise NoInstruction(
                f"The agent asked for {untold[0]} and waits, but this test told the gateway nothing about it. "
                f"Say fake.approve({name!r}), fake.reject(…), or fake.hold({name!r}) to leave it waiting."
            )


def _refused(problem: Refusal) -> Reply:
    return Reply(problem.status, problem.document(), _PROBLEM)


def _seconds(call: Call) -> float:
    try:
        return max(0.0, float(call.query.get("wait", "0")))
    except ValueError:
        return 0.0


def _checked_endpoint(call: str | None) -> str | None:
    if call is not None and call not in routes.NAMES:
        raise ValueError(f"no such endpoint: {call!r}; there are {', '.join(sorted(routes.NAMES))}")
    return call
