"""The gate in front of an action: ask, wait, hold the permit against it, use the permit; run; report.

The same steps whether a process lives through them or dies between any two and another one takes them up:

- killed before the permit was used: the same request is found again, and its permit is used by whoever comes back;
- killed after it: the server refuses every other attempt, and what the journal and the server know tells whether it
  ran (AlreadyRan) or whether nobody can say (Unconfirmed). In neither case it runs again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import replace

from assent import flows, grants, permits, redaction
from assent.asked import Asked, Go, Place
from assent.core import Core, fingerprint, key_for
from assent.errors import (
    AlreadyRan,
    Answered,
    AssentError,
    Blocked,
    Busy,
    Denied,
    PermitRefused,
    Recalled,
    Rejected,
    Skipped,
    Unavailable,
    Unconfirmed,
    WorldMoved,
)
from assent.journal import Entry
from assent.reporting import keep, settle, sweep, tell_or_keep
from assent.shapes import Args, Json, Object, Request, Verdict
from assent.wire import Flow, invoke, on_disk

RETURNS = 5  # how often the world may move before the guard gives up
_log = logging.getLogger("assent")


def enter(asked: Asked) -> Flow[Go]:
    """Ask, wait and use the permit, for the action or for an alternative. Raises every error of this package."""
    yield from sweep(asked.core)
    history: list[Object] = []
    while True:
        try:
            return (yield from _one(asked))
        except Rejected as no:
            if asked.guarding.get("on_rejection", "raise") == "raise":
                raise
            history.append({"args": dict(asked.args), "reason": no.reason, "request": no.request})
            following = _alternative(asked, history) if not no.stop else None
            if following is None:
                text = f"Blocked: {no} ({len(history)} proposal{'s' if len(history) > 1 else ''} rejected)"
                raise Blocked(text, request=no.request, item=no.item, history=history) from no
            asked = following


def _alternative(asked: Asked, history: list[Object]) -> Asked | None:
    """The first alternative as the next proposal, with what was rejected before it."""
    left = list(asked.guarding.get("alternatives", ()))
    if not left:
        return None
    args = left.pop(0).get("args")
    if not isinstance(args, Mapping):
        return None
    guarding = asked.guarding.copy()
    guarding["alternatives"] = left
    guarding["context"] = {**guarding.get("context", {}), "rejections": list(history)}
    if "key" in guarding:
        guarding["key"] = f"{guarding['key']}/alternative-{len(history)}"
    return replace(asked, args=args, guarding=guarding)


def _one(asked: Asked) -> Flow[Go]:
    core, asking = asked.core, asked.asking
    hiding = yield from on_disk(lambda: flows.hidden(core, asked.action, asked.args, asked.run, asking))
    item, told = flows.proposal(asked.action, asked.args, hiding, asking)
    place = yield from _place(asked, item["action"]["args"])
    try:
        core.take(place.once)
    except Busy:
        asked.life.end(place.mark, place.number, finished=False)
        raise
    try:
        if not (yield from on_disk(lambda: core.journal.hold(place.once))):
            raise Busy("Another process, which lives, is at work on exactly this; two would use one permit.")
        entry = yield from on_disk(lambda: core.journal.entry(place.key))
        if entry is None:
            observe = asked.guarding.get("preconditions")
            if observe is not None:
                item["preconditions"] = yield from invoke(observe)
            entry = Entry(
                key=place.key,
                once=place.once,
                state="asked",
                run=asked.run,
                step=asking.get("step", ""),
                action=asked.action,
                body=flows.body(item, run=asked.run, asking=told),
                item=asking.get("id", flows.ITEM_ID),
            )
        entry = yield from keep(core, entry.but(owner=core.journal.mine()))
        if entry.state in ("ran", "reported"):
            raise (yield from _known(core, entry))
        go = yield from _through(asked, place, entry, hiding)
    except BaseException as error:
        asked.life.end(place.mark, place.number, finished=isinstance(error, Denied | AlreadyRan))
        core.give_back(place.once)
        raise
    return go


def _place(asked: Asked, args: Json) -> Flow[Place]:
    """Which occurrence is meant. In a run that is counted; outside of one it is the first that nobody works on."""
    named = asked.guarding.get("key")
    if named:
        return Place(named, named, named, 0)
    mark = fingerprint(asked.run or "", asked.guarding.get("step", ""), asked.action, args)
    if asked.run is not None:
        number = asked.life.begin(mark, one_at_a_time=True)
        key = key_for(mark, asked.action, number)
        return Place(key, key, mark, number)
    begun: list[int] = []
    try:
        return (yield from on_disk(lambda: _free_place(asked, mark, begun)))
    except BaseException:
        for number in begun:
            asked.life.end(mark, number, finished=False)
        raise


def _free_place(asked: Asked, mark: str, begun: list[int]) -> Place:
    """The first occurrence that nobody works on, in any process; its number is put into `begun`."""
    core = asked.core
    with core.journal.alone():
        number = asked.life.begin(mark, free=lambda number: core.journal.free(key_for(mark, asked.action, number)))
        begun.append(number)
        key = key_for(mark, asked.action, number)
        entry = core.journal.entry(key)
        if entry is not None and entry.done:
            core.journal.forget(key)
            entry = None
        once = entry.once if entry else f"{key}/{secrets.token_hex(8)}"
        if entry is not None:
            core.journal.write(entry.but(owner=core.journal.mine()))
    return Place(key, once, mark, number)


def _through(asked: Asked, place: Place, entry: Entry, hiding: redaction.Redaction) -> Flow[Go]:
    """From the question to the used permit; anew when the world moved meanwhile."""
    core = asked.core
    if entry.grant:
        text = f"The standing approval {entry.grant} was used for this, and nobody knows whether it ran."
        raise Unconfirmed(text, request="")
    question: Request | str = entry.request
    if not entry.request:
        try:
            question = yield from flows.send(core, entry.body, key=entry.once)
        except Unavailable as outage:
            return (yield from _by_grant(asked, place, entry, outage))
        entry = entry.but(request=question.id)
        if question.decision is None:
            entry = yield from keep(core, entry)
    returns = 0
    while True:
        item = yield from _settled(asked, entry, question)
        real = _approved(asked, item, hiding)
        attempt = core.attempts.setdefault(entry.once, secrets.token_hex(16))
        entry = yield from keep(core, entry.but(state="consuming", permit=item.permit or ""))
        try:
            yield from permits.consume(
                core,
                item,
                hiding.hide(real, all_there=False),
                preconditions=asked.guarding.get("preconditions"),
                attempt=attempt,
            )
        except WorldMoved as moved:
            core.attempts.pop(entry.once, None)
            returns += 1
            if not moved.returned or returns > RETURNS:
                raise
            question = moved.returned
            entry = yield from keep(core, entry.but(state="asked", request=question))
        except Recalled:
            core.attempts.pop(entry.once, None)
            yield from keep(core, entry.but(state="denied"))
            raise
        except PermitRefused as refused:
            core.attempts.pop(entry.once, None)
            if refused.reason == "expired":
                yield from keep(core, entry.but(state="denied"))
            if refused.reason == "consumed":
                raise (yield from _used_before(core, entry, refused)) from refused
            raise
        else:
            # An outage in between leaves the attempt: nothing ran, and this process may repeat it.
            core.attempts.pop(entry.once, None)
            return Go(real, item.action, entry.request, item, entry, asked, place)


def _settled(asked: Asked, entry: Entry, question: Request | str) -> Flow[Verdict]:
    """The settled item that may run. Raises Denied, StillPending, Unavailable."""
    core, guarding = asked.core, asked.guarding
    try:
        decision = yield from flows.wait(
            core, question, timeout=guarding.get("wait_s"), on_question=guarding.get("on_question")
        )
        item = decision.item
        if item.verdict == "skip":
            raise Skipped(item.message or "The reviewer said to go on without it.", request=entry.request, item=item)
        if not item.may_run:
            raise Answered("Instead of approving, the reviewer answered.", request=entry.request, item=item)
    except Denied:
        yield from keep(core, entry.but(state="denied"))
        raise
    if entry.state == "asked":
        yield from keep(core, entry.but(state="decided", permit=item.permit or ""))
    return item


def _approved(asked: Asked, item: Verdict, hiding: redaction.Redaction) -> Args:
    """The approved arguments, ready to run. Raises PermitRefused: action, arguments, redaction, request."""
    if item.id != asked.guarding.get("id", flows.ITEM_ID):
        raise PermitRefused(f"The decision is about another item: {item.id!r}.", reason="request")
    allowed = {asked.action} if asked.function else {asked.action, *asked.guarding.get("rename_to", ())}
    if item.action not in allowed:
        text = f"{item.action!r} was approved instead of {asked.action!r}, and this runs only {asked.action!r}."
        raise PermitRefused(text, reason="action")
    if not isinstance(item.args, Mapping):
        raise PermitRefused("The approved arguments are not an object, so no function takes them.", reason="arguments")
    real = hiding.show(item.args)
    if asked.function is not None:
        asked.function.check(real)
    return real


def _used_before(core: Core, entry: Entry, refused: PermitRefused) -> Flow[AssentError]:
    """The permit was used and not by this attempt: what the server was told came of it, or that nobody knows."""
    state = yield from flows.read(core, entry.request)
    told = next((one.outcome for one in state.items if one.id == entry.item), None)
    if told in ("succeeded", "failed"):
        yield from keep(core, entry.but(state="reported", outcome=told, handed=True))
        return AlreadyRan(f"It ran before and {told}.", request=entry.request, outcome=told)
    text = (
        "The permit was used before, and nobody knows whether the action ran. It is not run again; "
        f"people see it as unconfirmed. ({refused})"
    )
    return Unconfirmed(text, request=entry.request)


def _known(core: Core, entry: Entry) -> Flow[AlreadyRan]:
    """What an earlier life ran, reported if it was not."""
    if entry.state == "ran":
        yield from tell_or_keep(core, entry.but(handed=True))
    else:
        yield from settle(core, entry.but(handed=True))
    text = f"An earlier life of this process ran it, and it {entry.outcome}."
    return AlreadyRan(text, request=entry.request, outcome=entry.outcome, result=entry.result, kept=entry.kept)


def _by_grant(asked: Asked, place: Place, entry: Entry, outage: Unavailable) -> Flow[Go]:
    """Leave by a standing approval while Assent is out of reach. Raises the outage where none covers it."""
    args = dict(asked.args)
    if asked.function is not None:
        asked.function.check(args)
    used = yield from grants.use(asked.core, entry, args, outage)
    return Go(args, asked.action, "", None, used, asked, place)
