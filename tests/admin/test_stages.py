"""Stages of a rule in the admin: what cannot work is refused beside the field, with how to mend it."""

import json

import pytest

from approvals.models import Domain, Rule
from approvals.policy import checks, snapshot
from approvals.policy.rows import snapshot_of_tables

RULE = "/admin/approvals/rule/add/"
WRITTEN = {"name": "big", "expression": "value > 250.0", "effect": "review", "message": "Big.", "action_type": "refund"}


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol, person):
    legal = Domain.objects.create(slug="legal", name="Legal")
    for level in (2, 3):
        person(f"lena{level}", tier=level, domain=legal)
    return as_(admin)


@pytest.mark.parametrize(
    ("stages", "fields", "mend"),
    [
        ("{}", {}, ""),
        ('[{"tier": 1}, {"tier": 1}]', {}, "Stages 1 and 2 ask the same people; keep one"),
        ('[{"tier": 1}, {"tier": 8}]', {}, "Stage 2: There is no active tier 8; choose one of 1, 2, 3."),
        ('[{"tier": 1}, {"tier": 2, "domain": "lega"}]', {}, "Stage 2: There is no field “lega”; choose one of"),
        ('[{"tier": 1}, {"tier": 2, "domain": "legal", "approvers": 6}]', {}, "Stage 2 is a tier"),
        ('[{"tier": "1"}]', {}, "Stage 1 is a tier"),
        ('[{"tier": true}]', {}, "Stage 1 is a tier"),
        ('[{"level": 1}]', {}, "Stage 1 is a tier"),
        ('"tier 1"', {}, "A list of stages"),
        ("[1", {}, "valid JSON"),
        (json.dumps([{"tier": 1, "domain": f"d{n}"} for n in range(6)]), {}, "There is no field “d0”"),
        ('[{"tier": 1}, {"tier": 2}]', {"tier": "2"}, "Each stage has its tier; leave this empty."),
        ('[{"tier": 1}, {"tier": 2}]', {"approvers": "2"}, "Each stage says how many people; leave it at 1."),
        ('[{"tier": 1}, {"tier": 2}]', {"effect": "block"}, "Only “Ask a person” leads through stages"),
        ("[]", {"effect": "flag", "typed": "on"}, "Only “Ask a person” asks to type a value"),
        ('[{"tier": 1}, {"tier": 2, "domain": "legal", "approvers": 2}]', {}, "needs 2 people in tier 2"),
        ('[{"tier": 1}, {"tier": 1, "domain": "legal"}]', {}, "legal"),
    ],
)
def test_stages_that_cannot_work_are_refused(desk, save, refused, stages, fields, mend):
    answer = save(desk, RULE, **{**WRITTEN, "stages": stages, **fields})
    if stages == "{}":  # nothing is nothing
        assert answer.status_code == 302
        return
    assert mend in refused(answer)
    assert not Rule.objects.exists()


def test_stages_are_kept_whole_and_lead_the_next_one_through(desk, save, admin, propose):
    answer = save(desk, RULE, **WRITTEN, stages='[{"tier": 1}, {"tier": 2, "domain": "legal"}]', typed="on")
    assert answer.status_code == 302
    assert Rule.objects.get().stages == [
        {"tier": 1, "domain": "", "approvers": 1},
        {"tier": 2, "domain": "legal", "approvers": 1},
    ]
    snapshot.publish(by=admin, note="stages")
    refund = propose(amount=420)
    assert (len(refund.stages), refund.typed) == (2, True)


def test_an_idle_save_of_a_rule_with_stages_changes_nothing(desk, save):
    save(desk, RULE, **WRITTEN, stages='[{"tier": 1}, {"tier": 2, "domain": "legal"}]')
    before = snapshot_of_tables()
    assert save(desk, f"/admin/approvals/rule/{Rule.objects.get().pk}/change/").status_code == 302
    assert snapshot_of_tables() == before


def test_a_file_with_a_stage_of_no_tier_is_told_where(desk):
    Rule.objects.create(
        name="big",
        expression="true",
        message="Big.",
        action_type_id="refund",
        stages=[{"tier": 7, "domain": "", "approvers": 1}, {"tier": 1, "domain": "", "approvers": 1}],
    )
    found = [(fault.pointer, fault.message) for fault in checks.faults(snapshot_of_tables())]
    assert ("/types/refund/rules/big/stages", "Stage 1: There is no active tier 7; choose one of 1, 2, 3.") in found
