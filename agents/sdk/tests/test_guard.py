"""What was approved runs, once, and everything else does not run at all."""

import pytest

from assent.errors import (
    Answered,
    Cancelled,
    Expired,
    RefusedByPolicy,
    Rejected,
    Skipped,
    StillPending,
    Unavailable,
    Unconfirmed,
)

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


def test_an_approved_action_runs_once_and_is_reported(fake, client, pay_into):
    fake.approve("refund")
    ledger = []

    assert client.call("refund", REFUND, pay_into(ledger)) == {"paid": "420.00"}

    assert ledger == ["420.00"]
    fake.assert_ran("refund", amount="420.00")
    fake.assert_reported("succeeded")


def test_a_modification_replaces_the_arguments(fake, client):
    fake.modify("refund", {"amount": "200.00"})

    with client.guard("refund", REFUND) as go:
        assert go.args == {**REFUND, "amount": "200.00"}

    fake.assert_ran("refund", amount="200.00")


def test_an_action_that_fails_is_reported_as_failed(fake, client):
    fake.approve()

    with pytest.raises(ZeroDivisionError), client.guard("refund", REFUND):
        raise ZeroDivisionError("no such order")

    assert fake.assert_reported("failed").detail == "ZeroDivisionError: no such order"


def test_an_interrupted_action_is_reported_as_nothing(fake, client):
    fake.approve()

    with pytest.raises(KeyboardInterrupt), client.guard("refund", REFUND):
        raise KeyboardInterrupt

    assert fake.reported == []


@pytest.mark.parametrize(
    ("tell", "error", "text"),
    [
        (lambda fake: fake.reject("too much"), Rejected, "too much"),
        (lambda fake: fake.refuse("Above the limit."), RefusedByPolicy, "Above the limit."),
        (lambda fake: fake.expire(), Expired, "Nobody decided before the deadline."),
        (lambda fake: fake.withdraw(), Cancelled, "withdrew"),
        (lambda fake: fake.skip(), Skipped, "without"),
        (lambda fake: fake.answer("use credit", action="refund"), Answered, "answered"),
    ],
)
def test_each_no_is_an_error_of_its_own_and_nothing_runs(fake, client, tell, error, text, pay_into):
    tell(fake)
    ledger = []

    with pytest.raises(error, match=text) as no:
        client.call("refund", REFUND, pay_into(ledger))

    assert type(no.value) is error
    assert ledger == []
    fake.assert_nothing_ran()


def test_a_rejection_says_whether_the_run_is_to_end(fake, client, pay_into):
    fake.reject("fraud", stop=True)

    with pytest.raises(Rejected) as no:
        client.call("refund", REFUND, pay_into([]))

    assert (no.value.reason, no.value.stop) == ("fraud", True)


def test_nobody_answers_in_time_and_the_next_try_takes_the_same_request_up(fake, client, pay_into):
    fake.hold()
    with pytest.raises(StillPending) as pending:
        client.call("refund", REFUND, pay_into([]), wait_s=0.05)
    fake.approve("refund")

    with client.guard("refund", REFUND) as go:
        assert go.request == pending.value.request

    fake.assert_asked("refund", times=1)


def test_out_of_reach_nothing_runs(fake, client, pay_into):
    fake.approve()
    with fake.unreachable(), pytest.raises(Unavailable, match=r"out of reach.*no standing approval"):
        client.call("refund", REFUND, pay_into([]))


def test_a_server_error_is_no_approval(fake, client):
    fake.approve()
    with fake.fails(500), pytest.raises(Unavailable), client.guard("refund", REFUND):
        raise AssertionError("this must not run")


def test_an_answer_of_something_else_is_no_approval(fake, client):
    fake.approve()
    with fake.fails(302), pytest.raises(Unavailable, match="not Assent"), client.guard("refund", REFUND):
        raise AssertionError("this must not run")


@pytest.mark.parametrize("call", ["submit", "decision", "consume"])
def test_a_lost_answer_is_asked_for_again(fake, client, call, pay_into):
    fake.hold()
    fake.loses_answer(call)
    fake.approve()
    ledger = []

    client.call("refund", REFUND, pay_into(ledger))

    assert ledger == ["420.00"]
    fake.assert_asked("refund", times=1)
    fake.assert_ran("refund", times=1)


def test_the_same_try_goes_on_after_an_outage_between_decision_and_use(fake, client, pay_into):
    fake.approve()
    with fake.loses_answer("consume", times=None), pytest.raises(Unavailable):
        client.call("refund", REFUND, pay_into([]), run="r")
    ledger = []

    client.call("refund", REFUND, pay_into(ledger), run="r")

    assert ledger == ["420.00"]


def test_a_new_process_does_not_go_on_where_the_permit_may_have_been_used(fake, client, killed, pay_into):
    fake.approve()
    with fake.loses_answer("consume", times=None), pytest.raises(Unavailable):
        client.call("refund", REFUND, pay_into([]), run="r")

    with pytest.raises(Unconfirmed, match="nobody knows"):
        killed(client).call("refund", REFUND, pay_into([]), run="r")
