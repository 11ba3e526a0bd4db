"""What became of it: told to Assent, or kept until it can be told. The action has run by then, and nothing in here may
make it look as if it had not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from assent import flows, grants
from assent.core import Core
from assent.digest import plain
from assent.errors import BadRequest, BrokenJournal, NotSerialisable, Unavailable
from assent.journal import Entry
from assent.wire import Flow, on_disk

if TYPE_CHECKING:
    from assent.asked import Go

_log = logging.getLogger("assent")


def leave(go: Go, error: BaseException | None) -> Flow[None]:
    """Say what came of it. An interruption (KeyboardInterrupt, cancellation) leaves it unconfirmed: who knows?"""
    asked, core = go.asked, go.asked.core
    asked.life.end(go.place.mark, go.place.number, finished=True)
    core.give_back(go.place.once)
    if error is not None and not isinstance(error, Exception):
        return
    kept = error is None
    try:
        plain(go.result, "result")
    except NotSerialisable:
        kept = False
    entry = go.entry.but(
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
    yield from tell_or_keep(core, entry.but(handed=True))


def report(core: Core) -> Flow[int]:
    """Report what ran and could not be told. Raises Unavailable; what was told before that stays told."""
    entries = yield from on_disk(core.journal.unreported)
    for entry in entries:
        if entry.state == "ran":
            yield from _tell(core, entry)
        elif core.take(entry.once):  # used a standing approval, and was killed before it ended
            try:
                yield from grants.tell(core, entry)
                yield from keep(core, entry.but(handed=True))
            finally:
                core.give_back(entry.once)
    return len(entries)


def sweep(core: Core) -> Flow[None]:
    """Once in a process: report what an earlier one could not."""
    if not core.swept:
        core.swept = True
        try:
            yield from report(core)
        except Unavailable:
            core.swept = False


def tell_or_keep(core: Core, entry: Entry) -> Flow[None]:
    """Report, or keep it for later: the action ran, whether Assent can be told now or not."""
    try:
        yield from _tell(core, entry)
    except Unavailable as outage:
        core.swept = False
        _log.warning("It ran and could not be reported yet: %s", outage)
        yield from _quietly(core, entry)


def _tell(core: Core, entry: Entry) -> Flow[None]:
    try:
        if entry.grant:
            yield from grants.tell(core, entry)
        else:
            told = entry.outcome
            yield from flows.outcome(core, entry.request, told, item=entry.item, detail=entry.detail)
    except BadRequest as error:
        # Another report was first, or the request is gone: saying it again changes nothing.
        _log.warning("Assent does not take the report on %s: %s", entry.request or entry.once, error)
    yield from settle(core, entry.but(state="reported"))


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
