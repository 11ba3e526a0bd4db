"""A draft that changes stages or a typed value moves approvals, and less of either counts as loosening."""

import pytest

from approvals.admin.rehearsals import kind_words, outcome_words
from approvals.models import Domain, Rule
from approvals.policy import outcomes
from approvals.policy.changes import changes
from approvals.policy.outcomes import Outcome
from approvals.policy.snapshot import Stage

ONE, LEGAL = {"tier": 1, "domain": "", "approvers": 1}, {"tier": 2, "domain": "legal", "approvers": 1}


@pytest.fixture
def legal(db, person, staffed):
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
def test_every_way_to_move(legal, propose, rule, publish, tried, before, after, kind, rank):
    made = rule("value > 100.0", **before)
    publish()
    propose(amount=420)
    Rule.objects.filter(pk=made.pk).update(**after)
    found = tried()

    assert (found.looked, [(moved.kind, moved.rank) for moved in found.moved]) == (1, [(kind, rank)])
    assert found.moved[0].why
    assert kind_words(kind) != kind


def test_a_stage_taken_away_is_told_with_both_orders(legal, propose, rule, publish, tried):
    made = rule("value > 100.0", stages=[ONE, LEGAL])
    publish()
    propose(amount=420)
    Rule.objects.filter(pk=made.pk).update(stages=[ONE])
    [moved] = tried().moved

    before, after = moved.before.as_json(), moved.after.as_json()
    assert outcome_words(before, after) == "asks tier 1 of commerce, then tier 2 of legal"
    assert outcome_words(after, before) == "asks tier 1"
    assert moved.why == "No longer: Two stages: tier 1 commerce, then tier 2 legal."


def test_the_same_stages_move_nothing(legal, propose, rule, publish, change, tried):
    rule("value > 100.0", stages=[ONE, LEGAL])
    publish()
    propose(amount=420)
    change(title="Refunds")
    assert not tried().moved


def test_a_higher_first_stage_in_place_of_a_later_one_is_less():
    before = Outcome("review", tier=1, domain="commerce", stages=(Stage(1, "commerce"), Stage(2, "legal")))
    after = Outcome("review", tier=3, domain="commerce")
    assert outcomes.kind_of(before, after) == "stages_fewer"
    assert outcomes.loosens(before, after)


def test_a_change_of_stages_reads_as_words(legal, rule, publish, staffed, person):
    person("luis", tier=2, domain=legal)
    made = rule("value > 100.0")
    before = publish().snapshot
    Rule.objects.filter(pk=made.pk).update(stages=[ONE, {**LEGAL, "approvers": 2}], typed=True)
    after = publish().snapshot
    said = [str(change) for change in changes(before, after)]
    assert said == [
        "Refund, rule “big”: stages nothing → tier 1, then tier 2 of legal (2 people)",
        "Refund, rule “big”: typed confirmation no → yes",
    ]
