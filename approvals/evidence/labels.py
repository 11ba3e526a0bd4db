"""Labels: whether a proposal was wrong, entered in the order of the proposals when the time to find fault is over.

Wrong is what a person rejected, changed in an argument that counts, objected to afterwards, or what an incident
followed; it enters as soon as it is known. Right is what a considered verdict let stand. Policy's verdict, silence's
and that of a standing approval are none, nor is an approval given in a batch or faster than anybody reads. Where none
came in time the label is missing and counts as wrong, until one comes after all; one that comes too late for a label
that is there changes nothing.

One sweep at a time makes labels, in parts of a transaction each; two at once enter each label once. What counts labels
(`Counting`) hears of each in that transaction, in the order that `Label.number` and `Label.settled` keep, so that
its states can be made again from the labels alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from django.db import connection, transaction

from approvals.db import bulk, times
from approvals.db.ids import new_id
from approvals.evidence.calibration_counts import CalibrationCounts
from approvals.models import AuditEvent, EvidenceCell, Label, LabelCursor, LabelFeed, Proposal, Seal
from approvals.models.states import DECIDED
from approvals.policy import snapshot
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.snapshot import NoPolicy
from approvals.values.edits import changed_paths

MOST = 2_000  # proposals of one transaction
EVENTS = 10_000  # that it reads at most
_LAST = UUID(int=2**128 - 1)

# After which of them a proposal may be wrong, or judged at last.
_TELLING = [
    AuditEvent.Kind.DECIDED,
    AuditEvent.Kind.RELEASED,
    AuditEvent.Kind.REVIEWED,
    AuditEvent.Kind.VETOED,
    AuditEvent.Kind.INCIDENT,
    AuditEvent.Kind.OUTCOME,
]

_JUDGED = """
SELECT a.id, a.agent_id, a.action_type_id, a.agent_model, a.prompt_version, a.tool_version, a.routed_impact,
       a.routed_score, a.routed_parts, a.share, a.policy_id, a.created_at, a.proposal_id,
       a.share = 1 OR look.why IS NOT DISTINCT FROM 'sampled' AS drawn,
       CASE
           WHEN a.faulted_at IS NOT NULL OR look.finding = 'flagged' OR harm.done THEN 'wrong'
           WHEN human.decided AND a.verdict NOT IN ('approve', 'modify') THEN 'wrong'
           WHEN human.decided AND a.revision > 1 THEN 'changed'
           WHEN human.decided AND human.considered OR look.finding = 'ok' AND NOT look.together THEN 'right'
           ELSE 'missing'
       END AS judged,
       human.considered,
       CASE
           WHEN a.verdict <> 'approve' OR a.revision > 1 THEN NULL
           WHEN harm.done OR outcome.result IN ('failed', 'compensated') THEN true
           WHEN outcome.result = 'succeeded' THEN false
       END AS went_wrong
FROM approvals_approval AS a
LEFT JOIN approvals_postreview AS look ON look.approval_id = a.id
LEFT JOIN approvals_decision AS decision
       ON decision.approval_id = a.id AND decision.undone_at IS NULL AND decision.recalled_at IS NULL
LEFT JOIN approvals_outcome AS outcome ON outcome.approval_id = a.id
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM approvals_incident AS incident
        WHERE incident.approval_id = a.id AND incident.opened_at <= a.created_at + %(horizon)s
    ) AS done
) AS harm
CROSS JOIN LATERAL (
    SELECT a.source = 'human' AND a.status = ANY (%(decided)s) AS decided,
           a.viewed >= %(view)s AND decision.surface IS DISTINCT FROM 'batch' AS considered
) AS human
WHERE a.kind = 'real' AND a.share IS NOT NULL AND a.action_type_id = %(name)s AND
"""
_DUE = (
    _JUDGED
    + """
    (a.created_at, a.id) > (%(after)s, %(after_id)s) AND a.created_at <= %(now)s - %(horizon)s
ORDER BY a.created_at, a.id LIMIT %(most)s
"""
)
_NAMED = _JUDGED + " a.id = ANY (%(ids)s) ORDER BY a.created_at, a.id"

# Seals are in the order of commits, so that none is read over.
_EVENTS = """
WITH next AS (SELECT number, event_id FROM approvals_seal WHERE number > %(seal)s ORDER BY number LIMIT %(most)s)
SELECT (SELECT max(number) FROM next), a.action_type_id, array_agg(DISTINCT a.id),
       array_agg(DISTINCT a.id) FILTER (WHERE event.kind = 'incident' AND event.facts ->> 'severity' <> 'low')
FROM next
JOIN approvals_auditevent AS event ON event.id = next.event_id AND event.kind = ANY (%(kinds)s)
JOIN approvals_approval AS a ON a.id = event.approval_id AND a.share IS NOT NULL AND a.kind = 'real'
GROUP BY a.action_type_id
UNION ALL SELECT max(number), NULL, NULL, NULL FROM next
"""


class Counting(Protocol):
    """What counts labels, in `EvidenceCell.states` under a name of its own."""

    def see(self, cell: EvidenceCell, label: Label) -> None:
        """A label enters. One that is missing counts as wrong; one that was not drawn has a share and no word."""

    def correct(self, cell: EvidenceCell, label: Label) -> None:
        """A considered verdict came for a label that was missing: `label.wrong` is what it said."""

    def severe(self, cell: EvidenceCell, number: int) -> None:
        """A severe incident followed a proposal of the cell, labelled or not, after the label of this number."""

    def begin_again(self, cell: EvidenceCell) -> None:
        """Forget what was counted, but for where in the order it began: the labels since come once more."""

    def store(self, cell: EvidenceCell) -> None:
        """Write what was counted into the cell's states; they are saved next."""


def countings(*, replaying: bool = False) -> tuple[Counting, ...]:
    """What counts labels, in this order, for one part; `replaying`: the past once more, of which nothing is told."""
    # Here, since the statistics cost every process memory that imports them.
    from approvals.evidence.certificates import CertificateCounting
    from approvals.evidence.promotions import LevelCounting

    return (CertificateCounting(replaying=replaying), LevelCounting(replaying=replaying))


class CellKey(NamedTuple):
    """What distinguishes a cell from the others."""

    agent_id: UUID
    action_type_id: str
    agent_model: str
    prompt_version: str
    tool_version: str
    impact: str


class _Judged(NamedTuple):
    """A proposal of the population, and what is known of it: wrong, right, missing; changed before it was approved."""

    id: UUID
    agent_id: UUID
    action_type: str
    agent_model: str
    prompt_version: str
    tool_version: str
    impact: str
    score: Decimal | None
    parts: list[int | None]
    share: Decimal
    policy: int
    created_at: datetime
    proposal: UUID | None
    drawn: bool
    judged: str
    considered: bool
    went_wrong: bool | None

    @property
    def key(self) -> CellKey:
        return CellKey(
            self.agent_id, self.action_type, self.agent_model, self.prompt_version, self.tool_version, self.impact
        )


def ready() -> bool:
    """Whether events were sealed that no sweep has read; what only time makes due is found by the next one anyway."""
    read = LabelFeed.objects.filter(pk=1).values_list("seal", flat=True).first() or 0
    return Seal.objects.filter(number__gt=read).exists()


def enter_labels(*, most: int = 50) -> int:
    """Enter what is due, in at most so many parts; how many entered or were settled. Does nothing beside another."""
    count = 0
    for _ in range(most):
        entered, more = _enter_part()
        count += entered
        if not more:
            break
    return count


@transaction.atomic
def _enter_part() -> tuple[int, bool]:
    feed = LabelFeed.objects.select_for_update(skip_locked=True).filter(pk=1).first()
    if feed is None:
        # The first sweep of all, or another one is at work.
        return 0, bool(bulk.insert_new([LabelFeed(id=1)]))
    try:
        policy = snapshot.current()
    except NoPolicy:
        return 0, False
    part = _Part(feed, now=times.now())
    more = part.read_events(policy.types)
    for type in policy.types.values():
        more = part.enter_due(type) or more
    part.store()
    return part.count, more


class _Part:
    """The labels of one transaction."""

    def __init__(self, feed: LabelFeed, *, now: datetime) -> None:
        self.feed, self.now = feed, now
        self.new: list[Label] = []
        self.settled: list[Label] = []
        self.ended: list[Label] = []
        self.calibration = CalibrationCounts()
        self.cells: dict[CellKey, EvidenceCell] = {}
        self.touched: dict[UUID, EvidenceCell] = {}
        self.countings = countings()

    @property
    def count(self) -> int:
        return len(self.new) + len(self.settled)

    def read_events(self, types: Mapping[str, TypePolicy]) -> bool:
        """What was found wrong since, and what was judged after all; whether there are more events."""
        with connection.cursor() as cursor:
            cursor.execute(_EVENTS, {"seal": self.feed.seal, "most": EVENTS, "kinds": _TELLING})
            rows = cursor.fetchall()
        for _, name, ids, harmful in rows:
            if name not in types:
                continue
            judged = _read(_NAMED, types[name], ids=ids)
            self._end_by_incidents([one for one in judged if one.id in (harmful or ())])
            entered = {label.pk: label for label in Label.objects.filter(pk__in=ids)}
            self._settle([one for one in judged if one.id in entered and entered[one.id].missing], entered)
            self._learn_outcomes([one for one in judged if one.id in entered], entered)
            self._enter([one for one in judged if one.id not in entered and one.drawn and one.judged == "wrong"])
        before, self.feed.seal = self.feed.seal, rows[-1][0] or self.feed.seal
        return self.feed.seal - before >= EVENTS

    def enter_due(self, type: TypePolicy) -> bool:
        """What of this type has had its time; whether there is more."""
        cursor = LabelCursor.objects.filter(pk=type.name).first() or LabelCursor(
            action_type_id=type.name, at=datetime.min.replace(tzinfo=self.now.tzinfo), approval=UUID(int=0)
        )
        judged = _read(_DUE, type, after=cursor.at, after_id=cursor.approval, now=self.now, most=MOST)
        entered = set(Label.objects.filter(pk__in=[one.id for one in judged]).values_list("pk", flat=True))
        entered |= {label.pk for label in self.new}
        self._enter([one for one in judged if one.id not in entered])
        full = len(judged) == MOST
        # What is no evidence is passed over once, and not read again by each sweep.
        cursor.at, cursor.approval = (
            (judged[-1].created_at, judged[-1].id) if full else (self.now - type.horizon, _LAST)
        )
        cursor.save()
        return full

    def store(self) -> None:
        # First these, which hold on to their approvals: whoever opens an incident takes the approval before the level.
        bulk.insert(self.new)
        for cell in self.touched.values():
            for counting in self.countings:
                counting.store(cell)
        bulk.update(list(self.touched.values()), ["states"])
        bulk.update(self.settled, ["wrong", "settled"])
        bulk.update(self.ended, ["went_wrong"])
        self.calibration.store()
        self.feed.save()

    def _enter(self, judged: Sequence[_Judged]) -> None:
        self._load_cells(judged)
        for proposal in judged:
            cell = self.cells[proposal.key]
            missing = proposal.drawn and proposal.judged == "missing"
            label = bulk.new_row(
                Label,
                approval_id=proposal.id,
                cell=cell,
                number=self._next(),
                policy_id=proposal.policy,
                proposed_at=proposal.created_at,
                score=proposal.score,
                parts=proposal.parts,
                share=proposal.share,
                drawn=proposal.drawn,
                wrong=proposal.judged != "right" if proposal.drawn else None,
                missing=missing,
                went_wrong=proposal.went_wrong,
                entered_at=self.now,
            )
            self.new.append(label)
            self.calibration.see(cell, label)
            self.touched[cell.pk] = cell
            for counting in self.countings:
                counting.see(cell, label)

    def _end_by_incidents(self, judged: Sequence[_Judged]) -> None:
        self._load_cells(judged)
        for proposal in judged:
            cell = self.cells[proposal.key]
            self.touched[cell.pk] = cell
            for counting in self.countings:
                counting.severe(cell, self.feed.number)

    def _settle(self, judged: Sequence[_Judged], entered: Mapping[UUID, Label]) -> None:
        judged = [one for one in judged if one.judged != "missing" and entered[one.id].settled is None]
        self._load_cells(judged)
        for proposal in judged:
            label, cell = entered[proposal.id], self.cells[proposal.key]
            label.wrong, label.settled = proposal.judged == "wrong", self._next()
            self.settled.append(label)
            self.calibration.correct(cell, label)
            self.touched[cell.pk] = cell
            for counting in self.countings:
                counting.correct(cell, label)

    def _learn_outcomes(self, judged: Sequence[_Judged], entered: Mapping[UUID, Label]) -> None:
        """What came of it after its label had entered."""
        judged = [one for one in judged if one.went_wrong is not None and entered[one.id].went_wrong is None]
        self._load_cells(judged)
        for proposal in judged:
            label = entered[proposal.id]
            label.went_wrong = proposal.went_wrong
            self.ended.append(label)
            self.calibration.learn_outcome(self.cells[proposal.key], label)

    def _next(self) -> int:
        self.feed.number += 1
        return self.feed.number

    def _load_cells(self, judged: Sequence[_Judged]) -> None:
        new_keys = {one.key for one in judged} - self.cells.keys()
        if not new_keys:
            return
        agents, types = {key.agent_id for key in new_keys}, {key.action_type_id for key in new_keys}
        for cell in EvidenceCell.objects.filter(agent_id__in=agents, action_type_id__in=types):
            self.cells.setdefault(CellKey(*(getattr(cell, name) for name in CellKey._fields)), cell)
        for key in sorted(new_keys - self.cells.keys()):
            self.cells[key] = EvidenceCell.objects.create(id=new_id(), began_at=self.now, **key._asdict())


# --- What is known of a proposal


def _read(query: str, type: TypePolicy, **values: object) -> list[_Judged]:
    terms: dict[str, Any] = {
        "name": type.name,
        "horizon": type.horizon,
        "view": type.minimum_view,
        "decided": sorted(DECIDED),
        **values,
    }
    with connection.cursor() as cursor:
        cursor.execute(query, terms)
        judged = [_Judged(*row) for row in cursor.fetchall()]
    return _with_changes(judged, type)


def _with_changes(judged: list[_Judged], type: TypePolicy) -> list[_Judged]:
    """What was changed before it was approved: wrong where an argument that counts was, else as it was read."""
    changed = {one.id: one.proposal for one in judged if one.judged == "changed" and one.proposal is not None}
    if not changed:
        return judged
    first = dict(Proposal.objects.filter(approval__in=changed, revision=1).values_list("approval", "args"))
    last = dict(Proposal.objects.filter(pk__in=changed.values()).values_list("approval", "args"))

    def judgment(proposal: _Judged) -> str:
        if _counts(changed_paths(first.get(proposal.id), last.get(proposal.id)), type.material):
            return "wrong"
        return "right" if proposal.considered else "missing"

    return [one._replace(judged=judgment(one)) if one.id in changed else one for one in judged]


def _counts(paths: Iterable[str], material: Collection[str]) -> bool:
    """Whether one of these JSON pointers lies in an argument that counts; all do where none is named."""
    if not material:
        return any(True for _ in paths)
    within = [f"/{name.replace('.', '/')}" for name in material]
    return any(path == start or path.startswith(f"{start}/") for path in paths for start in within)
