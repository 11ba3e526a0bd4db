"""What became of it: told to Assent, or kept until it can be told. The action has run by then, and nothing in here may
make it look as if it had not."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from assent import flows, grants
from assent.binding import must_have_run
from assent.core import Core
from assent.digest import plain
from assent.errors import AssentError, BadRequest, BrokenJournal, Busy, FailedInside, NotSerialisable, Unavailable
from assent.journal import Entry
from assent.wire import Flow, on_disk

if TYPE_CHECKING:
    from assent.approved_call import ApprovedCall

_log = logging.getLogger("assent")


# How libraries name what ends a call from outside; theirs seldom derive from TimeoutError.
_FROM_OUTSIDE = re.compile(r"timeout|timedout|timelimit|cancel|interrupt", re.IGNORECASE)


def leave(go: ApprovedCall, error: BaseException | None) -> Flow[None]:
    """Say what came of it. After an interruption nobody knows: it stays the occurrence that is meant, unconfirmed.

    Raises FailedInside in place of an error of this package from inside of the action, which would say that nothing
    had run, and TypeError for a result that has not run yet.
    """
    yield from report_error(go, error)
    if isinstance(error, AssentError):
        text = f"The action had begun and failed, because a call inside of it was refused: {error}"
        raise FailedInside(text, request=go.request, error=error) from error


def report_error(go: ApprovedCall, error: BaseException | None) -> Flow[None]:
    """As `leave`, for who raises by himself. Raises TypeError for a result that has not run yet."""
    finished = False
    try:
        if error is None:
            must_have_run(go.result)
        if error is None or not interrupted(error):
            yield from _outcome_of(go, error)
            finished = True
    finally:
        let_go(go, finished=finished)


def let_go(go: ApprovedCall, *, finished: bool) -> None:
    """Let others take the occurrence up; what is finished nobody does."""
    go.proposed_call.life.end(go.occurrence.mark, go.occurrence.number, finished=finished)
    go.proposed_call.core.give_back(go.occurrence.once)


def interrupted(error: BaseException) -> bool:
    """Whether an error ended the action from outside, so that nobody knows how far it came: cancelled, timed out."""
    if isinstance(error, BaseExceptionGroup):
        return any(interrupted(part) for part in error.exceptions)
    if isinstance(error, AssentError | FailedInside):
        return False
    if not isinstance(error, Exception) or isinstance(error, TimeoutError):
        return True
    return any(_FROM_OUTSIDE.search(kind.__name__) for kind in type(error).__mro__)


def _outcome_of(go: ApprovedCall, error: BaseException | None) -> Flow[None]:
    core, kept = go.proposed_call.core, error is None
    try:
        plain(go.result, "result")
    except NotSerialisable:
        kept = False
    entry = go.entry.with_changes(
        state="ran",
        outcome="failed" if error else "succeeded",
        detail=f"{type(error).__name__}: {error}"[:1000] if error else "",
        result=go.result if kept else None,
        kept=kept,
    )
    try:
        entry = yield from keep(core, entry)
    except BrokenJournal as broken:
        _log.warning("It ran, and the journal could not be told: %s", broken)
    try:
        yield from report_or_keep(core, entry.with_changes(handed=True))
    except AssentError as unexpected:  # an error of this package would say that nothing ran
        _log.warning("It ran, and could not be reported: %s", unexpected)


def report(core: Core) -> Flow[int]:
    """Report what ran and could not be told. Raises Unavailable; what was told before that stays told."""
    entries = yield from on_disk(core.journal.unreported)
    for entry in entries:
        if entry.state == "ran":
            yield from _report(core, entry)
        else:
            yield from _unknown_use(core, entry)
    return len(entries)


def _unknown_use(core: Core, entry: Entry) -> Flow[None]:
    """Report the use of a standing approval by what was killed before it ended."""
    try:
        core.take(entry.once)
    except Busy:  # it goes on at this moment
        return
    try:
        yield from grants.report_use(core, entry)
        yield from keep(core, entry.with_changes(handed=True))
    finally:
        core.give_back(entry.once)


def sweep(core: Core) -> Flow[None]:
    """Once in a process: report what an earlier one could not."""
    if not core.swept:
        core.swept = True
        try:
            yield from report(core)
        except Unavailable:
            core.swept = False
        except AssentError as error:  # about an action that ended before: it keeps this one from nothing
            _log.warning("What ran before could not be reported: %s", error)


def report_or_keep(core: Core, entry: Entry) -> Flow[None]:
    """Report, or keep it for later: the action ran, whether Assent can be told now or not."""
    try:
        yield from _report(core, entry)
    except Unavailable as outage:
        core.swept = False
        _log.warning("It ran and could not be reported yet: %s", outage)
        yield from _quietly(core, entry)


def _report(core: Core, entry: Entry) -> Flow[None]:
    try:
        if entry.grant:
            yield from grants.report_use(core, entry)
        else:
            outcome = entry.outcome
            yield from flows.outcome(core, entry.request, outcome, item=entry.item, detail=entry.detail)
    except BadRequest as error:
        # Another report was first, or the request is gone: saying it again changes nothing.
        _log.warning("Assent does not take the report on %s: %s", entry.request or entry.once, error)
    yield from settle(core, entry.with_changes(state="reported"))


def settle(core: Core, entry: Entry) -> Flow[None]:
    """Keep what is done; outside of a run nobody can ask for it again."""
    if entry.run is None and entry.done and entry.key != entry.once:
        yield from on_disk(lambda: core.journal.forget(entry.key))
    else:
        yield from _quietly(core, entry)


def _quietly(core: Core, entry: Entry) -> Flow[None]:
    try:
        yield from keep(core, entry)
    except BrokenJournal as broken:
        _log.warning("It ran, and the journal could not be told: %s", broken)


def keep(core: Core, entry: Entry) -> Flow[Entry]:
    return (yield from on_disk(lambda: core.journal.write(entry)))
