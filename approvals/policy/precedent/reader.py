"""What our own past says of a proposal, read for a whole set of them at once, however long the past is."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from approvals.db import prepared
from approvals.policy import checkpoints
from approvals.policy.evaluation_input import EvaluationInput, History, RunPast, SameDigest
from approvals.policy.precedent import curves, repeats
from approvals.policy.precedent.comparison_keys import Keys, keys_of
from approvals.policy.precedent.curves import ScoreCurve

LOOK_BACK = 400  # rows that are counted at most; a bound on the work, not a span of time
DECISIONS = 200  # the newest that people judged, of an agent and action type: the precedent
AMOUNTS = 100  # the newest that were approved: the usual value
BURST = timedelta(minutes=10)
DUPLICATE = timedelta(days=30)


# Each question has a partial index that holds nothing but what it counts, so that no number of other rows (refused by
# policy, run unattended, rejected) stands in front of them, and nothing older than the newest is touched. What was
# recalled is no precedent; a rejection that the agent evaded is one (faulted_at).
_PAIRS = """
SELECT pair.agent, pair.name, newest.*, judged.*, approved.*
FROM unnest(%(agents)s::uuid[], %(names)s::text[]) AS pair (agent, name)
CROSS JOIN LATERAL (
    SELECT count(*), count(*) FILTER (WHERE created_at > %(burst)s)
    FROM (
        SELECT created_at FROM approvals_approval
        WHERE agent_id = pair.agent AND action_type_id = pair.name
          AND created_at <= %(now)s AND kind = 'real' AND id <> ALL (%(own)s::uuid[])
        ORDER BY created_at DESC LIMIT %(look_back)s
    ) AS row
) AS newest
CROSS JOIN LATERAL (
    SELECT count(*), count(*) FILTER (WHERE verdict = 'approve' AND faulted_at IS NULL)
    FROM (
        SELECT verdict, faulted_at FROM approvals_approval
        WHERE agent_id = pair.agent AND action_type_id = pair.name
          AND created_at <= %(now)s AND kind = 'real' AND id <> ALL (%(own)s::uuid[])
          AND (
              faulted_at IS NOT NULL
              OR (source = 'human' AND released_at IS NOT NULL AND verdict IN ('approve', 'modify', 'reject')
                  AND status <> 'recalled')
          )
        ORDER BY created_at DESC LIMIT %(decisions)s
    ) AS row
) AS judged
CROSS JOIN LATERAL (
    SELECT array_agg(value ORDER BY created_at DESC)
    FROM (
        SELECT value, created_at FROM approvals_approval
        WHERE agent_id = pair.agent AND action_type_id = pair.name
          AND created_at <= %(now)s AND kind = 'real' AND id <> ALL (%(own)s::uuid[])
          AND value IS NOT NULL AND verdict IN ('approve', 'modify') AND status <> 'recalled'
        ORDER BY created_at DESC LIMIT %(amounts)s
    ) AS row
) AS approved
"""

_TWINS = """
SELECT twin.*
FROM unnest(%(digests)s::text[]) AS asked (digest)
CROSS JOIN LATERAL (
    SELECT digest, id, status, created_at FROM approvals_approval
    WHERE digest = asked.digest AND created_at > %(lately)s AND created_at <= %(now)s
      AND kind = 'real' AND id <> ALL (%(own)s::uuid[])
      AND (status = 'pending' OR (status IN ('held', 'released', 'executed') AND verdict <> 'reject'))
    ORDER BY created_at DESC LIMIT 1
) AS twin
"""

_COUNTED = """
SELECT asked.key, asked.name, past.count
FROM unnest(%(counted)s::text[], %(counted_names)s::text[], %(counted_since)s::timestamptz[])
    AS asked (key, name, since)
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM approvals_approval
        WHERE frequency_key = asked.key AND frequency_key <> '' AND action_type_id = asked.name AND kind = 'real'
          AND verdict <> 'reject' AND status NOT IN ('expired', 'cancelled', 'superseded', 'recalled')
          AND created_at > asked.since AND created_at <= %(now)s AND id <> ALL (%(own)s::uuid[])
        ORDER BY created_at DESC LIMIT %(look_back)s
    ) AS row
) AS past
"""

_USUAL = """
SELECT asked.key, asked.name, past.amounts
FROM unnest(%(usual)s::text[], %(usual_names)s::text[]) AS asked (key, name)
CROSS JOIN LATERAL (
    SELECT array_agg(value ORDER BY created_at DESC) AS amounts
    FROM (
        SELECT value, created_at FROM approvals_approval
        WHERE baseline_key = asked.key AND baseline_key <> '' AND action_type_id = asked.name AND kind = 'real'
          AND value IS NOT NULL AND verdict IN ('approve', 'modify') AND status <> 'recalled'
          AND created_at <= %(now)s AND id <> ALL (%(own)s::uuid[])
        ORDER BY created_at DESC LIMIT %(amounts)s
    ) AS row
) AS past
"""

_ALIKE = """
SELECT asked.similarity_key, past.count
FROM unnest(%(alike)s::text[], %(alike_since)s::timestamptz[]) AS asked (similarity_key, since)
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM approvals_approval
        WHERE similarity_key = asked.similarity_key AND similarity_key <> '' AND kind = 'real'
          AND created_at > asked.since AND created_at <= %(now)s AND id <> ALL (%(own)s::uuid[])
        ORDER BY created_at DESC LIMIT %(look_back)s
    ) AS newest
) AS past
"""


def read_histories(questions: Sequence[EvaluationInput]) -> list[History]:
    """The history of each question, in order, by one message to the database.

    Earlier questions of the set count for later ones.
    """
    if not questions:
        return []
    keys = [keys_of(question.agent_id, question.type, question.args, question.subject) for question in questions]
    past = _HistoryReader(questions, keys)
    before: Counter[tuple[object, ...]] = Counter()
    digests: set[str] = set()
    runs: Counter[tuple[UUID, str]] = Counter()
    histories = []
    for question, own in zip(questions, keys, strict=True):
        name = question.type.name
        pair, counted, alike = (question.agent_id, name), (own.count, name), (own.similarity_key,)
        history = past.pairs[pair]
        twin = past.twins.get(question.digest)
        histories.append(
            replace(
                history,
                proposed=history.proposed + before[pair],
                recent=history.recent + before[pair],
                amounts=past.usual.get((own.baseline, name), ()) if own.baseline else history.amounts,
                same_template=past.alike.get(own.similarity_key, 0) + before[alike] if own.similarity_key else 0,
                same_subject=past.counted.get(counted, 0) + before[counted] if own.count else 0,
                twin=SameDigest(None, "pending") if question.digest in digests else twin,
                repeat=repeats.repeat_of(question, past.rejected.get(pair, ()), twin),
                keys=own,
                run=past.run(question, here=runs[question.agent_id, question.run]),
                spent=past.spent(question),
                curve=past.curves.get(pair),
            )
        )
        runs[question.agent_id, question.run] += 1
        before.update([pair, counted, alike])
        digests.add(question.digest)
    return histories


class _HistoryReader:
    """The queries, sent as one message; what no question asks for is left out of it."""

    def __init__(self, questions: Sequence[EvaluationInput], keys: Sequence[Keys]) -> None:
        now = max(question.now for question in questions)
        self.pairs: dict[tuple[UUID, str], History] = {}
        self.twins: dict[str, SameDigest] = {}
        self.counted: dict[tuple[str, str], int] = {}
        self.usual: dict[tuple[str, str], tuple[Decimal, ...]] = {}
        self.alike: dict[str, int] = {}
        self.rejected: dict[tuple[UUID, str], list[repeats.Rejected]] = {}
        self.runs: dict[tuple[UUID, str], tuple[Any, ...]] = {}
        self.purses: Mapping[checkpoints.SpendingScope, Decimal] = {}
        self.curves: dict[tuple[UUID, str], ScoreCurve] = {}
        pairs = sorted({(question.agent_id, question.type.name) for question in questions})
        values: dict[str, Any] = {  # the cursor's own types
            "now": now,
            "own": [question.approval_id for question in questions if question.approval_id],
            "look_back": LOOK_BACK,
            "agents": [agent for agent, _ in pairs],
            "names": [name for _, name in pairs],
            "burst": now - BURST,
            "decisions": DECISIONS,
            "amounts": AMOUNTS,
            "digests": sorted({question.digest for question in questions}),
            "lately": now - DUPLICATE,
            **_keyed(questions, keys, now),
            **repeats.values(questions, now),
            **checkpoints.parameters(questions),
        }
        queries: list[tuple[str, object, Callable[[list[Any]], None]]] = [
            (_PAIRS, True, self._read_pairs),
            (_TWINS, True, self._read_twins),
            (_COUNTED, values["counted"], self._read_counted),
            (_USUAL, values["usual"], self._read_usual),
            (_ALIKE, values["alike"], self._read_alike),
            (repeats.REJECTED, values["repeat_agents"], self._read_rejected),
            (checkpoints.RUNS, values["run_agents"], self._read_runs),
            (checkpoints.SPENT, values["spend_agents"], self._read_spent),
            (curves.FITTED, True, self._read_curves),
        ]
        needed_queries = [(query, reader) for query, needed, reader in queries if needed]
        answers = prepared.ask([query for query, _ in needed_queries], values)
        for (_, reader), rows in zip(needed_queries, answers, strict=True):
            reader(rows)

    def _read_pairs(self, rows: list[Any]) -> None:
        self.pairs = {(agent, name): _pair_history(*found) for agent, name, *found in rows}

    def _read_twins(self, rows: list[Any]) -> None:
        self.twins = {digest: SameDigest(pk, status, at) for digest, pk, status, at in rows}

    def _read_counted(self, rows: list[Any]) -> None:
        self.counted = {(key, name): count for key, name, count in rows}

    def _read_usual(self, rows: list[Any]) -> None:
        self.usual = {(key, name): tuple(amounts or ()) for key, name, amounts in rows}

    def _read_alike(self, rows: list[Any]) -> None:
        self.alike = dict(rows)

    def _read_rejected(self, rows: list[Any]) -> None:
        self.rejected = repeats.read(rows)

    def _read_runs(self, rows: list[Any]) -> None:
        self.runs = {(agent, key): tuple(told) for agent, key, *told in rows}

    def _read_spent(self, rows: list[Any]) -> None:
        self.purses = checkpoints.spent(rows)

    def _read_curves(self, rows: list[Any]) -> None:
        self.curves = curves.read(rows)

    def run(self, question: EvaluationInput, *, here: int) -> RunPast:
        """The past of its run, with `here` so many before it in the same set."""
        if not question.run:
            return RunPast()
        key = (question.agent_id, question.run)
        if key not in self.runs:
            return RunPast(proposed=here, steps=here)
        began, proposed, rejected, steps, looked = self.runs[key]
        since = max(question.now - (looked or began), timedelta(0))
        return RunPast(proposed + here, rejected, steps + here, since)

    def spent(self, question: EvaluationInput) -> Decimal:
        purse = checkpoints.purse_of(question)
        return self.purses.get(purse, Decimal(0)) if purse else Decimal(0)


def _keyed(questions: Sequence[EvaluationInput], keys: Sequence[Keys], now: datetime) -> dict[str, Any]:
    """Each key once, with the moment from which on its action type counts."""
    pairs = list(zip(questions, keys, strict=True))
    counted = sorted({(own.count, one.type.name, now - one.type.frequency_window) for one, own in pairs if own.count})
    usual = sorted({(own.baseline, one.type.name) for one, own in pairs if own.baseline})
    alike = sorted({(own.similarity_key, now - one.type.burst_window) for one, own in pairs if own.similarity_key})
    return {
        "counted": [key for key, _, _ in counted],
        "counted_names": [name for _, name, _ in counted],
        "counted_since": [since for _, _, since in counted],
        "usual": [key for key, _ in usual],
        "usual_names": [name for _, name in usual],
        "alike": [similarity_key for similarity_key, _ in alike],
        "alike_since": [since for _, since in alike],
    }


def _pair_history(proposed: int, recent: int, decided: int, approved: int, amounts: list[Decimal] | None) -> History:
    return History(proposed=proposed, recent=recent, decided=decided, approved=approved, amounts=tuple(amounts or ()))
