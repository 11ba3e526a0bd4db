"""A made-up past of two months: what agents proposed, what the cast decided, how it went.

A made-up calendar is played in order with the clock pinned, through the functions that the product uses, in one
transaction: the real clock process never sees the past half told. The dice are seeded: the same day, the same past.
"""

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from django.db import transaction

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput, typed_confirmation_of
from approvals.errors import BadVerdict, ReviewError
from approvals.execution import agent_reports as agents_own
from approvals.models import Agent, Approval, ApprovalRequest, Outcome, SeededCase, User
from approvals.models.policy import Gate, Verdict
from approvals.models.states import ItemType, Status
from approvals.models.verdict import RejectionReason
from approvals.oversight import draws, seeding
from approvals.people import eligibility
from approvals.policy import snapshot
from approvals.policy.compiled_policy import Policy
from approvals.requests import intake
from approvals.requests.submission import Item, Receipt, RunRef, Submission
from approvals.values.edits import Operation, operations
from console.demo import people, variety
from console.demo.variety import Pattern

DAYS = 60
PREFIX = "demo/past/"
# The others do not say what became of it, as agents in the world often do not.
TEST_CASES, FOUND, PASSED = 0.35, 0.9, 0.95  # beside what waits; of the faults; of the clean ones
REPORTING = {"support-agent", "deploy-bot"}
NOTES = {
    RejectionReason.WRONG_AMOUNT: "The amount is not what the contract says.",
    RejectionReason.WRONG_RECIPIENT: "This goes to the wrong place.",
    RejectionReason.NOT_JUSTIFIED: "The evidence does not carry this.",
    RejectionReason.POLICY: "Our handbook says otherwise.",
    RejectionReason.DUPLICATE: "We did this last week.",
    RejectionReason.UNCLEAR: "I cannot tell from this what would happen.",
}


def already_played() -> bool:
    """True where the made-up past exists already."""
    return ApprovalRequest.objects.filter(key__startswith=PREFIX).exists()


@transaction.atomic
def play(cast: Mapping[str, User], agents: Mapping[str, Agent], patterns: Mapping[str, Sequence[Pattern]]) -> int:
    """Play the calendar that ends yesterday; returns how many approvals it made.

    `patterns` are what each agent proposes, by its name.
    """
    today = times.now().replace(hour=0, minute=0, second=0, microsecond=0)
    calendar = Calendar(cast, agents, patterns, snapshot.current())
    for back in range(DAYS, 0, -1):
        day = today - timedelta(days=back)
        if day.weekday() < 5:
            calendar.plan(day)
    calendar.play()
    return calendar.made


@dataclass
class Calendar:
    """What will happen, by time; what happens plans what follows from it."""

    cast: Mapping[str, User]
    agents: Mapping[str, Agent]
    patterns: Mapping[str, Sequence[Pattern]]
    policy: Policy
    dice: random.Random = field(default_factory=lambda: random.Random(11))  # noqa: S311 - a story, no secret
    made: int = 0
    _ahead: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _begun: set[str] = field(default_factory=set)
    _unheard: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._unheard = list(self.patterns)

    def at(self, moment: datetime, happen: Callable[[], None]) -> None:
        heapq.heappush(self._ahead, (moment, next(self._order), happen))

    def play(self) -> None:
        """Play every event, in order of time."""
        while self._ahead:
            moment, _, happen = heapq.heappop(self._ahead)
            with times.at(moment):
                happen()

    def plan(self, day: datetime) -> None:
        """One agent proposes several things at once: a set costs little more than one, and the first start waits.

        Each has had its turn before chance chooses, and has proposed all that it does: on no date is it a newcomer.
        """
        moment = day + timedelta(hours=8, seconds=self.dice.randrange(8 * 3600))
        if self._unheard:
            name = self._unheard.pop()
        else:
            name = self.dice.choices(list(self.patterns), [len(some) for some in self.patterns.values()])[0]
        self.at(moment, lambda: self.propose(name, moment))

    def propose(self, name: str, now: datetime) -> None:
        """One agent submits several; each that waits gets somebody and a time, or nobody."""
        drawn = [self.dice.choice(self.patterns[name]) for _ in range(self.dice.randint(4, 9))]
        if name not in self._begun:
            self._begun.add(name)
            drawn += {one.action: one for one in self.patterns[name]}.values()
        qualities = [self.dice.betavariate(5, 1.6) for _ in drawn]
        answers = intake.submit(
            self.agents[name],
            [self.submission(name, one, quality) for one, quality in zip(drawn, qualities, strict=True)],
        )
        waiting: list[tuple[Approval, float]] = []
        for answer, quality in zip(answers, qualities, strict=True):
            if not isinstance(answer, Receipt):
                raise answer
            for approval in answer.approvals:
                self.made += 1
                if approval.status == Status.PENDING:
                    waiting.append((approval, quality))
                    self.plan_test_case(approval, now)
                elif approval.verdict == Verdict.APPROVE and name in REPORTING:
                    self.at(now + self.some_seconds(5, 90), lambda ran=approval: self.report(ran))  # type: ignore[misc]
        self.review_batch(waiting, now)

    def submission(self, name: str, pattern: Pattern, quality: float) -> Submission:
        """The pattern with other numbers, and a stated confidence that flatters the agent a little."""
        args = variety.varied_args(pattern, self.policy.types[pattern.action], self.dice)
        stated = min(0.99, max(0.3, quality + self.dice.gauss(0.05, 0.08)))
        number = next(self._order)
        item = Item(
            id="call_1",
            action=pattern.action,
            args=args,
            summary=variety.adapted_text(pattern.summary, dict(pattern.args), args),
            reasoning=variety.adapted_text(pattern.reasoning, dict(pattern.args), args),
            context=pattern.context,
            signals={**pattern.signals, "stated_confidence": round(stated, 2)},
        )
        return Submission(
            items=(item,),
            content_hash=f"sha256:{number:064x}",
            key=f"{PREFIX}{number}",
            run=RunRef(f"{name}-{number // 9}", pattern.name),
            model="scripted",
            prompt_version="2026-09",
            timeout=None if self.policy.types[pattern.action].gate != Gate.ASYNC else timedelta(hours=8),
        )

    # --- Test cases

    def plan_test_case(self, beside: Approval, now: datetime) -> None:
        """Beside some of what waits, a case with a known right answer comes a little later."""
        if beside.item_type != ItemType.ACTION or self.dice.random() >= TEST_CASES:
            return
        case = draws.new_case(beside, now=now)
        case.due_at = now + self.some_seconds(200, 2400)
        case.save(force_insert=True)
        self.at(case.due_at, lambda: self.put_in(case))

    def put_in(self, case: SeededCase) -> None:
        """Most faults are found, and nearly all clean ones pass."""
        approval = seeding.put_in(case.pk, dice=self.dice)
        if approval is None:
            return
        case.refresh_from_db()
        if case.fault:
            fate = Verdict.REJECT if self.dice.random() < FOUND else Verdict.APPROVE
        else:
            fate = Verdict.APPROVE if self.dice.random() < PASSED else Verdict.REJECT
        self.at(times.now() + self.some_seconds(60, 700), lambda: self.settle(load(approval.pk), fate))

    # --- People at work

    def review_batch(self, waiting: Sequence[tuple[Approval, float]], now: datetime) -> None:
        """Somebody looks through what came in, one after the other; some of it nobody gets to in time."""
        moment = now + self.some_seconds(40, 900)
        decided = []
        for approval, quality in waiting:
            fate = self.fate(quality)
            if fate == "":
                self.leave_unanswered(approval)
                continue
            moment += self.some_seconds(4, 25)
            self.at(moment, lambda waiting=approval, fate=fate: self.settle(waiting, fate))  # type: ignore[misc]
            decided.append(approval)
        if decided:
            hold = max(one.hold for one in decided)
            self.at(moment + hold + timedelta(seconds=1), lambda: self.release(decided))

    def fate(self, quality: float) -> str:
        """Approve what is good; of the rest some is mended and some refused; now and then nobody has time."""
        if self.dice.random() < 0.08:
            return ""
        if self.dice.random() < quality:
            return Verdict.APPROVE
        return Verdict.MODIFY if self.dice.random() < 0.45 else Verdict.REJECT

    def settle(self, approval: Approval, fate: str) -> None:
        """Decide, with as many people as it needs; corrections that the schema refuses become a rejection."""
        voters: list[User] = []
        while approval.status == Status.PENDING:
            by = next((reviewer for reviewer in self.reviewers(approval) if reviewer not in voters), None)
            if by is None:
                return self.plan_deadline_sweep(approval)
            verdict = Verdict.APPROVE if fate == Verdict.MODIFY and approval.revision > 1 else fate
            try:
                approval = decide(
                    card_version_of(approval),
                    by=by,
                    verdict=verdict,
                    verdict_input=self.verdict_input(approval, verdict),
                )
            except BadVerdict:
                fate = Verdict.REJECT
                continue
            except ReviewError:  # the clock moved it meanwhile
                approval = load(approval.pk)
            voters.append(by)

    def verdict_input(self, approval: Approval, verdict: str) -> VerdictInput:
        """What goes with a verdict: a reason, corrected arguments, or what whoever approves it types."""
        viewed = self.some_seconds(8, 140)
        if verdict == Verdict.REJECT:
            reason = self.dice.choice(list(NOTES))
            return VerdictInput(reason=reason, message=NOTES[reason], viewed=viewed)
        edited: Sequence[Operation] = ()
        if verdict == Verdict.MODIFY and approval.proposal is not None:
            kind = self.policy.types[approval.action_type_id or ""]
            args = approval.proposal.args
            edited = operations(args, variety.corrected_args(args, kind, self.dice))
        typed = typed_confirmation_of(approval) if eligibility.page_only(approval) else ""
        return VerdictInput(edits=edited, typed_confirmation=typed, freshly_authenticated=bool(typed), viewed=viewed)

    def reviewers(self, approval: Approval) -> list[User]:
        """Those of the cast who may decide it, the lowest tier first."""
        able = [
            (max(level for level, where in person.reviews if where in {None, approval.domain_id}), person.username)
            for person in people.PEOPLE
            if any(level >= approval.tier_id and where in {None, approval.domain_id} for level, where in person.reviews)
            and people.OWNER.get(approval.agent.name) != person.username
        ]
        return [self.cast[username] for _, username in sorted(able)]

    # --- Time

    def leave_unanswered(self, approval: Approval) -> None:
        """Nobody comes: the clock escalates, and then somebody of the next tier does, or silence speaks."""
        if approval.due_at is not None and approval.expires_at is not None and approval.due_at < approval.expires_at:
            self.at(approval.due_at + timedelta(seconds=1), self.sweep)
            fate = self.fate(0.6) if self.dice.random() < 0.6 else ""
            middle = approval.due_at + (approval.expires_at - approval.due_at) * self.dice.uniform(0.05, 0.3)
            if fate:
                self.at(middle, lambda: self.settle_late(approval, fate))
                return
        self.plan_deadline_sweep(approval)

    def plan_deadline_sweep(self, approval: Approval) -> None:
        if approval.expires_at is not None:
            self.at(approval.expires_at + timedelta(seconds=1), self.sweep)

    def settle_late(self, approval: Approval, fate: str) -> None:
        approval = load(approval.pk)
        self.settle(approval, fate)
        self.at(times.now() + approval.hold + timedelta(seconds=1), lambda: self.release([approval]))

    def sweep(self) -> None:
        clock.sweep()

    def release(self, decided: Sequence[Approval]) -> None:
        """The undo window is over; agents that report say how it went."""
        self.sweep()
        now = times.now()
        may_run = Approval.objects.filter(pk__in=[one.pk for one in decided], status=Status.RELEASED)
        for approval in may_run.filter(verdict__in=[Verdict.APPROVE, Verdict.MODIFY]).select_related("agent"):
            if approval.agent.name in REPORTING:
                self.at(now + self.some_seconds(2, 60), lambda ran=approval: self.report(ran))  # type: ignore[misc]

    def report(self, approval: Approval) -> None:
        result = Outcome.Result.SUCCEEDED if self.dice.random() < 0.96 else Outcome.Result.FAILED
        detail = "" if result == Outcome.Result.SUCCEEDED else "The other system did not answer."
        agents_own.report_outcome(approval, by=approval.agent, result=result, detail=detail)

    def some_seconds(self, least: int, most: int) -> timedelta:
        return timedelta(seconds=self.dice.randint(least, most))
