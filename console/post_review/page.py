"""What ran without a person, as one page shows it: by why nobody was asked, runs as a whole, each with its undo."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.db import times
from approvals.execution import post_review_queue
from approvals.models import Approval, PostReview, Run, Step, User
from approvals.models.states import Status
from approvals.people import authorities
from console.card.facts import Fact, facts_of
from console.inbox.remaining import duration_text
from console.runs.run_page import LABELS
from console.runs.summaries import Titles

MOST = 100  # rows of a section
_FACTS = 4  # arguments that a row names
Why = PostReview.Why

TITLES = {
    Why.VETO: gettext_lazy("Can still be stopped"),
    Why.REVIEW: gettext_lazy("Runs to review"),
    Why.DEGRADED: gettext_lazy("Passed while nobody could be asked"),
    Why.SILENCE: gettext_lazy("Ran because nobody answered"),
    Why.SAMPLED: gettext_lazy("Samples"),
}
LEADS = {
    Why.VETO: gettext_lazy("Stopping one ends its run, and its agent is asked to undo what the run did."),
    Why.REVIEW: gettext_lazy("They have ended. Object to a step, and its agent is asked to undo that one."),
    Why.DEGRADED: gettext_lazy("Reversible, of low impact, and let through because the queue was full or empty."),
    Why.SILENCE: gettext_lazy("Its deadline came, and its action type lets it run then."),
    Why.SAMPLED: gettext_lazy("Drawn by chance from what passes by policy. Its agent does not know."),
}
GOING_ON = gettext_lazy("Runs that go on")
_STATES = {
    Status.EXECUTED: LABELS["done"],
    Status.FAILED: LABELS["failed"],
    Status.COMPENSATED: LABELS["undone"],
    Status.SKIPPED: gettext_lazy("Did not run"),
    Status.RECALLED: LABELS["recalled"],
}


@dataclass(frozen=True)
class PostReviewRow:
    """One row: what ran, what became of it, and what undoes it. `may`: this person says what was found."""

    post_review: PostReview
    step: Step | None
    undo: str
    may: bool
    now: datetime

    @property
    def approval(self) -> Approval:
        return self.post_review.approval

    @property
    def title(self) -> str:
        return self.approval.proposal.headline if self.approval.proposal else str(self.approval.action_type)

    @property
    def stops(self) -> bool:
        """An objection now is a veto."""
        return self.post_review.why == Why.VETO

    @property
    def state(self) -> str:
        """What became of it, in a word."""
        if self.step is not None:
            return str(LABELS[self.step.status])
        if self.approval.status in _STATES:
            return str(_STATES[Status(self.approval.status)])
        return str(LABELS["started"]) if self.approval.consumed_at else _("Not begun yet")

    @property
    def mark(self) -> str:
        """The state as styles name it."""
        if self.step is not None:
            return self.step.status
        return "failed" if self.approval.status == Status.FAILED else ""

    @property
    def objection_effect(self) -> str:
        """What an objection does."""
        unused = self.approval.status == Status.RELEASED and self.approval.consumed_at is None and self.step is None
        if self.stops:
            return _("It ends the run “%(run)s”; the agent is asked to undo what the run did, newest first.") % {
                "run": self.post_review.run
            }
        if unused:
            return _("Its permit is taken back: it does not run.")
        if self.undo:
            return _("The agent is asked to undo it: %(undo)s.") % {"undo": self.undo}
        return _("Nothing undoes it; the objection is recorded, and the agent is told.")

    @property
    def may_choose_undo(self) -> bool:
        """Whether it is to be undone is for the person to say."""
        return (
            self.post_review.why not in post_review_queue.RAN_BEFORE_REVIEW
            and self.step is not None
            and bool(self.undo)
        )

    @cached_property
    def facts(self) -> list[Fact]:
        proposal = self.approval.proposal
        kind = self.approval.action_type
        return facts_of(proposal.args, kind.schema if kind else None) if proposal else []

    @property
    def shown(self) -> list[Fact]:
        return self.facts[:_FACTS]

    @property
    def hidden(self) -> int:
        return max(0, len(self.facts) - _FACTS)

    @property
    def left(self) -> str:
        until = self.post_review.until
        return _("%s left") % duration_text(until - self.now) if until else ""


@dataclass(frozen=True, slots=True)
class PostReviewGroup:
    """Post-reviews that can be marked OK together: those of a run, or all of a section."""

    looks: Sequence[PostReviewRow]
    run: Run | None = None

    @property
    def picks(self) -> list[UUID]:
        return [look.post_review.pk for look in self.looks if look.may]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page."""

    key: str
    title: str
    lead: str
    groups: Sequence[PostReviewGroup]
    more: bool = False

    @property
    def whole(self) -> Sequence[UUID]:
        """What one press at its head marks OK; empty where each run has a button of its own."""
        alone = len(self.groups) == 1 and self.groups[0].run is None and len(self.groups[0].picks) > 1
        return self.groups[0].picks if alone else ()

    @property
    def count(self) -> int:
        return sum(len(group.looks) for group in self.groups)


class PostReviewPage:
    """Everything that one person may look at now."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.now = times.now()
        self.authority = authorities.authority_of(user)

    @cached_property
    def sections(self) -> list[Section]:
        sections = []
        for why, title in TITLES.items():
            looks, more = self._section_rows(self._rows.filter(post_review_queue.DUE, why=why))
            groups = _by_run(looks) if why == Why.REVIEW else [PostReviewGroup(looks)]
            sections.append(Section(why, str(title), str(LEADS[why]), groups, more))
        looks, more = self._section_rows(self._rows.exclude(post_review_queue.DUE).filter(why=Why.REVIEW))
        lead = _("They are reviewed when they have ended. A problem can be flagged before.")
        sections.append(Section("going", str(GOING_ON), lead, _by_run(looks), more))
        return [section for section in sections if section.count]

    @property
    def picks(self) -> bool:
        """Whether there is anything for this person to say."""
        return any(group.picks for section in self.sections for group in section.groups)

    @cached_property
    def version(self) -> str:
        """Changes whenever something that the page shows does: a page that knows it needs nothing new."""
        seen = [
            (
                look.post_review.pk,
                look.approval.event_seq,
                look.step and (look.step.pk, look.step.status),
                section.key,
                look.may,
            )
            for section in self.sections
            for group in section.groups
            for look in group.looks
        ]
        return sha256(repr(seen).encode()).hexdigest()[:16]

    @property
    def _rows(self) -> QuerySet[PostReview]:
        """The open ones, but for windows that are over and that the clock just has not closed."""
        named = ("approval__agent", "approval__action_type", "approval__proposal", "approval__tier", "run")
        return (
            post_review_queue.open_reviews_of(self.user, self.authority)
            .exclude(why=Why.VETO, until__lte=self.now)
            .select_related(*named, "approval__domain")
            .defer("approval__assessment", "approval__reasons", "approval__action_type__policy_text")
            .order_by(F("until").asc(nulls_last=True), "opened_at", "pk")
        )

    def _section_rows(self, rows: QuerySet[PostReview]) -> tuple[list[PostReviewRow], bool]:
        audit_rows = list(rows[: MOST + 1])
        shown = audit_rows[:MOST]
        steps = {one.approval_id: one for one in Step.objects.filter(approval__in=[one.pk for one in shown])}
        return [self._row(one, steps.get(one.pk)) for one in shown], len(audit_rows) > MOST

    def _row(self, audit: PostReview, step: Step | None) -> PostReviewRow:
        proposal = audit.approval.proposal
        undo = step.undo if step is not None else proposal.undo if proposal else None
        may = post_review_queue.may_review(audit, self.authority)
        return PostReviewRow(audit, step, self._titles.of(undo), may, self.now)

    @cached_property
    def _titles(self) -> Titles:
        return Titles()


def _by_run(looks: Iterable[PostReviewRow]) -> list[PostReviewGroup]:
    looks_by_run: dict[object, list[PostReviewRow]] = {}
    for look in looks:
        looks_by_run.setdefault(look.post_review.run_id, []).append(look)
    return [
        PostReviewGroup(sorted(those, key=lambda row: row.post_review.opened_at), those[0].post_review.run)
        for those in looks_by_run.values()
    ]


def due_for(user: User, authority: authorities.Authority) -> QuerySet[PostReview]:
    """What the navigation counts: what is due, and this person's to say something of; all where nothing is."""
    due = post_review_queue.due_reviews_of(user, authority)
    return due.exclude(approval__agent__in=authority.operates) if authority.posts else due
