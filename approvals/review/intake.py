"""Taking what agents submit: validate, route, store, answer. One implementation, always over a set of any agents.

A set is one transaction: known idempotency keys first, history read set-wise, everything inserted in bulk. A submission
that cannot be taken is answered by its own error and does not hold up the others; a set that fails as a whole is
halved until what makes it fail stands alone.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.utils import InterfaceError, OperationalError
from psycopg.errors import DeadlockDetected, LockNotAvailable

from approvals import audit, bulk, stoplock, stops, times
from approvals.ids import new_id
from approvals.models import Agent, Approval, Pause, Run
from approvals.policy import snapshot
from approvals.policy.assess import Assessment
from approvals.policy.routing import Routing
from approvals.policy.snapshot import NoPolicy, Policy
from approvals.review import answers, attachments, beforehand, degraded, escalation, outbox, spending, telling
from approvals.review.attachments import Files
from approvals.review.cases import Case, cases_of
from approvals.review.drafts import draft_of
from approvals.review.faults import faults_of
from approvals.review.submission import (
    Answer,
    Asked,
    BadSubmission,
    Item,
    KeyInFlight,
    KeyReused,
    Locked,
    Receipt,
    Submission,
)


class _Outrun(Exception):
    """Another transaction stored the same key meanwhile, and for ours something was taken or counted already."""


def submit(agent: Agent, submissions: Sequence[Submission]) -> list[Answer]:
    """Take a set of submissions of one agent; as `take`."""
    return take([Asked(agent.pk, one) for one in submissions])


def take(asked: Sequence[Asked]) -> list[Answer]:
    """Take a set of submissions; answers in the same order, each receipt durable when this returns.

    An answer is a Receipt, BadSubmission, KeyReused, KeyInFlight (another transaction holds the key for more than a
    second), or the surprise that kept this one alone from being stored. Raises NoPolicy, and what the database says
    when it cannot be reached: then nothing of the set was acknowledged.
    """
    try:
        return _take(asked)
    except NoPolicy:
        raise
    except _Outrun:
        return take(asked)  # who was quicker has committed, so its rows answer for the key
    except Exception as error:
        if _is_away(error):
            # The connection may have ended in the very COMMIT: without a key, once more could be twice.
            raise
        if len(asked) == 1:
            return [_held_up(error.__cause__) if isinstance(error.__cause__, LockNotAvailable) else error]
    # Outside the handler: what fails in a half would carry every failure before it along, into every line of the log.
    half = len(asked) // 2
    return [*take(asked[:half]), *take(asked[half:])]


def _held_up(error: LockNotAvailable) -> KeyInFlight | Locked:
    """For what it waited: a key is waited for while its row goes into the index of requests, all else elsewhere."""
    waited_for = f'inserting index tuple .* in relation "{Pause._meta.db_table}"'
    return KeyInFlight() if re.search(waited_for, error.diag.context or "") else Locked()


def _is_away(error: Exception) -> bool:
    """True when it was the connection that failed and not what was sent over it."""
    settled = isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)
    return isinstance(error, InterfaceError | OperationalError) and not settled


@transaction.atomic
def _take(asked: Sequence[Asked]) -> list[Answer]:
    now = times.now()
    policy = snapshot.current()
    found = _again(dict(enumerate(asked)))
    fresh: dict[int, Asked] = {}
    once = set()
    files = attachments.beside(asked)
    for place, one in enumerate(asked):
        # What repeats the key of an earlier one of this set is answered by that one's rows, below.
        if place in found or (one.once and one.once in once):
            continue
        faults = faults_of(one.submission, policy) + attachments.faults_of(one, files)
        if faults:
            found[place] = BadSubmission(faults)
        else:
            fresh[place] = one
            once.add(one.once)
    found |= _store(fresh, policy, files, now=now)
    # Whoever lost the race for a key, to another transaction or inside this set, finds the winner's rows now.
    found |= _again({place: one for place, one in enumerate(asked) if place not in found})
    return [found[place] for place in range(len(asked))]


def evaluate(agent: Agent, submission: Submission) -> list[tuple[Item, str, Routing, Assessment]]:
    """What policy would do with this request now, and whose people it would ask; nothing is stored.

    Raises BadSubmission.
    """
    policy = snapshot.current()
    asked = Asked(agent.pk, submission)
    files = attachments.beside([asked])
    faults = faults_of(submission, policy) + attachments.faults_of(asked, files)
    if faults:
        raise BadSubmission(faults)
    runs = _known_runs([(agent.pk, submission.run.key)]) if submission.run else {}
    halted = stops.standing() is not None
    [cases] = cases_of([asked], policy, now=times.now(), files=files, stopped=_stopped(runs), halted=halted)
    return [(case.item, case.domain, case.routing, case.assessment) for case in cases]


@transaction.atomic
def record(agent: Agent, submission: Submission, judge: Callable[[Case], Case]) -> Answer:
    """Store what an agent tells after it happened; `judge` says what becomes of its one item, instead of policy alone.

    Nothing that was approved beforehand is used for it. Raises what the database says.
    """
    asked = Asked(agent.pk, submission)
    found = _again({0: asked})
    if not found:
        now, policy = times.now(), snapshot.current()
        [[case]] = cases_of([asked], policy, now=now, covered=False)
        found = _keep({0: asked}, [[judge(case)]], {}, policy, now=now) or _again({0: asked})
    return found[0]


# --- Idempotency


# And from here on nobody waits longer for a key that another transaction has inserted and not committed.
_STORED = """
SELECT ARRAY(
    SELECT pause.id FROM unnest(%s::uuid[], %s::text[]) AS asked (agent, key)
    JOIN approvals_pause AS pause ON pause.agent_id = asked.agent AND pause.key = asked.key
), set_config('lock_timeout', '1s', true)
"""


def _again(asked: Mapping[int, Asked]) -> dict[int, Answer]:
    """Answer submissions from the rows stored under their keys; those without a row are left out."""
    wanted = sorted({one.once for one in asked.values() if one.once})
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [[agent for agent, _ in wanted], [key for _, key in wanted]])
        known, _ = cursor.fetchone()
    if not known:
        return {}
    stored = {(pause.agent_id, pause.key): pause for pause in Pause.objects.select_related("run").filter(pk__in=known)}
    approvals: dict[object, list[Approval]] = {}
    for approval in answers.of_pauses(stored.values()):
        approvals.setdefault(approval.pause_id, []).append(approval)
    answered: dict[int, Answer] = {}
    for place, one in asked.items():
        pause = stored.get(one.once) if one.once else None
        if pause is not None:
            same = pause.content_hash == one.submission.content_hash
            answered[place] = Receipt(pause, approvals[pause.pk], replayed=True) if same else KeyReused()
    return answered


def _runs(asked: Iterable[Asked], *, now: datetime) -> dict[tuple[object, str], Run]:
    """The agents' workflows that are named, by agent and name; new ones are made."""
    named = {(one.agent, one.submission.run.key): one.submission.run for one in asked if one.submission.run}
    if not named:
        return {}
    found = _known_runs(named)
    missing = [
        Run(id=new_id(), agent_id=agent, key=key, name=ref.name, created_at=now)
        for (agent, key), ref in sorted(named.items(), key=lambda pair: pair[0])
        if (agent, key) not in found
    ]
    made = bulk.insert_new(missing)
    found |= {(run.agent_id, run.key): run for run in missing if run.pk in made}
    return found if len(found) == len(named) else _known_runs(named)


def _run_of(asked: Asked, runs: Mapping[tuple[object, str], Run]) -> Run | None:
    return runs[asked.agent, asked.submission.run.key] if asked.submission.run else None


def _known_runs(named: Iterable[tuple[object, str]]) -> dict[tuple[object, str], Run]:
    agents, keys = zip(*named, strict=True)
    rows = Run.objects.raw(
        "SELECT run.* FROM unnest(%s::uuid[], %s::text[]) AS named (agent, key) "
        "JOIN approvals_run AS run ON run.agent_id = named.agent AND run.key = named.key",
        [list(agents), list(keys)],
    )
    return {(run.agent_id, run.key): run for run in rows}


def _stopped(runs: Mapping[tuple[object, str], Run]) -> set[tuple[object, str]]:
    return {named for named, run in runs.items() if run.stopped_at is not None}


# --- Storing


def _store(fresh: Mapping[int, Asked], policy: Policy, files: Files, *, now: datetime) -> dict[int, Answer]:
    """Route and store; whose key another transaction stored meanwhile is left out."""
    if not fresh:
        return {}
    halted = stoplock.hold_off()
    runs = _runs(fresh.values(), now=now)
    cases = cases_of(list(fresh.values()), policy, now=now, files=files, stopped=_stopped(runs), halted=halted)
    cases = beforehand.taken(cases, policy, now=now)
    cases = spending.within(cases, policy, now=now)
    return _keep(fresh, cases, runs, policy, now=now)


def _keep(
    fresh: Mapping[int, Asked],
    cases: Sequence[Sequence[Case]],
    runs: Mapping[tuple[object, str], Run],
    policy: Policy,
    *,
    now: datetime,
) -> dict[int, Answer]:
    """Store submissions with their cases; whose key another transaction stored meanwhile is left out."""
    spent = {
        place: spending.amounts(of_one, run.pk if (run := _run_of(one, runs)) else None)
        for (place, one), of_one in zip(fresh.items(), cases, strict=True)
    }
    # Before the permits of the drafts: the first of all makes the signing key, for which others wait to the end.
    spending.add(spent.values(), now=now)
    drafts = {
        place: draft_of(one, of_one, _run_of(one, runs), policy, now=now)
        for (place, one), of_one in zip(fresh.items(), cases, strict=True)
    }
    # Unsorted inserts of overlapping key sets deadlock.
    pauses = sorted((draft.pause for draft in drafts.values()), key=lambda one: (one.agent_id, one.key or "", one.pk))
    won = bulk.insert_new(pauses)
    lost = [place for place, draft in drafts.items() if draft.pause.pk not in won]
    if lost:
        used = dict(zip(drafts, cases, strict=True))
        if any(spent[place] or any(one.routing.covered for one in used[place]) for place in lost):
            raise _Outrun  # a use was taken, or a spending counted, for what is not stored
    drafts = {place: draft for place, draft in drafts.items() if draft.pause.pk in won}
    kept = drafts.values()
    escalation.hand_on([one for draft in kept for one in draft.approvals], now=now)
    audit.write(
        [one for draft in kept for one in draft.changes],
        [one for draft in kept for one in draft.approvals],
        [one for draft in kept for one in draft.proposals],
        [one for draft in kept for one in draft.decisions],
        [one for draft in kept for one in draft.planned],
        [one for draft in kept for one in draft.audits],
    )
    degraded.begin(
        [
            one.routing.scarcity
            for place, of_one in zip(fresh, cases, strict=True)
            for one in of_one
            if place in drafts and one.routing.scarcity
        ],
        now=now,
    )
    telling.tell([one for draft in kept for one in draft.approvals], telling.NEW, now=now)
    outbox.tell_closed([(draft.pause, draft.approvals) for draft in kept if draft.pause.answer])
    return {place: Receipt(draft.pause, draft.approvals) for place, draft in drafts.items()}
