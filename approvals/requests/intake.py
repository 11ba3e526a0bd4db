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

from approvals.db import bulk, stop_lock, times
from approvals.decisions import escalation
from approvals.execution import kill_switch, pre_approval_uses, spending
from approvals.history import audit
from approvals.models import Agent, Approval, ApprovalRequest, Run
from approvals.notify import notifications, outbox
from approvals.oversight import draws
from approvals.policy import snapshot
from approvals.policy.assessed import Assessment
from approvals.policy.compiled_policy import Policy
from approvals.policy.routing_decision import Routing
from approvals.policy.snapshot import NoPolicy
from approvals.requests import attachments, decision_document
from approvals.requests.attachments import Files
from approvals.requests.evaluation import Evaluation, evaluate_items
from approvals.requests.new_rows import new_request
from approvals.requests.submission import (
    AgentSubmission,
    Answer,
    BadSubmission,
    Item,
    KeyInFlight,
    KeyReused,
    Locked,
    Receipt,
    Submission,
)
from approvals.requests.validation import faults_of
from approvals.workload import overload


class _Outrun(Exception):
    """Another transaction stored the same key meanwhile, and for ours something was taken or counted already."""


def submit(agent: Agent, submissions: Sequence[Submission]) -> list[Answer]:
    """Take a set of submissions of one agent; as `take`."""
    return take([AgentSubmission(agent.pk, submission) for submission in submissions])


def take(agent_submissions: Sequence[AgentSubmission]) -> list[Answer]:
    """Take a set of submissions; answers in the same order, each receipt durable when this returns.

    An answer is a Receipt, BadSubmission, KeyReused, KeyInFlight (another transaction holds the key for more than a
    second), or the surprise that kept this one alone from being stored. Raises NoPolicy, and what the database says
    when it cannot be reached: then nothing of the set was acknowledged.
    """
    try:
        return _take(agent_submissions)
    except NoPolicy:
        raise
    except _Outrun:
        return take(agent_submissions)  # who was quicker has committed, so its rows answer for the key
    except Exception as error:
        if _is_away(error):
            # The connection may have ended in the very COMMIT: without a key, once more could be twice.
            raise
        if len(agent_submissions) == 1:
            return [_held_up(error.__cause__) if isinstance(error.__cause__, LockNotAvailable) else error]
    # Outside the handler: what fails in a half would carry every failure before it along, into every line of the log.
    half = len(agent_submissions) // 2
    return [*take(agent_submissions[:half]), *take(agent_submissions[half:])]


def _held_up(error: LockNotAvailable) -> KeyInFlight | Locked:
    """For what it waited: a key is waited for while its row goes into the index of requests, all else elsewhere."""
    waited_for = f'inserting index tuple .* in relation "{ApprovalRequest._meta.db_table}"'
    return KeyInFlight() if re.search(waited_for, error.diag.context or "") else Locked()


def _is_away(error: Exception) -> bool:
    """True when it was the connection that failed and not what was sent over it."""
    settled = isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)
    return isinstance(error, InterfaceError | OperationalError) and not settled


@transaction.atomic
def _take(agent_submissions: Sequence[AgentSubmission]) -> list[Answer]:
    now = times.now()
    policy = snapshot.current()
    answered = _again(dict(enumerate(agent_submissions)))
    fresh: dict[int, AgentSubmission] = {}
    once = set()
    files = attachments.files_of(agent_submissions)
    for index, agent_submission in enumerate(agent_submissions):
        # What repeats the key of an earlier one of this set is answered by that one's rows, below.
        if index in answered or (agent_submission.once and agent_submission.once in once):
            continue
        faults = faults_of(agent_submission.submission, policy) + attachments.faults_of(agent_submission, files)
        if faults:
            answered[index] = BadSubmission(faults)
        else:
            fresh[index] = agent_submission
            once.add(agent_submission.once)
    answered |= _store(fresh, policy, files, now=now)
    # Whoever lost the race for a key, to another transaction or inside this set, finds the winner's rows now.
    answered |= _again(
        {index: agent_submission for index, agent_submission in enumerate(agent_submissions) if index not in answered}
    )
    return [answered[index] for index in range(len(agent_submissions))]


def evaluate(agent: Agent, submission: Submission) -> list[tuple[Item, str, Routing, Assessment]]:
    """What policy would do with this request now, and whose people it would ask; nothing is stored.

    Raises BadSubmission.
    """
    policy = snapshot.current()
    agent_submission = AgentSubmission(agent.pk, submission)
    files = attachments.files_of([agent_submission])
    faults = faults_of(submission, policy) + attachments.faults_of(agent_submission, files)
    if faults:
        raise BadSubmission(faults)
    runs = _known_runs([(agent.pk, submission.run.key)]) if submission.run else {}
    halted = kill_switch.standing() is not None
    [evaluations] = evaluate_items(
        [agent_submission], policy, now=times.now(), files=files, stopped=_stopped(runs), halted=halted
    )
    return [
        (evaluation.item, evaluation.domain, evaluation.routing, evaluation.assessment) for evaluation in evaluations
    ]


@transaction.atomic
def record(agent: Agent, submission: Submission, judge: Callable[[Evaluation], Evaluation]) -> Answer:
    """Store what an agent tells after it happened; `judge` says what becomes of its one item, instead of policy alone.

    Nothing that was approved beforehand is used for it. Raises what the database says.
    """
    agent_submission = AgentSubmission(agent.pk, submission)
    answered = _again({0: agent_submission})
    if not answered:
        now, policy = times.now(), snapshot.current()
        [[evaluation]] = evaluate_items([agent_submission], policy, now=now, covered=False)
        answered |= _keep({0: agent_submission}, [[judge(evaluation)]], {}, policy, now=now)
        answered = answered or _again({0: agent_submission})
    return answered[0]


@transaction.atomic
def store_disguised(
    agent_submission: AgentSubmission, evaluation: Evaluation, run: Run | None, policy: Policy, *, now: datetime
) -> Approval:
    """Store what the house submits in an agent's name, evaluated already; its one approval."""
    named = agent_submission.submission.run
    runs: dict[tuple[object, str], Run] = {(agent_submission.agent, named.key): run} if named and run else {}
    [receipt] = _keep({0: agent_submission}, [[evaluation]], runs, policy, now=now).values()
    return receipt.approvals[0]


# --- Idempotency


# And from here on nobody waits longer for a key that another transaction has inserted and not committed.
_STORED = """
SELECT ARRAY(
    SELECT request.id FROM unnest(%s::uuid[], %s::text[]) AS pairs (agent, key)
    JOIN approvals_approvalrequest AS request ON request.agent_id = pairs.agent AND request.key = pairs.key
), set_config('lock_timeout', '1s', true)
"""


def _again(agent_submissions: Mapping[int, AgentSubmission]) -> dict[int, Answer]:
    """Answer submissions from the rows stored under their keys; those without a row are left out."""
    key_pairs = sorted(
        {agent_submission.once for agent_submission in agent_submissions.values() if agent_submission.once}
    )
    if not key_pairs:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [[agent for agent, _ in key_pairs], [key for _, key in key_pairs]])
        stored_ids, _ = cursor.fetchone()
    if not stored_ids:
        return {}
    stored = {
        (request.agent_id, request.key): request
        for request in ApprovalRequest.objects.select_related("run").filter(pk__in=stored_ids)
    }
    approvals: dict[object, list[Approval]] = {}
    for approval in decision_document.approvals_of(stored.values()):
        approvals.setdefault(approval.request_id, []).append(approval)
    answered: dict[int, Answer] = {}
    for index, agent_submission in agent_submissions.items():
        request = stored.get(agent_submission.once) if agent_submission.once else None
        if request is not None:
            same = request.content_hash == agent_submission.submission.content_hash
            answered[index] = Receipt(request, approvals[request.pk], replayed=True) if same else KeyReused()
    return answered


def _runs(agent_submissions: Iterable[AgentSubmission], *, now: datetime) -> dict[tuple[object, str], Run]:
    """The agents' workflows that are named, by agent and name; new ones are made."""
    named = {
        (agent_submission.agent, agent_submission.submission.run.key): agent_submission.submission.run
        for agent_submission in agent_submissions
        if agent_submission.submission.run
    }
    if not named:
        return {}
    runs = _known_runs(named)
    missing = [
        Run.of(agent, key, ref.name, at=now)
        for (agent, key), ref in sorted(named.items(), key=lambda pair: pair[0])
        if (agent, key) not in runs
    ]
    made = bulk.insert_new(missing)
    runs |= {(run.agent_id, run.key): run for run in missing if run.pk in made}
    return runs if len(runs) == len(named) else _known_runs(named)


def _run_of(agent_submission: AgentSubmission, runs: Mapping[tuple[object, str], Run]) -> Run | None:
    return (
        runs[agent_submission.agent, agent_submission.submission.run.key] if agent_submission.submission.run else None
    )


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


def _store(fresh: Mapping[int, AgentSubmission], policy: Policy, files: Files, *, now: datetime) -> dict[int, Receipt]:
    """Evaluate and store; one whose key another transaction stored meanwhile is left out."""
    if not fresh:
        return {}
    halted = stop_lock.lock_shared()
    runs = _runs(fresh.values(), now=now)
    evaluations = evaluate_items(
        list(fresh.values()), policy, now=now, files=files, stopped=_stopped(runs), halted=halted
    )
    evaluations = pre_approval_uses.take_pre_approvals(evaluations, policy, now=now)
    evaluations = spending.reroute_over_limit(evaluations, policy, now=now)
    return _keep(fresh, evaluations, runs, policy, now=now)


def _keep(
    fresh: Mapping[int, AgentSubmission],
    evaluations: Sequence[Sequence[Evaluation]],
    runs: Mapping[tuple[object, str], Run],
    policy: Policy,
    *,
    now: datetime,
) -> dict[int, Receipt]:
    """Store evaluated submissions; one whose key another transaction stored meanwhile is left out."""
    spent = {
        index: spending.amounts(group, run.pk if (run := _run_of(agent_submission, runs)) else None)
        for (index, agent_submission), group in zip(fresh.items(), evaluations, strict=True)
    }
    # Before the permits of the drafts: the first of all makes the signing key, for which others wait to the end.
    spending.add(spent.values(), now=now)
    new_requests = {
        index: new_request(agent_submission, group, _run_of(agent_submission, runs), policy, now=now)
        for (index, agent_submission), group in zip(fresh.items(), evaluations, strict=True)
    }
    # Unsorted inserts of overlapping key sets deadlock.
    requests = sorted(
        (new.request for new in new_requests.values()),
        key=lambda request: (request.agent_id, request.key or "", request.pk),
    )
    won = bulk.insert_new(requests)
    lost = [index for index, new in new_requests.items() if new.request.pk not in won]
    if lost:
        used = dict(zip(new_requests, evaluations, strict=True))
        if any(spent[index] or any(evaluation.routing.covered for evaluation in used[index]) for index in lost):
            raise _Outrun  # a use was taken, or a spending counted, for what is not stored
    new_requests = {index: new for index, new in new_requests.items() if new.request.pk in won}
    kept = new_requests.values()
    escalation.expire_where_nobody_may([approval for new in kept for approval in new.approvals], now=now)
    audit.write(
        [change for new in kept for change in new.changes],
        [approval for new in kept for approval in new.approvals],
        [proposal for new in kept for proposal in new.proposals],
        [decision for new in kept for decision in new.decisions],
        [step for new in kept for step in new.planned],
        [review for new in kept for review in new.post_reviews],
        draws.draw((approval for new in kept for approval in new.approvals), policy, now=now),
    )
    overload.begin_overload(
        [
            evaluation.routing.shortage
            for index, group in zip(fresh, evaluations, strict=True)
            for evaluation in group
            if index in new_requests and evaluation.routing.shortage
        ],
        now=now,
    )
    notifications.notify([approval for new in kept for approval in new.approvals], notifications.NEW, now=now)
    outbox.tell_closed([(new.request, new.approvals) for new in kept if new.request.answer])
    return {index: Receipt(new.request, new.approvals) for index, new in new_requests.items()}
