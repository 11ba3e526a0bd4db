"""A call, its reply, and what every endpoint of the fake does alike."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from assent.shapes import Json
from assent.testing import bodies
from assent.testing.shapes import not_found
from assent.testing.state import AT_ONCE, Pause, State, rfc3339
from assent.testing.told import CANCELLED, EXPIRED, REJECT, Answer, Asked, Document, Reported

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


class Desk:
    """The state, what a reviewer would say (`look_up`), and whether the world is to have moved (`moved`)."""

    def __init__(self, state: State, look_up: Callable[[Asked], Answer | None], moved: Callable[[str], bool]) -> None:
        self.state = state
        self.look_up = look_up
        self.moved = moved
        self.reported: list[Reported] = []

    def answer_what_waits(self, pause: Pause, *, only_policy: bool = False) -> None:
        """Follow the instructions for every item that still waits."""
        for one in pause.items:
            answer = self.look_up(one) if one.status == "pending" else None
            if answer is None or answer.says == "waiting" or (only_policy and answer.source == "human"):
                continue
            if self.state.stopped and answer.says not in (REJECT, EXPIRED, CANCELLED):
                continue
            asked = [question for question in pause.questions if question["item"] == one.item]
            if answer.question is not None and not asked:
                self._ask(pause, one, answer.question)
            if answer.question is None or (asked and all(question.get("answer") for question in asked)):
                answer.used()
                self.state.settle(pause, one, answer)

    def _ask(self, pause: Pause, one: Asked, text: str) -> None:
        told: Document = {"id": str(uuid.uuid4()), "item": one.item, "text": text, "from": "Test Reviewer"}
        pause.questions.append({**told, "asked_at": rfc3339(self.state.now())})
        self.state.happened("asked", one, question=told["id"])

    def _pause(self, pk: str) -> Pause:
        if pk not in self.state.pauses:
            raise not_found()
        return self.state.pauses[pk]

    def _item(self, pk: str, item: str) -> tuple[Pause, Asked]:
        pause = self._pause(pk)
        found = next((one for one in pause.items if one.item == item), None)
        if found is None:
            raise not_found()
        return pause, found

    def _state_of(self, pause: Pause) -> Document:
        told: Document = {
            "id": pause.id,
            "status": pause.status,
            "created_at": rfc3339(pause.created),
            "closed_at": rfc3339(pause.closed) if pause.closed else None,
            "decide": pause.body.get("decide", "together"),
            "run": pause.run,
            "labels": pause.body.get("labels", {}),
            "review_url": review_url(pause.id),
            "decision_url": decision_url(pause.id),
            "items": [self._item_of(one) for one in pause.items],
        }
        if questions := unanswered(pause):
            told["questions"] = questions
        if pause.document:
            told["decision"] = json.loads(pause.newest)
        return told

    def _item_of(self, one: Asked) -> Document:
        by_policy = one.answer is not None and one.answer.source != "human"
        rejected = one.answer is not None and one.answer.says == "reject"
        route = ("reject" if rejected else "auto") if by_policy else "review"
        ran = {(told.request, told.item): told.result for told in self.reported}
        return {
            "id": one.item,
            "action": one.action,
            "status": one.status,
            "route": route,
            "gate": "hard",
            **AT_ONCE,
            "votes": 0,
            "stage": None,
            "revision": one.revision,
            "action_digest": one.digest,
            "confidence": None,
            "shadow": None,
            "reason_code": "policy_violation" if route == "reject" else "fixed",
            "reasons": list(one.answer.reasons) if one.answer else [],
            "due_at": None,
            "expires_at": None,
            "on_timeout": "reject",
            "outcome": ran.get((one.request, one.item)),
        }


def unanswered(pause: Pause) -> list[Json]:
    """The reviewers' questions that the agent has not answered."""
    return [
        {name: value for name, value in one.items() if name != "answer"}
        for one in pause.questions
        if not one.get("answer")
    ]


def review_url(pk: str) -> str:
    return f"{ADDRESS}/approvals/{pk}/"


def decision_url(pk: str) -> str:
    return f"{ADDRESS}/api/v1/requests/{pk}/decision"
