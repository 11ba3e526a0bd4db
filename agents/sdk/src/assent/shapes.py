"""What goes in and what comes out: plain, frozen values, made from the documents of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Object: TypeAlias = Mapping[str, Json]
# Arguments are handed to functions whose types only their author knows.
Args: TypeAlias = dict[str, Any]
# Looks at the world now: {"order_status": "delivered"}. May be a coroutine function with AsyncAssent.
Observe: TypeAlias = Callable[[], "Object | Awaitable[Object]"]
# Answers a reviewer's question, or returns None to leave it open.
OnQuestion: TypeAlias = "Callable[[Question], str | Awaitable[str | None] | None]"


class ProposalOptions(TypedDict, total=False):
    """Everything that may go with a proposal; all of it optional.

    `value` is money as text ("420.00") or a number, `signals` are shares from 0 to 1, `timeout_s` seconds.
    """

    id: str  # the framework's own id of the call, verbatim; "1" without it
    step: str
    key: str  # the idempotency key; derived from run, step, action and arguments without it
    run_name: str
    summary: str
    reasoning: str
    context: Object
    alternatives: Sequence[Object]  # {"label", "args"}
    signals: Mapping[str, float]
    value: str | float
    subject: str
    current: Json
    allowed: Sequence[str]
    rename_to: Sequence[str]
    remember: Sequence[Json]
    timeout_s: float
    on_timeout: Literal["reject", "escalate", "approve", "proceed", "best_guess"]
    attachments: Sequence[str]  # ids from `attach`
    redact: Collection[str]  # paths of fields that do not leave this machine: "card.number"
    model: str
    prompt_version: str
    tool_version: str
    resume: Object
    callback_url: str
    labels: Mapping[str, str]


class SubmissionOptions(ProposalOptions, total=False):
    """The same with `undo`: {"name", "args"}, what undoes it. A run's steps name theirs in their own way."""

    undo: Object


class StepGuardOptions(ProposalOptions, total=False):
    """What `guard`, `call`, `requires_approval` and a run's `step` take on top.

    `preconditions` is called when asking and again just before running; `wait_s` are the seconds to wait for a
    verdict (without it: until there is one). `on_rejection` "alternative": after a person's no the first alternative
    is proposed, with the rejections so far in `context`, and Blocked ends it; "raise" (default): Rejected.
    """

    preconditions: Observe
    wait_s: float
    on_question: OnQuestion
    on_rejection: Literal["raise", "alternative"]


class GuardOptions(StepGuardOptions, SubmissionOptions, total=False):
    """All of it, for what belongs to no step."""


class CallOptions(GuardOptions, total=False):
    """What goes with one call of a decorated function; `run` names the workflow of this call."""

    run: str


# Made of a call's arguments: {"summary": f"Refund {args['order']}"}.
Describe: TypeAlias = Callable[[Args], CallOptions]
# The key of the workflow that a decorated function's calls belong to, or what makes it of a call's arguments.
RunOf: TypeAlias = "str | Callable[[Args], str] | None"


@dataclass(frozen=True, slots=True)
class Question:
    """What a reviewer wants to know before deciding."""

    id: str
    item: str
    text: str
    asker: str
    asked_at: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why policy asks, passes or refuses: a code for programs, what it names, and the sentence for people."""

    code: str
    text: str
    parameters: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a request as policy took it. `status`: pending, decided, expired, cancelled, recalled,
    superseded."""

    id: str
    status: str
    route: str
    revision: int
    action_digest: str
    reason_code: str = ""
    reasons: tuple[Reason, ...] = ()
    outcome: str | None = None
    document: Object = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One settled item. `status`: decided, expired, cancelled, recalled.

    `verdict`: approve, modify, reject, answer, skip.

    `args` are the approved arguments: after a modification the full replacement, not a patch. `reasons` say why policy
    refused it.
    """

    id: str
    status: str
    verdict: str | None = None
    source: str | None = None
    action: str = ""
    args: Json = None
    action_digest: str = ""
    permit: str | None = None
    alternative: str | None = None
    answer: Json = None
    message: str | None = None
    reasons: tuple[Reason, ...] = ()
    stop: bool = False
    remember: Json = None
    compensate: tuple[Object, ...] = ()
    plan: tuple[Object, ...] = ()
    guidance: str | None = None
    decided_at: str = ""
    decided_by: str = ""
    policy_version: int | None = None
    document: Object = field(default_factory=dict, repr=False)

    @property
    def may_run(self) -> bool:
        """Whether a permit comes with it: it was approved, as proposed or modified."""
        return self.status == "decided" and self.verdict in ("approve", "modify")


@dataclass(frozen=True, slots=True)
class Decision:
    """A closed request: the same at every reading. With one item its fields are at hand here, too."""

    request: str
    status: str
    items: tuple[Verdict, ...]
    resume: Object = field(default_factory=dict)
    document: Object = field(default_factory=dict, repr=False)

    @property
    def item(self) -> Verdict:
        """The only item. Raises ValueError when there are several."""
        if len(self.items) != 1:
            raise ValueError(f"This decision has {len(self.items)} items: look at each of .items.")
        return self.items[0]

    @property
    def verdict(self) -> str | None:
        """The only item's verdict: approve, modify, reject, answer, skip; None where nobody gave one."""
        return self.item.verdict

    @property
    def action(self) -> str:
        """The only item's action, as it was approved."""
        return self.item.action

    @property
    def args(self) -> Args:
        """The approved arguments; empty where there are none."""
        args = self.item.args
        return dict(args) if isinstance(args, Mapping) else {}

    @property
    def answer(self) -> Json:
        """What was answered to the only item's question."""
        return self.item.answer

    @property
    def message(self) -> str | None:
        """What the reviewer wrote to the agent; None for nothing."""
        return self.item.message

    @property
    def permit(self) -> str | None:
        """The only item's signed permit, where it may run."""
        return self.item.permit


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, and how it stands. `status`: pending, decided, expired, cancelled, superseded."""

    id: str
    status: str
    review_url: str
    decision_url: str
    items: tuple[Item, ...]
    questions: tuple[Question, ...] = ()
    decision: Decision | None = None
    replayed: bool = False  # the same key was taken before
    document: Object = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Consumed:
    """A permit was used: run the action now, once. `attempt` is the word under which a lost answer is asked again."""

    jti: str
    request: str
    item: str
    action: str
    action_digest: str
    attempt: str
    consumed_at: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Until `until` (RFC 3339) exactly this worker acts on the decision."""

    worker: str
    until: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that was sent: refer to it by `id`; its `digest` is bound into the action's."""

    id: str
    name: str
    media_type: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Rollback:
    """What became of a run's undos, newest step first. `stuck` are left to people, with the reason by step."""

    undone: tuple[str, ...] = ()
    stuck: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a reviewer told a running agent."""

    id: str
    text: str
    giver: str
    given_at: str


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the feed. `id` is where a later stream goes on: events(after=event.id)."""

    id: str
    topic: str
    data: Object


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose key this is."""

    agent: str
    scopes: tuple[str, ...]
    policy_version: int | None
    document: Object = field(default_factory=dict, repr=False)
