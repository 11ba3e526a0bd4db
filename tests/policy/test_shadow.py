"""Shadow mode: nobody is asked, and what would have been asked is kept; but for what must never pass."""

import json
from datetime import timedelta
from decimal import Decimal
from itertools import product

import pytest
from django.db import IntegrityError, transaction

from approvals.models import Approval, Autonomy
from approvals.policy import snapshot
from approvals.policy.assessed import RuleMatch
from approvals.policy.evaluation_input import RunPast
from approvals.policy.flag_reasons import Burst
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from approvals.requests import intake
from approvals.requests.submission import Item, Submission
from tests.conftest import sentences_of
from tests.plans.conftest import kinds, plan, propose_step, step  # noqa: F401  # fixtures of plans

BURST = Burst(12, timedelta(minutes=10), "Refund", "robot")
SHADOW = AgentStanding(level=2, shadow=True)


def match(effect="review", **changes):
    return RuleMatch(**{"name": "big", "effect": effect, "tier": None, "approvers": 1, "message": "Big.", **changes})


def test_what_would_be_asked_passes_with_what_would_have_been_asked(make_question, make_assessment, policy, kind):
    question = make_question(kind(strategy="always", gate="soft"))
    routing = route(question, make_assessment(matched=[match(tier=2, approvers=2)]), policy, SHADOW)
    assert (routing.route, routing.reason_code, routing.strict) == ("auto", "shadow", False)
    assert sentences_of(routing.reasons) == [
        "Shadow mode: nobody is asked. It would have asked tier 2:",
        "Rule 'big': Big.",
        "2 people must approve.",
    ]
    assert routing.shadowed == {
        "route": "review",
        "gate": "hard",
        "tier": 2,
        "approvers": 2,
        "stages": [],
        "reason_code": "high_risk",
        "reasons": [
            {"code": "rule_matched", "rule": "big", "message": "Big."},
            {"code": "several_people", "approvers": 2},
        ],
    }
    json.dumps(routing.shadowed)


def test_what_would_be_refused_for_want_of_confidence_passes_and_says_so(make_question, make_assessment, policy):
    routing = route(make_question(), make_assessment("0.100", "0.100"), policy, SHADOW)
    assert (routing.route, routing.shadowed["route"]) == ("auto", "reject")
    assert sentences_of(routing.reasons)[0] == "Shadow mode: nobody is asked. It would have been refused:"
    assert "reformulate" in sentences_of(routing.reasons)[1]


def test_what_passes_anyway_is_no_shadow(make_question, make_assessment, policy):
    routing = route(make_question(), make_assessment(), policy, SHADOW)
    assert (routing.route, routing.reason_code, routing.shadowed) == ("auto", "passed", None)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("strategy", ["always", "risk", "confidence", "never"])
@pytest.mark.parametrize("reversibility", ["reversible", "partial"])
def test_of_a_whole_action_type_every_cell_passes(
    make_question, make_assessment, policy, kind, level, strategy, reversibility
):
    for gate, band in product(("soft", "hard", "async", "clarify"), ("0.9", "0.7", "0.3")):
        question = make_question(kind(strategy=strategy, reversibility=reversibility, gate=gate, shadow=True))
        assert route(question, make_assessment(band, band), policy, AgentStanding(level=level)).route == "auto"


def test_flags_checkpoints_and_spending_are_kept_for_later(make_question, make_assessment, policy, kind):
    type = kind(strategy="never", flags=("burst",), every_steps=1, spend_limit=Decimal(1))
    flagged = route(
        make_question(type, run="a"),
        make_assessment(flags=[BURST]),
        policy,
        SHADOW,
    )
    periodic = route(
        make_question(type, run="a"), make_assessment(run=RunPast(steps=4, since=timedelta(0))), policy, SHADOW
    )
    costly = route(make_question(type), make_assessment(), policy, SHADOW)
    codes = [one.shadowed["reason_code"] for one in (flagged, periodic, costly)]
    assert codes == ["high_risk", "periodic_checkpoint", "cost_threshold"]
    assert {one.route for one in (flagged, periodic, costly)} == {"auto"}


class TestNever:
    """What shadow mode does not pass."""

    @pytest.mark.parametrize("changes", [{"reversibility": "irreversible"}, {"gate": "manual"}])
    def test_what_cannot_be_undone_or_has_a_manual_gate(self, make_question, make_assessment, policy, kind, changes):
        routing = route(
            make_question(kind(strategy="always", shadow=True, **changes)), make_assessment(), policy, SHADOW
        )
        assert (routing.route, routing.shadowed) == ("review", None)

    @pytest.mark.parametrize("standing", [{"paused": True}, {"stopped": True}])
    def test_a_paused_agent_and_a_stopped_run(self, make_question, make_assessment, policy, standing):
        assert (
            route(make_question(), make_assessment(), policy, AgentStanding(level=2, shadow=True, **standing)).route
            == "reject"
        )

    def test_what_the_breaker_was_opened_for(self, make_question, make_assessment, policy):
        routing = route(
            make_question(), make_assessment(), policy, AgentStanding(level=2, shadow=True, breaker_open=True)
        )
        assert (routing.route, routing.shadowed) == ("review", None)

    def test_what_a_rule_forbids_or_might_forbid(self, make_question, make_assessment, policy):
        assert route(make_question(), make_assessment(matched=[match("block")]), policy, SHADOW).route == "reject"
        assert (
            route(make_question(), make_assessment(matched=[match("block", failed=True)]), policy, SHADOW).route
            == "review"
        )

    def test_arguments_that_nobody_could_check(self, make_question, make_assessment, policy, kind):
        question = make_question(kind(strategy="never"), args='{"amount": 4', parsed=False, value=None)
        assert route(question, make_assessment(), policy, SHADOW).route == "review"


# --- In the rows


@pytest.fixture
def in_shadow(robot, refunds):
    return Autonomy.objects.create(agent=robot, action_type=refunds, level=2, shadow=True)


def test_an_agent_in_shadow_runs_and_the_card_keeps_what_would_have_been_asked(in_shadow, propose):
    approval = propose(amount=6_000)
    assert (approval.status, approval.route, approval.source, approval.reason_code) == (
        "released",
        "auto",
        "policy",
        "shadow",
    )
    assert (approval.shadowed["route"], approval.shadowed["tier"]) == ("review", 2)
    assert "above the ceiling of tier 1" in " ".join(sentences_of(approval.shadowed["reasons"]))


def test_another_agent_with_the_same_action_is_asked(in_shadow, propose, db):
    other = type(in_shadow.agent).objects.create(name="other")
    assert propose(agent=other).status == "pending"


def test_evaluate_tells_it_and_stores_nothing(in_shadow, robot):
    args = {"order": "1", "amount": 6_000, "currency": "EUR"}
    [(_item, _domain, routing, _told)] = intake.evaluate(
        robot, Submission((Item(id="1", action="refund", args=args),), "")
    )
    assert (routing.route, routing.shadowed["tier"]) == ("auto", 2)
    assert not Approval.objects.exists()


def test_a_plan_of_steps_in_shadow_names_each(robot, kinds, plan):  # noqa: F811
    for name in ("refund", "plan"):
        Autonomy.objects.create(agent=robot, action_type=kinds[name], level=2, shadow=True)
    approval = plan(step("a", 6_000), step("b", 10))
    assert (approval.route, approval.reason_code, approval.shadowed["tier"]) == ("auto", "shadow", 2)
    assert any(text.startswith("Step 1, refund (a): ") for text in sentences_of(approval.shadowed["reasons"]))


def test_a_plan_with_one_step_that_must_be_asked_is_asked(robot, kinds, plan):  # noqa: F811
    for name in ("refund", "plan"):
        Autonomy.objects.create(agent=robot, action_type=kinds[name], level=2, shadow=True)
    approval = plan(step("a"), step("m", action="mail", to="ann@example.com", text="done"))
    assert (approval.route, approval.status, approval.shadowed) == ("review", "pending", None)


@pytest.mark.parametrize("changes", [{"route": "review"}, {"reversibility": "irreversible"}, {"gate": "manual"}])
def test_the_database_knows_no_other_shadow(in_shadow, propose, changes):
    approval = propose()
    broken = pytest.raises(IntegrityError, match=r"shadow_passes_what_can_be_undone|irreversible_never_passes")
    with broken, transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(**changes)


def test_switched_off_the_same_proposal_asks_again(in_shadow, propose):
    assert propose(order="1").status == "released"
    Autonomy.objects.update(shadow=False)
    assert propose(order="2").status == "pending"


def test_of_an_action_type_it_is_policy_and_needs_a_version(refunds, propose):
    type(refunds).objects.update(shadow=True)
    assert propose(order="1").status == "pending"
    snapshot.publish(by=None, note="shadow")
    assert propose(order="2").status == "released"
