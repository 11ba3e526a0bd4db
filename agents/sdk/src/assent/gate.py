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
from assent.approved_call import ApprovedCall, Occurrence, ProposedCall
from assent.core import Core, fingerprint, occurrence_key
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
from assent.reporting import keep, report_or_keep, settle, sweep
from assent.shapes import Args, Decision, Json, Object, Observe, Request, Verdict
from assent.wire import Flow, invoke, on_disk

RETURNS = 5  # how often the world may move before the guard gives up
_log = logging.getLogger("assent")


def enter(proposed_call: ProposedCall) -> Flow[ApprovedCall]:
    """Ask, wait and use the permit, for the action or for an alternative. Raises every error of this package."""
    yield from sweep(proposed_call.core)
    history: list[Object] = []
    while True:
        try:
            return (yield from _enter_once(proposed_call))
        except Rejected as no:
            if proposed_call.guarding.get("on_rejection", "raise") == "raise":
                raise
            history.append({"args": dict(proposed_call.args), "reason": no.reason, "request": no.request})
            following = _alternative(proposed_call, history) if not no.stop else None
            if following is None:
                text = f"Blocked: {no} ({len(history)} proposal{'s' if len(history) > 1 else ''} rejected)"
                raise Blocked(text, request=no.request, item=no.item, history=history) from no
            proposed_call = following


def _alternative(proposed_call: ProposedCall, history: list[Object]) -> ProposedCall | None:
    """The first alternative as the next proposal, with what was rejected before it."""
    left = list(proposed_call.guarding.get("alternatives", ()))
    if not left:
        return None
    args = left.pop(0).get("args")
    if not isinstance(args, Mapping):
        return None
    guarding = proposed_call.guarding.copy()
    guarding["alternatives"] = left
    guarding["context"] = {**guarding.get("context", {}), "rejections": list(history)}
    if "key" in guarding:
        guarding["key"] = f"{guarding['key']}/alternative-{len(history)}"
    return replace(proposed_call, args=args, guarding=guarding)


def _enter_once(proposed_call: ProposedCall) -> Flow[ApprovedCall]:
    core, asking = proposed_call.core, proposed_call.asking
    hiding = yield from on_disk(
        lambda: flows.redaction_for(core, proposed_call.action, proposed_call.args, proposed_call.run, asking)
    )
    item, redacted_asking = flows.proposal(proposed_call.action, proposed_call.args, hiding, asking)
    occurrence = yield from _occurrence_of(proposed_call, item["action"]["args"])
    try:
        core.take(occurrence.once)
    except Busy:
        proposed_call.life.end(occurrence.mark, occurrence.number, finished=False)
        raise
    try:
        if not (yield from on_disk(lambda: core.journal.hold(occurrence.once))):
            raise Busy("Another process, which lives, is at work on exactly this; two would use one permit.")
        entry = yield from on_disk(lambda: core.journal.entry(occurrence.key))
        if entry is None:
            observe = proposed_call.guarding.get("preconditions")
            if observe is not None:
                item["preconditions"] = yield from invoke(observe)
            entry = Entry(
                key=occurrence.key,
                once=occurrence.once,
                state="asked",
                run=proposed_call.run,
                step=asking.get("step", ""),
                action=proposed_call.action,
                body=flows.body(item, run=proposed_call.run, asking=redacted_asking),
                item=asking.get("id", flows.ITEM_ID),
            )
        entry = yield from keep(core, entry.with_changes(owner=core.journal.mine()))
        if entry.state in ("ran", "reported"):
            raise (yield from earlier_run(core, entry))
        go = yield from _ask_and_consume(proposed_call, occurrence, entry, hiding)
    except BaseException as error:
        proposed_call.life.end(occurrence.mark, occurrence.number, finished=isinstance(error, Denied | AlreadyRan))
        core.give_back(occurrence.once)
        raise
    return go


def _occurrence_of(proposed_call: ProposedCall, args: Json) -> Flow[Occurrence]:
    """Which occurrence is meant. In a run that is counted; outside of one it is the first that nobody works on."""
    named = proposed_call.guarding.get("key")
    if named:
        return Occurrence(named, named, named, 0)
    mark = fingerprint(proposed_call.run or "", proposed_call.guarding.get("step", ""), proposed_call.action, args)
    if proposed_call.run is not None:
        number = proposed_call.life.begin(mark, one_at_a_time=True)
        key = occurrence_key(mark, proposed_call.action, number)
        return Occurrence(key, key, mark, number)
    begun: list[int] = []
    try:
        return (yield from on_disk(lambda: _free_occurrence(proposed_call, mark, begun)))
    except BaseException:
        for number in begun:
            proposed_call.life.end(mark, number, finished=False)
        raise


def _free_occurrence(proposed_call: ProposedCall, mark: str, begun: list[int]) -> Occurrence:
    """The first occurrence that nobody works on, in any process; its number is put into `begun`."""
    core = proposed_call.core
    with core.journal.alone():
        number = proposed_call.life.begin(
            mark, free=lambda number: core.journal.free(occurrence_key(mark, proposed_call.action, number))
        )
        begun.append(number)
        key = occurrence_key(mark, proposed_call.action, number)
        entry = core.journal.entry(key)
        if entry is not None and entry.done:
            core.journal.forget(key)
            entry = None
        once = entry.once if entry else f"{key}/{secrets.token_hex(8)}"
        if entry is not None:
            core.journal.write(entry.with_changes(owner=core.journal.mine()))
    return Occurrence(key, once, mark, number)


def _ask_and_consume(
    proposed_call: ProposedCall, occurrence: Occurrence, entry: Entry, hiding: redaction.Redaction
) -> Flow[ApprovedCall]:
    """From the question to the used permit; anew when the world moved meanwhile."""
    core = proposed_call.core
    if entry.grant:
        text = f"The standing approval {entry.grant} was used for this, and nobody knows whether it ran."
        raise Unconfirmed(text, request="")
    question: Request | str = entry.request
    if not entry.request:
        try:
            question = yield from flows.send(core, entry.body, key=entry.once)
        except Unavailable as outage:
            return (yield from _by_grant(proposed_call, occurrence, entry, outage))
        entry = entry.with_changes(request=question.id)
        if question.decision is None:
            entry = yield from keep(core, entry)
    returns = 0
    while True:
        item = yield from _settled_item(proposed_call, entry, question)
        real = _approved_args(proposed_call, item, hiding)
        shown, observe = hiding.hide(real, all_there=False), proposed_call.guarding.get("preconditions")
        try:
            entry = yield from use_permit(core, entry, item, shown, observe)
        except WorldMoved as moved:
            returns += 1
            if not moved.returned or returns > RETURNS:
                raise
            question = moved.returned
            entry = yield from keep(core, entry.with_changes(state="asked", request=question))
        else:
            return ApprovedCall(real, item.action, entry.request, item, entry, proposed_call, occurrence)


def use_permit(
    core: Core, entry: Entry, decision: Decision | Verdict, args: Args, observe: Observe | Object | None
) -> Flow[Entry]:
    """Hold the permit against `args`, and use it: the entry that says so. The journal knows before the server does.

    Raises Recalled, WorldMoved, PermitRefused, Unavailable; Unconfirmed and AlreadyRan where it was used before.
    """
    item = decision.item if isinstance(decision, Decision) else decision
    attempt = core.attempts.setdefault(entry.once, secrets.token_hex(16))
    entry = yield from keep(core, entry.with_changes(state="consuming", permit=item.permit or ""))
    try:
        yield from permits.consume(core, decision, args, preconditions=observe, attempt=attempt)
    except WorldMoved:
        core.attempts.pop(entry.once, None)
        raise
    except Recalled:
        core.attempts.pop(entry.once, None)
        yield from keep(core, entry.with_changes(state="denied"))
        raise
    except PermitRefused as refused:
        core.attempts.pop(entry.once, None)
        if refused.reason == "expired":
            yield from keep(core, entry.with_changes(state="denied"))
        if refused.reason == "consumed":
            raise (yield from _error_of_used_permit(core, entry, refused)) from refused
        raise
    # An outage in between leaves the attempt: nothing ran, and this process may repeat it.
    core.attempts.pop(entry.once, None)
    return entry


def _settled_item(proposed_call: ProposedCall, entry: Entry, question: Request | str) -> Flow[Verdict]:
    """The settled item that may run. Raises Denied, StillPending, Unavailable."""
    core, guarding = proposed_call.core, proposed_call.guarding
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
        yield from keep(core, entry.with_changes(state="denied"))
        raise
    if entry.state == "asked":
        yield from keep(core, entry.with_changes(state="decided", permit=item.permit or ""))
    return item


def _approved_args(proposed_call: ProposedCall, item: Verdict, hiding: redaction.Redaction) -> Args:
    """The approved arguments, ready to run. Raises PermitRefused: action, arguments, redaction, request."""
    if item.id != proposed_call.guarding.get("id", flows.ITEM_ID):
        raise PermitRefused(f"The decision is about another item: {item.id!r}.", reason="request")
    allowed = (
        {proposed_call.action}
        if proposed_call.function
        else {proposed_call.action, *proposed_call.guarding.get("rename_to", ())}
    )
    if item.action not in allowed:
        name = proposed_call.action
        text = f"{item.action!r} was approved instead of {name!r}, and this runs only {name!r}."
        raise PermitRefused(text, reason="action")
    if not isinstance(item.args, Mapping):
        raise PermitRefused("The approved arguments are not an object, so no function takes them.", reason="arguments")
    real = hiding.show(item.args)
    if proposed_call.function is not None:
        proposed_call.function.check(real)
    return real


def _error_of_used_permit(core: Core, entry: Entry, refused: PermitRefused) -> Flow[AssentError]:
    """The permit was used and not by this attempt: what the server was told came of it, or that nobody knows."""
    state = yield from flows.read(core, entry.request)
    outcome = next((one.outcome for one in state.items if one.id == entry.item), None)
    if outcome in ("succeeded", "failed"):
        yield from keep(core, entry.with_changes(state="reported", outcome=outcome, handed=True))
        return AlreadyRan(f"It ran before and {outcome}.", request=entry.request, outcome=outcome)
    text = (
        "The permit was used before, and nobody knows whether the action ran. It is not run again; "
        f"people see it as unconfirmed. ({refused})"
    )
    return Unconfirmed(text, request=entry.request)


def earlier_run(core: Core, entry: Entry) -> Flow[AlreadyRan]:
    """What an earlier life ran, reported if it was not."""
    if entry.state == "ran":
        yield from report_or_keep(core, entry.with_changes(handed=True))
    else:
        yield from settle(core, entry.with_changes(handed=True))
    text = f"An earlier life of this process ran it, and it {entry.outcome}."
    return AlreadyRan(text, request=entry.request, outcome=entry.outcome, result=entry.result, kept=entry.kept)


def _by_grant(
    proposed_call: ProposedCall, occurrence: Occurrence, entry: Entry, outage: Unavailable
) -> Flow[ApprovedCall]:
    """Leave by a standing approval while Assent is out of reach. Raises the outage where none covers it."""
    args = dict(proposed_call.args)
    if proposed_call.function is not None:
        proposed_call.function.check(args)
    used = yield from grants.use(proposed_call.core, entry, args, outage)
    return ApprovedCall(args, proposed_call.action, "", None, used, proposed_call, occurrence)
