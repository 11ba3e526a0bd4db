"""Of several workers that heard of a decision, one acts on it."""

from datetime import timedelta

import pytest

from approvals.db import times
from approvals.requests.submission import Item


@pytest.fixture
def lease(executor):
    """Ask for the lease on the approved request: lease("worker-1", seconds=60)."""
    return lambda worker, **more: executor.api.post(
        f"requests/{executor.approval.request_id}/lease", {"worker": worker, **more}
    )


def test_one_worker_has_it_and_the_other_is_told_until_when(lease, conforms, refused):
    mine = conforms("LeaseState", lease("one"))

    problem = refused(lease("two"), 409, "leased")
    assert problem["until"] == mine["until"]
    assert "one" not in problem["detail"].split()  # who has it is the other worker's business


def test_who_has_it_extends_it(lease, conforms):
    first = conforms("LeaseState", lease("one"))
    longer = conforms("LeaseState", lease("one", seconds=600))

    assert longer["until"] > first["until"]


def test_a_dead_workers_lease_ends_by_itself(lease, refused):
    lease("one", seconds=60)
    with times.at(times.now() + timedelta(seconds=59)):
        refused(lease("two"), 409, "leased")
    with times.at(times.now() + timedelta(seconds=61)):
        assert lease("two").status_code == 200
        refused(lease("one"), 409, "leased")


def test_it_is_given_back_by_who_has_it_alone(lease, refused):
    lease("one")
    refused(lease("two", release=True), 409, "leased")
    refused(lease("two"), 409, "leased")

    assert lease("one", release=True).json() == {"worker": "one", "until": None}
    assert lease("two").status_code == 200


def test_nobody_acts_on_what_is_not_decided(refund, api, refused):
    refused(api.post(f"requests/{refund.request_id}/lease", {"worker": "one"}), 409, "not_decided")


def test_a_partly_answered_request_can_be_acted_on_where_answers_come_one_by_one(propose, alice, api, refused):
    from approvals.decisions.card_version import card_version_of
    from approvals.decisions.decide import decide

    items = tuple(
        Item(id=str(number), action="refund", args={"order": str(number), "amount": 1, "currency": "EUR"})
        for number in range(2)
    )
    for mode, status in (("independently", 200), ("together", 409)):
        approval = propose(items=items, decide=mode)
        decide(card_version_of(approval), by=alice, verdict="approve")
        assert api.post(f"requests/{approval.request_id}/lease", {"worker": "one"}).status_code == status


def test_another_agents_request_is_not_there(executor, stranger, refused):
    refused(stranger.post(f"requests/{executor.approval.request_id}/lease", {"worker": "one"}), 404, "not_found")


@pytest.mark.parametrize(
    "body", [{}, {"worker": ""}, {"worker": "a", "seconds": 0}, {"worker": "a", "seconds": 3601}, {"worker": 7}]
)
def test_a_malformed_wish_is_refused(body, executor, refused):
    refused(executor.api.post(f"requests/{executor.approval.request_id}/lease", body), 422, "invalid_request")
