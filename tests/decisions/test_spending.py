"""What agents are let spend: counted where it is let run, and a limit that two at once cannot pass."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_reports, spending, unconfirmed
from approvals.models import ActionType, Agent, Approval, Spend
from approvals.models.states import Status
from approvals.policy import checkpoints, snapshot
from approvals.requests import intake
from approvals.requests.submission import AgentSubmission, Item, Receipt, RunRef, Submission
from tests.checker import check
from tests.concurrency import together
from tests.conftest import replace_arguments, sentences_of
from tests.plans.conftest import kinds, plan, propose_step, step  # noqa: F401  # fixtures of plans
from tests.web import database_url


@pytest.fixture
def limited(refunds):
    """Refunds pass by themselves, up to 1,000 euros a day and agent."""

    def make(**changes):
        ActionType.objects.filter(pk="refund").update(**{"strategy": "never", "spend_limit": 1000, **changes})
        snapshot.publish(by=None, note="a limit")

    make()
    return make


def refund_of(amount, key=None, run="", action="refund"):
    args = {"order": "1", "amount": amount, "currency": "EUR"}
    item = Item(id="1", action=action, args=args)
    return Submission((item,), content_hash=f"sha256:{amount}", key=key, run=RunRef(run) if run else None)


def spent_by(of) -> Decimal:
    return sum((row.amount for row in Spend.objects.filter(spender=of.pk)), Decimal(0))


def routes(answers) -> list[str]:
    return [one.approvals[0].route for one in answers]


class TestCounting:
    def test_what_policy_lets_run_is_counted_under_its_agent_and_its_run(self, limited, propose, robot):
        approval = propose(amount=420, run=RunRef("thread-7"))
        assert (spent_by(robot), spent_by(approval.request.run)) == (Decimal(420), Decimal(420))

    def test_money_is_counted_in_base_currency(self, limited, propose, robot):
        propose(amount=100, currency="USD")
        assert spent_by(robot) == Decimal(90)

    def test_what_people_let_run_counts_when_it_is_released(self, with_undo, propose, alice, robot):
        held = decide(card_version_of(propose(amount=420)), by=alice, verdict="approve")
        assert (held.status, spent_by(robot)) == (Status.HELD, 0)
        with times.at(times.now() + timedelta(seconds=6)):
            clock.sweep()
        assert (load(held.pk).status, spent_by(robot)) == (Status.RELEASED, Decimal(420))

    def test_a_verdict_that_was_taken_back_never_counted(self, with_undo, propose, alice, robot):
        held = decide(card_version_of(propose()), by=alice, verdict="approve")
        undo(held.pk, by=alice)
        with times.at(times.now() + timedelta(seconds=6)):
            clock.sweep()
        assert spent_by(robot) == 0

    def test_a_modified_amount_counts_as_it_was_modified(self, propose, alice, robot):
        args = {"order": "456", "amount": 120, "currency": "EUR"}
        decide(
            card_version_of(propose(amount=420)),
            by=alice,
            verdict="modify",
            verdict_input=VerdictInput(edits=replace_arguments(args)),
        )
        assert spent_by(robot) == Decimal(120)

    def test_what_is_refused_or_waits_does_not_count(self, propose, alice, robot):
        propose(order="1")
        decide(
            card_version_of(propose(order="2")), by=alice, verdict="reject", verdict_input=VerdictInput(message="no")
        )
        assert spent_by(robot) == 0

    def test_silence_that_lets_it_run_counts(self, action_type, propose, robot):
        action_type("credit", reversibility="reversible", on_timeout="approve", expires_after=timedelta(minutes=1))
        approval = propose(action="credit", amount=30)
        with times.at(times.now() + timedelta(minutes=2)):
            clock.sweep()
        assert (load(approval.pk).source, spent_by(robot)) == ("timeout", Decimal(30))

    def test_a_plan_counts_when_it_is_approved_and_its_steps_no_more(
        self,
        plan,  # noqa: F811
        propose_step,  # noqa: F811
        alice,
        robot,
    ):
        approved = plan(step("a", 100), step("b", 50), run="thread-7")
        decide(card_version_of(approved), by=alice, verdict="approve")
        assert spent_by(robot) == Decimal(150)
        assert propose_step(step("a", 100), run="thread-7").source == "grant"
        assert (spent_by(robot), spent_by(approved.request.run)) == (Decimal(150), Decimal(150))


class TestGivingBack:
    @pytest.fixture
    def passed(self, limited, propose):
        return propose(amount=420)

    @pytest.mark.parametrize("result", ["failed", "skipped", "compensated"])
    def test_what_never_used_its_permit_comes_back(self, passed, robot, result):
        agent_reports.report_outcome(passed, by=robot, result=result)
        assert spent_by(robot) == 0

    def test_what_ran_does_not(self, passed, robot):
        agent_reports.report_outcome(passed, by=robot, result="succeeded")
        assert spent_by(robot) == Decimal(420)

    @pytest.mark.parametrize("result", ["failed", "skipped", "compensated"])
    def test_nor_does_the_agents_own_word_after_it_used_the_permit(self, passed, robot, result):
        Approval.objects.filter(pk=passed.pk).update(consumed_at=times.now())
        agent_reports.report_outcome(passed, by=robot, result=result)
        assert spent_by(robot) == Decimal(420)

    def test_what_a_person_found_not_to_have_run_comes_back(self, passed, robot, bob, mia):
        Approval.objects.filter(pk=passed.pk).update(consumed_at=times.now() - timedelta(days=1))
        unconfirmed.confirm(passed.pk, by=bob, ran=False, note="The bank has no trace of it.")
        assert spent_by(robot) == 0

    def test_a_repeated_report_gives_back_once(self, passed, robot, propose):
        propose(amount=100)
        for _ in range(2):
            agent_reports.report_outcome(passed, by=robot, result="skipped")
        assert spent_by(robot) == Decimal(100)


class TestLimits:
    def test_what_would_exceed_it_asks_with_the_numbers(self, limited, propose, robot):
        assert propose(amount=700, order="1").route == "auto"
        approval = propose(amount=300.01, order="2")
        assert (approval.route, approval.reason_code, approval.status) == ("review", "cost_threshold", "pending")
        assert sentences_of(approval.reasons)[0].startswith(
            "Spending of this agent: 700.00 EUR in the last 1 day, and 300.01 EUR more"
        )
        assert propose(amount=300, order="3").route == "auto"

    def test_everything_of_the_agent_counts_whatever_the_action(self, limited, propose, action_type, alice):
        action_type("payout")
        decide(card_version_of(propose(action="payout", amount=900)), by=alice, verdict="approve")
        assert propose(amount=101).reason_code == "cost_threshold"

    def test_another_agent_has_a_limit_of_its_own(self, limited, propose):
        propose(amount=1000)
        assert propose(amount=1000, agent=Agent.objects.create(name="other")).route == "auto"

    def test_a_runs_limit_is_the_runs(self, limited, propose):
        limited(spend_of="run")
        assert propose(amount=900, run=RunRef("a")).route == "auto"
        assert propose(amount=900, run=RunRef("b"), order="2").route == "auto"
        assert propose(amount=101, run=RunRef("a"), order="3").route == "review"
        assert propose(amount=1, order="4").route == "review"  # without a run the agent's whole spending counts

    def test_what_is_older_than_the_window_no_longer_counts(self, limited, propose):
        now = times.now()
        with times.at(now - timedelta(hours=50)):
            propose(amount=1000, order="1")
        with times.at(now - timedelta(hours=20)):
            assert propose(amount=1000, order="2").route == "auto"
        assert propose(amount=1, order="3").route == "review"

    def test_one_submission_of_several_is_added_up_as_they_stand(self, limited, robot):
        args = [{"order": str(n), "amount": 400, "currency": "EUR"} for n in range(3)]
        items = tuple(Item(id=str(n), action="refund", args=one) for n, one in enumerate(args))
        evaluated_routes = [routing.route for _, _, routing, _ in intake.evaluate(robot, Submission(items, "x"))]
        [answer] = intake.submit(robot, [Submission(items, "x")])
        assert evaluated_routes == [one.route for one in answer.approvals] == ["auto", "auto", "review"]

    def test_a_plan_passes_no_more_than_its_steps_would(self, kinds, limited, plan, robot):  # noqa: F811
        ActionType.objects.filter(pk="plan").update(strategy="never", reversibility="reversible")
        limited()
        assert plan(step("a", 600), step("b", 400)).route == "auto"
        plan_approval = plan(step("c", 600), step("d", 400))
        assert (plan_approval.route, plan_approval.reason_code) == ("review", "cost_threshold")
        assert sentences_of(plan_approval.reasons)[0].startswith(
            "Step 1, refund (c): Spending of this agent: 1,000.00 EUR"
        )

    def test_the_number_of_queries_does_not_grow_with_the_past(self, limited, robot):
        def cost():
            with CaptureQueriesContext(connection) as captured:
                intake.submit(robot, [refund_of(1)])
            return len(captured)

        intake.submit(robot, [refund_of(1)])  # the agent's name, the policy
        few = cost()
        for _ in range(20):
            intake.submit(robot, [refund_of(1) for _ in range(5)])
        assert cost() == few

    def test_only_limits_pay_for_standing_alone(self, refunds, robot):
        ActionType.objects.filter(pk="refund").update(strategy="never")
        snapshot.publish(by=None, note="no limit")
        with CaptureQueriesContext(connection) as captured:
            intake.submit(robot, [refund_of(1)])
        assert not any("FOR NO KEY UPDATE" in one["sql"] for one in captured)


def test_old_hours_are_forgotten_and_those_a_limit_looks_at_kept(robot):
    now = times.now()
    for days in (1, 31, 63):
        Spend.objects.create(spender=robot.pk, hour=checkpoints.hour_of(now - timedelta(days=days)), amount=1)
    assert spending.forget(now=now) == 1
    assert Spend.objects.count() == 2


# --- At the same moment


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_of_many_that_together_exceed_it_only_as_many_pass_as_fit(self, limited, robot):
        for _ in range(6):
            Spend.objects.all().delete()
            results = together(*[lambda: intake.submit(robot, [refund_of(300)])] * 8)
            assert all(isinstance(one, list) for one in results), results
            assert sorted(routes([one[0] for one in results])) == ["auto"] * 3 + ["review"] * 5
            assert spent_by(robot) == Decimal(900)
        assert check(database_url()) == []

    def test_at_the_turn_of_the_hour_too(self, limited, robot):
        """The two are counted in different hours, and still judged one after the other."""
        turn = checkpoints.hour_of(times.now())

        def at(moment):
            def submit():
                with times.at(moment):
                    return intake.submit(robot, [refund_of(600)])

            return submit

        for _ in range(6):
            Spend.objects.all().delete()
            results = together(at(turn - timedelta(milliseconds=1)), at(turn + timedelta(milliseconds=1)))
            assert sorted(routes([one[0] for one in results])) == ["auto", "review"]

    def test_two_plans_at_once(self, kinds, limited, robot):  # noqa: F811
        ActionType.objects.filter(pk="plan").update(strategy="never", reversibility="reversible")
        limited()
        submission = Submission((Item(id="p", item_type="plan", steps=[step("a", 300), step("b", 300)]),), "x")
        for _ in range(4):
            Spend.objects.all().delete()
            results = together(*[lambda: intake.submit(robot, [submission])] * 3)
            assert sorted(routes([answer[0] for answer in results])) == ["auto", "review", "review"]

    @pytest.mark.parametrize("name", ["refund", "credit"])
    def test_sets_of_many_agents_and_releases_never_wait_in_a_circle(self, limited, propose, alice, action_type, name):
        """Two writers take the same agents in opposite order while people and the clock release theirs; refunds have a
        limit, credits have none."""
        action_type("payout")
        action_type("credit", strategy="never")
        agents = [Agent.objects.create(name=f"agent-{n}") for n in range(6)]
        for _ in range(5):
            pending = [propose(action="payout", amount=10, agent=one, run=RunRef("a")) for one in agents]

            def writes(order):
                submissions = [
                    AgentSubmission(one.pk, refund_of(1, run="a", action=name)) for one in order for _ in range(3)
                ]
                return intake.take(submissions)

            def releases(waiting=tuple(pending)):
                return [decide(card_version_of(one), by=alice, verdict="approve") for one in waiting]

            results = together(
                lambda: writes(agents),
                lambda: writes(agents[::-1]),
                releases,
                lambda: threading.Event().wait(0.01) or clock.sweep(),
            )
            assert not [one for one in results if isinstance(one, Exception)], results
            for answers in results[:2]:
                assert all(isinstance(one, Receipt) for one in answers), answers
        for spender in agents:
            assert spent_by(spender) == Decimal(5 * (3 + 3 + 10))
        assert check(database_url()) == []

    def test_the_same_key_at_once_is_counted_once(self, limited, robot):
        for number in range(5):
            Spend.objects.all().delete()
            submission = refund_of(100, key=f"key-{number}")
            results = together(*[lambda: intake.submit(robot, [submission])] * 4)  # noqa: B023
            assert all(isinstance(answer[0], Receipt) for answer in results), results
            assert spent_by(robot) == Decimal(100)
