"""A house with a past: fifty refunds that alice decided, each with words that say what is right."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, SeededCase, Tier
from approvals.oversight import draws, seeding
from approvals.policy import snapshot
from approvals.requests.submission import RunRef


@pytest.fixture
def decided(propose, alice) -> Callable[..., Approval]:
    """A refund that alice decided: decided("reject", amount=…)."""

    def make(verdict: str = "approve", *, amount: float = 420, order: str = "45600", **fields: object) -> Approval:
        sentence = f"Refund {amount} EUR for order {order}, which arrived broken."
        run = RunRef(f"case-{order}", "Broken cups")
        approval = propose(amount, order=order, summary=sentence, model="claude", run=run, **fields)
        given = VerdictInput(reason="wrong_amount", message="No.") if verdict == "reject" else VerdictInput()
        return load(decide(card_version_of(approval), by=alice, verdict=verdict, verdict_input=given).pk)

    return make


@pytest.fixture
def past(decided) -> list[Approval]:
    """A dozen approved refunds and four rejected ones of the last days."""
    dice = Random(3)  # noqa: S311
    made = []
    for number in range(16):
        with times.at(times.now() - timedelta(days=9, hours=number)):
            made.append(
                decided(
                    "reject" if number % 4 == 3 else "approve",
                    amount=round(dice.uniform(20, 900), 2),
                    order=str(dice.randint(40_000, 60_000)),
                )
            )
    return made


@pytest.fixture
def seed(past, propose) -> Callable[..., SeededCase]:
    """Put a test case in: seed(fault=True), of a class where one is named."""

    def make(*, fault: bool, fault_class: str = "", **fields: object) -> SeededCase:
        for attempt in range(200):
            beside = propose(33, order=f"5{attempt:04}", model="claude", **fields)
            case = draws.new_case(beside, now=times.now() - draws.LATEST)
            case.save(force_insert=True)
            seeding.put_in(case.pk, dice=Random(attempt))  # noqa: S311
            case.refresh_from_db()
            if case.approval and bool(case.fault) == fault and fault_class in ("", case.fault):
                return case
        raise AssertionError("no such case came")

    return make


@pytest.fixture
def every_one_draws(tiers) -> None:
    """One test case for every fifth of what waits."""
    Tier.objects.update(seeded="0.2")
    snapshot.publish(by=None, note="test cases")
