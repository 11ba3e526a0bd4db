"""What one approval adds to the figures: which row sets hold it, how long it took, and what was said of it."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Case, F, IntegerField, Sum, Value, When

from approvals.evidence import attention
from approvals.evidence.histograms import bucket_of
from approvals.evidence.selection import ROW_SETS, STARTING, VERSION
from approvals.models import Approval, Decision, Incident, Proposal, Vote
from approvals.models.states import Kind
from approvals.values.edits import edits

BANDS = 10
# Beside the row sets: votes of others than who decided; the decider's time in view; the cost of incidents in hundredths
# of the base currency; the confidence in thousandths of what people decided.
COUNTERS = (*ROW_SETS, "voted", "viewed_seconds", "cost_cents", "stated_permille")
_AT = {name: index for index, name in enumerate(COUNTERS)}
_OF_BAND = ("judged", "approved", "modified", "rejected")
_INDEX = re.compile(r"/[0-9]+(?=/|$)")


class Dimensions(NamedTuple):
    """What figures are told apart by, as text; "" where it is of no matter."""

    topic: str
    action_type: str
    agent: str
    version: str
    tier: str
    domain: str
    person: str


DIMENSIONS = Dimensions._fields


@dataclass(frozen=True, slots=True)
class Contribution:
    """Of one approval, what it adds to one cell of its day. The bucket is of the time a person took, or of the
    per cent by which a field was changed."""

    approval: UUID
    day: date
    dimensions: Dimensions
    counts: list[int]
    bucket: int | None = None


class _Counted(NamedTuple):
    """One approval as the query reads it."""

    pk: UUID
    arrived: date
    dimensions: Dimensions
    counts: list[int]
    took: timedelta | None
    viewed: timedelta
    confidence: Decimal | None

    def holds(self, row_set: str) -> bool:
        return bool(self.counts[_AT[row_set]])

    def with_topic(self, topic: str, bucket: int | None = None, **counts: int) -> Contribution:
        return Contribution(self.pk, self.arrived, self.dimensions._replace(topic=topic), _counts(**counts), bucket)


def of(ids: Collection[UUID]) -> list[Contribution]:
    """What these approvals add; nothing for those that are not real. A fixed number of queries."""
    rows = _read(ids)
    cost = _costs([row.pk for row in rows if row.holds("incidents")])
    voters = _voters([row.pk for row in rows if row.holds("decided")])
    made: list[Contribution] = []
    for row in rows:
        counts = list(row.counts)
        counts[_AT["cost_cents"]] = cost.get(row.pk, 0)
        bucket = None
        if row.holds("decided"):
            counts[_AT["viewed_seconds"]] = round(row.viewed.total_seconds())
            bucket = bucket_of(row.took) if row.took is not None else None
        made.append(Contribution(row.pk, row.arrived, row.dimensions, counts, bucket))
        for voter in sorted(voters.get(row.pk, set()) - {row.dimensions.person}):
            of_voter = row.dimensions._replace(person=voter)
            made.append(Contribution(row.pk, row.arrived, of_voter, _counts(voted=1)))
        if row.holds("judged") and row.confidence is not None:
            band = min(int(row.confidence * BANDS), BANDS - 1)
            of_band = {name: row.counts[_AT[name]] for name in _OF_BAND}
            stated = int(row.confidence * 1000)
            made.append(row.with_topic(f"band:{band}", **of_band, stated_permille=stated))
    made += _reasons([row for row in rows if row.holds("rejected")])
    made += _fields([row for row in rows if row.holds("modified")])
    made += _readings([row for row in rows if row.holds("judged")])
    return made


def _read(ids: Collection[UUID]) -> list[_Counted]:
    # Every row set as a column: the same conditions that list the rows.
    held = {
        f"is_{name}": Case(When(row_set.condition, then=Value(1)), default=Value(0), output_field=IntegerField())
        if row_set.condition
        else Value(1)
        for name, row_set in ROW_SETS.items()
    }
    took = F("decided_at") - F("created_at")
    approvals = Approval.objects.filter(pk__in=ids, kind=Kind.REAL).annotate(starting=STARTING)
    approvals = approvals.annotate(**held).annotate(took=took, stated=VERSION)
    names = ("action_type_id", "agent_id", "stated", "starting", "domain_id", "decided_by_id")
    listed = approvals.values_list("pk", "created_at", *names, "took", "viewed", "confidence", *held)
    beside = len(COUNTERS) - len(ROW_SETS)
    rows = []
    for pk, created_at, name, agent, version, tier, domain, person, took, viewed, confidence, *flags in listed:
        dimensions = Dimensions(
            topic="",
            action_type=name or "",
            agent=str(agent),
            version=version,
            tier=str(tier),
            domain=domain,
            person=str(person or ""),
        )
        arrived = created_at.astimezone(UTC).date()
        rows.append(_Counted(pk, arrived, dimensions, [*flags, *[0] * beside], took, viewed, confidence))
    return rows


def _readings(judged: Iterable[_Counted]) -> list[Contribution]:
    """What people decided by how it was read, with its time in view; told apart by the person alone."""
    by_id = {row.pk: row for row in judged}
    made = []
    for reading in attention.readings(by_id):
        row = by_id[reading.approval]
        counts = {name: row.counts[_AT[name]] for name in _OF_BAND}
        dimensions = Dimensions(reading.topic, "", "", "", "", "", row.dimensions.person)
        made.append(Contribution(row.pk, row.arrived, dimensions, _counts(**counts), bucket_of(row.viewed)))
    return made


def _counts(**counts: int) -> list[int]:
    row = [0] * len(COUNTERS)
    for name, count in counts.items():
        row[_AT[name]] = count
    return row


def _costs(ids: Collection[UUID]) -> dict[UUID, int]:
    """What the incidents of each cost, in hundredths of the base currency."""
    summed = Incident.objects.filter(approval__in=ids, cost__isnull=False).order_by().values_list("approval")
    return {pk: int(cost * 100) for pk, cost in summed.annotate(cost_sum=Sum("cost"))}


def _voters(ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """Who voted for each as it was decided."""
    voters: dict[UUID, set[str]] = defaultdict(set)
    votes = Vote.objects.filter(
        approval__in=ids, revision=F("approval__revision"), round=F("approval__round")
    ).values_list("approval", "user")
    for approval, user in votes:
        voters[approval].add(str(user))
    return voters


def _reasons(rejected: Iterable[_Counted]) -> list[Contribution]:
    by_id = {row.pk: row for row in rejected}
    standing = Decision.objects.filter(approval__in=by_id, undone_at=None, recalled_at=None).exclude(reason="")
    return [
        by_id[approval].with_topic(f"reason:{reason}", rejected=1)
        for approval, reason in standing.values_list("approval", "reason")
    ]


def _fields(modified: Iterable[_Counted]) -> list[Contribution]:
    """The fields that people changed; an entry of a list counts as any entry of it. Erased arguments say nothing."""
    by_id = {row.pk: row for row in modified}
    proposals: dict[UUID, list[Proposal]] = defaultdict(list)
    listed = Proposal.objects.filter(approval__in=by_id).only("approval", "revision", "author", "args")
    for proposal in listed.order_by("revision"):
        proposals[proposal.approval_id].append(proposal)
    made = []
    for pk, revisions in proposals.items():
        own = [proposal for proposal in revisions if proposal.author_id is None]
        if not own or own[-1].args is None or revisions[-1].args is None:
            continue
        changed: dict[str, int | None] = {}
        for edit in edits(own[-1].args, revisions[-1].args):
            changed.setdefault(_INDEX.sub("/*", str(edit["path"]))[:200], _change(edit))
        made += [by_id[pk].with_topic(f"field:{path}", bucket, modified=1) for path, bucket in changed.items()]
    return made


def _change(edit: Mapping[str, object]) -> int | None:
    """By how many per cent of what was there a number was changed, as a bucket; None for anything else."""
    try:
        was, becomes = Decimal(str(edit["from"])), Decimal(str(edit["to"]))
        share = abs(becomes - was) / abs(was)
    except (KeyError, ArithmeticError):
        return None
    return bucket_of(timedelta(seconds=min(float(share * 100), 1e6))) if share.is_finite() else None
