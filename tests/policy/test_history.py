from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.policy import history
from approvals.policy.assess import gather
from approvals.policy.history import History

DAY = timedelta(days=1)


@pytest.fixture
def asked(published, ask):
    """asked("refund"): a question of the agent whose past the tables hold."""

    def make(name="refund", **changes):
        return ask(published.policy.types[name], agent_id=published.robot.pk, **changes)

    return make


def test_nothing_happened_yet(asked):
    assert gather([asked()]) == [History()]
    assert gather([]) == []


def test_precedent_counts_what_people_decided(asked, happened):
    happened("refund", times=3)
    happened("refund", verdict="modify")
    happened("refund", verdict="reject", times=2)
    happened("refund", source="policy", times=5)
    happened("refund", source="timeout", verdict="reject", status="released")
    happened("refund", verdict="")
    happened("refund", kind="practice", times=4)
    happened("send_mail", times=4)
    (past,) = gather([asked()])
    assert (past.decided, past.approved, past.proposed) == (6, 3, 13)


def test_a_verdict_that_can_still_be_undone_teaches_nothing(asked, happened, now):
    happened("refund", status="held", released_at=None, hold_until=now)
    assert gather([asked()])[0].decided == 0


def test_the_look_back_is_bounded(asked, happened, monkeypatch):
    monkeypatch.setattr(history, "LOOK_BACK", 12)
    monkeypatch.setattr(history, "DECISIONS", 8)
    happened("refund", times=10, ago=2 * DAY)
    happened("refund", verdict="reject", times=5)
    (past,) = gather([asked()])
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
def test_nothing_but_peoples_decisions_pushes_a_decision_out_of_the_precedent(asked, happened, monkeypatch, noise):
    """Junk that is refused washes no bad record clean, and what runs unattended loses no good one."""
    monkeypatch.setattr(history, "LOOK_BACK", 12)
    monkeypatch.setattr(history, "DECISIONS", 8)
    happened("refund", verdict="reject", times=5, ago=2 * DAY)
    happened("refund", times=2, ago=2 * DAY)
    happened("refund", times=30, **noise)
    (past,) = gather([asked()])
    assert (past.decided, past.approved) == (7, 2)


def test_what_people_found_fault_with_counts_against_whoever_let_it_run(asked, happened, now):
    happened("refund", times=3)
    happened("refund", faulted_at=now)  # approved by a person, and then an incident
    happened("refund", source="policy", route="auto", faulted_at=now)  # an objection to a sample
    happened("refund", verdict="", status="cancelled", faulted_at=now)  # an objection that took its permit back
    (past,) = gather([asked()])
    assert (past.decided, past.approved) == (6, 3)


def test_the_usual_value_is_of_what_was_approved(asked, happened):
    happened("refund", value="10.00")
    happened("refund", value="20.00", verdict="modify", ago=2 * DAY)
    happened("refund", value="9000.00", verdict="reject", times=history.LOOK_BACK // 20)
    assert gather([asked()])[0].amounts == (Decimal("10.00"), Decimal("20.00"))


@pytest.mark.parametrize(
    ("changes", "found"),
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
def test_a_twin_is_pending_or_done_within_thirty_days(asked, happened, changes, found):
    made = happened("refund", **{"digest": "sha256:same", **changes})
    (past,) = gather([asked(digest="sha256:same")])
    assert (past.twin and past.twin.id) == (made.pk if found else None)


def test_frequency_is_of_one_subject_within_seven_days(asked, happened):
    happened("refund", about="order:456", times=2)
    happened("refund", about="order:456", ago=8 * DAY)
    happened("refund", about="order:456", verdict="reject")
    happened("refund", about="order:457")
    happened("refund", about="")
    happened("send_mail", about="order:456")
    assert [past.about for past in gather([asked(about="order:456"), asked(about="")])] == [2, 0]


def test_recent_is_within_ten_minutes(asked, happened):
    happened("refund", times=3, ago=timedelta(minutes=9))
    happened("refund", ago=timedelta(minutes=11))
    assert gather([asked()])[0].recent == 3


def test_a_set_is_folded_in_the_order_of_arrival(asked):
    same = asked(digest="sha256:same", about="order:1")
    first, second, third = gather([same, asked(digest="sha256:2", about="order:1"), same])
    assert (first.proposed, second.proposed, third.proposed) == (0, 1, 2)
    assert (first.recent, third.recent) == (0, 2)
    assert (first.about, second.about, third.about) == (0, 1, 2)
    assert first.twin is None and second.twin is None
    assert (third.twin.id, third.twin.status) == (None, "pending")


def test_an_approval_that_is_routed_again_is_not_its_own_past(asked, happened):
    made = happened("refund", verdict="", digest="sha256:same", about="order:1", ago=timedelta(minutes=1))
    question = asked(digest="sha256:same", about="order:1", approval_id=made.pk)
    assert gather([question]) == [History()]


def test_the_queries_are_as_many_for_two_hundred_as_for_one(asked, django_assert_num_queries):
    one = asked(about="order:1")
    with django_assert_num_queries(1):
        gather([one])
    many = [
        replace(asked(name), digest=f"sha256:{number}", about=f"order:{number}")
        for number in range(100)
        for name in ("refund", "send_mail")
    ]
    with django_assert_num_queries(1):
        gather(many)
