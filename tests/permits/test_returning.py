"""When the world moved between verdict and run, nothing runs, and the same reviewer is asked about what moved."""

import pytest

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Approval, ApprovalRequest, AuditEvent, Consumption
from approvals.people import access
from approvals.policy import snapshot
from approvals.requests.submission import RunRef
from tests.conftest import sentences_of
from tests.permits.conftest import executor_of

WORLD = {"order_status": "delivered", "version": 7}
MOVED = {"order_status": "returned", "version": 7}


@pytest.fixture
def delivered(approved_executor):
    """Approved by Alice while the order was delivered."""
    return approved_executor(preconditions=WORLD, run=RunRef("thread-7", "case 456", "refund"), labels={"env": "prod"})


def test_a_world_that_stands_still_lets_it_run(delivered):
    assert delivered.consume(preconditions={**WORLD, "weather": "fine"}).status_code == 200


@pytest.mark.parametrize("seen", [{}, {"order_status": "delivered"}, {"order_state": "delivered", "version": 7}])
def test_a_precondition_that_nobody_looked_at_is_named(seen, delivered, refused):
    missing = [f"/preconditions/{name}" for name in WORLD if name not in seen]
    problem = refused(delivered.consume(preconditions=seen), 422, "precondition_unknown", *missing)

    assert all(pointer.rsplit("/", 1)[1] in problem["detail"] for pointer in missing)
    assert delivered.fresh().status == "released" and not Consumption.objects.exists()
    assert delivered.consume(preconditions=WORLD).status_code == 200


@pytest.mark.parametrize("version", [8, "7", True, None, [7]])
def test_another_value_is_another_world(version, delivered, refused):
    refused(delivered.consume(preconditions={**WORLD, "version": version}), 409, "world_moved")
    assert not Consumption.objects.exists()


def test_the_same_number_is_the_same_world(delivered):
    assert delivered.consume(preconditions={**WORLD, "version": 7.0}).status_code == 200


def test_it_comes_back_to_who_approved_it_with_what_was_seen(delivered, alice, bob, refused):
    problem = refused(delivered.consume(preconditions=MOVED), 409, "world_moved")

    old, new = delivered.fresh(), Approval.objects.get(returned_from=delivered.approval)
    assert old.status == "skipped" and old.outcome.result == "skipped"
    assert [event.facts for event in old.events.filter(kind=AuditEvent.Kind.RETURNED)] == [{"moved": ["order_status"]}]
    assert problem["returned"]["request"] == str(new.request_id)
    assert problem["returned"]["decision_url"].endswith(f"/requests/{new.request_id}/decision")
    assert problem["returned"]["review_url"].endswith(f"/approvals/{new.pk}/")
    assert "order_status" in problem["detail"] and "version" not in problem["detail"]

    assert (new.status, new.route, new.reason_code, new.originally_approved_by) == (
        "pending",
        "review",
        "world_moved",
        alice,
    )
    assert "order_status is no longer what it was" in sentences_of(new.reasons)[0]
    assert (new.item, new.digest, new.tier_id) == (old.item, old.digest, old.tier_id)
    assert new.proposal.args == old.proposal.args and new.proposal.preconditions == MOVED
    request = new.request
    assert (request.run, request.step, request.labels) == (old.request.run, "refund", {"env": "prod"})
    assert request.key == f"returned:{delivered.jti}"
    assert new.assessment["flags"] == old.assessment["flags"]  # it is no repetition of itself, nor its own twin
    for reviewer in (alice, bob):  # others of the tier can take it as well
        assert new in access.inbox_of(reviewer)


def test_asking_again_finds_the_same_new_request(delivered, refused):
    first = refused(delivered.consume(preconditions=MOVED), 409, "world_moved")
    again = refused(delivered.consume(preconditions=MOVED), 409, "world_moved")
    healed = refused(delivered.consume("second", preconditions=WORLD), 409, "world_moved")

    assert first["returned"] == again["returned"] == healed["returned"]
    assert Approval.objects.filter(returned_from=delivered.approval).count() == 1
    assert ApprovalRequest.objects.count() == 2


def test_approved_once_more_it_runs_in_the_world_as_it_is_now(delivered, alice, api):
    delivered.consume(preconditions=MOVED)
    new = load(Approval.objects.get(returned_from=delivered.approval).pk)
    decide(card_version_of(new), by=alice, verdict="approve")
    second = executor_of(new, api)

    assert second.jti != delivered.jti
    assert second.consume(preconditions=MOVED).status_code == 200


def test_what_a_reviewer_changed_comes_back_as_changed(approved_executor):
    modified = {"order": "456", "amount": 200, "currency": "EUR"}
    bought = approved_executor(modified=modified, preconditions=WORLD)
    bought.consume(preconditions=MOVED)

    new = Approval.objects.get(returned_from=bought.approval)
    assert new.proposal.args == modified and new.proposal.author is None
    assert new.digest == bought.digest


def test_what_policy_alone_had_let_through_comes_back_to_the_queue(propose, api, action_type, refused):
    action_type("ping", strategy="never", level=4, reversibility="reversible", value_path="", currency_path="")
    passed = propose(action="ping", preconditions=WORLD)
    executor = executor_of(passed, api)
    refused(executor.consume(preconditions=MOVED), 409, "world_moved")

    new = Approval.objects.get(returned_from=passed)
    assert (new.status, new.route, new.originally_approved_by) == ("pending", "review", None)
    assert sentences_of(new.reasons) == [
        "This was approved, and then the world moved: order_status is no longer what it was."
    ]


def test_a_standing_approval_is_not_used_up_by_what_comes_back(propose, api, refunds, robot, alice):
    from datetime import timedelta

    from approvals.db import times
    from approvals.models import Grant

    now = times.now()
    grant = Grant.objects.create(
        agent=robot, action_type=refunds, tier_id=1, most=5, granted_by=alice, granted_at=now,
        expires_at=now + timedelta(days=1),
    )  # fmt: skip
    passed = propose(preconditions=WORLD)
    assert (passed.source, passed.grant) == ("grant", grant)
    executor_of(passed, api).consume(preconditions=MOVED)

    new = Approval.objects.get(returned_from=passed)
    assert (new.status, new.route, new.grant, new.plan) == ("pending", "review", None, None)
    grant.refresh_from_db()
    assert grant.used == 1


def test_it_comes_back_to_the_tier_that_gave_it_and_to_as_many_people(approved_executor, carol):
    bought = approved_executor(amount=60_000, by=carol, preconditions=WORLD)
    Approval.objects.filter(pk=bought.approval.pk).update(value=10)  # policy would now ask a lower tier
    bought.consume(preconditions=MOVED)

    assert Approval.objects.get(returned_from=bought.approval).tier_id == 3


def test_silence_lets_nothing_run_that_came_back(propose, api, action_type):
    action_type("note", gate="soft", reversibility="reversible", strategy="always", value_path="")
    passed = propose(action="note", preconditions=WORLD)
    from approvals import clock
    from approvals.db import times

    with times.at(passed.expires_at):
        clock.sweep()
        executor_of(passed, api).consume(preconditions=MOVED)

    new = Approval.objects.get(returned_from=passed)
    assert (new.gate, new.on_timeout) == ("hard", "reject")


def test_what_policy_takes_no_more_ends_there(delivered, refunds, refused):
    refunds.schema = {"type": "object", "properties": {"other": {"type": "string"}}, "additionalProperties": False}
    refunds.save()
    snapshot.publish(by=None, note="another schema")

    problem = refused(delivered.consume(preconditions=MOVED), 409, "world_moved")
    assert problem["returned"] is None and "propose anew" in problem["detail"]
    assert delivered.fresh().status == "skipped"
    assert refused(delivered.consume(preconditions=MOVED), 409, "world_moved") == problem


def test_a_rule_that_blocks_it_meanwhile_still_blocks_it(delivered, refunds, robot):
    from approvals.models import Rule

    Rule.objects.create(action_type=refunds, name="frozen", effect="block", expression="true", message="No refunds.")
    snapshot.publish(by=None, note="freeze")
    delivered.consume(preconditions=MOVED)

    new = Approval.objects.get(returned_from=delivered.approval)
    assert (new.status, new.verdict, new.source) == ("released", "reject", "policy")
