"""What shadow mode did not ask: per action type and agent how many would have been asked or refused, by reason."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count
from django.db.models.fields.json import KT

from approvals.evidence.selection import Selection, cohort
from approvals.models.approval import Route


@dataclass(slots=True)
class Pair:
    """One action type of one agent. `reasons` are counts by reason code, most frequent first."""

    action_type: str
    title: str
    agent: str
    asked: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def all(self) -> int:
        return self.asked + self.refused


def shadows(selection: Selection) -> Sequence[Pair]:
    """The pairs that something passed of by shadow mode, most first; one query, grouped by the database."""
    rows = (
        cohort(selection)
        .filter(shadowed__isnull=False)
        .order_by()
        .values_list("action_type_id", "action_type__title", "agent__name", KT("shadowed__route"))
        .annotate(code=KT("shadowed__reason_code"), many=Count("pk"))
    )
    pairs: dict[tuple[str, str], Pair] = {}
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, title, agent, route, code, many in rows:
        key = (name or "", agent)
        pair = pairs.setdefault(key, Pair(name or "", title or name or "", agent))
        if route == Route.REJECT:
            pair.refused += many
        else:
            pair.asked += many
        counts[key][code] += many
    for key, pair in pairs.items():
        pair.reasons = dict(sorted(counts[key].items(), key=lambda one: (-one[1], one[0])))
    return sorted(pairs.values(), key=lambda pair: (-pair.all, pair.title, pair.agent))
