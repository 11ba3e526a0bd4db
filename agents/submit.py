"""Submitting, without a thread and a transaction for each call: what arrives at once is answered as a set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from django.http import HttpRequest, HttpResponseBase
from rest_framework.response import Response

from agents import auth, keys, limits
from agents.api.base import Call, HeldView
from agents.keys import Caller
from agents.limits import Allowance
from agents.problems import Problem
from agents.submission_calls import SubmissionCall
from agents.writer import CoalescingWriter, Full
from approvals.requests import intake
from approvals.requests.submission import AgentSubmission, Answer

MOST_COALESCED = 64
# Reading a large body takes long: whoever sent a small one does not wait for it.
SMALL = 32 * 1024


class SubmitView(HeldView):
    """An endpoint whose POST says what the call's body asks to be taken: it is taken with what others submit."""

    single: ClassVar[bool] = True  # one request a call; else many, which are a set already

    def post(self, call: Call) -> SubmissionCall:
        raise NotImplementedError

    async def dispatch(  # type: ignore[override]  # as HeldView's
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> HttpResponseBase:
        if request.method != "POST":
            return await super().dispatch(request, *args, **kwargs)
        call = self.begin(request, *args, **kwargs)
        writer = coalesced if self.single and len(call.raw) <= SMALL else direct
        try:
            return await writer.put(PendingCall(self, call))
        except Full:
            problem = Problem(503, "busy", "Too many requests are waiting to be taken.", headers={"Retry-After": "1"})
        except Exception:  # logged where it happened
            problem = Problem(500, "internal_error", "Something went wrong here. Ask again.")
        return self.finalize_response(call, self.handle_exception(problem))


@dataclass(slots=True)
class PendingCall:
    """A call that is being answered; it has its response as soon as something is wrong with it."""

    view: SubmitView
    call: Call
    secret: str = ""
    reading: SubmissionCall | None = None
    response: Response | None = None

    def attempt(self, step: Callable[[], None]) -> None:
        """Go a step further, unless it has its response; what goes wrong here is this call's own."""
        if self.response is None:
            try:
                step()
            except Exception as error:
                self.fail(error)

    def fail(self, error: Exception) -> None:
        self.response = self.view.handle_exception(error)

    def present(self) -> None:
        self.secret = auth.secret_of(self.call)

    def recognise(self, callers: Mapping[str, Caller]) -> None:
        self.call.callers = callers
        self.view.perform_authentication(self.call)
        self.view.check_permissions(self.call)

    def count(self, allowance: Allowance) -> None:
        self.call.counted = allowance
        self.view.check_throttles(self.call)

    def read(self) -> None:
        self.reading = self.view.post(self.call)

    def submissions(self) -> list[AgentSubmission]:
        """What is to be taken of it: nothing where it has its response."""
        if self.response or self.reading is None:
            return []
        return [AgentSubmission(self.call.agent_id, submission) for submission in self.reading.submissions]

    def tell(self, answers: Sequence[Answer]) -> None:
        if self.reading is not None:
            reply = self.reading.reply(answers)
            self.response = Response(reply.document, status=reply.status, headers=reply.headers)

    def finished(self) -> Response:
        """The response, with its headers and bytes."""
        try:
            return self._rendered()
        except Exception as error:
            self.fail(error)
            return self._rendered()

    def _rendered(self) -> Response:
        if self.response is None:
            raise RuntimeError("a call was left without an answer")
        rendered: Response = self.view.finalize_response(self.call, self.response).render()
        return rendered


def answer_calls(calls: Sequence[PendingCall]) -> list[Response]:
    """Answer a set of calls, in the same order: one look at their keys, one message to Redis, one transaction."""
    for pending in calls:
        pending.attempt(pending.present)
    callers = keys.who_all({pending.secret for pending in calls if pending.secret})
    for pending in calls:
        pending.attempt(partial(pending.recognise, callers))
    admitted = [pending for pending in calls if pending.response is None]
    allowances = limits.take_all([pending.call.auth.key_id for pending in admitted])
    for pending, allowance in zip(admitted, allowances, strict=True):
        pending.attempt(partial(pending.count, allowance))
    for pending in calls:
        pending.attempt(pending.read)
    _take_submissions(calls)
    return [pending.finished() for pending in calls]


def _take_submissions(calls: Sequence[PendingCall]) -> None:
    submissions_by_call = [pending.submissions() for pending in calls]
    whole = [submission for submissions in submissions_by_call for submission in submissions]
    try:
        answers = iter(intake.take(whole) if whole else [])
    except Exception as error:  # there is no policy, or no database: nobody's submission was taken
        for pending in calls:
            if pending.response is None:
                pending.fail(error)
        return
    for pending, submissions in zip(calls, submissions_by_call, strict=True):
        pending.attempt(partial(pending.tell, [next(answers) for _ in submissions]))


coalesced = CoalescingWriter(answer_calls, most=MOST_COALESCED)
# A bulk call is a set already.
direct = CoalescingWriter(answer_calls, most=1, threads=2, room=64)
