"""The expected wait, held against a simulated shift: what is told at submission, and what then happened.

The simulation is seeded and knows nothing of the estimator but its input: arrivals, reviewers with breaks and hours,
log-normal reading, a tier that hands on what it did not reach, and the work list in the order of its due times.
"""

import heapq
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from statistics import median
from uuid import UUID

import pytest

from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import Membership, Tier
from approvals.policy import snapshot
from approvals.policy.compiled_policy import TierPolicy
from approvals.requests.submission import Item
from approvals.workload import expected_wait
from approvals.workload.expected_wait import OnCallPeriod, PastVerdict, WaitEstimate, decision_paces

DAY = datetime(2026, 11, 30, tzinfo=UTC)
QUEUES = {1: (1, "commerce"), 2: (2, "commerce")}
HOLD = 5.0


def tier(level: int, sla: timedelta, following: int | None = None) -> TierPolicy:
    return TierPolicy(level, f"tier {level}", None, sla, timedelta(seconds=HOLD), timedelta(minutes=10), following)


READING, SPREAD = 120.0, 0.8  # median seconds, sigma


def at(seconds: float) -> datetime:
    return DAY + timedelta(seconds=seconds)


@dataclass(order=True)
class Card:
    due: float
    number: int
    came: float = field(compare=False)  # into the tier in which it is
    submitted_at: float = field(compare=False)
    tier: int = field(compare=False, default=1)
    expected_wait: float | None = field(compare=False, default=None)
    ahead: int = field(compare=False, default=0)


@dataclass
class Shift:
    """One day: arrivals per hour by hour, and how many review in each tier from nine to five."""

    seed: int
    hourly: list[float]
    staff: dict[int, int]
    sla: float = 45 * 60
    opens: float = 9 * 3600
    closes: float = 17 * 3600
    past: list[PastVerdict] = field(default_factory=list)

    def __post_init__(self):
        self.chance = random.Random(self.seed)  # noqa: S311  # a shift, no secret
        self.people = {tier: [UUID(int=tier * 100 + one) for one in range(many)] for tier, many in self.staff.items()}
        self.waiting = {1: [], 2: []}
        self.reading: dict[UUID, float] = {}
        self.worked = {one: self.chance.uniform(0, 5400) for crew in self.people.values() for one in crew}
        self.done: list[Card] = []
        self.waits: list[tuple[Card, float]] = []
        self.settled = list(self.past)
        self.rhythm, self.rhythm_at = {}, -1e9

    def crews(self, key):
        people = frozenset(self.people.get(key[0], ()))
        crews, begins = [], 0.0
        for day in range(3):
            opens, closes = day * 86400 + self.opens, day * 86400 + self.closes
            crews += [OnCallPeriod(at(begins), at(opens), frozenset()), OnCallPeriod(at(opens), at(closes), people)]
            begins = closes
        return crews

    def office(self, now: float) -> WaitEstimate:
        if now - self.rhythm_at > 30:
            self.rhythm, self.rhythm_at = decision_paces(self.settled[-1000:]), now
        tiers = {
            1: tier(1, timedelta(seconds=self.sla), following=2),
            2: tier(2, timedelta(hours=4)),
        }
        waiting = {QUEUES[tier]: len(cards) for tier, cards in self.waiting.items()}
        return WaitEstimate(at(now), waiting, frozenset(self.reading), self.rhythm, tiers, self.crews)

    def on_duty(self, now: float) -> bool:
        return self.opens <= now % 86400 < self.closes

    def run(self) -> "Shift":
        events: list[tuple[float, int, str, object]] = []
        count = 0

        def plan(when, what, whom=None):
            nonlocal count
            count += 1
            heapq.heappush(events, (when, count, what, whom))

        for hour, rate in enumerate(self.hourly):
            for _ in range(self._poisson(rate)):
                plan(hour * 3600 + self.chance.uniform(0, 3600), "comes")
        for crew in self.people.values():
            for reviewer in crew:
                for day in range(2):
                    plan(day * 86400 + self.opens + self.chance.uniform(0, 120), "free", reviewer)
        number = 0
        while events:
            now, _, what, whom = heapq.heappop(events)
            if what == "comes":
                number += 1
                card = Card(now + self.sla, number, now, now)
                card.ahead = len(self.waiting[1])
                card.expected_wait = self.office(now).wait(QUEUES[1], ahead=card.ahead, due_at=at(card.due))
                heapq.heappush(self.waiting[1], card)
                plan(card.due, "due", card)
                self._wake(1, now, plan)
            elif what == "due":
                if whom in self.waiting[1]:
                    self.waiting[1].remove(whom)
                    heapq.heapify(self.waiting[1])
                    whom.tier, whom.due, whom.came = 2, now + 4 * 3600, now
                    heapq.heappush(self.waiting[2], whom)
                    self._wake(2, now, plan)
            elif what == "done":
                reviewer, card = whom
                del self.reading[reviewer]
                self.settled.append(PastVerdict(QUEUES[card.tier], reviewer, at(card.came), at(now)))
                self.waits.append((card, now + HOLD - card.submitted_at))
                self._next(reviewer, card.tier, now, plan)
            else:
                self._next(whom, 1 if whom in self.people[1] else 2, now, plan)
        return self

    def _next(self, reviewer, tier, now, plan):
        """What a person does who has just become free: rest, read the most urgent one, or look up again later."""
        if reviewer in self.reading or not self.on_duty(now):
            return
        if self.worked[reviewer] > 5400:
            self.worked[reviewer] = 0.0
            plan(now + self.chance.choice([300, 600, 600, 1800]), "free", reviewer)
            return
        if not self.waiting[tier]:
            return
        card = heapq.heappop(self.waiting[tier])
        span = self.chance.lognormvariate(math.log(READING), SPREAD) + self.chance.uniform(2, 20)
        self.worked[reviewer] += span
        self.reading[reviewer] = now
        plan(now + span, "done", (reviewer, card))

    def _wake(self, tier, now, plan):
        for reviewer in self.people[tier]:
            if reviewer not in self.reading and self.on_duty(now):
                plan(now, "free", reviewer)
                return

    def _poisson(self, mean):
        limit, many, product = math.exp(-mean), 0, self.chance.random()
        while product > limit:
            many, product = many + 1, product * self.chance.random()
        return many


# Arrivals per hour by the hour of the day; three frontline reviewers settle about seventy an hour.
DAYS = {
    "quiet": ([0] * 9 + [8] * 7 + [0] * 8, {1: 3, 2: 1}),
    "busy": ([0] * 9 + [55, 58, 60, 60, 58, 55, 40] + [0] * 8, {1: 3, 2: 1}),
    "overload": ([0] * 9 + [110, 110, 100, 90, 80, 60, 30] + [0] * 8, {1: 3, 2: 2}),
    "night": ([0] * 5 + [9, 12, 14, 16, 20, 10, 5] + [0] * 12, {1: 3, 2: 2}),
    "one person": ([0] * 9 + [18, 20, 20, 18, 15, 10, 5] + [0] * 8, {1: 1, 2: 1}),
}
SEEDS = 10
_ENOUGH = 20


def expected_and_actual_waits(name):
    """(hour, told, waited) of every submission of many such days, each with an ordinary day before it."""
    hourly, staff = DAYS[name]
    waits = []
    for seed in range(SEEDS):
        before = Shift(seed + 1000, DAYS["busy"][0], staff).run()
        past = [
            settled._replace(came_at=settled.came_at - timedelta(days=1), at=settled.at - timedelta(days=1))
            for settled in before.settled
        ]
        day = Shift(seed, hourly, staff, past=past).run()
        waits += [
            (int(card.submitted_at // 3600), card.ahead, card.expected_wait, waited) for card, waited in day.waits
        ]
    return waits


def group_comparable(waits):
    """Submissions of the same hour that had about as many ahead of them."""
    groups = {}
    for hour, ahead, predicted, waited in waits:
        groups.setdefault((hour, round(math.log2(ahead + 1))), []).append((predicted, waited))
    return {key: pairs for key, pairs in groups.items() if len(pairs) >= _ENOUGH}


@pytest.mark.parametrize("name", DAYS)
def test_what_is_told_lies_within_a_factor_of_two_of_what_comparable_ones_waited(name):
    waits = expected_and_actual_waits(name)
    groups = group_comparable(waits)
    assert sum(map(len, groups.values())) > len(waits) * 0.5
    ratios, table = [], []
    for (hour, ahead), pairs in sorted(groups.items()):
        usual, middle = (median(column) for column in zip(*[(waited, told) for told, waited in pairs], strict=True))
        ratios += [told / usual for told, _ in pairs]
        table.append((hour, 2**ahead - 1, len(pairs), round(middle), round(usual), round(middle / usual, 2)))

    assert all(0.5 <= ratio <= 2 for *_, ratio in table), table
    assert sum(0.5 <= ratio <= 2 for ratio in ratios) / len(ratios) > 0.85


# --- The same, read from the database


@pytest.fixture
def settle_ten(propose, alice):
    """Alice settles ten refunds, a minute apart, and then nothing more; returns the moment after the last."""

    def settle(begins, many=10):
        for number in range(many):
            with times.at(begins + timedelta(minutes=number)):
                refund = propose(order=f"past-{number}")
            with times.at(begins + timedelta(minutes=number + 1)):
                decide(card_version_of(refund), by=alice, verdict="approve")
        expected_wait.forget()
        return begins + timedelta(minutes=many)

    return settle


MONDAY = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def expected(approval, now):
    expected_wait.forget()
    return expected_wait.expected_wait(approval, now)


def test_nothing_is_told_of_a_queue_in_which_too_little_was_decided(refund):
    assert expected_wait.expected_wait(refund, refund.created_at) is None


def test_it_grows_with_what_waits_ahead(settle_ten, propose, alice):
    now = settle_ten(MONDAY)
    with times.at(now):
        waits = [expected(propose(order=str(number)), now) for number in range(4)]

    assert waits == [60, 120, 180, 240]


def test_it_shrinks_with_who_is_on_duty_and_not_reading(settle_ten, propose, alice, person, commerce):
    now = settle_ten(MONDAY)
    with times.at(now):
        first, second, third = (propose(order=str(number)) for number in range(3))
        assert expected(third, now) == 180
        person("anna", tier=1, domain=commerce)
        assert expected(third, now) == 30 + 60  # two read the two ahead; one of them is free in half the time
        claims.claim(first.pk, by=alice)
        assert expected(second, now) == 60  # of the two, one reads and one is free


def test_whoever_waits_in_the_night_waits_for_the_morning(settle_ten, propose, alice):
    now = settle_ten(MONDAY)
    Membership.objects.filter(user=alice).update(duty_from=time(9), duty_until=time(17))
    night = MONDAY + timedelta(hours=10)
    with times.at(night):
        assert expected(propose(timeout=timedelta(days=2)), night) is None  # nobody above comes at all
        Tier.objects.filter(pk=1).update(next=None)
        snapshot.publish(by=None, note="nobody above")
        expected_wait.forget()
        assert expected(propose(timeout=timedelta(days=2)), night) == timedelta(hours=11, minutes=2).total_seconds()
        assert now < night


def test_it_ends_at_the_deadline_when_silence_answers(settle_ten, propose):
    now = settle_ten(MONDAY)
    with times.at(now):
        assert expected(propose(timeout=timedelta(seconds=20)), now) == 20


def test_the_undo_window_belongs_to_it(settle_ten, propose):
    now = settle_ten(MONDAY)
    Tier.objects.update(hold=timedelta(seconds=30))
    snapshot.publish(by=None, note="undo window")
    with times.at(now):
        assert expected(propose(), now) == 90


def test_each_of_a_bulk_stands_behind_the_one_before_and_reading_again_changes_nothing(settle_ten, propose):
    now = settle_ten(MONDAY)
    args = {"order": "456", "amount": 420, "currency": "EUR"}
    with times.at(now):
        first = propose(items=tuple(Item(id=str(n), action="refund", args=args) for n in range(5)))
        five = list(first.request.approvals.order_by("pk"))
        expected_wait.forget()
        expected_waits = [expected_wait.expected_wait(one, now) for one in five]
        assert expected_waits == [60, 120, 180, 240, 300]
        assert [expected_wait.expected_wait(one, now) for one in five] == expected_waits


def test_it_costs_no_query_for_a_second(settle_ten, propose, django_assert_num_queries):
    now = settle_ten(MONDAY)
    with times.at(now):
        refund = propose()
        expected_wait.forget()
        expected_wait.expected_wait(refund, now)
        with django_assert_num_queries(0):
            for _ in range(100):
                expected_wait.expected_wait(refund, now)


def test_a_night_between_two_verdicts_is_no_work():
    who, queue = UUID(int=1), (1, "commerce")
    cards = [PastVerdict(queue, who, MONDAY, MONDAY + timedelta(minutes=n)) for n in range(1, 9)]
    cards.append(PastVerdict(queue, who, MONDAY, MONDAY + timedelta(hours=20)))

    rhythm = decision_paces(cards)[queue]
    assert rhythm.median == 60
    assert rhythm.mean < 120
