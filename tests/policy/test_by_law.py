"""A type that the law wants a person for: no level, rule, plan, standing approval or silence lifts it."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.execution.grants import offline_refusal, refusal
from approvals.models import ActionType, Approval, Autonomy
from approvals.policy import snapshot
from approvals.policy.assessed import RuleMatch
from approvals.policy.authoring import validation
from approvals.policy.optimistic import runs_before_review
from approvals.policy.pre_approvals import ApprovedStep, PreApproval, StandingApproval
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from approvals.requests.submission import BadSubmission
from tests.conftest import sentences_of

AT = datetime(2026, 11, 1, tzinfo=UTC)
STANDING = PreApproval(grants=(StandingApproval(UUID(int=1), UUID(int=7), "refund", (), "", 3, 5, "Bob", AT),))
PLANNED = PreApproval(step=ApprovedStep(1, UUID(int=7), "", UUID(int=3), "pay", 1, {}, "", (), False))
GATES = ("soft", "hard")
STRATEGIES = ("never", "risk", "confidence")


def allowing():
    return [RuleMatch(name="free", effect="allow", tier=None, approvers=1, message="Free.")]


@pytest.mark.parametrize("cover", [PreApproval(), STANDING, PLANNED], ids=["alone", "granted", "planned"])
@pytest.mark.parametrize("shadow", [False, True])
def test_nothing_lifts_it(make_question, kind, make_assessment, policy, cover, shadow):
    for level, strategy, gate, rules in product(
        (1, 2, 3, 4), ("never", "risk", "confidence"), ("soft", "hard"), (0, 1)
    ):
        type = kind(by_law=True, strategy=strategy, gate=gate, shadow=shadow, runs_before_review="review")
        question = make_question(type, run="run-1", undoable=True)
        assessment = make_assessment("1.000", "1.000", matched=allowing() if rules else [])
        standing = AgentStanding(level=level, shadow=shadow)
        routing = runs_before_review(route(question, assessment, policy, standing, cover), question)
        assert (routing.route, routing.strict, routing.gate) == ("review", True, "hard")
        assert (routing.step, routing.grant) == (None, None)
        bare = replace(type, by_law=False, shadow=False)
        if level > 1 and cover is PLANNED:
            assert route(make_question(bare), assessment, policy, standing, cover).route == "auto"


def test_what_is_stricter_is_stricter_still(make_question, kind, make_assessment, policy):
    type = kind(by_law=True)
    block = [RuleMatch(name="no", effect="block", tier=None, approvers=1, message="No.")]
    assert route(make_question(type), make_assessment(matched=block), policy, AgentStanding(level=2)).route == "reject"
    two = [RuleMatch(name="two", effect="review", tier=2, approvers=2, message="Two.")]
    routing = route(make_question(type), make_assessment(matched=two), policy, AgentStanding(level=4))
    assert (routing.route, routing.tier, routing.approvers) == ("review", 2, 2)


def test_standing_approvals_are_not_given_for_it(kind):
    assert (
        refusal(kind(by_law=True)) == offline_refusal(kind(by_law=True)) == "The law wants a person for this each time."
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("strategy", "never"),
        ("gate", "soft"),
        ("on_timeout", "approve"),
        ("on_timeout", "proceed"),
        ("on_timeout", "best_guess"),
        ("runs_before_review", "review"),
        ("shadow", True),
    ],
)
def test_the_type_itself_may_not_say_otherwise(refunds, column, value):
    ActionType.objects.update(reversibility="reversible", by_law=True)
    columns = {**ActionType.objects.values().get(), column: value}
    assert column in {name for name, _sentence in validation.of_type(columns)}
    with pytest.raises(IntegrityError, match="by_law_a_person_decides"), transaction.atomic():
        ActionType.objects.update(**{column: value})


@pytest.fixture
def human_only_type(action_type, robot):
    kind = action_type("tag", reversibility="reversible", strategy="risk", level=4, by_law=True)
    Autonomy.objects.create(agent=robot, action_type=kind, level=4)
    return kind


def test_an_agents_wish_and_silence_lift_it_neither(human_only_type, propose):
    with pytest.raises(BadSubmission, match="policy does not let silence approve tag"):
        propose(action="tag", on_timeout="approve")
    tag = propose(action="tag")
    assert (tag.route, tag.by_law, tag.on_timeout) == ("review", True, "reject")
    assert "The law wants a person for this; nothing lifts that." in sentences_of(tag.reasons)
    with times.at(tag.expires_at):
        clock.sweep()
    assert load(tag.pk).status == "expired"


def test_a_person_lets_it_run(human_only_type, propose, alice):
    tag = propose(action="tag")
    decide(card_version_of(tag), by=alice, verdict="approve")
    assert load(tag.pk).status == "released"


@pytest.mark.parametrize(
    "changes",
    [
        {"route": "auto"},
        {"on_timeout": "approve"},
        {"on_timeout": "proceed"},
        {"verdict": "approve", "source": "policy", "status": "released", "decided_at": AT, "released_at": AT},
        {"verdict": "approve", "source": "timeout", "status": "released", "decided_at": AT, "released_at": AT},
    ],
)
def test_the_database_knows_it(human_only_type, propose, changes):
    tag = propose(action="tag")
    with pytest.raises(IntegrityError, match="by_law_only_a_person_approves"), transaction.atomic():
        Approval.objects.filter(pk=tag.pk).update(**changes)


def test_it_is_in_the_version(human_only_type):
    assert snapshot.current().types["tag"].by_law is True
