"""What a new stated version of an agent changed: the one before it against it, with an interval for the difference."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import sqrt

from django.db.models import Min

from approvals.evidence.metrics import Figures, figures_of
from approvals.evidence.pieces import pieces
from approvals.evidence.rates import Rate
from approvals.evidence.rollups import bits, generation_in_force
from approvals.evidence.selection import Selection
from approvals.evidence.sums import by_values, sums
from approvals.models import ActionType, Agent, Rollup

FEW = 20  # decisions on either side; with fewer nothing is said


class Turn(StrEnum):
    """Which way a rate certainly went."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"  # the interval of the difference holds zero
    FEW = "few"


@dataclass(frozen=True, slots=True)
class VersionChange:
    """One agent and action type, before and after the version that it states now; `since` is its first day."""

    agent: str
    action_type: str
    title: str
    version_before: str
    version_after: str
    since: date
    before: Figures
    after: Figures

    @property
    def difference(self) -> tuple[float, float, float]:
        """Approved unchanged: after less before, and its 95 % interval."""
        return difference(self.before.approval, self.after.approval)

    @property
    def turn(self) -> Turn:
        if min(self.before.judged, self.after.judged) < FEW:
            return Turn.FEW
        _share, low, high = self.difference
        return Turn.WORSE if high < 0 else Turn.BETTER if low > 0 else Turn.SAME


def difference(before: Rate, after: Rate) -> tuple[float, float, float]:
    """`after` less `before`, and the 95 % interval of that, from the two Wilson intervals.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven
    methods", Statistics in Medicine 17 (1998), 873-890, method 10. Nothing counted is a share of 0 known to no degree.
    """
    was, becomes = before.share or 0.0, after.share or 0.0
    low = becomes - was - sqrt((becomes - after.low) ** 2 + (before.high - was) ** 2)
    high = becomes - was + sqrt((after.high - becomes) ** 2 + (was - before.low) ** 2)
    return becomes - was, max(low, -1.0), min(high, 1.0)


def version_changes(selection: Selection) -> Sequence[VersionChange]:
    """Every agent and action type whose agent stated another version within the selection, the certain losses first.

    The version before is the one that came last before the newest.
    """
    parts = pieces(selection.first, selection.last)
    by_agent: dict[tuple[str, str], dict[str, Figures]] = defaultdict(dict)
    for (agent, name, version), total in by_values(sums(selection, parts, ["agent", "action_type", "version"])).items():
        if version:
            by_agent[(agent, name)][version] = figures_of(total)
    began = _first_days(selection)
    agents = {str(pk): name for pk, name in Agent.objects.values_list("pk", "name")}
    titles = dict(ActionType.objects.values_list("name", "title"))
    changes = []
    for (agent, name), versions in by_agent.items():
        ordered = sorted(versions, key=lambda version: began.get((agent, version), selection.first))
        if len(ordered) < 2:
            continue
        earlier, newest = ordered[-2:]
        changes.append(
            VersionChange(
                *(agents.get(agent, agent), name, titles.get(name, name), earlier, newest),
                since=began.get((agent, newest), selection.first),
                before=versions[earlier],
                after=versions[newest],
            )
        )
    rank = list(Turn)
    return sorted(changes, key=lambda change: (rank.index(change.turn), change.difference[0], change.agent))


def _first_days(selection: Selection) -> Mapping[tuple[str, str], date]:
    """Since when each agent stated each version, within the selection."""
    days = Rollup.objects.filter(
        generation=generation_in_force(),
        kept=bits("agent", "version"),
        grain=Rollup.Grain.DAY,
        first__range=(selection.first, selection.last),
    )
    listed = days.order_by().values_list("agent", "version").annotate(began=Min("first"))
    return {(agent, version): began for agent, version, began in listed}
