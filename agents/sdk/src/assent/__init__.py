"""Assent's client: ask before you act, and run only what was approved.

    import assent

    @assent.requires_approval("refund")
    def refund(order: str, amount: str, currency: str) -> None: ...

`Assent` and `AsyncAssent` share every rule; ASSENT_URL and ASSENT_KEY say where and as whom. Any AssentError means:
this call did not run the action.
"""

from assent.advice import tool_message
from assent.aio.client import AsyncAssent
from assent.checkpoint import Checkpoint
from assent.defaults import async_client, client, requires_approval
from assent.errors import (
    AlreadyRan,
    Answered,
    AssentError,
    BadRequest,
    Blocked,
    BrokenJournal,
    Busy,
    Cancelled,
    Denied,
    Expired,
    FailedInside,
    NotConfigured,
    NotSerialisable,
    PermitRefused,
    Recalled,
    RefusedByPolicy,
    Rejected,
    Skipped,
    StillPending,
    Stopped,
    Unavailable,
    Unconfirmed,
    WorldMoved,
)
from assent.keys import key_for
from assent.shapes import Decision, Event, Item, Question, Reason, Request, Verdict
from assent.sync.client import Assent
from assent.values import encode

__all__ = [
    "AlreadyRan",
    "Answered",
    "Assent",
    "AssentError",
    "AsyncAssent",
    "BadRequest",
    "Blocked",
    "BrokenJournal",
    "Busy",
    "Cancelled",
    "Checkpoint",
    "Decision",
    "Denied",
    "Event",
    "Expired",
    "FailedInside",
    "Item",
    "NotConfigured",
    "NotSerialisable",
    "PermitRefused",
    "Question",
    "Reason",
    "Recalled",
    "RefusedByPolicy",
    "Rejected",
    "Request",
    "Skipped",
    "StillPending",
    "Stopped",
    "Unavailable",
    "Unconfirmed",
    "Verdict",
    "WorldMoved",
    "async_client",
    "client",
    "encode",
    "key_for",
    "requires_approval",
    "tool_message",
]
