"""Which approvals a figure counts, and the rows behind it: one definition for both.

A selection is a cohort: the real approvals that arrived in a period, whatever became of them since. A row set narrows
it to one figure. Metrics count row sets, the rows page lists them, so that a number and its rows cannot disagree.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from approvals.models import Approval, Incident, Rollup, RollupEntry, RollupProgress, Vote
from approvals.models.policy import Gate, Verdict
from approvals.models.states import OPEN, SETTLED, ItemType, Kind, Route, Source, Status

LONGEST = 366  # days


@dataclass(frozen=True, slots=True)
class Selection:
    """Approvals that arrived from the first to the last day, both included, as days pass in UTC."""

    first: date
    last: date
    action_type: str | None = None
    agent: UUID | None = None
    tier: int | None = None  # where it started: else an escalation would count against the tier that took it on
    person: UUID | None = None  # who decided
    version: str | None = None  # as rollups name it: model, prompt and tools
    domain: str | None = None
    topic: str | None = None  # as rollups name it: a reason, a field that was changed, a band of the confidence

    @property
    def starts_at(self) -> datetime:
        return datetime.combine(self.first, time.min, UTC)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last + timedelta(days=1), time.min, UTC)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def within(self, first: date, last: date) -> "Selection":
        return replace(self, first=first, last=last)


@dataclass(frozen=True, slots=True)
class RowSet:
    """What one figure counts: its name on the page, its definition in words, and the condition."""

    title: Promise
    meaning: Promise
    condition: Q | Exists


# What an agent stated of itself, in one text.
VERSION = Func(
    Value(" · "),
    *(NullIf(F(name), Value("")) for name in ("agent_model", "prompt_version", "tool_version")),
    function="concat_ws",
    output_field=TextField(),
)

# The level of the tier where it started: an annotation, `starting`, of everything that row sets are taken of.
STARTING = Coalesce(F("tiers_visited__0"), F("tier_id"))

_routed = Q(route=Route.REVIEW)
_decided = Q(source=Source.HUMAN, status__in=sorted(SETTLED))
_judged = _decided & ~Q(item_type=ItemType.QUESTION)
_expired = Q(status=Status.EXPIRED) | (Q(source=Source.TIMEOUT, status__in=sorted(SETTLED)) & ~Q(gate=Gate.SOFT))
# The clock counts a breach when it takes an approval from a tier; between the end of the tier's time and the clock's
# next look, a person can still decide.
_late = (Q(breaches__gt=0) | (_decided & Q(decided_at__gt=F("due_at")))) & ~_expired

ROW_SETS: dict[str, RowSet] = {
    "submitted": RowSet(_("Submitted"), _("Everything that agents proposed or asked."), Q()),
    "auto": RowSet(_("Passed by policy"), _("Routed past people: policy let it run."), Q(route=Route.AUTO)),
    "granted": RowSet(
        _("Approved beforehand"),
        _("Passed as a step of an approved plan, or by a standing approval."),
        Q(source=Source.GRANT),
    ),
    "review": RowSet(_("Routed to people"), _("Policy asked a person."), _routed),
    "refused": RowSet(_("Refused by policy"), _("Policy refused it; nobody was asked."), Q(route=Route.REJECT)),
    "open": RowSet(
        _("Open"),
        _("Routed to people and waiting, or still in the undo window."),
        _routed & Q(status__in=sorted(OPEN)),
    ),
    "decided": RowSet(
        _("Decided by people"),
        _("A person gave the verdict and the undo window is over. Policy and silence are not people."),
        _decided,
    ),
    "judged": RowSet(
        _("Proposals decided by people"),
        _("Decided by people, without questions: a question is answered, not approved."),
        _judged,
    ),
    "approved": RowSet(
        _("Approved unchanged"), _("A person approved it exactly as proposed."), _judged & Q(verdict=Verdict.APPROVE)
    ),
    "modified": RowSet(
        _("Modified"), _("A person changed it and approved the change."), _judged & Q(verdict=Verdict.MODIFY)
    ),
    "rejected": RowSet(
        _("Rejected"),
        _("A person rejected or skipped it, or answered instead of letting it run."),
        _judged & Q(verdict__in=[Verdict.REJECT, Verdict.SKIP, Verdict.ANSWER]),
    ),
    "needless": RowSet(
        _("Needless asks"),
        _("A person approved it exactly as proposed, no flag was up, and no harm was reported."),
        _judged & Q(verdict=Verdict.APPROVE, flagged=0, faulted_at=None),
    ),
    "let_run": RowSet(
        _("Let run"),
        _("Approved, by whomever or whatever, as proposed or changed; what came of it may still be unknown."),
        Q(status__in=sorted(SETTLED), verdict__in=[Verdict.APPROVE, Verdict.MODIFY]),
    ),
    "escalated": RowSet(
        _("Escalated"),
        _("Routed to people and left the tier where it started, by a person or by the clock."),
        # Of what stages led on, only what left a tier unanswered.
        _routed & ((Q(stages=[]) & ~Q(tier_id=F("starting"))) | (~Q(stages=[]) & Q(escalations__gt=0))),
    ),
    "expired": RowSet(
        _("Ended in silence"),
        _("Nobody decided before the deadline. Approvals that are shown and run unless stopped do not count."),
        _expired,
    ),
    "late": RowSet(
        _("Late"),
        _("A tier's time to answer ran out: the clock escalated it, it was decided afterwards, or it still waits."),
        _late,
    ),
    "missed": RowSet(_("Deadlines missed"), _("Ended in silence, or late."), _expired | _late),
    "incidents": RowSet(
        _("Incidents"),
        _("It ran and somebody reported harm."),
        Exists(Incident.objects.filter(approval=OuterRef("pk"))),
    ),
}

# Rows that are no figure of the rollups by themselves: who voted beside somebody else is counted for each person.
VOTED: dict[str, RowSet] = {
    "voted": RowSet(_("Voted"), _("Voted on by somebody beside whoever gave the last verdict."), Q())
}


def cohort(selection: Selection) -> QuerySet[Approval]:
    """The approvals of a selection, each with `starting`, the level of the tier where it started."""
    approvals = Approval.objects.filter(
        kind=Kind.REAL, created_at__gte=selection.starts_at, created_at__lt=selection.ends_at
    ).annotate(starting=STARTING)
    if selection.action_type is not None:
        approvals = approvals.filter(action_type=selection.action_type)
    if selection.agent is not None:
        approvals = approvals.filter(agent=selection.agent)
    if selection.tier is not None:
        approvals = approvals.filter(starting=selection.tier)
    if selection.person is not None:
        approvals = approvals.filter(decided_by=selection.person)
    if selection.domain is not None:
        approvals = approvals.filter(domain=selection.domain)
    if selection.version is not None:
        approvals = approvals.annotate(stated=VERSION).filter(stated=selection.version)
    if selection.topic is not None:
        approvals = approvals.filter(_counted_under(selection))
    return approvals


def _counted_under(selection: Selection) -> Exists:
    """What the rollups count under the selection's topic: edits of arguments are found by no condition on a row."""
    generation = RollupProgress.objects.values("generation")[:1]
    cells = Rollup.objects.filter(
        generation=Subquery(generation),
        grain=Rollup.Grain.DAY,
        first__gte=selection.first,
        first__lte=selection.last,
        topic=selection.topic,
    )
    return Exists(
        RollupEntry.objects.filter(
            generation=Subquery(generation), approval_id=OuterRef("pk"), cell__in=cells.values("pk")
        )
    )


def rows(selection: Selection, name: str) -> QuerySet[Approval]:
    """The rows behind one figure, newest first. Raises KeyError for a row set that does not exist."""
    if name in VOTED:
        return _voted(selection)
    return cohort(selection).filter(ROW_SETS[name].condition).order_by("-created_at", "-pk")


def _voted(selection: Selection) -> QuerySet[Approval]:
    """What others than who decided voted on; of a selection's person, what that person did."""
    votes = Vote.objects.filter(
        ~Q(user=OuterRef("decided_by")),
        approval=OuterRef("pk"),
        revision=OuterRef("revision"),
        round=OuterRef("round"),
    )
    if selection.person is not None:
        votes = votes.filter(user=selection.person)
    decided = cohort(replace(selection, person=None)).filter(_decided, Exists(votes))
    return decided.order_by("-created_at", "-pk")
