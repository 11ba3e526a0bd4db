"""One order over all events, given after their commit; its number is the feed.

Sequences and UUIDv7 are not in commit order: a reader that follows them misses what commits late. The sealer, one at a
time by advisory lock, numbers committed events and chains them; a signed checkpoint leaves the database at an interval.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from approvals.audit import genesis
from approvals.chains import SYSTEM_GENESIS, Actor, event_digest, link, system_digest
from approvals.models import Approval, Event, Seal, SystemChain, SystemEvent

_LOCK = 0x5EA1
_GENESIS = bytes(32)
# No transaction lives this long (idle and statement limits are far below), so older gaps are looked for rarely.
_RECENT = timedelta(minutes=10)


def feed() -> int:
    """The largest seal's number; 0 before the first."""
    return Seal.objects.aggregate(last=Max("number"))["last"] or 0


@transaction.atomic
def seal(*, now: datetime, everything: bool = False, limit: int = 5000) -> int:
    """Number and chain committed events that have no seal yet; returns how many.

    Looks at the last ten minutes, or at all of history with `everything` (at start-up and now and then).
    Does nothing while another sealer is at work.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
    unsealed = Event.objects.filter(seal=None).order_by("id")
    system = SystemEvent.objects.filter(seal=None).order_by("seq")
    if not everything:
        unsealed = unsealed.filter(at__gte=now - _RECENT)
        system = system.filter(at__gte=now - _RECENT)
    events: list[Event | SystemEvent] = [*unsealed.only("id", "hash")[:limit], *system.only("seq", "hash")[:limit]]
    if not events:
        return 0
    last = Seal.objects.order_by("-number").first()
    number, head = (last.number, bytes(last.hash)) if last else (0, _GENESIS)
    seals = []
    for event in events:
        number, head = number + 1, link(head, bytes(event.hash))
        one = {"event": event} if isinstance(event, Event) else {"system_event": event}
        seals.append(Seal(number=number, hash=head, sealed_at=now, **one))
    Seal.objects.bulk_create(seals)
    return len(seals)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a recomputation of the chains found; `message` names the first bad row."""

    ok: bool
    checked: int
    message: str


def verify(approval_id: UUID | None = None, *, checkpoints: Path | None = None, secret: str = "") -> Verification:
    """Recompute the chain of one approval, or of all of them with the seals and checkpoints over them.

    Finds an edited, deleted or reordered event, an approval whose head is not its last event, a broken order of seals,
    and, by the checkpoints kept outside the database, a tail that was cut off.
    """
    checked = 0
    approvals = Approval.objects.order_by("pk")
    if approval_id:
        approvals = approvals.filter(pk=approval_id)
    heads = {pk: (seq, bytes(head)) for pk, seq, head in approvals.values_list("pk", "event_seq", "event_head")}
    seen: set[UUID] = set()
    for pk, events in _chains(approval_id):
        head = genesis(pk)
        for place, event in enumerate(events, start=1):
            if event.seq != place:
                return Verification(False, checked, f"approval {pk}: event {place} is missing")
            head = link(head, event_digest(event.kind, Actor(event.actor), event.at, event.facts))
            if head != bytes(event.hash):
                return Verification(False, checked, f"approval {pk}: event {event.seq} ({event.kind}) was changed")
            checked += 1
        if heads.get(pk) != (len(events), head):
            return Verification(False, checked, f"approval {pk}: the last event is not the head of the approval")
        seen.add(pk)
    for pk in heads.keys() - seen:
        return Verification(False, checked, f"approval {pk}: event 1 is missing")
    if approval_id:
        return Verification(True, checked, f"{checked} events verified")
    system = _verify_system()
    if not system.ok:
        return Verification(False, checked, system.message)
    return _verify_seals(checked + system.checked, checkpoints, secret)


def _verify_system() -> Verification:
    """Recompute the chain of what concerns no approval."""
    head, count = SYSTEM_GENESIS, 0
    for event in SystemEvent.objects.order_by("seq").iterator(chunk_size=2000):
        if event.seq != count + 1:
            return Verification(False, count, f"system event {count + 1} is missing")
        head = link(head, system_digest(event.kind, Actor(event.actor), event.about, event.at, event.detail))
        if head != bytes(event.hash):
            return Verification(False, count, f"system event {event.seq} ({event.kind}) was changed")
        count += 1
    chain = SystemChain.objects.first()
    if (chain.seq, bytes(chain.head)) != (count, head) if chain else count:
        return Verification(False, count, "the last system event is not the head of its chain")
    return Verification(True, count, f"{count} system events verified")


def _chains(approval_id: UUID | None) -> Iterator[tuple[UUID, list[Event]]]:
    """The events of each approval in order, one approval at a time."""
    events = Event.objects.order_by("approval_id", "seq")
    if approval_id:
        events = events.filter(approval_id=approval_id)
    group: list[Event] = []
    for event in events.iterator(chunk_size=2000):
        if group and group[0].approval_id != event.approval_id:
            yield group[0].approval_id, group
            group = []
        group.append(event)
    if group:
        yield group[0].approval_id, group


def _verify_seals(checked: int, checkpoints: Path | None, secret: str) -> Verification:
    head = _GENESIS
    number = 0
    heads: dict[int, str] = {}
    marks = _checkpoints(checkpoints) if checkpoints else []
    wanted = {mark.number for mark in marks}
    for one in Seal.objects.order_by("number").select_related("event", "system_event").iterator(chunk_size=2000):
        number += 1
        if one.number != number:
            return Verification(False, checked, f"seal {number} is missing")
        event = one.event or one.system_event
        if event is None:
            return Verification(False, checked, f"seal {number} is of no event")
        head = link(head, bytes(event.hash))
        if head != bytes(one.hash):
            return Verification(False, checked, f"seal {number} does not follow from the one before it")
        if number in wanted:
            heads[number] = head.hex()
    for mark in marks:
        if not hmac.compare_digest(mark.signature, _sign(mark.number, mark.head, mark.at, secret)):
            return Verification(
                False, checked, f"the checkpoint at seal {mark.number} is not signed by this installation"
            )
        if mark.number and heads.get(mark.number) != mark.head:
            return Verification(False, checked, f"history up to seal {mark.number} is not what its checkpoint recorded")
    open_ = Event.objects.filter(seal=None).count() + SystemEvent.objects.filter(seal=None).count()
    waiting = f", {open_} not sealed yet" if open_ else ""
    return Verification(True, checked, f"{checked} events and {number} seals verified{waiting}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    number: int
    head: str
    at: str
    signature: str


def checkpoint(path: Path, *, now: datetime, secret: str) -> Checkpoint | None:
    """Append the signed head of the seals (number, hash, time) to a file outside the database; None when empty."""
    last = Seal.objects.order_by("-number").first()
    if last is None:
        return None
    head, at = bytes(last.hash).hex(), now.isoformat()
    mark = Checkpoint(last.number, head, at, _sign(last.number, head, at, secret))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as sink:
        sink.write(json.dumps({"number": mark.number, "head": head, "at": at, "signature": mark.signature}) + "\n")
    return mark


def _checkpoints(path: Path) -> list[Checkpoint]:
    if not path.exists():
        return []
    return [Checkpoint(**json.loads(line)) for line in path.read_text().splitlines() if line]


def _sign(number: int, head: str, at: str, secret: str) -> str:
    """HMAC-SHA-256 under the installation's secret: who edits the database cannot forge it."""
    return hmac.new(secret.encode(), f"assent.checkpoint|{number}|{head}|{at}".encode(), hashlib.sha256).hexdigest()
