"""What the labels of a cell say for its next level, and against its present one.

For each version of an agent, action type and band of value two e-processes count the labels of what was proposed since
the present level began: that at most the type's bar is wrong (a promotion may then be signed; nothing happens by
itself), and that more than the bar became wrong (the level is lost at once). Either is false with a stated probability,
at whatever moment one looks; see `guarantees.levels`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.autonomy import level_alarms, levels
from approvals.db import times
from approvals.evidence import catch_rates
from approvals.evidence.guarantees import CatchRate, Decline, Promotion, labels_needed, may_lose_gate
from approvals.models import Approval, Autonomy, EvidenceCell, Label, LevelEvidence
from approvals.policy import snapshot
from approvals.policy.compiled_policy import TypePolicy

FALSE_ALARM_EVERY = 10_000  # decisions, on average at the bar
WARNED_FROM, WARNED_UNTIL = 500.0, 50.0  # of the same evidence: more is drawn from the first on, until the second
MOST_E = 1e300
EVER = datetime(2000, 1, 1, tzinfo=UTC)  # a version's first level counts all of it, though what was wrong enters first
FDR = 0.05  # of the cells that are named as able to lose their gate
_STATE = "levels"


@dataclass(frozen=True, slots=True)
class _Step:
    """A label as it entered, or as it was settled after it had been missing."""

    approval: UUID
    share: float
    drawn: bool
    wrong: bool
    missing: bool
    settled: bool


class LevelCounting:
    """Counts labels towards the next level and against the present one. `replaying`: levels are left as they are."""

    def __init__(self, *, replaying: bool) -> None:
        self.replaying = replaying
        self._steps: dict[UUID, list[_Step]] = {}

    def begin_again(self, cell: EvidenceCell) -> None:
        """Forget what was counted of the cell."""
        cell.states.pop(_STATE, None)

    def see(self, cell: EvidenceCell, label: Label) -> None:
        self._add(cell, label, settled=False)

    def correct(self, cell: EvidenceCell, label: Label) -> None:
        self._add(cell, label, settled=True)

    def severe(self, cell: EvidenceCell, number: int) -> None:
        """An incident of high severity was opened: it cost the level in that moment, before any sweep."""

    def store(self, cell: EvidenceCell) -> None:
        """Count what came of the cell, and act on it: a level is lost, or a promotion is earned."""
        steps = self._steps.pop(cell.pk, [])
        kind = snapshot.current().types.get(cell.action_type_id)
        if steps and kind is not None:
            _count(cell, steps, kind, now=times.now(), replaying=self.replaying)

    def _add(self, cell: EvidenceCell, label: Label, *, settled: bool) -> None:
        step = _Step(
            label.approval_id, float(label.share), label.drawn, bool(label.wrong), label.missing, settled=settled
        )
        self._steps.setdefault(cell.pk, []).append(step)


@transaction.atomic
def _count(cell: EvidenceCell, steps: list[_Step], kind: TypePolicy, *, now: datetime, replaying: bool) -> None:
    proposed = dict(Approval.objects.filter(pk__in={step.approval for step in steps}).values_list("pk", "created_at"))
    version = cell.agent_model, cell.prompt_version, cell.tool_version
    autonomy = levels.row_of(cell.agent_id, cell.action_type_id, version, level=kind.level)
    evidence, _made = LevelEvidence.objects.get_or_create(
        autonomy=autonomy, impact=cell.impact, defaults={"began_at": min(proposed.values()), "counts_from": EVER}
    )
    rates = catch_rates.of(kind.name)
    counters = _Counters.of(cell.states.get(_STATE), evidence, float(kind.level_bar), rates, now=now)
    for step in steps:
        if proposed[step.approval] >= evidence.counts_from:
            counters.take(step)
    cell.states[_STATE] = counters.state
    if replaying:
        return
    earned_before = evidence.earned
    counters.show(evidence, float(kind.level_bar), rates)
    evidence.save()
    if counters.decline.alarm:
        levels.lower_by_alarm(evidence, now=now)
        evidence.refresh_from_db()
        cell.states[_STATE] = _Counters.of(None, evidence, float(kind.level_bar), rates, now=now).state
    elif evidence.earned and not earned_before and _may_rise(autonomy, evidence, kind):
        level_alarms.tell_earned(autonomy, impact=evidence.impact, now=now)


def _may_rise(autonomy: Autonomy, evidence: LevelEvidence, kind: TypePolicy) -> bool:
    return autonomy.level_in(evidence.impact) < levels.highest_level(kind, evidence.impact)


@dataclass(slots=True)
class _Counters:
    """The e-processes of one cell since its level began, and how many labels they have seen."""

    since: datetime
    promotion: Promotion
    decline: Decline
    labels: int = 0
    wrong: int = 0

    @classmethod
    def of(
        cls,
        state: Mapping[str, Any] | None,
        evidence: LevelEvidence,
        bar: float,
        rates: list[CatchRate],
        *,
        now: datetime,
    ) -> "_Counters":
        """Those of a state; new ones where the level changed since, and where another bar holds, from now on."""
        floor = rates or None
        if state and state["since"] == evidence.counts_from.isoformat():
            promotion = state["promotion"]
            if promotion["bar"] == bar and promotion["careful"] == (not rates):
                return cls(
                    evidence.counts_from,
                    Promotion.restored(promotion, catch_floor=floor),
                    Decline.restored(state["decline"]),
                    state["labels"],
                    state["wrong"],
                )
            evidence.counts_from = now
        evidence.earned = False
        return cls(evidence.counts_from, Promotion(bar, levels.DELTA, floor), Decline(bar, FALSE_ALARM_EVERY))

    def take(self, step: _Step) -> None:
        if not step.drawn:
            self.promotion.pass_unseen(share=step.share)
            self.decline.pass_unseen(share=step.share)
        elif step.settled:
            self.decline.see(wrong=step.wrong, share=step.share)
            if not step.wrong:
                self.promotion.correct(share=step.share)
                self.wrong -= 1
        else:
            self.labels += 1
            self.wrong += step.wrong
            self.promotion.see(wrong=step.wrong, share=step.share)
            if not step.missing:  # one that is missing says nothing of a decline until it is there
                self.decline.see(wrong=step.wrong, share=step.share)

    @property
    def state(self) -> dict[str, Any]:
        return {
            "since": self.since.isoformat(),
            "promotion": self.promotion.state,
            "decline": self.decline.state,
            "labels": self.labels,
            "wrong": self.wrong,
        }

    def show(self, evidence: LevelEvidence, bar: float, rates: list[CatchRate]) -> None:
        """Write what they prove into the row that pages and signing read."""
        evidence.labels, evidence.wrong = self.labels, self.wrong
        evidence.e = min(self.promotion.e, MOST_E)
        evidence.e_needed = self.promotion.claim.level
        evidence.earned = self.promotion.earned
        evidence.needed = self.promotion.needed
        evidence.fewest = labels_needed(bar, levels.DELTA, catch_floor=rates or None)
        evidence.careful = not rates
        evidence.warned = self.decline.evidence >= (WARNED_UNTIL if evidence.warned else WARNED_FROM)


@transaction.atomic
def name_gates() -> int:
    """Store which cells may lose their gate, with at most `FDR` of them wrongly so on average; returns how many.

    What cannot be undone, and what the law wants a person for, keeps its gate and is not counted among the cells.
    """
    types = snapshot.current().types
    e_values = {
        pk: e
        for pk, name, impact, e in LevelEvidence.objects.values_list("pk", "autonomy__action_type", "impact", "e")
        if name in types and levels.highest_level(types[name], impact) > 2
    }
    named = may_lose_gate(e_values, FDR)
    LevelEvidence.objects.filter(may_lose_gate=True).exclude(pk__in=named).update(may_lose_gate=False)
    LevelEvidence.objects.filter(may_lose_gate=False, pk__in=named).update(may_lose_gate=True)
    return len(named)
