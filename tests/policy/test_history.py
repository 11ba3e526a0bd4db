from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.policy.assessment import read_histories
from approvals.policy.evaluation_input import History
from approvals.policy.precedent import reader

DAY = timedelta(days=1)


@pytest.fixture
def published_question(published, make_question):
    """asked("refund"): a question of the agent whose past the tables hold."""

    def make(name="refund", **changes):
        return make_question(published.policy.types[name], agent_id=published.robot.pk, **changes)

    return make


def test_nothing_happened_yet(published_question):
    assert read_histories([published_question()]) == [History()]
    assert read_histories([]) == []


def test_precedent_counts_what_people_decided(published_question, past_approval):
    past_approval("refund", times=3)
    past_approval("refund", verdict="modify")
    past_approval("refund", verdict="reject", times=2)
    past_approval("refund", source="policy", times=5)
    past_approval("refund", source="timeout", verdict="reject", status="released")
    past_approval("refund", verdict="")
    past_approval("refund", kind="practice", times=4, released_at=None)
    past_approval("send_mail", times=4)
    (past,) = read_histories([published_question()])
    assert (past.decided, past.approved, past.proposed) == (6, 3, 13)


def test_a_verdict_that_can_still_be_undone_teaches_nothing(published_question, past_approval, now):
    past_approval("refund", status="held", released_at=None, hold_until=now)
    assert read_histories([published_question()])[0].decided == 0


def test_the_look_back_is_bounded(published_question, past_approval, monkeypatch):
    monkeypatch.setattr(reader, "LOOK_BACK", 12)
    monkeypatch.setattr(reader, "DECISIONS", 8)
    past_approval("refund", times=10, ago=2 * DAY)
    past_approval("refund", verdict="reject", times=5)
    (past,) = read_histories([published_question()])
    assert (past.proposed, past.decided, past.approved) == (12, 8, 3)


@pytest.mark.parametrize(
    "noise",
    [
        {"source": "policy", "verdict": "reject", "reason_code": "policy_violation"},
        {"source": "policy", "verdict": "reject", "reason_code": "low_confidence"},
        {"source": "policy", "verdict": "approve", "route": "auto"},
        {"source": "timeout", "verdict": "reject"},
        {"verdict": "", "status": "cancelled"},
        {"verdict": "", "status": "expired"},
        {"verdict": ""},
    ],
)
def test_nothing_but_peoples_decisions_pushes_a_decision_out_of_the_precedent(
    published_question, past_approval, monkeypatch, noise
):
    """Junk that is refused washes no bad record clean, and what runs unattended loses no good one."""
    monkeypatch.setattr(reader, "LOOK_BACK", 12)
    monkeypatch.setattr(reader, "DECISIONS", 8)
    past_approval("refund", verdict="reject", times=5, ago=2 * DAY)
    past_approval("refund", times=2, ago=2 * DAY)
    past_approval("refund", times=30, **noise)
    (past,) = read_histories([published_question()])
    assert (past.decided, past.approved) == (7, 2)


def test_what_people_found_fault_with_counts_against_whoever_let_it_run(published_question, past_approval, now):
    past_approval("refund", times=3)
    past_approval("refund", faulted_at=now)  # approved by a person, and then an incident
    past_approval("refund", source="policy", route="auto", faulted_at=now)  # an objection to a sample
    past_approval("refund", verdict="", status="cancelled", faulted_at=now)  # an objection that took its permit back
    (past,) = read_histories([published_question()])
    assert (past.decided, past.approved) == (6, 3)


def test_the_usual_value_is_of_what_was_approved(published_question, past_approval):
    past_approval("refund", value="10.00")
    past_approval("refund", value="20.00", verdict="modify", ago=2 * DAY)
    past_approval("refund", value="9000.00", verdict="reject", times=reader.LOOK_BACK // 20)
    assert read_histories([published_question()])[0].amounts == (Decimal("10.00"), Decimal("20.00"))


@pytest.mark.parametrize(
    ("changes", "is_twin"),
    [
        ({"verdict": ""}, True),
        ({"status": "executed"}, True),
        ({"ago": 29 * DAY}, True),
        ({"ago": 31 * DAY}, False),
        ({"verdict": "reject"}, False),
        ({"status": "failed"}, False),
        ({"verdict": "", "status": "expired"}, False),
        ({"digest": "sha256:other"}, False),
    ],
)
def test_a_twin_is_pending_or_done_within_thirty_days(published_question, past_approval, changes, is_twin):
    made = past_approval("refund", **{"digest": "sha256:same", **changes})
    (past,) = read_histories([published_question(digest="sha256:same")])
    assert (past.twin and past.twin.id) == (made.pk if is_twin else None)


def test_frequency_is_of_one_subject_within_seven_days(published_question, past_approval):
    past_approval("refund", subject="order:456", times=2)
    past_approval("refund", subject="order:456", ago=8 * DAY)
    past_approval("refund", subject="order:456", verdict="reject")
    past_approval("refund", subject="order:457")
    past_approval("refund", subject="")
    past_approval("send_mail", subject="order:456")
    assert [
        past.same_subject
        for past in read_histories([published_question(subject="order:456"), published_question(subject="")])
    ] == [2, 0]


def test_recent_is_within_ten_minutes(published_question, past_approval):
    past_approval("refund", times=3, ago=timedelta(minutes=9))
    past_approval("refund", ago=timedelta(minutes=11))
    assert read_histories([published_question()])[0].recent == 3


def test_a_set_is_folded_in_the_order_of_arrival(published_question):
    same = published_question(digest="sha256:same", subject="order:1")
    first, second, third = read_histories([same, published_question(digest="sha256:2", subject="order:1"), same])
    assert (first.proposed, second.proposed, third.proposed) == (0, 1, 2)
    assert (first.recent, third.recent) == (0, 2)
    assert (first.same_subject, second.same_subject, third.same_subject) == (0, 1, 2)
    assert first.twin is None and second.twin is None
    assert (third.twin.id, third.twin.status) == (None, "pending")


def test_an_approval_that_is_routed_again_is_not_its_own_past(published_question, past_approval):
    made = past_approval("refund", verdict="", digest="sha256:same", subject="order:1", ago=timedelta(minutes=1))
    question = published_question(digest="sha256:same", subject="order:1", approval_id=made.pk)
    assert read_histories([question]) == [History()]


def test_the_queries_are_as_many_for_two_hundred_as_for_one(published_question, django_assert_num_queries):
    question = published_question(subject="order:1")
    with django_assert_num_queries(1):
        read_histories([question])
    many = [
        replace(published_question(name), digest=f"sha256:{number}", subject=f"order:{number}")
        for number in range(100)
        for name in ("refund", "send_mail")
    ]
    with django_assert_num_queries(1):
        read_histories(many)
