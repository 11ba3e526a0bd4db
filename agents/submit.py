"""Submitting, without a thread and a transaction for each call: a small ASGI application beside Django.

POST /api/v1/requests and /api/v1/requests/bulk. What is to be said of keys, limits, bodies and answers is said by the
functions that the agents' views use; those (agents.api.requests) describe both endpoints, and serve them under WSGI.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from agents import asgi, auth, keys, limits, parsers, problems
from agents.asgi import Receive, Reply, Scope, Send
from agents.keys import Caller
from agents.limits import Allowance
from agents.models import Scope as KeyScope
from agents.problems import Problem
from agents.submission_calls import REQUESTS_PATH, BulkSubmission, SingleSubmission, SubmissionCall
from agents.writer import CoalescingWriter, Full
from approvals.requests import intake
from approvals.requests.submission import AgentSubmission, Answer

PATHS: Mapping[str, type[SubmissionCall]] = {REQUESTS_PATH: SingleSubmission, f"{REQUESTS_PATH}/bulk": BulkSubmission}
MOST_COALESCED = 64
# Reading a large body takes long: whoever sent a small one does not wait for it.
SMALL = 32 * 1024


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call as it came in."""

    path: str
    authorization: str
    kind: str
    key: str | None
    raw: bytes


@dataclass(slots=True)
class Call:
    """A call that is being answered; it has its reply as soon as something is wrong with it."""

    sent: IncomingCall
    secret: str = ""
    caller: Caller | None = None
    allowance: Allowance | None = None
    asking: SubmissionCall | None = None
    reply: Reply | None = None

    def attempt(self, step: Callable[[], None]) -> None:
        """Go a step further, unless it has its reply; what goes wrong here is this call's own."""
        if self.reply is None:
            try:
                step()
            except Exception as error:
                self.fail(error)

    def fail(self, error: Exception) -> None:
        problem = problems.problem_logged(error, f"POST {self.sent.path}")
        self.reply = asgi.refusal(problem, self._headers())

    def present(self) -> None:
        self.secret = auth.secret_in(self.sent.authorization)

    def recognise(self, callers: Mapping[str, Caller]) -> None:
        self.caller = auth.as_agent(callers.get(self.secret), KeyScope.SUBMIT)

    def count(self, allowance: Allowance) -> None:
        self.allowance = auth.within(allowance)

    def read(self) -> None:
        body = parsers.body(self.sent.raw, self.sent.kind)
        self.asking = PATHS[self.sent.path].read(body, self.sent.key)

    def submissions(self) -> list[AgentSubmission]:
        """What is to be taken of it: nothing where it has its reply."""
        if self.reply or self.asking is None or self.caller is None or self.caller.agent_id is None:
            return []
        return [AgentSubmission(self.caller.agent_id, one) for one in self.asking.submissions]

    def tell(self, answers: Sequence[Answer]) -> None:
        if self.asking is not None:
            reply = self.asking.reply(answers)
            self.reply = asgi.reply(reply.document, reply.status, {**self._headers(), **reply.headers})

    def _headers(self) -> dict[str, str]:
        return self.allowance.headers() if self.allowance else {}


def answer_calls(sent: Sequence[IncomingCall]) -> list[Reply]:
    """Answer a set of calls, in the same order: one look at their keys, one message to Redis, one transaction."""
    calls = [Call(one) for one in sent]
    for call in calls:
        call.attempt(call.present)
    callers = keys.who_all({call.secret for call in calls if call.secret})
    for call in calls:
        call.attempt(partial(call.recognise, callers))
    recognised = [(call, call.caller) for call in calls if call.caller]
    for (call, _), allowance in zip(
        recognised, limits.take_all([caller.key_id for _, caller in recognised]), strict=True
    ):
        call.attempt(partial(call.count, allowance))
    for call in calls:
        call.attempt(call.read)
    _take_submissions(calls)
    return [call.reply for call in calls if call.reply]


def _take_submissions(calls: Sequence[Call]) -> None:
    submissions_by_call = [call.submissions() for call in calls]
    whole = [one for some in submissions_by_call for one in some]
    try:
        answers = iter(intake.take(whole) if whole else [])
    except Exception as error:  # there is no policy, or no database: nobody's submission was taken
        for call in calls:
            if call.reply is None:
                call.fail(error)
        return
    for call, some in zip(calls, submissions_by_call, strict=True):
        call.attempt(partial(call.tell, [next(answers) for _ in some]))


together = CoalescingWriter(answer_calls, most=MOST_COALESCED)
# A bulk call is a set already.
apart = CoalescingWriter(answer_calls, most=1, threads=2, room=64)


def is_submitting(scope: Mapping[str, object]) -> bool:
    """True for the two endpoints that this application answers."""
    return scope["method"] == "POST" and scope["path"] in PATHS


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """POST /api/v1/requests and /api/v1/requests/bulk."""
    raw = await asgi.body_of(receive, parsers.LIMIT)
    if raw is None:
        return
    sent = IncomingCall(
        path=str(scope["path"]),
        authorization=asgi.header(scope, b"authorization") or "",
        kind=asgi.header(scope, b"content-type") or "",
        key=asgi.header(scope, b"idempotency-key"),
        raw=raw,
    )
    small = PATHS[sent.path] is SingleSubmission and len(raw) <= SMALL
    try:
        reply = await (together if small else apart).put(sent)
    except Full:
        busy = Problem(503, "busy", "Too many requests are waiting to be taken.", headers={"Retry-After": "1"})
        reply = asgi.refusal(busy)
    except Exception:  # logged where it happened
        reply = asgi.refusal(Problem(500, "internal_error", "Something went wrong here. Ask again."))
    await asgi.send_reply(send, reply)
