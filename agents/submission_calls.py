"""What a call asks to be taken, one request or many, and what it is told of what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from agents import documents, problems, submissions
from agents.problems import Problem, invalid
from agents.schemas.incoming import MOST_REQUESTS
from approvals.requests.submission import Answer, BadSubmission, Receipt, Submission
from approvals.values.schema import Fault, Json

REQUESTS_PATH = "/api/v1/requests"


@dataclass(frozen=True, slots=True)
class CallReply:
    """An answer that went well, as a whole."""

    status: int
    document: dict[str, Json]
    headers: Mapping[str, str] = field(default_factory=dict)


class SubmissionCall(Protocol):
    """A call's body, read."""

    @classmethod
    def read(cls, body: Mapping[str, Json], key: str | None) -> Self:
        """`key` is the header Idempotency-Key. Raises Problem 422."""

    @property
    def submissions(self) -> Sequence[Submission]:
        """What is to be taken."""

    def reply(self, answers: Sequence[Answer]) -> CallReply:
        """What the caller is told; one answer for each submission. Raises what is wrong with the call as a whole."""


@dataclass(frozen=True, slots=True)
class SingleSubmission:
    """A single request."""

    body: Mapping[str, Json]
    submission: Submission

    @classmethod
    def read(cls, body: Mapping[str, Json], key: str | None) -> Self:
        return cls(body, submissions.read(body, key))

    @property
    def submissions(self) -> Sequence[Submission]:
        return [self.submission]

    def reply(self, answers: Sequence[Answer]) -> CallReply:
        [answer] = answers
        if isinstance(answer, BadSubmission):
            raise submissions.refused(answer, self.body)
        if not isinstance(answer, Receipt):
            raise answer
        state = documents.of_request(answer.request, answer.approvals)
        if answer.replayed:
            return CallReply(200, state, {"Idempotent-Replayed": "true"})
        return CallReply(201, state, {"Location": f"{REQUESTS_PATH}/{answer.request.pk}"})


@dataclass(frozen=True, slots=True)
class BulkSubmission:
    """A bulk call; each of its requests is answered as it would be alone, also one that could not be read."""

    bodies: Sequence[Mapping[str, Json]]
    results: Sequence[Submission | Problem]

    @classmethod
    def read(cls, body: Mapping[str, Json], key: str | None) -> Self:
        if key is not None:
            raise invalid([Fault("", "Each request of a bulk call carries its own idempotency_key.")])
        bodies = _bodies(body)
        return cls(bodies, [_submission(one) for one in bodies])

    @property
    def submissions(self) -> Sequence[Submission]:
        return [one for one in self.results if isinstance(one, Submission)]

    def reply(self, answers: Sequence[Answer]) -> CallReply:
        taken = iter(answers)
        results: list[Json] = [
            _result(submission if isinstance(submission, Problem) else next(taken), body)
            for submission, body in zip(self.results, self.bodies, strict=True)
        ]
        return CallReply(200, {"results": results})


def _bodies(body: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """The requests by themselves: what is wrong inside one of them is its own answer."""
    faults = [Fault(f"/{name}"[:200], "This field is not known.") for name in body if name != "requests"]
    requests = body.get("requests")
    if not isinstance(requests, list) or not 1 <= len(requests) <= MOST_REQUESTS:
        faults.append(Fault("/requests", f"A list of 1 to {MOST_REQUESTS} requests."))
        raise invalid(faults)
    faults += [
        Fault(f"/requests/{index}", "A request is an object.")
        for index, request in enumerate(requests)
        if not isinstance(request, Mapping)
    ]
    if faults:
        raise invalid(faults)
    return requests


def _submission(body: Mapping[str, Json]) -> Submission | Problem:
    try:
        return submissions.read(body)
    except Problem as problem:
        return problem


def _result(answer: Answer | Problem, body: Mapping[str, Json]) -> dict[str, Json]:
    if isinstance(answer, Receipt):
        state = documents.of_request(answer.request, answer.approvals)
        return {"status": 200 if answer.replayed else 201, "request": state}
    if isinstance(answer, BadSubmission):
        answer = submissions.refused(answer, body)
    problem = answer if isinstance(answer, Problem) else problems.problem_logged(answer, "one of a bulk call")
    return {"status": problem.status_code, "problem": problem.document()}
