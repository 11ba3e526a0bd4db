"""What our own past says of a proposal, read for a whole set of them at once, however long the past is."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from approvals import prepared
from approvals.policy import checkpoints, curves, repeats
from approvals.policy.curves import Curve
from approvals.policy.expressions import Facts
from approvals.policy.keys import Keys, keys_of
from approvals.policy.repeats import Repeat
from approvals.policy.schema import Json, pick
from approvals.policy.snapshot import TypePolicy

LOOK_BACK = 400  # rows that are counted at most; a bound on the work, not a span of time
DECISIONS = 200  # the newest that people judged, of an agent and action type: the precedent
AMOUNTS = 100  # the newest that were approved: the usual value
BURST = timedelta(minutes=10)
DUPLICATE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Question:
    """One proposal as policy looks at it. `value` is in base currency; `stated` are the agent's own signals.

    `run` is the agent's own id of its workflow, `run_name` what it calls it, `run_step` where in it it stands.
    `approval_id` names the approval when it is routed again, so that it is not its own duplicate. `parsed` False: the
    arguments are whatever text the model produced. `beside` is what else a person looks at: files, present state,
    preconditions. `in_hand`: people have had it before, since a reviewer changed it or one approved it, so it is no
    attempt of the agent's.
    """

    type: TypePolicy
    agent_id: UUID
    agent_name: str
    args: Json
    digest: str
    now: datetime
    parsed: bool = True
    about: str = ""
    value: Decimal | None = None
    stated: Mapping[str, float] = field(default_factory=dict)
    summary: str = ""
    context: Json = None
    run: str = ""
    run_name: str = ""
    run_step: str = ""
    approval_id: UUID | None = None
    beside: Json = None
    in_hand: bool = False
    undoable: bool = False  # the agent names what undoes it

    @property
    def currency(self) -> str:
        """As the arguments name it, not yet known to have a rate."""
        currency = pick(self.args, self.type.currency_path) if self.type.currency_path else None
        return currency if isinstance(currency, str) else ""

    @property
    def unchecked(self) -> bool:
        """The arguments did not parse, so they could not be held against the schema that there is."""
        return not self.parsed and bool(self.type.schema)

    @property
    def unvalued(self) -> bool:
        """The arguments hold something as value, and it could not be brought into base currency."""
        path = self.type.value_path
        return self.value is None and bool(path) and pick(self.args, path) is not None

    def facts(self, signals: Mapping[str, float], past: "RunPast | None" = None) -> Facts:
        """What rules see of it; `past` is what its run did before."""
        return Facts(
            args=self.args,
            value=self.value,
            currency=self.currency,
            agent=self.agent_name,
            action=self.type.name,
            signals=signals,
            context={} if self.context is None else self.context,
            run=run_facts(self.run, self.run_name, self.run_step, past or RunPast()),
            now=self.now,
        )


@dataclass(frozen=True, slots=True)
class Twin:
    """The latest pending, released or executed approval with the same digest; `id` None: earlier in the same set."""

    id: UUID | None
    status: str
    at: datetime | None = None  # when it was proposed


@dataclass(frozen=True, slots=True)
class RunPast:
    """What was proposed in the question's run before it; all nothing outside a run.

    Counts reach to checkpoints.RUN_LOOK_BACK; where no decision of a person lies within it, none is known of.
    """

    proposed: int = 0
    rejected: int = 0  # by people or policy
    steps: int = 0  # since a person last decided in it
    since: timedelta = timedelta(0)  # how long ago that was, or the run began


def run_facts(key: str, name: str, step: str, past: RunPast) -> dict[str, Json]:
    """What rules see of a run as `run`; outside of one it is all nothing."""
    return {
        "key": key,
        "name": name,
        "step": step,
        "proposed": past.proposed,
        "rejected": past.rejected,
        "steps": past.steps,
        "minutes": past.since // timedelta(minutes=1),
    }


@dataclass(frozen=True, slots=True)
class History:
    """Our past of one question, not counting itself. Counts are of the same agent and action type unless said.

    `keys` are the question's own. `spent` is what was let run in the action type's window, of the agent or of the run
    as the type says, in base currency.
    """

    proposed: int = 0  # at most LOOK_BACK
    decided: int = 0  # by people, or found at fault by them afterwards; at most DECISIONS
    approved: int = 0  # of the decided: unchanged, and nobody found fault with it
    amounts: tuple[Decimal, ...] = ()  # base currency, of approved ones, newest first; of any agent where keyed
    recent: int = 0  # within BURST
    alike: int = 0  # within the type's window
    about: int = 0  # what is counted has the same key, any agent, within the type's window, not refused
    twin: Twin | None = None
    repeat: Repeat | None = None
    keys: Keys = field(default_factory=Keys, compare=False)
    run: RunPast = field(default_factory=RunPast)
    spent: Decimal = Decimal(0)
    curve: Curve | None = None  # what people made of earlier scores of this action type, and of this agent's


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
        WHERE count_key = asked.key AND count_key <> '' AND action_type_id = asked.name AND kind = 'real'
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
        WHERE usual_key = asked.key AND usual_key <> '' AND action_type_id = asked.name AND kind = 'real'
          AND value IS NOT NULL AND verdict IN ('approve', 'modify') AND status <> 'recalled'
          AND created_at <= %(now)s AND id <> ALL (%(own)s::uuid[])
        ORDER BY created_at DESC LIMIT %(amounts)s
    ) AS row
) AS past
"""

_ALIKE = """
SELECT asked.agent, asked.name, asked.likeness, past.count
FROM unnest(%(alike_agents)s::uuid[], %(alike_names)s::text[], %(alike)s::text[], %(alike_since)s::timestamptz[])
    AS asked (agent, name, likeness, since)
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM approvals_approval
        WHERE agent_id = asked.agent AND action_type_id = asked.name
          AND likeness = asked.likeness AND likeness <> '' AND kind = 'real'
          AND created_at > asked.since AND created_at <= %(now)s AND id <> ALL (%(own)s::uuid[])
        ORDER BY created_at DESC LIMIT %(look_back)s
    ) AS newest
) AS past
"""


def gather(questions: Sequence[Question]) -> list[History]:
    """The history of each question, in order, by one message to the database.

    Earlier questions of the set count for later ones.
    """
    if not questions:
        return []
    keys = [keys_of(question.type, question.args, question.about) for question in questions]
    past = _Past(questions, keys)
    before: Counter[tuple[object, ...]] = Counter()
    digests: set[str] = set()
    runs: Counter[tuple[UUID, str]] = Counter()
    histories = []
    for question, own in zip(questions, keys, strict=True):
        name = question.type.name
        pair, counted, alike = (question.agent_id, name), (own.count, name), (question.agent_id, name, own.likeness)
        history = past.pairs[pair]
        twin = past.twins.get(question.digest)
        histories.append(
            replace(
                history,
                proposed=history.proposed + before[pair],
                recent=history.recent + before[pair],
                amounts=past.usual.get((own.usual, name), ()) if own.usual else history.amounts,
                alike=past.alike.get(alike, 0) + before[alike] if own.likeness else 0,
                about=past.counted.get(counted, 0) + before[counted] if own.count else 0,
                twin=Twin(None, "pending") if question.digest in digests else twin,
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


class _Past:
    """The queries, sent as one message; what no question asks for is left out of it."""

    def __init__(self, questions: Sequence[Question], keys: Sequence[Keys]) -> None:
        now = max(question.now for question in questions)
        self.pairs: dict[tuple[UUID, str], History] = {}
        self.twins: dict[str, Twin] = {}
        self.counted: dict[tuple[str, str], int] = {}
        self.usual: dict[tuple[str, str], tuple[Decimal, ...]] = {}
        self.alike: dict[tuple[UUID, str, str], int] = {}
        self.rejected: dict[tuple[UUID, str], list[repeats.Rejected]] = {}
        self.runs: dict[tuple[UUID, str], tuple[Any, ...]] = {}
        self.purses: Mapping[checkpoints.Purse, Decimal] = {}
        self.curves: dict[tuple[UUID, str], Curve] = {}
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
        asked: list[tuple[str, object, Callable[[list[Any]], None]]] = [
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
        wanted = [(query, reader) for query, needed, reader in asked if needed]
        answers = prepared.ask([query for query, _ in wanted], values)
        for (_, reader), rows in zip(wanted, answers, strict=True):
            reader(rows)

    def _read_pairs(self, rows: list[Any]) -> None:
        self.pairs = {(agent, name): _of_pair(*found) for agent, name, *found in rows}

    def _read_twins(self, rows: list[Any]) -> None:
        self.twins = {digest: Twin(pk, status, at) for digest, pk, status, at in rows}

    def _read_counted(self, rows: list[Any]) -> None:
        self.counted = {(key, name): count for key, name, count in rows}

    def _read_usual(self, rows: list[Any]) -> None:
        self.usual = {(key, name): tuple(amounts or ()) for key, name, amounts in rows}

    def _read_alike(self, rows: list[Any]) -> None:
        self.alike = {(agent, name, likeness): count for agent, name, likeness, count in rows}

    def _read_rejected(self, rows: list[Any]) -> None:
        self.rejected = repeats.read(rows)

    def _read_runs(self, rows: list[Any]) -> None:
        self.runs = {(agent, key): tuple(told) for agent, key, *told in rows}

    def _read_spent(self, rows: list[Any]) -> None:
        self.purses = checkpoints.spent(rows)

    def _read_curves(self, rows: list[Any]) -> None:
        self.curves = curves.read(rows)

    def run(self, question: Question, *, here: int) -> RunPast:
        """The past of its run, with `here` so many before it in the same set."""
        if not question.run:
            return RunPast()
        key = (question.agent_id, question.run)
        if key not in self.runs:
            return RunPast(proposed=here, steps=here)
        began, proposed, rejected, steps, looked = self.runs[key]
        since = max(question.now - (looked or began), timedelta(0))
        return RunPast(proposed + here, rejected, steps + here, since)

    def spent(self, question: Question) -> Decimal:
        wanted = checkpoints.purse_of(question)
        return self.purses.get(wanted, Decimal(0)) if wanted else Decimal(0)


def _keyed(questions: Sequence[Question], keys: Sequence[Keys], now: datetime) -> dict[str, Any]:
    """Each key once, with the moment from which on its action type counts."""
    asked = list(zip(questions, keys, strict=True))
    counted = sorted({(own.count, one.type.name, now - one.type.frequency_window) for one, own in asked if own.count})
    usual = sorted({(own.usual, one.type.name) for one, own in asked if own.usual})
    alike = sorted(
        {(one.agent_id, one.type.name, own.likeness, now - one.type.burst_window) for one, own in asked if own.likeness}
    )
    return {
        "counted": [key for key, _, _ in counted],
        "counted_names": [name for _, name, _ in counted],
        "counted_since": [since for _, _, since in counted],
        "usual": [key for key, _ in usual],
        "usual_names": [name for _, name in usual],
        "alike_agents": [agent for agent, _, _, _ in alike],
        "alike_names": [name for _, name, _, _ in alike],
        "alike": [likeness for _, _, likeness, _ in alike],
        "alike_since": [since for _, _, _, since in alike],
    }


def _of_pair(proposed: int, recent: int, decided: int, approved: int, amounts: list[Decimal] | None) -> History:
    return History(proposed=proposed, recent=recent, decided=decided, approved=approved, amounts=tuple(amounts or ()))
