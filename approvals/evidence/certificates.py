"""Certificates: how low the threshold of one cell may be, by its labels, and what ends that.

Each cell has two certifiers over the same labels. The one that opens gates divides its target by how well people are
known to read; the advisory one assumes that they read carefully. Without seeded cases only the advisory one certifies.
A certificate has its own detector of decline on the labels at or above its threshold. Its alarm, one on the catch rate,
a severe incident, another stated version or another policy ends it, and the next term uses later labels only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from approvals.db import times
from approvals.evidence import catch_rates, certificate_events
from approvals.evidence.guarantees import CatchRate, Decline, ThresholdCertifier
from approvals.evidence.trade_offs import NAME, READING
from approvals.models import Approval, Certificate, EvidenceCell, Label
from approvals.models.labels import TermEnd
from approvals.models.states import Kind, Source
from approvals.policy import snapshot
from approvals.policy.certified import GRID, basis_of
from approvals.policy.compiled_policy import TypePolicy

DECISIONS = 500  # the newest of a type, whose time in view is averaged
FALSE_ALARM_EVERY = 10_000  # decisions, at the bar


@dataclass
class _Certifier:
    """One of a cell's two certifiers, and the certificate that it holds now."""

    thresholds: ThresholdCertifier
    threshold: float | None = None
    decline: Decline | None = None

    def count(self, label: Label) -> bool:
        """Count a label; whether more was wrong than certified."""
        score, share = _score(label), float(label.share)
        above = self.decline if self.threshold is not None and score >= self.threshold else None
        if not label.drawn:
            self.thresholds.pass_unseen(score=score, share=share)
            if above:
                above.pass_unseen(share=share)
        else:
            self.thresholds.see(score=score, wrong=bool(label.wrong), share=share)
            if above and not label.missing:
                above.see(wrong=bool(label.wrong), share=share)
        return above is not None and above.alarm

    def correct(self, label: Label) -> bool:
        """Count the verdict on a label that was missing; whether more was wrong than certified."""
        score, share = _score(label), float(label.share)
        if not label.wrong:
            self.thresholds.correct(score=score, share=share)
        if self.decline is None or self.threshold is None or score < self.threshold:
            return False
        self.decline.see(wrong=bool(label.wrong), share=share)
        return self.decline.alarm

    def certify(self) -> bool:
        """Hold what is certified now; whether that is lower than before."""
        lowest = self.thresholds.certified
        if lowest is None or (self.threshold is not None and lowest >= self.threshold):
            return False
        self.threshold, self.decline = lowest, Decline(self.thresholds.claim.bar, FALSE_ALARM_EVERY)
        return True

    def end(self, reason: str) -> None:
        self.thresholds.end(reason)
        self.threshold = self.decline = None

    @property
    def state(self) -> dict[str, Any]:
        return {
            "certifier": self.thresholds.state,
            "threshold": self.threshold,
            "decline": self.decline and self.decline.state,
        }


@dataclass
class _Evidence:
    """What is counted of a cell: for which policy, and since which label. `changes` are to be written."""

    basis: str
    policy: int
    since: int
    last: int
    guarded: _Certifier
    advisory: _Certifier
    share: float | None = None  # with which the newest that nobody was asked about was drawn
    changes: list[Callable[[], None]] = field(default_factory=list)

    @property
    def certifiers(self) -> tuple[tuple[bool, _Certifier], ...]:
        return (False, self.guarded), (True, self.advisory)

    @property
    def state(self) -> dict[str, Any]:
        return {
            "basis": self.basis,
            "policy": self.policy,
            "since": self.since,
            "last": self.last,
            "guarded": self.guarded.state,
            "advisory": self.advisory.state,
            "share": self.share,
            "figures": self.figures,
        }

    @property
    def figures(self) -> dict[str, Any]:
        """What pages read, so that none of them carries the statistics."""
        guarded, advisory = self.guarded.thresholds, self.advisory.thresholds
        rates = advisory.rates
        return {
            "counted": [[at, *advisory.counts(at), rates[at]] for at in advisory.grid],
            "bar": guarded.claim.bar,
            "needed": guarded.needed,
            "needed_if_careful": advisory.needed,
            "share": self.share,
        }


class CertificateCounting:
    """Counts the labels of a part of the sweep. `replaying`: certificates and history are left as they are."""

    def __init__(self, *, replaying: bool) -> None:
        self.replaying = replaying
        self._evidence: dict[UUID, _Evidence] = {}
        self._types: dict[tuple[int, str], tuple[TypePolicy, str] | None] = {}
        self._rates: dict[str, list[CatchRate]] = {}
        self._readings: dict[str, dict[str, float] | None] = {}

    def see(self, cell: EvidenceCell, label: Label) -> None:
        evidence = self._of(cell, label)
        if evidence is None:
            return
        if label.share < 1:
            evidence.share = float(label.share)
        alarms = [certifier.count(label) for _, certifier in evidence.certifiers]
        self._look(cell, evidence, label.number, alarm=any(alarms))

    def correct(self, cell: EvidenceCell, label: Label) -> None:
        evidence = self._of(cell, label)
        if evidence is None or label.settled is None:
            return
        alarms = [certifier.correct(label) for _, certifier in evidence.certifiers]
        self._look(cell, evidence, label.settled, alarm=any(alarms))

    def severe(self, cell: EvidenceCell, number: int) -> None:
        evidence = self._known(cell)
        if evidence is not None and any(certifier.threshold is not None for _, certifier in evidence.certifiers):
            self._end(cell, evidence, number, TermEnd.INCIDENT)

    def begin_again(self, cell: EvidenceCell) -> None:
        evidence = self._known(cell)
        if evidence is None:
            return
        evidence.share = None
        for _, certifier in evidence.certifiers:
            before = certifier.thresholds
            certifier.threshold = certifier.decline = None
            certifier.thresholds = ThresholdCertifier(
                before.grid, before.claim.target, before.claim.delta, start=before.start,
                catch_floor=before.claim.catch_floor,
            )  # fmt: skip
            certifier.thresholds.term, certifier.thresholds.ended_by = before.term, before.ended_by

    def store(self, cell: EvidenceCell) -> None:
        evidence = self._evidence.get(cell.pk)
        if evidence is None:
            return
        if not self.replaying:
            if self._catch_fewer(cell):
                self._end(cell, evidence, evidence.last, TermEnd.CATCH_RATE)
            for change in evidence.changes:
                change()
            evidence.changes.clear()
            cell.states[READING] = self._reading(cell.action_type_id)
        cell.states[NAME] = evidence.state

    # --- Counting

    def _of(self, cell: EvidenceCell, label: Label) -> _Evidence | None:
        """The evidence that a label is part of; None for one without a score, or of another term or policy."""
        if label.score is None:
            return None
        evidence, made = self._known(cell), self._type(label.policy_id, cell.action_type_id)
        if made is None:
            return None
        type, basis = made
        if evidence is None:
            return self._begin(cell, label, type, basis)
        if basis != evidence.basis:
            if self.replaying or label.policy_id < evidence.policy:
                return None
            self._end(cell, evidence, label.number - 1, TermEnd.POLICY)
            changes = evidence.changes
            evidence = self._begin(cell, label, type, basis)
            evidence.changes[:0] = changes
        evidence.policy = max(evidence.policy, label.policy_id)
        return evidence if label.number > evidence.since else None

    def _look(self, cell: EvidenceCell, evidence: _Evidence, number: int, *, alarm: bool) -> None:
        evidence.last = number
        if alarm:
            self._end(cell, evidence, number, TermEnd.DECLINE)
            return
        for advisory, certifier in evidence.certifiers:
            before = certifier.threshold
            if certifier.certify():
                self._open(cell, evidence, certifier, advisory=advisory, before=before)

    def _begin(self, cell: EvidenceCell, label: Label, type: TypePolicy, basis: str) -> _Evidence:
        """Begin with the labels of a cell, or with those under another policy."""
        claim = float(type.error_target), float(type.error_risk)
        start = None if type.threshold_start is None else float(type.threshold_start)
        grid = [float(threshold) for threshold in GRID]
        evidence = _Evidence(
            basis=basis,
            policy=label.policy_id,
            since=label.number - 1,
            last=label.number - 1,
            guarded=_Certifier(
                ThresholdCertifier(grid, *claim, start=start, catch_floor=self._catch_floor(cell, claim[1]))
            ),
            advisory=_Certifier(ThresholdCertifier(grid, *claim, start=start)),
        )
        self._evidence[cell.pk] = evidence
        self._end_other_versions(cell, label.number - 1)
        return evidence

    def _known(self, cell: EvidenceCell) -> _Evidence | None:
        if cell.pk not in self._evidence and (state := cell.states.get(NAME)):
            delta = state["guarded"]["certifier"]["delta"]
            self._evidence[cell.pk] = _Evidence(
                basis=state["basis"],
                policy=state["policy"],
                since=state["since"],
                last=state["last"],
                guarded=_restored(state["guarded"], self._catch_floor(cell, delta)),
                advisory=_restored(state["advisory"], None),
                share=state["share"],
            )
        return self._evidence.get(cell.pk)

    def _reading(self, name: str) -> dict[str, float] | None:
        """How long people had the newest decisions of this type in view, on average; None for none."""
        if name not in self._readings:
            human = Approval.objects.filter(action_type=name, source=Source.HUMAN, kind=Kind.REAL)
            newest = human.order_by("-created_at", "-id").values_list("viewed", flat=True)[:DECISIONS]
            spans = [span.total_seconds() for span in newest]
            self._readings[name] = {"seconds": sum(spans) / len(spans), "decisions": len(spans)} if spans else None
        return self._readings[name]

    def _type(self, number: int, name: str) -> tuple[TypePolicy, str] | None:
        if (number, name) not in self._types:
            type = snapshot.load(number).types.get(name)
            self._types[number, name] = (type, basis_of(type)) if type else None
        return self._types[number, name]

    def _catch_floor(self, cell: EvidenceCell, delta: float) -> list[CatchRate]:
        """The catch rates, each with half of what the claim may be false with; the lowest holds."""
        name = cell.action_type_id
        if name not in self._rates:
            self._rates[name] = catch_rates.of(name)
        return [CatchRate.restored({**rate.state, "delta": delta / 2}) for rate in self._rates[name]]

    # --- What is written at the end of the part

    def _open(
        self, cell: EvidenceCell, evidence: _Evidence, certifier: _Certifier, *, advisory: bool, before: float | None
    ) -> None:
        thresholds, threshold = certifier.thresholds, certifier.threshold
        if self.replaying or threshold is None:
            return
        row = Certificate(
            cell=cell,
            advisory=advisory,
            term=thresholds.term,
            threshold=Decimal(str(threshold)),
            target=Decimal(str(thresholds.claim.target)),
            delta=Decimal(str(thresholds.claim.delta)),
            labels=thresholds.counts(threshold)[1],
            bar=thresholds.claim.bar,
            cases=[] if advisory else _cases(self._rates.get(cell.action_type_id, [])),
            basis=evidence.basis,
        )

        def write() -> None:
            row.began_at = times.now()
            if before is not None:
                held = Certificate.objects.filter(cell=cell, advisory=advisory, ended_at=None)
                held.update(ended_at=row.began_at, ended_by=TermEnd.LOWER)
            row.save(force_insert=True)
            certificate_events.record_opened(cell, row)

        evidence.changes.append(write)

    def _end(self, cell: EvidenceCell, evidence: _Evidence, number: int, reason: TermEnd) -> None:
        """End both terms: what either finds to be worse is so for both."""
        evidence.since = evidence.last = number
        evidence.share = None
        for _, certifier in evidence.certifiers:
            certifier.end(reason)
        if not self.replaying:
            evidence.changes.append(lambda: end_certificates(cell, reason))

    def _end_other_versions(self, cell: EvidenceCell, number: int) -> None:
        """A version that is new ends what was certified of the others; it starts with nothing of its own."""
        if self.replaying or cell.states.get(NAME):
            return
        others = EvidenceCell.objects.filter(
            agent_id=cell.agent_id, action_type_id=cell.action_type_id, impact=cell.impact
        ).exclude(pk=cell.pk)
        for other in others.filter(certificates__ended_at=None, certificates__isnull=False).distinct():
            held = self._known(other)
            if held is not None:
                self._end(other, held, number, TermEnd.VERSION)
                self.store(other)
                other.save(update_fields=["states"])

    def _catch_fewer(self, cell: EvidenceCell) -> bool:
        """Whether people are now known to catch fewer faults than its certificate went by."""
        row = Certificate.objects.filter(cell=cell, advisory=False, ended_at=None).first()
        if row is None:
            return False
        floor, delta = row.bar / float(row.target), float(row.delta) / 2
        rates = self._catch_floor(cell, float(row.delta))
        for rate, (cases, missed) in zip(rates, row.cases, strict=False):
            # The other way round: at least so many are missed, by the cases since.
            since = CatchRate.restored(
                {
                    "delta": delta,
                    "cases": rate.cases - cases,
                    "missed": (rate.cases - cases) - (rate.missed - missed),
                }
            )
            if since.cases > 0 and since.floor > 1 - floor:
                return True
        return False


def end_certificates(cell: EvidenceCell, reason: TermEnd) -> None:
    """End what is in force of a cell, and say so in history."""
    now = times.now()
    for row in Certificate.objects.filter(cell=cell, ended_at=None).order_by("advisory"):
        row.ended_at, row.ended_by = now, reason
        row.save(update_fields=["ended_at", "ended_by"])
        certificate_events.record_ended(cell, row)


def _restored(state: dict[str, Any], catch_floor: list[CatchRate] | None) -> _Certifier:
    decline = Decline.restored(state["decline"]) if state["decline"] else None
    thresholds = ThresholdCertifier.restored(state["certifier"], catch_floor=catch_floor)
    return _Certifier(thresholds, state["threshold"], decline)


def _cases(rates: Sequence[CatchRate]) -> list[list[int]]:
    return [[rate.cases, rate.missed] for rate in rates]


def _score(label: Label) -> float:
    assert label.score is not None  # noqa: S101  # what has none was left out
    return float(label.score)
