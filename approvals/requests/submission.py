"""What an agent submits, once its shape has been checked at the edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from approvals.models import Approval, ApprovalRequest, Proposal
from approvals.models.states import ItemType, Kind
from approvals.policy.compiled_policy import Stage
from approvals.policy.reasons import WorldMoved
from approvals.values.schema import Fault, Json

# Questions and plans are routed by the policy of these two action types, which every installation has.
RESERVED = {ItemType.QUESTION: "question", ItemType.PLAN: "plan"}
CANARY = "canary"  # an action that does nothing, sent to see whether requests come through; it counts in no figure


@dataclass(frozen=True, slots=True)
class Item:
    """One proposed action, question or plan. Texts are the agent's and untrusted; `value` is in `currency`."""

    id: str
    item_type: ItemType = ItemType.ACTION
    action: str = ""
    args: Json = None
    parsed: bool = True
    allowed: tuple[str, ...] | None = None
    summary: str = ""
    reasoning: str = ""
    context: Mapping[str, Json] = field(default_factory=dict)
    alternatives: Sequence[Mapping[str, Json]] = ()
    signals: Mapping[str, float] = field(default_factory=dict)
    value: Decimal | None = None
    subject: str = ""
    current: Json = None
    preconditions: Mapping[str, Json] = field(default_factory=dict)
    undo: Mapping[str, Json] | None = None  # name and arguments of what undoes it
    rename_to: tuple[str, ...] = ()
    remember: Sequence[Json] = ()
    prompt: str = ""
    response_schema: Mapping[str, Json] = field(default_factory=dict)
    best_guess: Json = None
    steps: Sequence[Mapping[str, Json]] = ()
    attachments: tuple[str, ...] = ()  # ids of files that the agent sent before

    @property
    def type_name(self) -> str:
        """The action type whose policy routes it."""
        return RESERVED.get(self.item_type, self.action)

    @property
    def type_names(self) -> list[str]:
        """The same with the action types of a plan's steps."""
        return [self.type_name, *(item_of(step, self).type_name for step in self.steps)]


def item_of(step: Mapping[str, Json], plan: Item) -> Item:
    """The item with which an agent will carry out a step of its plan; its own signals are the plan's."""
    action = step.get("action")
    sent = action if isinstance(action, Mapping) else {}
    args = sent.get("args", {})
    return Item(
        id=str(step.get("id", "")),
        action=str(sent.get("name", "")),
        args=args,
        parsed=not isinstance(args, str),
        signals=plan.signals,
    )


# What an item says, and the field of a proposal that keeps it. The rest of an item is the approval's row's.
PROPOSAL_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "action": "name",
        "args": "args",
        "parsed": "parsed",
        "summary": "summary",
        "reasoning": "reasoning",
        "context": "context",
        "alternatives": "alternatives",
        "signals": "signals",
        "current": "current",
        "preconditions": "preconditions",
        "undo": "undo",
        "rename_to": "rename_to",
        "remember": "remember",
        "prompt": "prompt",
        "response_schema": "schema",
        "best_guess": "best_guess",
        "steps": "steps",
        "attachments": "attachments",
    }
)


def as_item(approval: Approval, proposal: Proposal) -> Item:
    """What one revision of an approval proposes, as the agent could submit it again."""
    item = Item(
        id=approval.item,
        item_type=ItemType(approval.item_type),
        **{name: getattr(proposal, field) for name, field in PROPOSAL_FIELDS.items()},
    )
    files = tuple(str(file["id"]) for file in proposal.attachments)
    return replace(item, attachments=files, rename_to=tuple(proposal.rename_to))


@dataclass(frozen=True, slots=True)
class RunRef:
    """The agent's workflow and where in it the agent stands."""

    key: str
    name: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class ReturnedFrom:
    """That people approved this before and are asked again: the approval, who gave it, and what it needed then."""

    approval: UUID
    originally_approved_by: UUID | None
    required_stages: tuple[Stage, ...]
    typed: bool
    gate: str
    reason: WorldMoved


@dataclass(frozen=True, slots=True)
class Submission:
    """Everything one request needs answered. `content_hash` tells a repeat from another request under the same key."""

    items: tuple[Item, ...]
    content_hash: str
    key: str | None = None
    run: RunRef | None = None
    decide: str = ApprovalRequest.Decide.TOGETHER
    timeout: timedelta | None = None
    on_timeout: str | None = None
    model: str = ""
    prompt_version: str = ""
    tool_version: str = ""
    resume: Mapping[str, Json] = field(default_factory=dict)
    callback_url: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    returned: ReturnedFrom | None = None


class AgentSubmission(NamedTuple):
    """A submission and the id of the agent that submits it: a set may hold those of many agents."""

    agent: UUID
    submission: Submission
    kind: Kind = Kind.REAL
    house: UUID | None = None  # who submits it in the agent's name, which then finds it nowhere

    @property
    def once(self) -> tuple[UUID, str] | None:
        """What may be stored once only; None for a submission without a key."""
        return None if self.submission.key is None else (self.agent, self.submission.key)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was stored, durable when returned. `replayed`: it had been submitted before under the same key."""

    request: ApprovalRequest
    approvals: list[Approval]
    replayed: bool = False


class BadSubmission(Exception):
    """The request cannot be taken as it is; each fault points at a field (JSON pointer into the request)."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class KeyReused(Exception):
    """The idempotency key was used for another request."""


class KeyInFlight(Exception):
    """Another request with the same idempotency key is being taken at this moment."""


class Locked(Exception):
    """Another transaction holds something else that taking it needs, for more than a second."""


# What becomes of a submission: stored, refused for its own reason, or failed by a surprise, with nothing stored.
Answer = Receipt | BadSubmission | KeyReused | KeyInFlight | Exception
