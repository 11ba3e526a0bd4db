"""Row 8 of the routing table: a person every so many steps or minutes of a run, and above a spending."""

from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.policy import messages
from approvals.policy.evaluation_input import RunPast
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from tests.conftest import sentences_of

TWO = AgentStanding(level=2)


def past(steps=0, since=timedelta(0)):
    return RunPast(proposed=steps, steps=steps, since=since)


class TestPeriodic:
    @pytest.mark.parametrize(("before", "expected"), [(8, "auto"), (9, "review"), (10, "review"), (499, "review")])
    def test_every_tenth_step_asks_and_so_does_each_after_it_until_a_person_decided(
        self, make_question, make_assessment, policy, kind, before, expected
    ):
        question = make_question(kind(strategy="never", every_steps=10), run="thread-7")
        routing = route(question, make_assessment(run=past(before)), policy, TWO)
        assert routing.route == expected

    def test_says_which_step_it_is(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never", every_steps=10), run="thread-7")
        routing = route(question, make_assessment(run=past(9)), policy, TWO)
        assert routing.reason_code == "periodic_checkpoint"
        assert sentences_of(routing.reasons) == ["Step 10 of the run since a person last decided; every 10 asks."]

    def test_every_half_hour_asks(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never", every_time=timedelta(minutes=30)), run="thread-7")
        assert (
            route(question, make_assessment(run=past(3, timedelta(minutes=29, seconds=59))), policy, TWO).route
            == "auto"
        )
        routing = route(question, make_assessment(run=past(3, timedelta(minutes=30))), policy, TWO)
        assert (routing.route, routing.reason_code) == ("review", "periodic_checkpoint")
        assert sentences_of(routing.reasons) == [
            "30 minutes of the run since it began or a person last decided in it; every 30 minutes asks."
        ]

    @pytest.mark.parametrize("strategy", ["never", "always", "risk", "confidence"])
    @pytest.mark.parametrize("level", [2, 3, 4])
    def test_comes_on_top_of_any_strategy_and_level(
        self, make_question, make_assessment, policy, kind, strategy, level
    ):
        question = make_question(kind(strategy=strategy, every_steps=2), run="thread-7")
        routing = route(question, make_assessment(run=past(1)), policy, AgentStanding(level=level))
        assert (routing.route, routing.reason_code) == ("review", "periodic_checkpoint")

    def test_outside_a_run_there_are_no_steps(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never", every_steps=1, every_time=timedelta(seconds=1)))
        assert route(question, make_assessment(), policy, TWO).route == "auto"

    def test_silence_lets_nothing_run_there(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never", gate="soft", every_steps=1), run="thread-7")
        routing = route(question, make_assessment(), policy, TWO)
        assert (routing.gate, routing.strict) == ("hard", True)


class TestCost:
    @pytest.mark.parametrize(
        ("spent", "value", "expected"),
        [("0", "1000", "auto"), ("950", "50", "auto"), ("950", "50.01", "review"), ("0", "-1000.01", "review")],
    )
    def test_exactly_the_limit_passes_and_a_cent_more_asks(
        self, make_question, make_assessment, policy, kind, spent, value, expected
    ):
        question = make_question(kind(strategy="never", spend_limit=Decimal(1000)), value=Decimal(value))
        routing = route(question, make_assessment(spent=Decimal(spent)), policy, TWO)
        assert routing.route == expected

    def test_says_the_numbers_and_the_currency(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never", spend_limit=Decimal(1000)), value=Decimal("120.50"))
        routing = route(question, make_assessment(spent=Decimal("950")), policy, TWO)
        assert routing.reason_code == "cost_threshold"
        assert sentences_of(routing.reasons) == [
            "Spending of this agent: 950.00 EUR in the last 1 day, and 120.50 EUR more would be above the limit of "
            "1,000.00 EUR."
        ]

    def test_of_a_run_says_so_and_outside_a_run_it_is_the_agents(self, make_question, make_assessment, policy, kind):
        type = kind(strategy="never", spend_limit=Decimal(10), spend_of="run", spend_window=timedelta(hours=36))
        inside = route(make_question(type, run="thread-7"), make_assessment(), policy, TWO)
        outside = route(make_question(type), make_assessment(), policy, TWO)
        assert sentences_of(inside.reasons)[0].startswith("Spending of this run: 0.00 EUR in the last 1 day 12 hours")
        assert sentences_of(outside.reasons)[0].startswith("Spending of this agent")

    @pytest.mark.parametrize("strategy", ["never", "always", "risk", "confidence"])
    @pytest.mark.parametrize("level", [2, 3, 4])
    def test_comes_on_top_of_any_strategy_and_level(
        self, make_question, make_assessment, policy, kind, strategy, level
    ):
        question = make_question(kind(strategy=strategy, spend_limit=Decimal(10)))
        routing = route(question, make_assessment(), policy, AgentStanding(level=level))
        assert (routing.route, routing.reason_code, routing.strict) == ("review", "cost_threshold", True)

    def test_what_has_no_value_costs_nothing(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never", value_path="", spend_limit=Decimal(10)), value=None)
        assert route(question, make_assessment(spent=Decimal(99)), policy, TWO).route == "auto"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (1, "1 second"), (5400, "1 hour 30 minutes"), (90061, "1 day 1 hour"), (86400 * 7, "7 days")],
)
def test_a_span_is_said_with_its_two_largest_units(seconds, text):
    assert messages.span(timedelta(seconds=seconds)) == text
