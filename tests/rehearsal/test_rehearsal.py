"""What a change of policy would have done to the past."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, AuditEvent, Autonomy, Currency, PolicyVersion, Proposal, Rule, Tier
from approvals.policy import snapshot
from approvals.policy.authoring import rehearsal
from approvals.values.schema import digest_of
from tests.conftest import replace_arguments
from tests.rehearsal.conftest import why_of
from tests.text_search import mentions


def kinds(rehearsal_result) -> dict[str, int]:
    return dict(rehearsal_result.kinds())


def test_what_always_asked_and_would_pass_is_told_with_the_reason(
    staffed_refunds, propose, change_action_type, rule, rehearse_draft
):
    small, big = propose(amount=40), propose(amount=900)
    rule("value > 500.0", message="Above 500 a person decides.")
    change_action_type(strategy="risk")

    rehearsal_result = rehearse_draft()

    assert rehearsal_result.examined == 2
    [moved] = rehearsal_result.moved
    assert moved.approval_id == small.pk != big.pk
    assert (moved.kind, moved.before.route, moved.after.route) == ("review_auto", "review", "auto")
    assert moved.before.tier == 1
    assert "No rule and no flag asks for a person." in why_of(moved)
    assert "No longer: This action always asks a person." in why_of(moved)


def test_a_rehearsal_writes_nothing(staffed_refunds, propose, change_action_type, rehearse_draft):
    propose(amount=40)
    change_action_type(strategy="never", reversibility="reversible")
    before = (AuditEvent.objects.count(), Approval.objects.values().get(), PolicyVersion.objects.count())

    assert kinds(rehearse_draft()) == {"review_auto": 1}

    assert (AuditEvent.objects.count(), Approval.objects.values().get(), PolicyVersion.objects.count()) == before


def test_what_the_draft_does_not_touch_is_not_even_read(
    staffed_refunds, action_type, propose, change_action_type, rehearse_draft
):
    action_type("other")
    propose(amount=40)
    change_action_type("other", strategy="risk")

    with CaptureQueriesContext(connection) as queries:
        rehearsal_result = rehearse_draft()

    assert rehearsal_result.examined == 1 and not rehearsal_result.moved
    proposals = [query["sql"] for query in queries if "approvals_proposal" in query["sql"]]
    assert not any("IN ('" in sql for sql in proposals)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"tier_id": 2}, "tier_up"),
        ({"approvers": 2}, "approvers_more"),
        ({"gate": "manual"}, "gate"),
        ({"domain_id": "clinical"}, "domain"),
        ({"reversibility": "reversible", "on_timeout": "approve"}, "silence"),
        ({"strategy": "confidence", "auto_threshold": 1, "review_threshold": 1}, "review_reject"),
        ({"active": False}, "review_gone"),
        ({"schema": {"type": "object", "required": ["why"]}}, "review_unfit"),
    ],
)
def test_every_way_to_move_has_its_word(
    staffed_refunds, clinical, propose, decided, change_action_type, rehearse_draft, columns, kind
):
    propose(amount=40)
    change_action_type(**columns)

    [moved] = [moved for moved in rehearse_draft().moved if moved.approval_id != decided.pk]

    assert moved.kind == kind
    assert why_of(moved)


@pytest.fixture
def decided(staffed_refunds, propose, alice) -> Approval:
    """One that a person approved, so that the agent is no newcomer."""
    return decide(card_version_of(propose(amount=1, order="1")), by=alice, verdict="approve")


def test_back_down_the_same_ways(
    staffed_refunds, propose, change_action_type, publish, rehearse_draft, bob, person, commerce
):
    person("dora", tier=2, domain=commerce)
    person("erin", tier=3, domain=commerce)  # two of tier 3, whom a value may reach
    change_action_type(tier_id=2, approvers=2)
    publish()
    propose(amount=40)
    change_action_type(tier_id=1, approvers=1)

    assert kinds(rehearse_draft()) == {"tier_down": 1}

    change_action_type(tier_id=2)
    assert kinds(rehearse_draft()) == {"approvers_fewer": 1}


def test_a_ceiling_a_rate_and_a_global_rule_are_evaluated_anew(staffed_refunds, propose, rule, rehearse_draft):
    propose(amount=4800, currency="GBP", order="a")  # 5,760 in euros: tier 2
    Tier.objects.filter(level=1).update(ceiling=6000)
    [moved] = rehearse_draft().moved
    assert (moved.kind, moved.before.tier, moved.after.tier) == ("tier_down", 2, 1)
    assert "No longer: The value is above the ceiling of tier 1, so tier 2 decides." in why_of(moved)

    Tier.objects.filter(level=1).update(ceiling=5000)
    Currency.objects.filter(code="GBP").update(rate="1.0")
    assert kinds(rehearse_draft()) == {"tier_down": 1}

    Currency.objects.filter(code="GBP").update(rate="1.2")
    rule('currency == "GBP"', type=None, effect="block", message="No pounds.")
    [moved] = rehearse_draft().moved
    assert (moved.kind, why_of(moved).startswith("Refused by the rule 'big': No pounds.")) == ("review_reject", True)


def test_signals_and_history_are_as_they_were_recorded(
    staffed_refunds, action_type, propose, change_action_type, rehearse_draft, alice
):
    change_action_type(strategy="confidence", auto_threshold="0.9", review_threshold="0.3")
    snapshot.publish(by=None, note="by confidence")
    signals = {"stated_confidence": 1.0, "tool_validity": 1.0, "retrieval_relevance": 1.0}
    first = propose(amount=40, order="1", signals=signals)
    precedent = next(one for one in first.assessment["signals"] if one["name"] == "precedent")["value"]
    for order in range(2, 9):
        decide(card_version_of(propose(amount=40, order=str(order), signals=signals)), by=alice, verdict="approve")

    change_action_type(
        weights={"stated_confidence": 0, "tool_validity": 0, "retrieval_relevance": 0, "policy": 0, "impact": 0}
    )
    change_action_type(auto_threshold=str(precedent), review_threshold=str(precedent))

    outcomes = {moved.approval_id: moved.after.route for moved in rehearse_draft().moved}
    # By the precedent of then it reaches exactly its own; by the flags of then nothing else speaks against it.
    assert outcomes[first.pk] == "auto"


def test_what_was_refused_and_would_run_stands_on_top(
    staffed_refunds, action_type, propose, rule, change_action_type, rehearse_draft
):
    action_type("wipe", reversibility="irreversible", gate="manual", tier_id=1)
    rule("value > 500.0", effect="block", message="Never above 500.")
    snapshot.publish(by=None, note="never above 500")
    for amount in (10, 600, 20):
        propose(amount=amount, order=str(amount))
    propose(action="wipe", amount=30, order="30")
    Rule.objects.all().delete()
    change_action_type(strategy="risk")
    change_action_type("wipe", tier_id=2)

    moved = rehearse_draft().moved

    assert [one.kind for one in moved] == ["reject_auto", "tier_up", "review_auto", "review_auto"]
    assert [one.rank for one in moved] == [0, 1, 2, 2]


def test_a_stated_value_above_the_arguments_counts_as_it_did(staffed_refunds, propose, rule, rehearse_draft):
    propose(amount=40, value=Decimal(900))
    rule("value > 500.0", effect="block")

    assert kinds(rehearse_draft()) == {"review_reject": 1}


def test_a_modification_of_a_person_is_not_what_the_agent_proposed(
    staffed_refunds, propose, rule, rehearse_draft, alice
):
    approval = propose(amount=900)
    verdict_input = VerdictInput(
        edits=replace_arguments({"order": "456", "amount": 100, "currency": "EUR"}), message="goodwill"
    )
    decide(card_version_of(approval), by=alice, verdict="modify", verdict_input=verdict_input)
    rule("value > 500.0", effect="block")

    assert kinds(rehearse_draft()) == {"review_reject": 1}


def test_a_level_of_autonomy_holds_in_both(staffed_refunds, robot, propose, change_action_type, rehearse_draft):
    propose(amount=40)
    Autonomy.objects.create(agent=robot, action_type=staffed_refunds, level=1)
    change_action_type(strategy="risk")

    assert not rehearse_draft().moved


def test_a_paused_agent_was_refused_whatever_policy_says(
    staffed_refunds, robot, propose, change_action_type, rehearse_draft
):
    type(robot).objects.filter(pk=robot.pk).update(paused_at=times.now())
    propose(amount=40)
    change_action_type(strategy="risk")

    assert not rehearse_draft().moved


def test_the_reasons_hold_nothing_of_the_approval(
    staffed_refunds, propose, change_action_type, publish, rehearse_draft
):
    change_action_type(strategy="risk")
    publish()
    propose(order="ORDER-OF-MRS-SMITH", summary="Refund 777.77 to Mrs Smith")
    change_action_type(flags=["frequency", "numbers_not_in_arguments"])
    propose(order="ORDER-OF-MRS-SMITH", amount=60_000, summary="Refund 777.77 to Mrs Smith")

    rehearsal_result = rehearse_draft()

    assert kinds(rehearsal_result) == {"auto_review": 2}
    for moved in rehearsal_result.moved:
        text = repr(moved)
        assert "SMITH" not in text and not mentions(text, "777.77")
        assert not any(mentions(why_of(moved), number) for number in ("60000", "60,000", "60_000"))
    assert any("Flag: Numbers that the arguments do not contain." in why_of(moved) for moved in rehearsal_result.moved)


def test_the_newest_and_the_days_that_are_asked_for(staffed_refunds, propose, change_action_type, rehearse_draft):
    now = times.now()
    for days in (3, 2, 1):
        with times.at(now - timedelta(days=days)):
            propose(amount=days, order=str(days))
    change_action_type(tier_id=2)

    assert rehearse_draft(last=2).examined == 2
    assert rehearse_draft(since=now - timedelta(days=2, hours=1), until=now - timedelta(days=1, hours=12)).examined == 1
    assert {
        Proposal.objects.get(approval=moved.approval_id).args["amount"] for moved in rehearse_draft(last=2).moved
    } == {1, 2}


def test_the_parts_together_are_the_whole(staffed_refunds, propose, change_action_type, monkeypatch, rehearse_draft):
    monkeypatch.setattr(rehearsal, "AT_ONCE", 2)
    for order in range(5):
        propose(order=str(order))
    change_action_type(tier_id=2)

    assert (rehearse_draft().examined, kinds(rehearse_draft())) == (5, {"tier_up": 5})
    assert rehearse_draft(last=3).examined == 3


def test_the_same_policy_moves_nothing(staffed_refunds, propose, rehearse_draft):
    for amount in (1, 6000, 60_000):
        propose(amount=amount, order=str(amount))
    snapshot_before = PolicyVersion.objects.first().snapshot
    other = {
        **snapshot_before,
        "tiers": {level: {**row, "sla": row["sla"] + 1} for level, row in snapshot_before["tiers"].items()},
    }
    assert digest_of(other) != digest_of(snapshot_before)

    rehearsal_result = rehearsal.rehearse(snapshot_before, other, rehearsal.Period())

    assert (rehearsal_result.examined, rehearsal_result.moved) == (3, [])
