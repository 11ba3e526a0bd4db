"""A draft that changes stages or a typed value moves approvals, and less of either counts as loosening."""

import pytest

from approvals.admin.rehearsals import movement_label, outcome_text
from approvals.models import Domain, Rule
from approvals.policy.authoring import rehearsed_routes
from approvals.policy.authoring.differences import changes
from approvals.policy.authoring.rehearsed_routes import RoutingOutcome
from approvals.policy.compiled_policy import Stage
from tests.rehearsal.conftest import why_of

ONE, LEGAL = {"tier": 1, "domain": "", "approvers": 1}, {"tier": 2, "domain": "legal", "approvers": 1}


@pytest.fixture
def legal(db, person, staffed_refunds):
    made = Domain.objects.create(slug="legal", name="Legal")
    person("lena", tier=2, domain=made)
    person("lars", tier=3, domain=made)
    return made


@pytest.mark.parametrize(
    ("before", "after", "kind", "rank"),
    [
        ({"stages": []}, {"stages": [ONE, LEGAL]}, "stages_more", 3),
        ({"stages": [ONE, LEGAL]}, {"stages": []}, "stages_fewer", 2),
        ({"stages": [ONE, LEGAL]}, {"stages": [ONE, {**LEGAL, "approvers": 2}]}, "stages_more", 3),
        ({"stages": [ONE, LEGAL]}, {"stages": [ONE, {**LEGAL, "tier": 1}]}, "stages_fewer", 2),
        ({"stages": [ONE, LEGAL]}, {"stages": [LEGAL, ONE]}, "stages", 3),
        ({"stages": [LEGAL]}, {"stages": []}, "tier_down", 2),
        ({"typed": True}, {"typed": False}, "typed_fewer", 2),
        ({"typed": False}, {"typed": True}, "typed_more", 3),
    ],
)
def test_every_way_to_move(legal, propose, rule, publish, rehearse_draft, before, after, kind, rank):
    made = rule("value > 100.0", **before)
    publish()
    propose(amount=420)
    Rule.objects.filter(pk=made.pk).update(**after)
    rehearsal_result = rehearse_draft()

    assert (rehearsal_result.examined, [(moved.kind, moved.rank) for moved in rehearsal_result.moved]) == (
        1,
        [(kind, rank)],
    )
    assert why_of(rehearsal_result.moved[0])
    assert movement_label(kind) != kind


def test_a_stage_taken_away_is_told_with_both_orders(legal, propose, rule, publish, rehearse_draft):
    made = rule("value > 100.0", stages=[ONE, LEGAL])
    publish()
    propose(amount=420)
    Rule.objects.filter(pk=made.pk).update(stages=[ONE])
    [moved] = rehearse_draft().moved

    before, after = moved.before.as_json(), moved.after.as_json()
    assert outcome_text(before, after) == "asks tier 1 of commerce, then tier 2 of legal"
    assert outcome_text(after, before) == "asks tier 1"
    assert why_of(moved) == "No longer: Two stages: tier 1 commerce, then tier 2 legal."


def test_the_same_stages_move_nothing(legal, propose, rule, publish, change_action_type, rehearse_draft):
    rule("value > 100.0", stages=[ONE, LEGAL])
    publish()
    propose(amount=420)
    change_action_type(title="Refunds")
    assert not rehearse_draft().moved


def test_a_higher_first_stage_in_place_of_a_later_one_is_less():
    before = RoutingOutcome("review", tier=1, domain="commerce", stages=(Stage(1, "commerce"), Stage(2, "legal")))
    after = RoutingOutcome("review", tier=3, domain="commerce")
    assert rehearsed_routes.movement_of(before, after) == "stages_fewer"
    assert rehearsed_routes.loosens(before, after)


def test_a_change_of_stages_reads_as_words(legal, rule, publish, staffed_refunds, person):
    person("luis", tier=2, domain=legal)
    made = rule("value > 100.0")
    before = publish().snapshot
    Rule.objects.filter(pk=made.pk).update(stages=[ONE, {**LEGAL, "approvers": 2}], typed=True)
    after = publish().snapshot
    sentences = [str(change) for change in changes(before, after)]
    assert sentences == [
        "Refund, rule “big”: stages nothing → tier 1, then tier 2 of legal (2 people)",
        "Refund, rule “big”: typed confirmation no → yes",
    ]
