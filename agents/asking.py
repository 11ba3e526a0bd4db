"""What a call asks to be taken, one request or many, and what it is told of what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from agents import documents, problems, submissions
from agents.problems import Problem, invalid
from agents.shapes.incoming import MOST_REQUESTS
from approvals.policy.schema import Fault, Json
from approvals.review.submission import Answer, BadSubmission, Receipt, Submission

PLACE = "/api/v1/requests"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that went well, as a whole."""

    status: int
    document: dict[str, Json]
    headers: Mapping[str, str] = field(default_factory=dict)


class Asking(Protocol):
    """A call's body, read."""

    @classmethod
    def read(cls, body: Mapping[str, Json], key: str | None) -> Self:
        """`key` is the header Idempotency-Key. Raises Problem 422."""

    @property
    def submissions(self) -> Sequence[Submission]:
        """What is to be taken."""

    def told(self, answers: Sequence[Answer]) -> Told:
        """What the caller is told; one answer for each submission. Raises what is wrong with the call as a whole."""


@dataclass(frozen=True, slots=True)
class One:
    """A single request."""

    body: Mapping[str, Json]
    submission: Submission

    @classmethod
    def read(cls, body: Mapping[str, Json], key: str | None) -> Self:
        return cls(body, submissions.read(body, key))

    @property
    def submissions(self) -> Sequence[Submission]:
        return [self.submission]

    def told(self, answers: Sequence[Answer]) -> Told:
        [answer] = answers
        if isinstance(answer, BadSubmission):
            raise submissions.refused(answer, self.body)
        if not isinstance(answer, Receipt):
            raise answer
        state = documents.of_request(answer.pause, answer.approvals)
        if answer.replayed:
            return Told(200, state, {"Idempotent-Replayed": "true"})
        return Told(201, state, {"Location": f"{PLACE}/{answer.pause.pk}"})


@dataclass(frozen=True, slots=True)
class Many:
    """A bulk call; each of its requests is answered as it would be alone, also one that could not be read."""

    bodies: Sequence[Mapping[str, Json]]
    found: Sequence[Submission | Problem]

    @classmethod
    def read(cls, body: Mapping[str, Json], key: str | None) -> Self:
        if key is not None:
            raise invalid([Fault("", "Each request of a bulk call carries its own idempotency_key.")])
        bodies = _bodies(body)
        return cls(bodies, [_submission(one) for one in bodies])

    @property
    def submissions(self) -> Sequence[Submission]:
        return [one for one in self.found if isinstance(one, Submission)]

    def told(self, answers: Sequence[Answer]) -> Told:
        taken = iter(answers)
        results: list[Json] = [
            _result(one if isinstance(one, Problem) else next(taken), body)
            for one, body in zip(self.found, self.bodies, strict=True)
        ]
        return Told(200, {"results": results})


def _bodies(body: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """The requests by themselves: what is wrong inside one of them is its own answer."""
    faults = [Fault(f"/{name}"[:200], "This field is not known.") for name in body if name != "requests"]
    requests = body.get("requests")
    if not isinstance(requests, list) or not 1 <= len(requests) <= MOST_REQUESTS:
        faults.append(Fault("/requests", f"A list of 1 to {MOST_REQUESTS} requests."))
        raise invalid(faults)
    faults += [
        Fault(f"/requests/{place}", "A request is an object.")
        for place, one in enumerate(requests)
        if not isinstance(one, Mapping)
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
        state = documents.of_request(answer.pause, answer.approvals)
        return {"status": 200 if answer.replayed else 201, "request": state}
    if isinstance(answer, BadSubmission):
        answer = submissions.refused(answer, body)
    problem = answer if isinstance(answer, Problem) else problems.met(answer, "one of a bulk call")
    return {"status": problem.status_code, "problem": problem.document()}
