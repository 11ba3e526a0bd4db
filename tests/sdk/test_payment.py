"""A payment script of twenty lines, gated in three, killed with -9 at every moment: the money moves exactly once with
what was approved, or visibly not at all."""

import json
import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from approvals.decisions import decide as decisions
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, Outcome
from approvals.models.states import Status
from tests.conftest import replace_arguments

HERE = Path(__file__).parent
KILLS = 100


class Payments:
    """Payments that are killed and begun again, while Alice decides: even orders as proposed, odd ones at 200."""

    def __init__(self, environment, alice) -> None:
        self.environment, self.alice = environment, alice

    def run(self, plans: list[list[str]]) -> list[dict]:
        """One payment for each list of moments; what each said in the end, with its line in the ledger."""
        orders = [
            {"order": f"order-{number}", "amount": str(300 + number), "moments": list(moments)}
            for number, moments in enumerate(plans)
        ]
        lives = subprocess.Popen(
            [sys.executable, str(HERE / "lives.py")],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            lives.stdin.write(json.dumps(orders))
            lives.stdin.close()
            self.decide_until_ended(lives)
            ended = [json.loads(line) for line in lives.stdout]
        finally:
            lives.kill()
            lives.wait()
            lives.stdout.close()
        return sorted(
            (self.with_ledger(one) for one in ended), key=lambda payment: int(payment["order"].partition("-")[2])
        )

    def decide_until_ended(self, lives) -> None:
        deadline = time.monotonic() + 240
        while lives.poll() is None:
            assert time.monotonic() < deadline, "the payments do not end"
            read = timezone.now() - timedelta(seconds=0.4)  # so that there is a wait to be killed in
            for approval in Approval.objects.filter(status=Status.PENDING, created_at__lt=read).select_related(
                "proposal"
            ):
                self.decide(approval)
            time.sleep(0.05)

    def decide(self, approval) -> None:
        args, seen = approval.proposal.args, card_version_of(load(approval.pk))
        if int(args["order"].partition("-")[2]) % 2:
            verdict_input = VerdictInput(
                edits=replace_arguments({**args, "amount": 200}), reason="", message="goodwill limit"
            )
            decisions.decide(seen, by=self.alice, verdict="modify", verdict_input=verdict_input)
        else:
            decisions.decide(seen, by=self.alice, verdict="approve")

    def with_ledger(self, payment: dict) -> dict:
        ledger = Path(self.environment["LEDGER"])
        lines = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
        proposed = Approval.objects.select_related("proposal")
        [approval] = [row for row in proposed if row.proposal.args["order"] == payment["order"]]
        return {
            **payment,
            "moved": [line["amount"] for line in lines if line["order"] == payment["order"]],
            "approved": approval.proposal.args["amount"],
            "approval": approval,
        }


@pytest.fixture
def payments(environment, alice, robot) -> Payments:
    return Payments(environment, alice)


def visibly_unconfirmed(payment: dict) -> bool:
    """The permit was used and nobody said what came of it: the script says so, and people see it."""
    approval = payment["approval"]
    outcome_reported = Outcome.objects.filter(approval=approval).exists()
    return payment["said"].startswith("Unconfirmed: ") and approval.consumed_at is not None and not outcome_reported


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_named_moment(payments):
    ends = payments.run(
        [
            ["before submit"],
            ["after submit"],
            ["in decision"],
            ["after decision"],
            ["before consume"],
            ["after consume"],
            ["after pay"],
            ["before outcome"],
            ["after outcome"],
            ["before submit", "after submit", "before consume", "before consume", "before outcome"],
            [],
        ]
    )

    unconfirmed = {5: 0, 6: 1}  # by payment: how often the money moved
    for number, payment in enumerate(ends):
        assert payment["killed"] == {9: 5, 10: 0}.get(number, 1), payment
        assert set(payment["moved"]) <= {payment["approved"]}, payment
        if number in unconfirmed:
            assert visibly_unconfirmed(payment), payment
            assert len(payment["moved"]) == unconfirmed[number], payment
        else:
            assert payment["moved"] == [payment["approved"]], payment
            assert payment["said"].startswith("paid "), payment
            assert Outcome.objects.get(approval=payment["approval"]).result == "succeeded"
    assert {one["approved"] for one in ends[1::2]} == {200}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_deaths_at_random_moments(payments):
    seed = int(os.environ.get("ASSENT_SEED", 981))
    dice = random.Random(seed)  # noqa: S311 - moments, not secrets

    def moment() -> str:
        return str(dice.randint(1, 24)) if dice.random() < 0.6 else f"{dice.uniform(0, 0.6):.3f}s"

    ends = payments.run([[moment(), moment(), moment()] for _ in range(KILLS * 2 // 5)])

    for payment in ends:
        assert len(payment["moved"]) <= 1, payment
        assert set(payment["moved"]) <= {payment["approved"]}, payment
        assert visibly_unconfirmed(payment) or (payment["said"].startswith("paid ") and len(payment["moved"]) == 1), (
            payment
        )
    assert sum(one["killed"] for one in ends) >= KILLS
    assert sum(len(one["moved"]) for one in ends) > len(ends) / 2
