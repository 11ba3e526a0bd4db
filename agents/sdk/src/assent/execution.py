"""What was decided in one place, run in another: perhaps another process, on another machine, a day later.

Whoever holds the decision runs it by the same steps as the gate: the permit is held against what is about to run, the
journal is told, the permit is used, the function runs, the outcome is reported. The permit's own id is the name under
which the journal keeps it, so that the same decision handed over twice is run once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from assent import flows, redaction, tokens
from assent.approved_call import ApprovedCall, Checks, Occurrence, ProposedCall
from assent.core import Core
from assent.digest import plain
from assent.documents import decision_of
from assent.errors import Answered, Busy, PermitRefused, Skipped
from assent.gate import earlier_run, use_permit
from assent.journal import Entry
from assent.reporting import keep, sweep
from assent.shapes import Args, Decision, Object, Observe
from assent.wire import Flow, on_disk


def decision_in(decision: Decision | Object, item: str | None) -> Decision:
    """The decision, or the document that it was carried as, with the item that is meant and no other.

    Raises ValueError where that is not one.
    """
    if not isinstance(decision, Decision):
        decision = decision_of(decision)
    items = decision.items if item is None else tuple(one for one in decision.items if one.id == item)
    if len(items) != 1:
        ids = ", ".join(repr(one.id) for one in decision.items) or "none"
        raise ValueError(f"Name the item that is meant; this decision has {ids}.")
    return replace(decision, items=items)


def enter(
    core: Core,
    decision: Decision,
    *,
    action: str | None,
    function: Checks | None,
    preconditions: Observe | Object | None,
) -> Flow[ApprovedCall]:
    """Use the permit of a decision of one item. Raises every error of this package."""
    yield from sweep(core)
    item = decision.item
    args = _args_to_run(decision, action)
    if function is not None:
        function.check(args)
    token = tokens.read(item.permit or "")
    key = f"permit/{token.text('jti')}"
    core.take(key)
    try:
        if not (yield from on_disk(lambda: core.journal.hold(key))):
            raise Busy("Another process, which lives, is at work on exactly this; two would use one permit.")
        entry = yield from on_disk(lambda: core.journal.entry(key))
        if entry is None:
            content = {"id": item.id, "action": {"name": item.action, "args": args}}
            plain(content, "")
            entry = Entry(
                key=key,
                once=key,
                state="decided",
                run=None,
                step="",
                action=item.action,
                body={"items": [content]},
                request=decision.request or token.text("request"),
                item=item.id,
            )
        entry = yield from keep(core, entry.with_changes(owner=core.journal.mine()))
        if entry.state in ("ran", "reported"):
            raise (yield from earlier_run(core, entry))
        entry = yield from use_permit(core, entry, decision, args, preconditions)
    except BaseException:
        core.give_back(key)
        raise
    proposed_call = ProposedCall(core, item.action, args, None, {}, core.life, function)
    return ApprovedCall(args, item.action, entry.request, item, entry, proposed_call, Occurrence(key, key, key, 0))


def _args_to_run(decision: Decision, action: str | None) -> Args:
    """The approved arguments. Raises Denied, or PermitRefused: missing, action, arguments, redaction."""
    item = decision.item
    no = flows.denial_of(item, decision.request)
    if no is not None:
        raise no
    if item.verdict == "skip":
        raise Skipped(item.message or "The reviewer said to go on without it.", request=decision.request, item=item)
    if item.verdict == "answer":
        raise Answered("Instead of approving, the reviewer answered.", request=decision.request, item=item)
    if not item.may_run or not item.permit:
        raise PermitRefused("The decision carries no permit, so nothing may run by it.", reason="missing")
    if action is not None and item.action != action:
        text = f"{item.action!r} was approved, and this runs only {action!r}."
        raise PermitRefused(text, reason="action")
    if not isinstance(item.args, Mapping):
        raise PermitRefused("The approved arguments are not an object, so no function takes them.", reason="arguments")
    hidden = redaction.first_placeholder(item.args)
    if hidden:
        text = f"{'.'.join(hidden)} was redacted where it was asked, and only there its value is known. Nothing runs."
        raise PermitRefused(text, reason="redaction")
    return dict(item.args)
