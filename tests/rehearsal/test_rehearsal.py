"""What a change of policy would have done to the past."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals import times
from approvals.models import Approval, Autonomy, Currency, Event, PolicyVersion, Proposal, Rule, Tier
from approvals.policy import rehearsal, snapshot
from approvals.policy.schema import digest_of
from approvals.review import decisions
from tests.conftest import instead
from tests.saying import says


def kinds(told) -> dict[str, int]:
    return dict(told.kinds())


def test_what_always_asked_and_would_pass_is_told_with_the_reason(staffed, propose, change, rule, tried):
    small, big = propose(amount=40), propose(amount=900)
    rule("value > 500.0", message="Above 500 a person decides.")
    change(strategy="risk")

    told = tried()

    assert told.looked == 2
    [moved] = told.moved
    assert moved.approval_id == small.pk != big.pk
    assert (moved.kind, moved.before.route, moved.after.route) == ("review_auto", "review", "auto")
    assert moved.before.tier == 1
    assert "No rule and no flag asks for a person." in moved.why
    assert "No longer: This action always asks a person." in moved.why


def test_a_rehearsal_writes_nothing(staffed, propose, change, tried):
    propose(amount=40)
    change(strategy="never", reversibility="reversible")
    before = (Event.objects.count(), Approval.objects.values().get(), PolicyVersion.objects.count())

    assert kinds(tried()) == {"review_auto": 1}

    assert (Event.objects.count(), Approval.objects.values().get(), PolicyVersion.objects.count()) == before


def test_what_the_draft_does_not_touch_is_not_even_read(staffed, action_type, propose, change, tried):
    action_type("other")
    propose(amount=40)
    change("other", strategy="risk")

    with CaptureQueriesContext(connection) as queries:
        told = tried()

    assert told.looked == 1 and not told.moved
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
def test_every_way_to_move_has_its_word(staffed, clinical, propose, decided, change, tried, columns, kind):
    propose(amount=40)
    change(**columns)

    [moved] = [moved for moved in tried().moved if moved.approval_id != decided.pk]

    assert moved.kind == kind
    assert moved.why


@pytest.fixture
def decided(staffed, propose, alice) -> Approval:
    """One that a person approved, so that the agent is no newcomer."""
    return decisions.decide(decisions.seen(propose(amount=1, order="1")), by=alice, verdict="approve")


def test_back_down_the_same_ways(staffed, propose, change, publish, tried, bob, person, commerce):
    person("dora", tier=2, domain=commerce)
    person("erin", tier=3, domain=commerce)  # two of tier 3, whom a value may reach
    change(tier_id=2, approvers=2)
    publish()
    propose(amount=40)
    change(tier_id=1, approvers=1)

    assert kinds(tried()) == {"tier_down": 1}

    change(tier_id=2)
    assert kinds(tried()) == {"approvers_fewer": 1}


def test_a_ceiling_a_rate_and_a_global_rule_are_evaluated_anew(staffed, propose, rule, tried):
    propose(amount=4800, currency="GBP", order="a")  # 5,760 in euros: tier 2
    Tier.objects.filter(level=1).update(ceiling=6000)
    [moved] = tried().moved
    assert (moved.kind, moved.before.tier, moved.after.tier) == ("tier_down", 2, 1)
    assert "No longer: The value is above the ceiling of tier 1, so tier 2 decides." in moved.why

    Tier.objects.filter(level=1).update(ceiling=5000)
    Currency.objects.filter(code="GBP").update(rate="1.0")
    assert kinds(tried()) == {"tier_down": 1}

    Currency.objects.filter(code="GBP").update(rate="1.2")
    rule('currency == "GBP"', type=None, effect="block", message="No pounds.")
    [moved] = tried().moved
    assert (moved.kind, moved.why.startswith("Refused by the rule 'big': No pounds.")) == ("review_reject", True)


def test_signals_and_history_are_as_they_were_recorded(staffed, action_type, propose, change, tried, alice):
    change(strategy="confidence", auto_threshold="0.9", review_threshold="0.3")
    snapshot.publish(by=None, note="by confidence")
    signals = {"stated_confidence": 1.0, "tool_validity": 1.0, "retrieval_relevance": 1.0}
    first = propose(amount=40, order="1", signals=signals)
    precedent = next(one for one in first.assessment["signals"] if one["name"] == "precedent")["value"]
    for order in range(2, 9):
        decisions.decide(
            decisions.seen(propose(amount=40, order=str(order), signals=signals)), by=alice, verdict="approve"
        )

    change(weights={"stated_confidence": 0, "tool_validity": 0, "retrieval_relevance": 0, "policy": 0, "impact": 0})
    change(auto_threshold=str(precedent), review_threshold=str(precedent))

    outcomes = {moved.approval_id: moved.after.route for moved in tried().moved}
    # By the precedent of then it reaches exactly its own; by the flags of then nothing else speaks against it.
    assert outcomes[first.pk] == "auto"


def test_what_was_refused_and_would_run_stands_on_top(staffed, action_type, propose, rule, change, tried):
    action_type("wipe", reversibility="irreversible", gate="manual", tier_id=1)
    rule("value > 500.0", effect="block", message="Never above 500.")
    snapshot.publish(by=None, note="never above 500")
    for amount in (10, 600, 20):
        propose(amount=amount, order=str(amount))
    propose(action="wipe", amount=30, order="30")
    Rule.objects.all().delete()
    change(strategy="risk")
    change("wipe", tier_id=2)

    moved = tried().moved

    assert [one.kind for one in moved] == ["reject_auto", "tier_up", "review_auto", "review_auto"]
    assert [one.rank for one in moved] == [0, 1, 2, 2]


def test_a_stated_value_above_the_arguments_counts_as_it_did(staffed, propose, rule, tried):
    propose(amount=40, value=Decimal(900))
    rule("value > 500.0", effect="block")

    assert kinds(tried()) == {"review_reject": 1}


def test_a_modification_of_a_person_is_not_what_the_agent_proposed(staffed, propose, rule, tried, alice):
    approval = propose(amount=900)
    words = decisions.Words(edits=instead({"order": "456", "amount": 100, "currency": "EUR"}), message="goodwill")
    decisions.decide(decisions.seen(approval), by=alice, verdict="modify", words=words)
    rule("value > 500.0", effect="block")

    assert kinds(tried()) == {"review_reject": 1}


def test_a_level_of_autonomy_holds_in_both(staffed, robot, propose, change, tried):
    propose(amount=40)
    Autonomy.objects.create(agent=robot, action_type=staffed, level=1)
    change(strategy="risk")

    assert not tried().moved


def test_a_paused_agent_was_refused_whatever_policy_says(staffed, robot, propose, change, tried):
    type(robot).objects.filter(pk=robot.pk).update(paused_at=times.now())
    propose(amount=40)
    change(strategy="risk")

    assert not tried().moved


def test_the_reasons_hold_nothing_of_the_approval(staffed, propose, change, publish, tried):
    change(strategy="risk")
    publish()
    propose(order="ORDER-OF-MRS-SMITH", summary="Refund 777.77 to Mrs Smith")
    change(flags=["frequency", "numbers_not_in_arguments"])
    propose(order="ORDER-OF-MRS-SMITH", amount=60_000, summary="Refund 777.77 to Mrs Smith")

    told = tried()

    assert kinds(told) == {"auto_review": 2}
    for moved in told.moved:
        said = repr(moved)
        assert "SMITH" not in said and not says(said, "777.77")
        assert not any(says(moved.why, number) for number in ("60000", "60,000", "60_000"))
    assert any("Flag: Numbers that the arguments do not contain." in moved.why for moved in told.moved)


def test_the_newest_and_the_days_that_are_asked_for(staffed, propose, change, tried):
    now = times.now()
    for days in (3, 2, 1):
        with times.at(now - timedelta(days=days)):
            propose(amount=days, order=str(days))
    change(tier_id=2)

    assert tried(last=2).looked == 2
    assert tried(since=now - timedelta(days=2, hours=1), until=now - timedelta(days=1, hours=12)).looked == 1
    assert {Proposal.objects.get(approval=moved.approval_id).args["amount"] for moved in tried(last=2).moved} == {1, 2}


def test_the_parts_together_are_the_whole(staffed, propose, change, monkeypatch, tried):
    monkeypatch.setattr(rehearsal, "AT_ONCE", 2)
    for order in range(5):
        propose(order=str(order))
    change(tier_id=2)

    assert (tried().looked, kinds(tried())) == (5, {"tier_up": 5})
    assert tried(last=3).looked == 3


def test_the_same_policy_moves_nothing(staffed, propose, tried):
    for amount in (1, 6000, 60_000):
        propose(amount=amount, order=str(amount))
    said = PolicyVersion.objects.first().snapshot
    other = {**said, "tiers": {level: {**row, "sla": row["sla"] + 1} for level, row in said["tiers"].items()}}
    assert digest_of(other) != digest_of(said)

    told = rehearsal.rehearse(said, other, rehearsal.Period())

    assert (told.looked, told.moved) == (3, [])
