from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policy import messages, reasons
from approvals.policy.assessed import RuleMatch
from approvals.policy.assessment import History, assess
from approvals.policy.reasons import Burst
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from approvals.policy.worth import Worth, worth
from tests.conftest import sentences_of

BURST = Burst(12, timedelta(minutes=10), "Refund", "robot")
TWO = AgentStanding(level=2)


def match(effect="review", **changes):
    return RuleMatch(**{"name": "big", "effect": effect, "tier": None, "approvers": 1, "message": "Big.", **changes})


class TestRows:
    """Each row of the table, and that it comes before the next."""

    def test_a_paused_agent_is_refused_whatever_else_holds(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never"))
        routing = route(question, make_assessment(), policy, AgentStanding(paused=True, level=4, breaker_open=True))
        assert (routing.route, routing.reason_code) == ("reject", "policy_violation")
        assert sentences_of(routing.reasons) == ["The agent is paused; nothing of it runs."]

    def test_a_blocking_rule_refuses_at_every_level(self, make_question, make_assessment, policy):
        for level in (1, 2, 3, 4):
            routing = route(
                make_question(), make_assessment(matched=[match("block")]), policy, AgentStanding(level=level)
            )
            assert (routing.route, routing.reason_code) == ("reject", "policy_violation")
            assert "'big': Big." in sentences_of(routing.reasons)[0]

    def test_block_beats_review(self, make_question, make_assessment, policy):
        routing = route(
            make_question(), make_assessment(matched=[match("review"), match("block", name="no")]), policy, TWO
        )
        assert routing.route == "reject"

    def test_arguments_that_did_not_parse_ask_a_person_and_cannot_be_approved(
        self, make_question, make_assessment, policy, kind
    ):
        question = make_question(kind(strategy="never"), args='{"amount": 4', parsed=False, value=None)
        routing = route(question, make_assessment(), policy, AgentStanding(level=4))
        assert (routing.route, routing.approvable, routing.strict) == ("review", False, True)

    def test_without_a_schema_unparsed_arguments_are_ordinary(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never", schema={}), args="do it", parsed=False, value=None)
        routing = route(question, make_assessment(), policy, TWO)
        assert (routing.route, routing.approvable) == ("auto", True)

    def test_an_open_breaker_asks_whatever_the_level(self, make_question, make_assessment, policy, kind):
        routing = route(
            make_question(kind(strategy="never")), make_assessment(), policy, AgentStanding(level=4, breaker_open=True)
        )
        assert (routing.route, routing.reason_code) == ("review", "high_risk")

    def test_level_one_asks_whatever_the_strategy(self, make_question, make_assessment, policy, kind):
        for strategy in ("never", "always", "risk", "confidence"):
            routing = route(
                make_question(kind(strategy=strategy)), make_assessment("1", "1"), policy, AgentStanding(level=1)
            )
            assert (routing.route, routing.reason_code) == ("review", "fixed")

    @pytest.mark.parametrize(
        "demand",
        [
            match("review"),
            match("flag", tier=2),
            match("flag", approvers=2),
            match("flag", failed=True),
            match("block", failed=True),
        ],
    )
    def test_a_rule_that_demands_a_person_gets_one(self, make_question, make_assessment, policy, kind, demand):
        routing = route(
            make_question(kind(strategy="never")), make_assessment(matched=[demand]), policy, AgentStanding(level=4)
        )
        assert (routing.route, routing.reason_code) == ("review", "high_risk")
        assert "big" in sentences_of(routing.reasons)[0]

    def test_a_rule_that_failed_says_so(self, make_question, make_assessment, policy):
        routing = route(make_question(), make_assessment(matched=[match(failed=True)]), policy, TWO)
        assert sentences_of(routing.reasons) == [
            "The rule 'big' could not be evaluated for this proposal, so a person is asked."
        ]

    def test_a_rule_that_only_shows_asks_nobody_and_is_said(self, make_question, make_assessment, policy):
        routing = route(make_question(), make_assessment(matched=[match("flag")]), policy, TWO)
        assert routing.route == "auto"
        assert "Rule 'big': Big." in sentences_of(routing.reasons)

    def test_irreversible_asks_at_every_level(self, make_question, make_assessment, policy, kind):
        for level, strategy in product((2, 3, 4), ("never", "always", "risk", "confidence")):
            question = make_question(kind(reversibility="irreversible", strategy=strategy))
            routing = route(question, make_assessment("1", "1"), policy, AgentStanding(level=level))
            assert (routing.route, routing.reason_code) == ("review", "high_risk")

    def test_a_manual_gate_asks_at_every_level(self, make_question, make_assessment, policy, kind):
        for level in (2, 3, 4):
            routing = route(
                make_question(kind(gate="manual", strategy="never")),
                make_assessment(),
                policy,
                AgentStanding(level=level),
            )
            assert (routing.route, routing.gate) == ("review", "manual")

    def test_a_flag_asks_only_where_the_action_type_names_it(self, make_question, make_assessment, policy, kind):
        up = make_assessment(flags=[BURST])
        assert route(make_question(kind(flags=("duplicate",))), up, policy, TWO).route == "auto"
        routing = route(make_question(kind(flags=("burst",))), up, policy, AgentStanding(level=4))
        assert (routing.route, routing.reason_code) == ("review", "high_risk")
        assert sentences_of(routing.reasons) == ["Flag: 12 proposals of Refund by robot in 10 minutes."]

    def test_level_four_passes_what_is_reversible(self, make_question, make_assessment, policy, kind):
        low = make_assessment("0.10", "0.10")
        assert route(make_question(kind(strategy="always")), low, policy, AgentStanding(level=4)).route == "auto"
        assert (
            route(make_question(kind(reversibility="partial")), low, policy, AgentStanding(level=4)).route == "reject"
        )

    @pytest.mark.parametrize(
        ("value", "ceiling", "passes"),
        [
            ("100.00", 5000, True),
            ("-100.00", 5000, True),
            ("100.01", 5000, False),  # medium impact
            ("10000000", 5000, False),
            ("-10000000", 5000, False),
            ("10000000", None, False),
            ("50.00", 50, True),
            ("50.01", 50, False),  # low impact, and above what the lowest tier may decide
            ("50.01", None, True),
            (None, 50, True),  # it has no value
        ],
    )
    def test_level_four_is_as_level_three_above_low_impact_and_the_lowest_ceiling(
        self, make_question, kind, policy, value, ceiling, passes
    ):
        tiers = {**policy.tiers, 1: replace(policy.tiers[1], ceiling=ceiling and Decimal(ceiling))}
        policy = replace(policy, tiers=tiers)
        args = {"order": "456"} if value is None else {"order": "456", "amount": value}
        # Weighed by what is in it, so that the impact is the real one; only the agent's own words carry weight.
        weights = dict.fromkeys(["precedent", "tool_validity", "retrieval_relevance"], 0)
        question = make_question(kind(strategy="always", weights=weights), args=args, value=value and Decimal(value))
        for stated in (0.0, 1.0):
            question = replace(question, stated={"stated_confidence": stated})
            assessment = replace(assess(question, History()), composite=Decimal(str(stated)), without_precedent=None)
            four = route(question, assessment, policy, AgentStanding(level=4))
            three = route(question, assessment, policy, AgentStanding(level=3))
            if passes:
                assert (four.route, sentences_of(four.reasons)) == ("auto", [messages.sentence(reasons.LevelFour())])
            else:
                assert four == three
                assert four.route == ("auto" if stated else "reject")

    def test_never_passes(self, make_question, make_assessment, policy, kind):
        routing = route(make_question(kind(strategy="never")), make_assessment("0.10", "0.10"), policy, TWO)
        assert (routing.route, routing.reason_code) == ("auto", "passed")

    def test_always_asks_at_level_two(self, make_question, make_assessment, policy, kind):
        routing = route(make_question(kind(strategy="always")), make_assessment("1", "1"), policy, TWO)
        assert (routing.route, routing.reason_code) == ("review", "fixed")

    def test_level_three_passes_the_confident_even_where_the_strategy_says_always(
        self, make_question, make_assessment, policy, kind
    ):
        routing = route(make_question(kind(strategy="always")), make_assessment(), policy, AgentStanding(level=3))
        assert routing.route == "auto"

    def test_risk_passes_when_nothing_matched(self, make_question, make_assessment, policy, kind):
        routing = route(make_question(kind(strategy="risk")), make_assessment("0.10", "0.10"), policy, TWO)
        assert (routing.route, sentences_of(routing.reasons)) == ("auto", ["No rule and no flag asks for a person."])


class TestBands:
    @pytest.mark.parametrize(
        ("composite", "expected"),
        [
            ("1.000", "auto"),
            ("0.850", "auto"),
            ("0.849", "review"),
            ("0.600", "review"),
            ("0.599", "reject"),
            ("0.000", "reject"),
        ],
    )
    def test_at_or_above(self, make_question, make_assessment, policy, composite, expected):
        assert route(make_question(), make_assessment(composite), policy, TWO).route == expected

    def test_an_agent_cannot_talk_itself_into_auto(self, make_question, make_assessment, policy):
        routing = route(make_question(), make_assessment("0.990", "0.599"), policy, TWO)
        assert (routing.route, routing.reason_code) == ("review", "low_confidence")
        assert "by our own signals alone it is 0.599" in sentences_of(routing.reasons)[0]
        assert route(make_question(), make_assessment("0.990", "0.600"), policy, TWO).route == "auto"

    def test_want_of_history_alone_refuses_nobody(self, make_question, make_assessment, policy):
        newcomer = make_assessment("0.500", "0.500", without_precedent=Decimal("0.600"))
        assert route(make_question(), newcomer, policy, TWO).route == "review"
        unsure = make_assessment("0.500", "0.500", without_precedent=Decimal("0.599"))
        assert route(make_question(), unsure, policy, TWO).route == "reject"

    def test_no_weight_at_all_asks(self, make_question, make_assessment, policy):
        assert route(make_question(), replace(make_assessment(), own=None), policy, TWO).route == "review"

    def test_a_refusal_tells_the_agent_what_to_do(self, make_question, make_assessment, policy):
        assert "reformulate" in sentences_of(route(make_question(), make_assessment("0.100"), policy, TWO).reasons)[0]


REVERSIBILITIES = ("reversible", "partial", "irreversible")
BANDS = {"auto": ("0.9", "0.9"), "unsupported": ("0.9", "0.5"), "review": ("0.7", "0.7"), "reject": ("0.3", "0.3")}


def promised(level, strategy, reversibility, gate, band, rules, impact):
    """What the design says, read off the table by hand and not from the code."""
    if "block" in rules:
        return "reject"
    if level == 1 or "review" in rules or reversibility == "irreversible" or gate == "manual":
        return "review"
    if "allow" in rules:
        return "auto"
    if strategy == "never" or (level == 4 and reversibility == "reversible" and impact == "low"):
        return "auto"
    if strategy == "confidence" or level >= 3:
        return {"auto": "auto", "unsupported": "review", "review": "review", "reject": "reject"}[band]
    return {"always": "review", "risk": "auto"}[strategy]


STRATEGIES = ("never", "always", "risk", "confidence")
RULES = ((), ("flag",), ("allow",), ("allow", "flag"), ("allow", "review"), ("allow", "review", "block"), ("stated",))


def matching(rules):
    """A matching rule of each effect; `stated` allows, by the agent's own word."""
    return [match("allow" if name == "stated" else name, name=name, uses_stated=name == "stated") for name in rules]


@pytest.mark.parametrize("gate", ["soft", "hard", "manual", "async", "clarify"])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_cell_of_level_strategy_reversibility_band_and_rules(
    make_question, make_assessment, policy, kind, level, gate
):
    impacts = ("low", "medium", "high")
    for strategy, reversibility, band, rules, impact in product(STRATEGIES, REVERSIBILITIES, BANDS, RULES, impacts):
        question = make_question(kind(strategy=strategy, reversibility=reversibility, gate=gate))
        assessment = make_assessment(*BANDS[band], matched=matching(rules), impact=impact)
        routing = route(question, assessment, policy, AgentStanding(level=level))
        cell = (level, strategy, reversibility, gate, band, rules, impact)
        assert (cell, routing.route) == (cell, promised(*cell))
        assert sentences_of(routing.reasons) and routing.reason_code
        # Whatever settles it, every matching rule is named.
        reasons_text = " ".join(sentences_of(routing.reasons))
        assert all(f"'{name}'" in reasons_text for name in rules)


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
