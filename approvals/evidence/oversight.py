"""What test cases say of the reading: of the team, of each class of faults and action type, and of a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from approvals.evidence.detection import Detection, reliability
from approvals.models import SeededCase
from approvals.models.seeded import ANSWERED, OF_CLEAN, OF_FAULTS, CaseOutcome, FaultClass

FEW = 20  # fewer say more about chance than about the reading
MOST_SPANS = 12
PERSON_NEEDS = 100  # cases; before, a person's figures are nobody else's to read

_COUNTS = {
    "faults": Count("pk", filter=Q(outcome__in=OF_FAULTS)),
    "hits": Count("pk", filter=Q(outcome=CaseOutcome.FOUND)),
    "clean": Count("pk", filter=Q(outcome__in=OF_CLEAN)),
    "alarms": Count("pk", filter=Q(outcome=CaseOutcome.FALSE_ALARM)),
}


@dataclass(frozen=True, slots=True)
class NamedDetection:
    """What was made of the cases of one class, action type or person."""

    name: str
    detection: Detection


@dataclass(frozen=True, slots=True)
class DetectionSpan:
    """What was made of the cases that were closed from `first` until before `end`."""

    first: datetime
    end: datetime
    detection: Detection


@dataclass(frozen=True, slots=True)
class Oversight:
    """The figures of the page, of the cases that were closed in its time."""

    team: Detection
    by_class: Sequence[NamedDetection]
    by_type: Sequence[NamedDetection]
    by_person: Sequence[NamedDetection]
    few: int  # people with too few cases for a row
    reliability: float | None
    spans: Sequence[DetectionSpan]
    unanswered: int

    @property
    def worst(self) -> NamedDetection | None:
        """The class of faults that is found least often."""
        return min(self.by_class, key=lambda each: each.detection.hit_rate.share or 0.0, default=None)


def oversight(first: datetime, end: datetime) -> Oversight:
    """Everything that the page says of the team. The time is cut into spans that have enough faults in them."""
    closed = SeededCase.objects.filter(closed_at__gte=first, closed_at__lt=end)
    cases = closed.filter(outcome__in=ANSWERED)
    people = _grouped(cases, "decided_by", "decided_by__first_name", "decided_by__last_name", "decided_by__username")
    rows = [
        NamedDetection(f"{row['decided_by__first_name']} {row['decided_by__last_name']}".strip() or username, detection)
        for row, detection in people
        if (username := row["decided_by__username"]) and detection.cases >= PERSON_NEEDS
    ]
    classes = {row["fault"]: detection for row, detection in _grouped(cases.exclude(fault=""), "fault")}
    whole = team(cases)
    types = _grouped(cases, "action_type__title")
    return Oversight(
        team=whole,
        by_class=[NamedDetection(str(each.label), classes[each]) for each in FaultClass if each in classes],
        by_type=[
            NamedDetection(row["action_type__title"], detection)
            for row, detection in sorted(types, key=lambda pair: -pair[1].cases)
        ],
        by_person=rows,
        few=sum(detection.cases < PERSON_NEEDS for _, detection in people),
        reliability=_reliability(cases),
        spans=_spans(cases, first, end, max(1, min(MOST_SPANS, whole.faults // FEW))),
        unanswered=closed.filter(outcome=CaseOutcome.UNANSWERED).count(),
    )


def of_person(person: UUID, first: datetime, end: datetime) -> Detection:
    """One person's own, however few."""
    return team(SeededCase.objects.filter(decided_by=person, closed_at__gte=first, closed_at__lt=end))


def team(cases: QuerySet[SeededCase]) -> Detection:
    """Of all these cases together."""
    return Detection(**cases.aggregate(**_COUNTS))


def by_load(cases: QuerySet[SeededCase], lower_ends: Sequence[int]) -> list[Detection]:
    """What was made of them by how many their reader decided in that hour, a band each; nothing of unknown load."""
    band = Case(*(When(load__gte=low, then=Value(low)) for low in reversed(lower_ends)), output_field=IntegerField())
    counted = cases.annotate(band=band).values("band").order_by("band").annotate(**_COUNTS)
    rows = {low: Detection(*counts) for low, *counts in counted.values_list("band", *_COUNTS)}
    return [rows.get(low, Detection()) for low in lower_ends]


def _grouped(cases: QuerySet[SeededCase], *keys: str) -> list[tuple[dict[str, str], Detection]]:
    return [
        ({key: row[key] for key in keys}, Detection(**{name: row[name] for name in _COUNTS}))
        for row in cases.values(*keys).annotate(**_COUNTS).order_by(*keys)
    ]


def _spans(cases: QuerySet[SeededCase], first: datetime, end: datetime, count: int) -> list[DetectionSpan]:
    step = (end - first) / count
    outcomes = list(cases.values_list("closed_at", "outcome"))
    spans = []
    for number in range(count):
        start, stop = first + step * number, first + step * (number + 1)
        inside = [outcome for at, outcome in outcomes if at is not None and start <= at < stop]
        spans.append(
            DetectionSpan(
                start,
                stop,
                Detection(
                    faults=sum(outcome in OF_FAULTS for outcome in inside),
                    hits=inside.count(CaseOutcome.FOUND),
                    clean=sum(outcome in OF_CLEAN for outcome in inside),
                    alarms=inside.count(CaseOutcome.FALSE_ALARM),
                ),
            )
        )
    return spans


def _reliability(cases: QuerySet[SeededCase]) -> float | None:
    answers: dict[object, list[bool]] = {}
    for person, outcome in cases.order_by("closed_at", "pk").values_list("decided_by", "outcome"):
        answers.setdefault(person, []).append(outcome in (CaseOutcome.FOUND, CaseOutcome.PASSED))
    return reliability([each for person, each in answers.items() if person and len(each) >= FEW])
