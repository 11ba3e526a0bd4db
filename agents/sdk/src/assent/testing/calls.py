"""A call, its reply, and what every endpoint of the fake does alike."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from assent.shapes import Json
from assent.testing import bodies
from assent.testing.records import CANCELLED, EXPIRED, REJECT, Answer, AskedItem, Document, Reported
from assent.testing.shapes import not_found
from assent.testing.state import AT_ONCE, FakeRequest, State, rfc3339

ADDRESS = "https://assent.test"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in; `path` is decoded and below /api/v1/."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    raw: bytes

    def body(self, *, optional: bool = False) -> Document:
        """The JSON object in it; with `optional` an empty one where there is none. Raises Refusal 400, 413, 415."""
        if optional and not self.raw:
            return {}
        return bodies.loads(self.raw, self.headers.get("content-type", ""))


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back."""

    status: int
    document: Json
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None  # instead of the document

    @property
    def raw(self) -> bytes:
        return json.dumps(self.document).encode() if self.content is None else self.content


class EndpointBase:
    """The state, what a reviewer would say (`look_up`), and whether the world is to have moved (`moved`)."""

    def __init__(
        self, state: State, look_up: Callable[[AskedItem], Answer | None], moved: Callable[[str], bool]
    ) -> None:
        self.state = state
        self.look_up = look_up
        self.moved = moved
        self.reported: list[Reported] = []

    def answer_what_waits(self, request: FakeRequest, *, only_policy: bool = False) -> None:
        """Follow the instructions for every item that still waits."""
        for asked_item in request.items:
            answer = self.look_up(asked_item) if asked_item.status == "pending" else None
            if answer is None or answer.says == "waiting" or (only_policy and answer.source == "human"):
                continue
            if self.state.stopped and answer.says not in (REJECT, EXPIRED, CANCELLED):
                continue
            questions = [question for question in request.questions if question["item"] == asked_item.item]
            if answer.question is not None and not questions:
                self._ask(request, asked_item, answer.question)
            if answer.question is None or (questions and all(question.get("answer") for question in questions)):
                answer.used()
                self.state.settle(request, asked_item, answer)

    def _ask(self, request: FakeRequest, asked_item: AskedItem, text: str) -> None:
        question: Document = {"id": str(uuid.uuid4()), "item": asked_item.item, "text": text, "from": "Test Reviewer"}
        request.questions.append({**question, "asked_at": rfc3339(self.state.now())})
        self.state.happened("asked", asked_item, question=question["id"])

    def _request(self, pk: str) -> FakeRequest:
        if pk not in self.state.requests:
            raise not_found()
        return self.state.requests[pk]

    def _item(self, pk: str, item: str) -> tuple[FakeRequest, AskedItem]:
        request = self._request(pk)
        asked_item = next((one for one in request.items if one.item == item), None)
        if asked_item is None:
            raise not_found()
        return request, asked_item

    def _state_of(self, request: FakeRequest) -> Document:
        document: Document = {
            "id": request.id,
            "status": request.status,
            "created_at": rfc3339(request.created),
            "closed_at": rfc3339(request.closed) if request.closed else None,
            "decide": request.body.get("decide", "together"),
            "run": request.run,
            "labels": request.body.get("labels", {}),
            "review_url": review_url(request.id),
            "decision_url": decision_url(request.id),
            "items": [self._item_of(one) for one in request.items],
        }
        if questions := unanswered(request):
            document["questions"] = questions
        if request.document:
            document["decision"] = json.loads(request.newest)
        return document

    def _item_of(self, asked_item: AskedItem) -> Document:
        by_policy = asked_item.answer is not None and asked_item.answer.source != "human"
        rejected = asked_item.answer is not None and asked_item.answer.says == "reject"
        route = ("reject" if rejected else "auto") if by_policy else "review"
        ran = {(told.request, told.item): told.result for told in self.reported}
        return {
            "id": asked_item.item,
            "action": asked_item.action,
            "status": asked_item.status,
            "route": route,
            "gate": "hard",
            **AT_ONCE,
            "votes": 0,
            "stage": None,
            "revision": asked_item.revision,
            "action_digest": asked_item.digest,
            "confidence": None,
            "shadow": None,
            "reason_code": "policy_violation" if route == "reject" else "fixed",
            "reasons": asked_item.answer.reason_documents if asked_item.answer else [],
            "due_at": None,
            "expires_at": None,
            "on_timeout": "reject",
            "outcome": ran.get((asked_item.request, asked_item.item)),
        }


def unanswered(request: FakeRequest) -> list[Json]:
    """The reviewers' questions that the agent has not answered."""
    return [
        {name: value for name, value in question.items() if name != "answer"}
        for question in request.questions
        if not question.get("answer")
    ]


def review_url(pk: str) -> str:
    return f"{ADDRESS}/approvals/{pk}/"


def decision_url(pk: str) -> str:
    return f"{ADDRESS}/api/v1/requests/{pk}/decision"
