"""What a fake gateway was told to answer, and what it remembers of those who asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from assent.shapes import Json, Object

Change: TypeAlias = Object | Callable[[dict[str, Json]], Object]
Document: TypeAlias = dict[str, Json]

APPROVE, MODIFY, REJECT, ANSWER, SKIP = "approve", "modify", "reject", "answer", "skip"
EXPIRED, CANCELLED, WAITING = "expired", "cancelled", "waiting"


@dataclass(slots=True)
class Answer:
    """One instruction: what is said to which action, and how often. The latest that fits is followed."""

    says: str  # a verdict, or EXPIRED, CANCELLED, WAITING
    action: str | None = None  # None: whatever is asked
    times: int | None = None  # None: always
    source: str = "human"
    args: Object | None = None  # modify: all arguments
    change: Change | None = None  # modify: some of them, or a function of the proposed ones
    message: str | None = None
    alternative: str | None = None
    answer: Json = None
    stop: bool = False
    guidance: str | None = None
    remember: Json = None
    reasons: Sequence[str] = ()
    question: str | None = None  # asked before anything is decided
    permit_valid: float = 86_400.0  # seconds; below zero: over before it is used

    @property
    def reason_documents(self) -> list[Json]:
        """The reasons as the API gives them."""
        return [{"code": "rule_matched", "parameters": {}, "text": reason} for reason in self.reasons]

    def fits(self, action: str) -> bool:
        """Whether this is about an action, and not used up."""
        return self.times != 0 and self.action in (None, action)

    def used(self) -> None:
        """Count one use."""
        if self.times is not None:
            self.times -= 1

    def args_for(self, proposed: Json) -> Json:
        """What would run: the proposed arguments, or what a reviewer made of them."""
        if self.says != MODIFY or not isinstance(proposed, Mapping):
            return proposed
        if self.args is not None:
            return dict(self.args)
        if callable(self.change):
            return dict(self.change(dict(proposed)))
        return {**proposed, **(self.change or {})}


@dataclass(slots=True)
class AskedItem:
    """One item that an agent asked for, and how it stands."""

    request: str
    item: str
    subject: str  # action | question | plan
    action: str
    args: Json
    sent: Object  # the whole item as it came
    run: str = ""
    step: str = ""
    key: str = ""
    digest: str = ""
    revision: int = 1
    status: str = "pending"  # pending | decided | expired | cancelled | recalled
    answer: Answer | None = None
    decided: Document = field(default_factory=dict)  # the item of the decision, once there is one
    jti: str = ""
    permit: str = ""
    permit_ends: float = 0.0
    forged: str = ""  # how its permit is wrong

    @property
    def summary(self) -> str:
        return str(self.sent.get("summary", ""))

    @property
    def reasoning(self) -> str:
        return str(self.sent.get("reasoning", ""))

    @property
    def context(self) -> Json:
        return self.sent.get("context", {})

    @property
    def preconditions(self) -> Object:
        preconditions = self.sent.get("preconditions")
        return preconditions if isinstance(preconditions, Mapping) else {}

    def __str__(self) -> str:
        return f"{self.action}({self.args}) {self.answer.says if self.answer else self.status}"


@dataclass(frozen=True, slots=True)
class Consumed:
    """A permit that was used: from here on its action may have run."""

    request: str
    item: str
    action: str
    args: Json  # as approved
    jti: str
    attempt: str
    executor: str
    preconditions: Object
    at: str

    def __str__(self) -> str:
        return f"{self.action}({self.args}) attempt {self.attempt}"


@dataclass(frozen=True, slots=True)
class Reported:
    """What an agent said became of an item."""

    request: str
    item: str
    action: str
    result: str
    detail: str
    data: Object
    at: str

    def __str__(self) -> str:
        return f"{self.action} {self.result}{f': {self.detail}' if self.detail else ''}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and its answer, as they went over the wire."""

    name: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Json
    status: int
    answer: Json


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with the calls of some name, or with every call."""

    how: str  # unreachable | lost | status
    call: str | None
    times: int | None
    status: int = 503

    def hits(self, call: str) -> bool:
        """Whether this call is hit; counts it."""
        if self.times == 0 or self.call not in (None, call):
            return False
        if self.times is not None:
            self.times -= 1
        return True
