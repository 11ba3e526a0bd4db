"""Errors as a tool tells them to a model: what stands in the way, the reviewer's own reason, and what to do next.

Frameworks hide exceptions that they do not know, and then a person's no reads "Error executing tool refund". What is
said here is one text, for whichever class of error the framework shows to its model.
"""

from __future__ import annotations

from assent.errors import (
    AlreadyRan,
    Answered,
    AssentError,
    BadRequest,
    Blocked,
    Busy,
    Cancelled,
    Denied,
    Expired,
    FailedInside,
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

# The first class that fits says what to do next; a class stands before those it is made of.
_NEXT: tuple[tuple[type[Exception], str], ...] = (
    (Blocked, "Do not propose this in any form again: end, and give the reason."),
    (Rejected, "It did not run. Do not repeat it unchanged: take the reason into account, or go another way."),
    (RefusedByPolicy, "It did not run, and nobody was asked. Propose something that the rule allows."),
    (Expired, "It did not run. Nobody decided in time, which is no rejection: ask again, or go another way."),
    (Recalled, "It did not run. Do not run it; read the reason and plan anew."),
    (Skipped, "It did not run. Go on without it."),
    (Cancelled, "It did not run. Go on without it."),
    (Answered, "It did not run. Take the answer in its place."),
    (StillPending, "It has not run yet. Ask again with exactly the same call: the same request is found."),
    (Unavailable, "It did not run. Try again later with exactly the same call."),
    (WorldMoved, "It did not run, because the facts changed. Look at them again, then ask again."),
    (Busy, "Another call is at work on exactly this. Wait for it, and do not call a second time meanwhile."),
    (Stopped, "It did not run. People stopped everything: try again later with exactly the same call."),
    (Unconfirmed, "Nobody knows whether it ran. Do not repeat it: look whether it took effect, or leave it to people."),
    (PermitRefused, "It did not run. Do not repeat it; tell the person who runs you."),
    (AlreadyRan, "Do not repeat it: go on."),
    (BadRequest, "It did not run. Mend the call as this says, and propose it again."),
    (FailedInside, "It began and failed; how much of it happened is not known. Look, before anything else."),
    (AssentError, "It did not run. Tell the person who runs you."),
)


def tool_message(error: AssentError | FailedInside) -> str:
    """What a tool answers to its model for an `error` of this package: why, and what to do next."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, Answered):
        text = f"{text} The answer: {error.answer!r}"
    if isinstance(error, BadRequest):
        faults = "; ".join(f"{fault.get('pointer')}: {fault.get('message')}" for fault in error.errors)
        text = f"{text} ({faults})" if faults else text
    if isinstance(error, Denied) and error.item.guidance:
        text = f"{text} The reviewer adds: {error.item.guidance}"
    if isinstance(error, Rejected) and error.stop:
        return f"{text}\nIt did not run, and the whole run is to end: do nothing more."
    return f"{text}\n{next(step for kind, step in _NEXT if isinstance(error, kind))}"
