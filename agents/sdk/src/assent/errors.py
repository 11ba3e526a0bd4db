"""What can stand between an agent and its action: one class for each thing that the caller does differently.

Every AssentError means the same for the action: this call did not run it. FailedInside is none of them, because there
the action had begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assent.shapes import Json, Reason, Rollback, Verdict


class _Portable(Exception):
    """An exception that comes out of a pickle, or of a copy, with everything it held: its class takes keywords."""

    def __reduce__(self) -> tuple[object, ...]:
        return _revived, (type(self), self.args, dict(self.__dict__))


def _revived(kind: type[_Portable], args: tuple[object, ...], state: Mapping[str, object]) -> _Portable:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class AssentError(_Portable):
    """Anything that keeps an action from running, or from being known to have run."""


class FailedInside(_Portable):
    """The action was approved and had begun, and a call of Assent's inside of it was refused: `error` says why.

    It was reported as failed. This is no AssentError: nobody can promise that nothing of the action happened.
    `request` is the id of the action's own request.
    """

    def __init__(self, text: str, *, request: str, error: AssentError) -> None:
        super().__init__(text)
        self.request = request
        self.error = error


# --- Nobody allowed it


class Denied(AssentError):
    """It was decided, and may not run. `item` is the settled item, `request` the id of its request."""

    def __init__(self, text: str, *, request: str, item: Verdict) -> None:
        super().__init__(text)
        self.request = request
        self.item = item
        self.rolled_back: Rollback | None = None  # what its run undid because of it

    @property
    def compensate(self) -> Sequence[Mapping[str, Json]]:
        """What the run is to undo, newest first: {"step", "action", "undo"} each; empty outside of a run."""
        return self.item.compensate


class Rejected(Denied):
    """A person said no. `reason` is what that person wrote (perhaps empty), `stop` that the whole run is to end."""

    @property
    def reason(self) -> str:
        """What that person wrote, perhaps nothing."""
        return self.item.message or ""

    @property
    def stop(self) -> bool:
        """Whether the whole run is to end."""
        return self.item.stop


class Blocked(Rejected):
    """A person said no to it and to every alternative. `history` holds {"args", "reason", "request"}, oldest first."""

    def __init__(self, text: str, *, request: str, item: Verdict, history: Sequence[Mapping[str, Json]]) -> None:
        super().__init__(text, request=request, item=item)
        self.history = tuple(history)


class RefusedByPolicy(Denied):
    """A rule said no, nobody was asked."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why policy refused it: each with its code, its parameters, and its sentence."""
        return self.item.reasons


class Expired(Denied):
    """Nobody decided before the deadline. That is not a rejection: asking again may be right."""


class Cancelled(Denied):
    """The request was withdrawn, or replaced by another one."""


class Recalled(Denied):
    """A reviewer took the approval back before it ran. `reason` is a word of the list, the text says who and why."""

    @property
    def reason(self) -> str:
        """A word of the list of reasons for a recall."""
        return str(self.item.document.get("reason") or "")


class Skipped(Denied):
    """A person said to go on without this."""


class Answered(Denied):
    """Instead of approving a person answered; `answer` is any JSON."""

    @property
    def answer(self) -> Json:
        """What the person answered, any JSON."""
        return self.item.answer


# --- Nobody knows yet


class StillPending(AssentError):
    """Nobody decided within the time that the caller waited. The request (`request`, its id) stays open."""

    def __init__(self, text: str, *, request: str) -> None:
        super().__init__(text)
        self.request = request


class Unavailable(AssentError):
    """Assent could not be reached, or answered nothing of sense, and no standing approval covers the action."""


# --- It was allowed, and still must not run


class PermitRefused(AssentError):
    """What is about to run is not what the permit proves, or the permit counts no more.

    `reason` is a stable word: malformed, algorithm, kind, unknown_key, signature, audience, expired, request,
    revision, action, digest, missing, redaction, arguments, busy, consumed, foreign, precondition_unknown,
    world_moved, paused, stopped, halted.
    """

    def __init__(self, text: str, *, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class Busy(PermitRefused):
    """Another call, of this process or of another one that lives, is at work on exactly this. Only one may be."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason="busy")


class Stopped(PermitRefused):
    """People stopped everything. The permit is unused: once that is lifted, the same call runs while it is valid."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason="halted")


class Unconfirmed(PermitRefused):
    """The permit was used, and nobody knows whether the action ran: its process died, or the call was interrupted.

    It is not run again; people see it.
    """

    def __init__(self, text: str, *, request: str, reason: str = "consumed") -> None:
        super().__init__(text, reason=reason)
        self.request = request


class WorldMoved(PermitRefused):
    """What was approved rested on something that changed since. `returned` is the id of the request that asks anew."""

    def __init__(self, text: str, *, returned: str) -> None:
        super().__init__(text, reason="world_moved")
        self.returned = returned


class AlreadyRan(AssentError):
    """An earlier life of this process ran it. `outcome`: succeeded or failed; `result` what was kept of it."""

    def __init__(self, text: str, *, request: str, outcome: str, result: Json = None, kept: bool = False) -> None:
        super().__init__(text)
        self.request = request
        self.outcome = outcome
        self.result = result
        self.kept = kept


# --- The asking itself was wrong


class BadRequest(AssentError):
    """Assent understood the call and does not take it. Asking again changes nothing.

    `status` is the HTTP status, `code` a stable word, `errors` {"pointer", "message"} for each field at fault,
    `problem` the whole document (RFC 9457).
    """

    def __init__(self, problem: Mapping[str, Json], *, status: int) -> None:
        self.problem = dict(problem)
        self.status = status
        self.code = str(problem.get("code", ""))
        listed = problem.get("errors")
        self.errors: tuple[Mapping[str, Json], ...] = tuple(listed) if isinstance(listed, list) else ()
        super().__init__(str(problem.get("detail") or problem.get("title") or f"Assent answered {status}."))


class NotConfigured(AssentError):
    """No address or no key: neither given, nor in ASSENT_URL and ASSENT_KEY."""


class BrokenJournal(AssentError):
    """The journal cannot be read or written, so nobody can say what ran before.

    `path` is the file; `why` what is wrong with it, in a few words. A file that cannot be read stops what it is about
    and nothing else; `assent doctor` sets it aside.
    """

    def __init__(self, text: str, *, path: str, why: str = "") -> None:
        super().__init__(text)
        self.path = path
        self.why = why


class NotSerialisable(AssentError):
    """State or arguments that JSON cannot carry. `path` names the field, such as variables.orders[2].due."""

    def __init__(self, text: str, *, path: str) -> None:
        super().__init__(text)
        self.path = path
