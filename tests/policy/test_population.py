"""The population of labels: what policy would let pass but for score, level and strategy; and its share."""

from decimal import Decimal

import pytest

from approvals.models.policy import Reversibility
from approvals.policy import sampling
from approvals.policy.assessed import Assessment
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from tests.policy.routing_matches import BURST, match

ONE, TWO, THREE, FOUR = (AgentStanding(level=level) for level in (1, 2, 3, 4))


@pytest.fixture
def share_of(make_question, make_assessment, policy, kind):
    """share_of(THREE, assessment, strategy="risk"): the share of a proposal routed like this."""

    def make(standing: AgentStanding, assessment: Assessment | None = None, **changes: object) -> Decimal | None:
        type = kind(**changes)
        routing = route(make_question(type), assessment or make_assessment(), policy, standing)
        return sampling.share(routing, type, standing)

    return make


def test_what_score_level_or_strategy_send_to_people_is_all_looked_at(share_of, make_assessment):
    assert share_of(ONE) == share_of(ONE, strategy="never") == 1
    assert share_of(TWO, strategy="always") == share_of(TWO, make_assessment("0.7")) == 1
    assert share_of(AgentStanding(level=4, breaker_open=True)) == 1
    assert share_of(AgentStanding(level=4, halted=True)) == 1


def test_what_passes_is_drawn_with_the_types_setting(share_of):
    assert share_of(TWO, strategy="risk", sample=Decimal("0.1")) == Decimal("0.1")
    assert share_of(TWO, strategy="confidence", sample=Decimal("0.1")) == Decimal("0.1")
    assert share_of(TWO, strategy="never") == 0
    assert share_of(FOUR, strategy="always") == Decimal("0.05")


def test_what_is_refused_runs_nowhere_and_is_no_evidence(share_of, make_assessment):
    assert share_of(TWO, make_assessment("0.2")) is None
    assert share_of(AgentStanding(level=4, paused=True)) is None
    # The same at level 1 goes to people, like everything there.
    assert share_of(ONE, make_assessment("0.2")) == 1


@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("strategy", ["never", "always", "risk", "confidence"])
def test_what_a_rule_or_a_flag_settles_is_outside_whoever_sees_it(share_of, make_assessment, level, strategy):
    standing = AgentStanding(level=level)
    for matched in (match("review"), match("block"), match("allow"), match("flag", tier=2)):
        assert share_of(standing, make_assessment(matched=[matched]), strategy=strategy) is None
    flagged = make_assessment(flags=[BURST])
    assert share_of(standing, flagged, strategy=strategy, flags=("burst",)) is None
    assert share_of(standing, flagged, strategy=strategy) is not None, "one that only informs settles nothing"


def test_what_the_law_or_reversibility_settles_is_outside(share_of):
    for standing in (ONE, TWO, FOUR):
        assert share_of(standing, by_law=True, strategy="always") is None
        assert share_of(standing, reversibility=Reversibility.IRREVERSIBLE, strategy="always") is None
        assert share_of(standing, gate="manual", strategy="always") is None


def test_shadow_mode_has_the_share_of_what_passes(share_of, make_assessment):
    shadow = AgentStanding(level=2, shadow=True)

    assert share_of(shadow, strategy="always", sample=Decimal("0.2")) == Decimal("0.2")
    assert share_of(shadow, make_assessment(matched=[match("review")]), sample=Decimal("0.2")) is None
