"""What rules allow, soft gates, tiers and values do to a route."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policy.assessment import History, assess
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from approvals.policy.worth import Worth, worth
from tests.conftest import sentences_of
from tests.policy.routing_matches import BURST, TWO, match


class TestAllow:
    """A rule that lets pass lifts what the strategy asks, and nothing else."""

    ALLOW = match("allow", name="small", message="Small ones pass.")

    def test_it_lifts_the_strategy_and_says_so(self, make_question, make_assessment, policy, kind):
        for strategy in ("always", "risk", "confidence"):
            for level in (2, 3, 4):
                question = make_question(kind(strategy=strategy))
                routing = route(
                    question, make_assessment("0.10", "0.10", matched=[self.ALLOW]), policy, AgentStanding(level=level)
                )
                assert (routing.route, routing.reason_code) == ("auto", "passed")
                assert sentences_of(routing.reasons) == ["Rule 'small' lets it pass: Small ones pass."]

    @pytest.mark.parametrize(
        ("changes", "standing", "first"),
        [
            ({}, AgentStanding(level=2, stopped=True), "ended the whole run"),
            ({}, AgentStanding(level=2, paused=True), "is paused"),
            ({}, AgentStanding(level=1), "level 1"),
            ({}, AgentStanding(level=4, breaker_open=True), "breaker"),
            ({"reversibility": "irreversible"}, TWO, "cannot be undone"),
            ({"gate": "manual"}, TWO, "types a value"),
            ({"flags": ("burst",)}, TWO, "in 10 minutes"),
            ({"currency_path": "currency"}, TWO, "has no rate"),
        ],
    )
    def test_what_is_stricter_holds_and_the_rule_is_said_to_be_overruled(
        self, make_question, make_assessment, policy, kind, changes, standing, first
    ):
        assessment = make_assessment(matched=[self.ALLOW], flags=[BURST])
        routing = route(make_question(kind(strategy="never", **changes)), assessment, policy, standing)
        assert routing.route == ("reject" if standing.paused or standing.stopped else "review")
        assert first in sentences_of(routing.reasons)[0]
        assert sentences_of(routing.reasons)[-1] == (
            "Rule 'small' would let it pass, but something stricter holds: Small ones pass."
        )

    @pytest.mark.parametrize(
        "stricter",
        [match("review"), match("flag", tier=2), match("flag", approvers=2), match("allow", failed=True)],
    )
    def test_a_rule_that_demands_a_person_beats_it(self, make_question, make_assessment, policy, stricter):
        routing = route(
            make_question(), make_assessment(matched=[self.ALLOW, stricter]), policy, AgentStanding(level=4)
        )
        assert (routing.route, routing.strict) == ("review", True)
        assert any("would let it pass, but" in reason for reason in sentences_of(routing.reasons))

    def test_a_block_beats_everything(self, make_question, make_assessment, policy):
        assessment = make_assessment(matched=[self.ALLOW, match("review"), match("block", name="no")])
        routing = route(make_question(), assessment, policy, AgentStanding(level=4))
        assert routing.route == "reject"
        assert sentences_of(routing.reasons) == [
            "Refused by the rule 'no': Big.",
            "Rule 'small' would let it pass, but something stricter holds: Small ones pass.",
            "Rule 'big': Big.",
        ]

    def test_an_agents_own_word_lets_nothing_pass(self, make_question, make_assessment, policy, kind):
        talk = match("allow", name="talk", uses_stated=True)
        routing = route(make_question(kind(strategy="always")), make_assessment(matched=[talk]), policy, TWO)
        assert (routing.route, sentences_of(routing.reasons)[0]) == ("review", "This action always asks a person.")
        assert sentences_of(routing.reasons)[1].startswith(
            "Rule 'talk' lets nothing pass, because it goes by what the agent says"
        )

    def test_the_same_from_the_expression_on(self, make_question, policy, kind, rule):
        for text, passes in [
            ("value < 100.0", "auto"),
            ("signals.precedent < 1.0 && signals.impact > 0.0", "auto"),
            ("args.lines.all(context, context > 0)", "auto"),  # what a loop calls an item is no context
            ("signals.stated_confidence > 0.5", "review"),
            ('signals["stated_confidence"] > 0.5', "review"),
            ("signals.exists(name, signals[name] > 0.5)", "review"),
            ("has(signals.stated_confidence)", "review"),
            ("context.vouched", "review"),
            ("run.rejected == 0", "review"),
            ('run.name != "x"', "review"),
        ]:
            type = kind(strategy="always", rules=(rule(text, effect="allow"),))
            args = {"order": "456", "amount": 50, "lines": [1, 2]}
            question = make_question(type, args=args, stated={"stated_confidence": 0.9}, context={"vouched": True})
            routing = route(question, assess(question, History()), policy, TWO)
            assert (text, routing.route) == (text, passes)


class TestSoftGates:
    def test_what_asks_by_its_own_strategy_may_run_by_silence(self, make_question, make_assessment, policy, kind):
        routing = route(make_question(kind(gate="soft", strategy="always")), make_assessment(), policy, TWO)
        assert (routing.gate, routing.strict) == ("soft", False)

    def test_what_something_else_demands_waits_for_a_yes(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(gate="soft", strategy="always", flags=("burst",)))
        for assessment, standing in [
            (make_assessment(), AgentStanding(level=1)),
            (make_assessment(), AgentStanding(level=2, breaker_open=True)),
            (make_assessment(matched=[match()]), TWO),
            (make_assessment(flags=[BURST]), TWO),
        ]:
            routing = route(question, assessment, policy, standing)
            assert (routing.gate, routing.strict) == ("hard", True)


class TestTiers:
    @pytest.mark.parametrize(
        ("value", "tier"),
        [
            ("0", 1),
            ("5000.00", 1),
            ("5000.01", 2),
            ("50000.00", 2),
            ("50000.01", 3),
            ("-50000.01", 3),
            ("900000000", 3),
        ],
    )
    def test_exactly_at_the_ceiling_stays(self, make_question, make_assessment, policy, kind, value, tier):
        routing = route(make_question(kind(strategy="always"), value=Decimal(value)), make_assessment(), policy, TWO)
        assert routing.tier == tier

    def test_the_reason_names_value_and_ceiling(self, make_question, make_assessment, policy, kind):
        routing = route(make_question(kind(strategy="always"), value=Decimal("6200")), make_assessment(), policy, TWO)
        assert routing.reason_code == "high_risk"
        assert "6,200.00 EUR is above the ceiling of tier 1 (5,000.00 EUR)" in sentences_of(routing.reasons)[-1]

    def test_the_highest_of_type_rule_and_value(self, make_question, make_assessment, policy, kind):
        def tier(own=1, ruled=None, value="10"):
            question = make_question(kind(strategy="always", tier=own), value=Decimal(value))
            return route(question, make_assessment(matched=[match(tier=ruled)]), policy, TWO).tier

        assert (tier(), tier(own=2), tier(ruled=3), tier(value="6000")) == (1, 2, 3, 2)
        assert tier(own=3, ruled=2, value="6000") == 3

    def test_beyond_every_ceiling_is_the_highest(self, make_question, make_assessment, policy, kind):
        capped = replace(policy, tiers={level: policy.tiers[level] for level in (1, 2)})
        assert (
            route(make_question(kind(strategy="always"), value=Decimal(10**9)), make_assessment(), capped, TWO).tier
            == 2
        )

    @pytest.mark.parametrize("currency", ["XXX", None, 7, ""])
    def test_an_unknown_currency_goes_to_the_highest_tier_and_asks(
        self, make_question, make_assessment, policy, kind, currency
    ):
        type = kind(strategy="never", currency_path="currency")
        question = make_question(type, args={"amount": 1, "currency": currency}, value=None)
        routing = route(question, make_assessment(), policy, AgentStanding(level=4))
        assert (routing.route, routing.tier, routing.reason_code) == ("review", 3, "high_risk")

    def test_a_value_that_is_no_number_does_so_too(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never"), args={"amount": "lots"}, value=None)
        routing = route(question, make_assessment(), policy, AgentStanding(level=4))
        assert (routing.route, routing.tier) == ("review", 3)

    def test_the_most_approvers_of_type_and_rules(self, make_question, make_assessment, policy, kind):
        routing = route(
            make_question(kind(approvers=2)), make_assessment(matched=[match(approvers=3), match()]), policy, TWO
        )
        assert routing.approvers == 3
        assert sentences_of(routing.reasons)[-1] == "3 people must approve."


class TestWorth:
    @pytest.mark.parametrize(
        ("amount", "value"),
        [("420.00", "420.00"), (420, "420.00"), (0.1, "0.10"), ("1e3", "1000.00"), (" 7 ", "7.00"), ("0.005", "0.01")],
    )
    def test_reads_what_agents_send_as_amounts(self, kind, policy, amount, value):
        assert worth(kind(), {"amount": amount}, policy) == Worth(Decimal(value))

    @pytest.mark.parametrize(
        "amount", ["lots", "NaN", "Infinity", True, [1], {}, "1" * 41, "1e30", "1e999999999", "1,000.00"]
    )
    def test_what_is_no_amount_is_unreadable(self, kind, policy, amount):
        assert worth(kind(), {"amount": amount}, policy).unreadable

    def test_converts_with_the_policys_rates(self, kind, policy):
        type = kind(currency_path="currency")
        assert worth(type, {"amount": "10.00", "currency": "USD"}, policy).value == Decimal("5.00")
        assert worth(type, {"amount": "10.00", "currency": " usd"}, policy).value == Decimal("5.00")
        assert worth(type, {"amount": "10.00", "currency": "JPY"}, policy).unknown_currency

    def test_nothing_to_value(self, kind, policy):
        assert worth(kind(value_path=""), {"amount": 5}, policy) == Worth()
        assert worth(kind(), {}, policy) == Worth()
        assert worth(kind(), "text", policy) == Worth()


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(amount=json, currency=json)
def test_no_argument_makes_valuing_fail(amount, currency):
    type = SimpleNamespace(value_path="amount", currency_path="currency")
    rates = SimpleNamespace(rates={"EUR": Decimal(1)})
    worth(type, {"amount": amount, "currency": currency}, rates)
