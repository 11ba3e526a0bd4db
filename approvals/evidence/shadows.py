"""What shadow mode did not ask: per action type and agent how many would have been asked or refused, by reason."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count
from django.db.models.fields.json import KT

from approvals.evidence.selection import Selection, cohort
from approvals.models.states import Route


@dataclass(slots=True)
class ShadowCount:
    """One action type of one agent. `reasons` are counts by reason code, most frequent first."""

    action_type: str
    title: str
    agent: str
    would_ask: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def all(self) -> int:
        return self.would_ask + self.refused


def shadow_counts(selection: Selection) -> Sequence[ShadowCount]:
    """The pairs that something passed of by shadow mode, most first; one query, grouped by the database."""
    rows = (
        cohort(selection)
        .filter(shadowed__isnull=False)
        .order_by()
        .values_list("action_type_id", "action_type__title", "agent__name", KT("shadowed__route"))
        .annotate(code=KT("shadowed__reason_code"), many=Count("pk"))
    )
    pairs: dict[tuple[str, str], ShadowCount] = {}
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, title, agent, route, code, many in rows:
        key = (name or "", agent)
        pair = pairs.setdefault(key, ShadowCount(name or "", title or name or "", agent))
        if route == Route.REJECT:
            pair.refused += many
        else:
            pair.would_ask += many
        counts[key][code] += many
    for key, pair in pairs.items():
        pair.reasons = dict(sorted(counts[key].items(), key=lambda entry: (-entry[1], entry[0])))
    return sorted(pairs.values(), key=lambda pair: (-pair.all, pair.title, pair.agent))
