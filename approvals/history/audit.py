"""The one way to change an approval, and so to write history.

Every change is a conditional UPDATE that advances the approval's own chain and returns where it stands; the event is
written beside it in the same transaction. Listeners hear of it after the commit. The sealer then gives all committed
events one order. Nothing here serialises two approvals, only two changes of the same one.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection, models, transaction

from approvals.db import bulk, stop_lock, times
from approvals.history.chains import CLOCK, COMMAND, POLICY, Actor, actor_of, event_digest, link, record
from approvals.history.facts import Facts
from approvals.history.recorded import state_of
from approvals.models import Approval, AuditEvent, Decision
from approvals.models.policy import Verdict
from approvals.models.states import Status
from approvals.values.schema import Json

# Whoever writes history finds here who caused it, and the maker of what concerns no approval; policy takes them from
# where they are, since it may not know of approvals that change.
__all__ = ["CLOCK", "COMMAND", "POLICY", "Actor", "AuditedChange", "actor_of", "begin", "genesis", "listen", "record"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """An approval as a change left it, and the event that tells of the change."""

    approval: Approval
    event: AuditEvent


Listener = Callable[[Sequence[AuditedChange]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` with the changes of each transaction, after its commit."""
    if listener not in _listeners:
        _listeners.append(listener)


@dataclass(frozen=True, slots=True)
class Move:
    """One approval's next state: what it must look like now, what it will look like, and what history says of it.

    `expect` and `sets` map column names (`status`, `votes`, `claimed_by_id` …) to values. All moves of one call name
    the same columns. `facts` are of the kind of event that it writes; `digests` are of rows that the same transaction
    stores with it, by what they are (`decision`).
    """

    id: UUID
    facts: Facts
    actor: Actor
    expect: Mapping[str, object]
    sets: Mapping[str, object] = field(default_factory=dict)
    digests: Mapping[str, Json] = field(default_factory=dict)


# What must still be true of the row by the clock, judged in the WHERE of the UPDATE itself.
UNLESS_OVER = "(a.expires_at IS NULL OR a.expires_at > %(now)s)"
EXPIRED = "a.expires_at <= %(now)s"
OVERDUE = "a.due_at <= %(now)s"
HOLDING = "a.hold_until > %(now)s"
HELD_OUT = "a.hold_until <= %(now)s"
CLAIM_IDLE = "a.claim_until <= %(now)s"
_GUARDS = frozenset({"", UNLESS_OVER, EXPIRED, OVERDUE, HOLDING, HELD_OUT, CLAIM_IDLE})


def genesis(approval_id: UUID) -> bytes:
    """Where an approval's chain starts: its own id, so that no chain passes for another's."""
    return hashlib.sha256(approval_id.bytes).digest()


# --- What changes an approval


def begin(
    approval: Approval,
    entries: Sequence[tuple[Actor, Facts]],
    *,
    digests: Mapping[str, Json],
    now: datetime,
) -> list[AuditedChange]:
    """Start the chain of an approval that is about to be inserted; returns its first events, unsaved.

    The caller inserts the approval as it is now and hands the changes to `write`; `digests` are as in a move. The last
    of the events says what they leave.
    """
    left = {**{name: said for name, said in state_of(approval.__dict__).items() if said is not None}, **digests}
    changes = []
    head = genesis(approval.pk)
    for seq, (actor, facts) in enumerate(entries, start=1):
        state, stored = left if seq == len(entries) else {}, facts.as_json()
        head = link(head, event_digest(facts.kind, actor, now, stored, state))
        changes.append(AuditedChange(approval, _event(approval, seq, head, facts.kind, actor, stored, state, now)))
    approval.event_seq = len(entries)
    approval.event_head = head
    return changes


def write(changes: Sequence[AuditedChange], *beside: Sequence[models.Model]) -> None:
    """Insert events and tell the listeners after the commit. Inside the transaction of the change only.

    `beside` are sets of new rows that the events tell of, for those who would save a message to the database.
    """
    if not changes:
        return
    bulk.insert(*beside, [change.event for change in changes])
    transaction.on_commit(lambda: _tell(changes))


def move(moves: Sequence[Move], *, now: datetime, guard: str = "", ran: bool = False) -> list[Approval]:
    """Move every approval that still is as expected; returns those that moved, in the order asked.

    One UPDATE settles the race: whoever is not in the returned list lost it. Must run inside `transaction.atomic`.
    A verdict that goes ends the decision that stood with it, and nothing that may run passes a stop: nobody has to
    think of it. `ran`: it ran already, out of our reach, and is only told of.
    """
    if not moves:
        return []
    if guard not in _GUARDS:
        raise ValueError("a guard is one of this module's conditions")
    sets = [_with_reminder(one.sets, now) for one in moves]
    states = [{**state_of(new), **one.digests} for one, new in zip(moves, sets, strict=True)]
    facts = [one.facts.as_json() for one in moves]
    held_up = not ran and any(_may_let_run(new) for new in sets)
    if held_up:
        stop_lock.lock_shared()  # before any row: who stops waits for all that hold it, and would be waited for in turn
    if len(moves) > 1:
        # Two sets that overlap would deadlock if they locked their rows in different orders.
        ids = sorted(one.id for one in moves)
        list(Approval.objects.filter(pk__in=ids).order_by("pk").select_for_update().values_list("pk"))
    sql = _update(tuple(moves[0].expect), tuple(sets[0]), guard, held_up=held_up)
    rows = [
        {
            "id_": str(transition.id),
            "digest_": event_digest(transition.facts.kind, transition.actor, now, stored, state).hex(),
            **{f"was_{column}": value for column, value in transition.expect.items()},
            **{f"new_{column}": value for column, value in new.items()},
        }
        for transition, new, state, stored in zip(moves, sets, states, facts, strict=True)
    ]
    moved = {row.pk: row for row in Approval.objects.raw(sql, {"rows": bulk.as_json(rows), "now": now})}
    moved_rows = [
        (transition, stored, state, moved[transition.id])
        for transition, stored, state in zip(moves, facts, states, strict=True)
        if transition.id in moved
    ]
    ended = [one.id for one in moves if one.id in moved and one.sets.get("verdict") == ""]
    if ended:
        Decision.objects.filter(approval__in=ended, undone_at=None, recalled_at=None).update(undone_at=now)
    write(
        [
            AuditedChange(
                row,
                _event(
                    row,
                    row.event_seq,
                    bytes(row.event_head),
                    transition.facts.kind,
                    transition.actor,
                    stored,
                    state,
                    now,
                ),
            )
            for transition, stored, state, row in moved_rows
        ]
    )
    return [row for *_, row in moved_rows]


def move_one(transition: Move, *, now: datetime, guard: str = "", ran: bool = False) -> Approval | None:
    """The same for one approval: as the move left it, or None where somebody else was first."""
    moved = move([transition], now=now, guard=guard, ran=ran)
    return moved[0] if moved else None


def move_held(transition: Move, *, now: datetime, ran: bool = False) -> Approval:
    """The same where nobody can be first: the caller holds the row, or expects nothing of it."""
    [moved] = move([transition], now=now, ran=ran)
    return moved


def _may_let_run(sets: Mapping[str, object]) -> bool:
    """Whether a move could let something run. A rejection lets nothing; where it is older, the row tells of it."""
    if sets.get("consumed_at") is not None:
        return True
    return sets.get("status") in (Status.HELD, Status.RELEASED) and sets.get("verdict") != Verdict.REJECT


def _with_reminder(sets: Mapping[str, object], now: datetime) -> Mapping[str, object]:
    """Whatever gives a tier its time also says when the tier is reminded: nobody has to think of it."""
    if "due_at" not in sets:
        return sets
    due_at = sets["due_at"]
    return {**sets, "remind_at": times.remind_at(now, due_at if isinstance(due_at, datetime) else None)}


def _event(
    approval: Approval,
    seq: int,
    head: bytes,
    kind: str,
    actor: Actor,
    facts: Mapping[str, Json],
    state: Mapping[str, Json],
    at: datetime,
) -> AuditEvent:
    return bulk.new_row(
        AuditEvent,
        approval=approval,
        seq=seq,
        kind=kind,
        actor=actor.name,
        user_id=actor.user_id,
        agent_id=actor.agent_id,
        facts=dict(facts),
        state=dict(state),
        at=at,
        hash=head,
    )


def _update(expect: Iterable[str], sets: Iterable[str], guard: str, *, held_up: bool) -> str:
    """The UPDATE over a set of rows; column names and types come from the model, values stay parameters."""
    expect, sets = tuple(expect), tuple(sets)
    types = {field.attname: field for field in Approval._meta.concrete_fields}
    record = ["id_ uuid", "digest_ text"]
    record += [f"was_{column} {types[column].db_type(connection)}" for column in expect]
    record += [f"new_{column} {types[column].db_type(connection)}" for column in sets]
    changes = [f"{column} = m.new_{column}" for column in sets]
    changes += ["event_seq = a.event_seq + 1", "event_head = sha256(a.event_head || decode(m.digest_, 'hex'))"]
    where = ["a.id = m.id_", *(f"a.{column} IS NOT DISTINCT FROM m.was_{column}" for column in expect)]
    if guard:
        where.append(guard)
    if held_up:
        verdict = "m.new_verdict" if "verdict" in sets else "a.verdict"
        where.append(f"({verdict} = '{Verdict.REJECT.value}' OR {stop_lock.NONE_STANDS})")
    return (
        f"UPDATE {Approval._meta.db_table} AS a SET {', '.join(changes)} "  # noqa: S608  # names from the model only
        f"FROM jsonb_to_recordset(%(rows)s::jsonb) AS m({', '.join(record)}) "
        f"WHERE {' AND '.join(where)} RETURNING a.*"
    )


def _tell(changes: Sequence[AuditedChange]) -> None:
    for listener in _listeners:
        try:
            listener(changes)
        except Exception:
            # News is a hint; readers re-read the rows. What changed is committed and stays so.
            log.exception("listener %s failed", listener)
