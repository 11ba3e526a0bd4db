"""Each row of the table that policy goes through, and their order."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from approvals.policy import messages, reasons
from approvals.policy.assessment import History, assess
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from tests.conftest import sentences_of
from tests.policy.routing_matches import BURST, TWO, match


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
