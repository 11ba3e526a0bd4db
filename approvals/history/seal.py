"""Seals: one order over all events, given after their commit. Their numbers are the event feed.

Sequences and UUIDv7 are not in commit order: a reader that follows them misses what commits late. The sealer, one at a
time by advisory lock, numbers committed events and chains them; a signed checkpoint leaves the database at an interval.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from approvals.history import recompute, witness
from approvals.history.audit import genesis
from approvals.history.chains import SYSTEM_GENESIS, Actor, event_digest, link, system_digest
from approvals.models import Approval, ApprovalRequest, AuditEvent, Seal, SystemAuditEvent, SystemChain

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
    unsealed = AuditEvent.objects.filter(seal=None).order_by("id")
    system = SystemAuditEvent.objects.filter(seal=None).order_by("seq")
    if not everything:
        unsealed = unsealed.filter(at__gte=now - _RECENT)
        system = system.filter(at__gte=now - _RECENT)
    events: list[AuditEvent | SystemAuditEvent] = [
        *unsealed.only("id", "hash")[:limit],
        *system.only("seq", "hash")[:limit],
    ]
    if not events:
        return 0
    last = Seal.objects.order_by("-number").first()
    number, head = (last.number, bytes(last.hash)) if last else (0, _GENESIS)
    seals = []
    for event in events:
        number, head = number + 1, link(head, bytes(event.hash))
        reference = {"event": event} if isinstance(event, AuditEvent) else {"system_event": event}
        seals.append(Seal(number=number, hash=head, sealed_at=now, **reference))
    Seal.objects.bulk_create(seals)
    return len(seals)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a recomputation found; `message` names the first bad row."""

    ok: bool
    checked: int
    message: str


def verify(approval_id: UUID | None = None, *, checkpoints: Path | None = None) -> Verification:
    """Recompute the chains of one request, that of this approval, or all of history with the seals and checkpoints.

    Finds an edited, deleted or reordered event, an approval whose head is not its last event, a broken order of seals,
    and, by the checkpoints kept outside the database, a tail that was cut off. What holds is then used: every approval,
    decision, proposal, decision document and version of policy must be what the events say of it.
    """
    with _as_of_now():
        return _verify(approval_id, checkpoints)


@contextmanager
def _as_of_now() -> Iterator[None]:
    """All that is read is of one moment, or what changes meanwhile would look like a lie; not within a transaction."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _verify(approval_id: UUID | None, checkpoints: Path | None) -> Verification:
    checked = 0
    system = _verify_system()
    lie = recompute.policy() if system.ok else system.message
    if lie:
        return Verification(False, checked, lie)
    approvals, requests = Approval.objects.order_by("pk"), ApprovalRequest.objects.all()
    if approval_id:
        approvals = approvals.filter(request__approvals=approval_id)
        requests = requests.filter(approvals=approval_id)
    heads = {pk: (seq, bytes(head)) for pk, seq, head in approvals.values_list("pk", "event_seq", "event_head")}
    seen: set[UUID] = set()
    recomputation = recompute.Recomputation()
    for pk, events in _chains(approval_id):
        head = genesis(pk)
        for number, event in enumerate(events, start=1):
            if event.seq != number:
                return Verification(False, checked, f"approval {pk}: event {number} is missing")
            head = link(head, event_digest(event.kind, Actor(event.actor), event.at, event.facts, event.state))
            if head != bytes(event.hash):
                return Verification(False, checked, f"approval {pk}: event {event.seq} ({event.kind}) was changed")
            checked += 1
        if heads.get(pk) != (len(events), head):
            return Verification(False, checked, f"approval {pk}: the last event is not the head of the approval")
        seen.add(pk)
        if lie := recomputation.take(pk, events):
            return Verification(False, checked, lie)
    for pk in heads.keys() - seen:
        return Verification(False, checked, f"approval {pk}: event 1 is missing")
    if lie := recomputation.finish() or recompute.decision_documents(requests):
        return Verification(False, checked, lie)
    if approval_id:
        return Verification(True, checked, f"{checked} events and the rows they tell of verified")
    return _verify_seals(checked + system.checked, checkpoints)


def _verify_system() -> Verification:
    """Recompute the chain of what concerns no approval."""
    head, count = SYSTEM_GENESIS, 0
    for event in SystemAuditEvent.objects.order_by("seq").iterator(chunk_size=2000):
        if event.seq != count + 1:
            return Verification(False, count, f"system event {count + 1} is missing")
        head = link(head, system_digest(event.kind, Actor(event.actor), event.subject, event.at, event.detail))
        if head != bytes(event.hash):
            return Verification(False, count, f"system event {event.seq} ({event.kind}) was changed")
        count += 1
    chain = SystemChain.objects.first()
    if (chain.seq, bytes(chain.head)) != (count, head) if chain else count:
        return Verification(False, count, "the last system event is not the head of its chain")
    return Verification(True, count, f"{count} system events verified")


def _chains(approval_id: UUID | None) -> Iterator[tuple[UUID, list[AuditEvent]]]:
    """The events of each approval in order, one approval at a time."""
    events = AuditEvent.objects.order_by("approval_id", "seq")
    if approval_id:
        events = events.filter(approval__request__approvals=approval_id)
    group: list[AuditEvent] = []
    for event in events.iterator(chunk_size=2000):
        if group and group[0].approval_id != event.approval_id:
            yield group[0].approval_id, group
            group = []
        group.append(event)
    if group:
        yield group[0].approval_id, group


def _verify_seals(checked: int, checkpoints: Path | None) -> Verification:
    head = _GENESIS
    number = 0
    heads: dict[int, str] = {}
    try:
        marks = witness.checkpoints(checkpoints) if checkpoints else []
    except witness.BrokenWitness as error:
        return Verification(False, checked, str(error))
    checkpoint_seals = {mark.seal for mark in marks}
    seals = Seal.objects.order_by("number").values_list("number", "hash", "event__hash", "system_event__hash")
    for given, sealed, *hashes in seals.iterator(chunk_size=2000):
        number += 1
        if given != number:
            return Verification(False, checked, f"seal {number} is missing")
        event = next((one for one in hashes if one is not None), None)
        if event is None:
            return Verification(False, checked, f"seal {number} is of no event")
        head = link(head, bytes(event))
        if head != bytes(sealed):
            return Verification(False, checked, f"seal {number} does not follow from the one before it")
        if number in checkpoint_seals:
            heads[number] = head.hex()
    for mark in marks:
        if heads.get(mark.seal) != mark.head:
            return Verification(False, checked, f"history up to seal {mark.seal} is not what its checkpoint recorded")
    open_ = AuditEvent.objects.filter(seal=None).count() + SystemAuditEvent.objects.filter(seal=None).count()
    waiting = f", {open_} not sealed yet" if open_ else ""
    verified = f"{checked} events, {number} seals and the rows they tell of verified{waiting}"
    return Verification(True, checked, f"{verified}. {_outside(marks)}" if checkpoints else verified)


def _outside(marks: Sequence[witness.Checkpoint]) -> str:
    """What of it this program cannot know: only who kept a copy can."""
    if not marks:
        return "There is no checkpoint outside the database yet, so a cut-off end would not show."
    last = marks[-1]
    return (
        f"Last checkpoint: {last.number}, {last.at}, hash {last.hash}. Were its file and the database cut back alike, "
        "only a copy kept elsewhere would show it: compare it with yours."
    )
