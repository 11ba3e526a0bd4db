"""Everything that happens because time passed. Runs in its own process, without Celery and Redis.

Two sweeps at once are harmless: each claims the rows it takes (FOR UPDATE SKIP LOCKED) and every move is conditional.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q

from approvals.db import stop_lock, times
from approvals.decisions import escalation, guidance, snooze, unsent_text
from approvals.decisions.claims import escalation_to
from approvals.execution import kill_switch, post_review_queue, rollback, run_endings, runs, unconfirmed
from approvals.history import audit, recorded
from approvals.history.facts import Expired, Facts, Overdue, Released, Unclaimed
from approvals.models import Approval, Decision, Proposal
from approvals.models.approval import NO_CLAIM
from approvals.models.policy import CONSENTING, Silence, Verdict
from approvals.models.states import RUNNING, Source, Status
from approvals.notify import notifications, outbox
from approvals.oversight import judging
from approvals.people.roster import Reviewers
from approvals.policy import snapshot
from approvals.policy.compiled_policy import Policy
from approvals.requests.closing import close_settled
from approvals.values.schema import Json

log = logging.getLogger(__name__)

SET = 500  # rows of one transaction


@dataclass(frozen=True, slots=True)
class SweepCounts:
    """How many approvals a sweep moved, by what time did to them."""

    released: int = 0
    expired: int = 0
    escalated: int = 0
    unclaimed: int = 0
    woken: int = 0
    alarmed: int = 0
    stopped: int = 0
    lapsed: int = 0
    reminded: int = 0
    forgotten: int = 0

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def sweep() -> SweepCounts:
    """Release, expire, escalate, un-claim and bring back everything that is due, oldest first."""
    hold, end, due, claim, aside, look, soon = _upcoming()
    now = times.now()

    def reached(moment: datetime | None) -> bool:
        return moment is not None and moment <= now

    pending = Q(status=Status.PENDING)
    # What is at its end is the deadline's business, whichever of two clocks comes first.
    in_time = Q(expires_at=None) | Q(expires_at__gt=F("due_at"))
    return SweepCounts(
        released=_apply_to_all_due(_release, _releasable(), "hold_until") if reached(hold) else 0,
        expired=_apply_to_all_due(_expire, pending, "expires_at", "tier") if reached(end) else 0,
        # Who is reading it is not interrupted; when the claim ends the tier's time counts again.
        escalated=_apply_to_all_due(_escalate, pending & in_time & Q(claimed_by=None), "due_at", "tier")
        if reached(due)
        else 0,
        unclaimed=_apply_to_all_due(_unclaim, pending & Q(claimed_by__isnull=False), "claim_until")
        if reached(claim)
        else 0,
        woken=_apply_to_all_due(snooze.wake, pending, "snoozed_until") if reached(aside) else 0,
        lapsed=run_endings.close_lapsed_windows() if reached(look) else 0,
        alarmed=unconfirmed.alarm() + rollback.alarm(),
        stopped=_drop_overtaken(),
        # Last: whose time is over has gone to the next tier by now.
        reminded=notifications.remind() if reached(soon) else 0,
        forgotten=unsent_text.lapse(),
    )


def _releasable() -> Q:
    """Held approvals that may be released now: rejections always, anything else only while no stop is in force."""
    held = Q(status=Status.HELD)
    return held if kill_switch.standing() is None else held & Q(verdict=Verdict.REJECT)


# Each is the first row of a partial index.
_UPCOMING = """
SELECT
    (SELECT min(hold_until) FROM approvals_approval WHERE status = 'held'),
    (SELECT min(expires_at) FROM approvals_approval WHERE status = 'pending'),
    (SELECT min(due_at) FROM approvals_approval WHERE status = 'pending' AND claimed_by_id IS NULL),
    (SELECT min(claim_until) FROM approvals_approval WHERE status = 'pending' AND claim_until IS NOT NULL),
    (SELECT min(snoozed_until) FROM approvals_approval WHERE status = 'pending' AND snoozed_until IS NOT NULL),
    (SELECT min(until) FROM approvals_postreview WHERE finding = 'open' AND until IS NOT NULL),
    (SELECT min(remind_at) FROM approvals_approval
        WHERE status = 'pending' AND remind_at IS NOT NULL AND claimed_by_id IS NULL)
"""


def _upcoming() -> tuple[datetime | None, ...]:
    """The next end of an undo window, of a deadline, of a tier's time, of a claim, of a snooze and of a window to
    object in, and the next reminder."""
    with connection.cursor() as cursor:
        cursor.execute(_UPCOMING)
        return tuple(cursor.fetchone())


def next_moment() -> datetime | None:
    """When the next deadline of any kind comes; None when nothing waits for time."""
    return min(filter(None, _upcoming()), default=None)


LATE = timedelta(seconds=10)


def late(now: datetime) -> timedelta | None:
    """How overdue the oldest deadline is that should have fired by now; None where none is more than 10 s late."""
    hold, end, due, *_later = _upcoming()
    moments = [end, due, *([hold] if kill_switch.standing() is None else [])]
    oldest = min(filter(None, moments), default=now)
    return now - oldest if now - oldest > LATE else None


TimedStep = Callable[[Sequence[Approval], datetime], int]


def _apply_to_all_due(step: TimedStep, among: Q, column: str, *related: str) -> int:
    """Apply a step to all that is due by `column`, a set at a time, until nothing is left."""
    done = 0
    while True:
        with transaction.atomic():
            stop_lock.lock_shared()  # before any row is locked (see audit.move)
            now = times.now()
            rows = list(
                Approval.objects.filter(among, **{f"{column}__lte": now})
                .order_by(column, "pk")
                .select_for_update(skip_locked=True, of=("self",))
                .defer("assessment", "reasons")
                .select_related(*(related or (None,)))[:SET]
            )
            moved = _in_halves(step, rows, now)
            done += moved
        if len(rows) < SET or not moved:
            return done


def _in_halves(step: TimedStep, rows: Sequence[Approval], now: datetime) -> int:
    """Apply a step to a set; where that fails, halve the set until the one row that fails stands alone."""
    if not rows:
        return 0
    try:
        with transaction.atomic():
            return step(rows, now)
    except DatabaseError:
        if len(rows) == 1:
            log.exception("approval %s could not be moved by the clock", rows[0].pk)
            return 0
    middle = len(rows) // 2
    return _in_halves(step, rows[:middle], now) + _in_halves(step, rows[middle:], now)


def _move_due(
    rows: Sequence[Approval],
    guard: str,
    now: datetime,
    *,
    sets: Callable[[Approval], Mapping[str, object]],
    facts: Callable[[Approval], Facts],
    digests: Callable[[Approval], Mapping[str, Json]] = lambda _: {},
    still: Sequence[str] = ("round",),
) -> list[Approval]:
    """Move those of a set that are still due and whose `still` columns have not changed since they were read."""
    return audit.move(
        [
            audit.Move(
                approval.pk,
                facts(approval),
                audit.CLOCK,
                expect={"status": approval.status, **{column: getattr(approval, column) for column in still}},
                sets=sets(approval),
                digests=digests(approval),
            )
            for approval in rows
        ],
        now=now,
        guard=guard,
    )


def _release(rows: Sequence[Approval], now: datetime) -> int:
    """Release verdicts whose undo window is over, so that their agents can read them."""
    moved = _move_due(
        rows,
        audit.HELD_OUT,
        now,
        sets=lambda _: {"status": Status.RELEASED, "hold_until": None, "released_at": now},
        facts=lambda approval: Released(verdict=approval.verdict),
    )
    guidance.send_released(moved, now=now)
    close_settled(moved, now=now)
    return len(moved)


def _expire(rows: Sequence[Approval], now: datetime) -> int:
    """Nobody decided: silence means what was agreed at submission, and is recorded as silence.

    While everything is stopped silence lets nothing run, whatever was agreed.
    """
    stopped = stop_lock.lock_shared()
    handed = _escalate_at_deadline(rows, now)
    given = {approval.pk for approval in handed}
    rows = [row for row in rows if row.pk not in given]
    silent = [row for row in rows if stopped or _consent(row) is None or row.kind not in RUNNING]
    moved = _move_due(
        silent,
        audit.EXPIRED,
        now,
        sets=lambda _: {"status": Status.EXPIRED, **NO_CLAIM},
        facts=lambda approval: Expired(silence=approval.on_timeout, stopped=stopped or None),
    )
    judging.close_unanswered(moved, now=now)
    moved += _release_by_silence([row for row in rows if row not in silent], now)
    close_settled(moved, now=now)
    return len(moved) + len(handed)


def _escalate_at_deadline(rows: Sequence[Approval], now: datetime) -> list[Approval]:
    """Escalate once, with the next tier's time, those whose deadline escalates and which no higher tier has seen."""
    asking = [row for row in rows if row.on_timeout == Silence.ESCALATE]
    policies, staff = _policies(asking), Reviewers(now)
    moves = []
    for approval in asking:
        last_resort = escalation.last_resort(approval, policies[approval.policy_id], staff=staff)
        if last_resort is not None:
            tier, end = last_resort
            receiver = escalation.Receiver(tier, (), end)
            move = escalation_to(approval, receiver, audit.CLOCK, kept=False, expires_at=end)
            moves.append(replace(move, sets={**move.sets, "expires_at": end, "on_timeout": Silence.REJECT}))
    moved = audit.move(moves, now=now, guard=audit.EXPIRED)
    notifications.notify(moved, notifications.ESCALATED, now=now)
    outbox.notify_escalated(moved)
    return moved


def _consent(approval: Approval) -> str | None:
    """The verdict that silence stands for, None for none. The database refuses approval of what is not reversible."""
    if approval.on_timeout in CONSENTING:
        return Verdict.APPROVE
    if approval.on_timeout == Silence.BEST_GUESS and approval.proposal_id is not None:
        return Verdict.ANSWER
    return None


def _release_by_silence(rows: Sequence[Approval], now: datetime) -> list[Approval]:
    proposals = Proposal.objects.filter(pk__in=[row.proposal_id for row in rows if row.proposal_id])
    guesses: dict[UUID | None, Json] = dict(proposals.values_list("pk", "best_guess"))
    answers = {
        approval.pk: guesses.get(approval.proposal_id) if _consent(approval) == Verdict.ANSWER else None
        for approval in rows
    }
    moved = _move_due(
        rows,
        audit.EXPIRED,
        now,
        sets=lambda approval: {
            "status": Status.RELEASED,
            "verdict": _consent(approval),
            "source": Source.TIMEOUT,
            "decided_at": now,
            "released_at": now,
            **NO_CLAIM,
        },
        facts=lambda approval: Expired(silence=approval.on_timeout, verdict=_consent(approval)),
        digests=lambda approval: {"decision": recorded.decision_digest({"answer": answers[approval.pk]})},
    )
    Decision.objects.bulk_create(
        Decision.on(approval, surface="clock", at=now, answer=answers[approval.pk]) for approval in moved
    )
    post_review_queue.open_after_silence(moved, now=now)
    return moved


def _escalate(rows: Sequence[Approval], now: datetime) -> int:
    """Escalate what its tier did not answer in time.

    At the end of the chain it stays, and its tier's time is cleared.
    """
    policies, staff = _policies(rows), Reviewers(now)
    upwards, at_the_end = [], []
    for approval in rows:
        receiver = escalation.next_in_time(approval, policies[approval.policy_id], staff=staff)
        if receiver is None:
            at_the_end.append(approval)
        else:
            upwards.append(escalation_to(approval, receiver, audit.CLOCK, kept=False))
    moved = audit.move(upwards, now=now, guard=audit.OVERDUE)
    notifications.notify(moved, notifications.ESCALATED, now=now)
    outbox.notify_escalated(moved)
    ended = _move_due(
        at_the_end,
        audit.OVERDUE,
        now,
        sets=lambda approval: {"due_at": None, "breaches": approval.breaches + 1},
        facts=lambda approval: Overdue(tier=approval.tier_id),
        still=("tier_id",),
    )
    return len(moved) + len(ended)


def _unclaim(rows: Sequence[Approval], now: datetime) -> int:
    """An idle claim returns to the queue, and the tier's time, which stood still meanwhile, goes on."""
    policies, since = _policies(rows), escalation.held_since([row.pk for row in rows])

    def sets(approval: Approval) -> Mapping[str, object]:
        due = escalation.due_after_idle_claim(
            approval, policies[approval.policy_id], since=since.get(approval.pk), now=now
        )
        return {**NO_CLAIM, "due_at": due}

    moved = _move_due(
        rows,
        audit.CLAIM_IDLE,
        now,
        sets=sets,
        facts=lambda _: Unclaimed(idle=True),
        still=("claimed_by_id", "due_at", "tier_id"),
    )
    return len(moved)


def _policies(rows: Sequence[Approval]) -> dict[int, Policy]:
    return {number: snapshot.load(number) for number in {row.policy_id for row in rows}}


@transaction.atomic
def _drop_overtaken() -> int:
    """Cancel what was submitted to a run at the very moment a reviewer stopped it."""
    now = times.now()
    moved = runs.cancel_overtaken(now=now)
    if moved:
        close_settled(moved, now=now)
    return len(moved)


class ClockJumped(Exception):
    """The wall clock moved against the monotonic one: deadlines cannot be trusted until a person looked."""


class ClockWatch:
    """Compares the database's clock with this machine's uptime, which no one can set.

    A jump of more than `tolerance` in either direction raises ClockJumped at every check until the clocks agree again,
    or until the process is started anew.
    """

    def __init__(self, uptime: Callable[[], float], tolerance: timedelta = timedelta(seconds=5)) -> None:
        self._uptime = uptime
        self._tolerance = tolerance.total_seconds()
        self._offset: float | None = None

    def check(self, now: datetime) -> None:
        offset = now.timestamp() - self._uptime()
        if self._offset is None:
            self._offset = offset
        drift = offset - self._offset
        if abs(drift) > self._tolerance:
            raise ClockJumped(f"the clock moved by {drift:+.0f} s")
        self._offset = offset  # slow correction by the time service is no jump
