"""What ran is not run again, in a run and outside of one, whatever was killed or lost."""

import pytest

import assent
from assent import Assent
from assent.errors import AlreadyRan, BadRequest, BrokenJournal, NotSerialisable, PermitRefused, StillPending

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


def test_what_ran_in_an_earlier_life_of_a_run_is_not_run_again(fake, client, killed, pay_into):
    fake.approve()
    ledger = []
    client.call("refund", REFUND, pay_into(ledger), run="r")

    assert killed(client).call("refund", REFUND, pay_into(ledger), run="r") == {"paid": "420.00"}

    assert ledger == ["420.00"]
    fake.assert_asked("refund", times=1)


def test_without_its_journal_a_run_still_runs_nothing_twice(fake, client, client_of, tmp_path, pay_into):
    fake.approve()
    client.call("refund", REFUND, pay_into([]), run="r")

    with pytest.raises(AlreadyRan) as ran:
        client_of(state=tmp_path / "another machine").call("refund", REFUND, pay_into([]), run="r")

    assert ran.value.outcome == "succeeded"


def test_the_same_action_twice_in_a_run_is_asked_twice_and_found_twice(fake, client, killed, pay_into):
    fake.approve()
    ledger = []
    for _ in range(2):
        client.call("refund", REFUND, pay_into(ledger), run="r")
    again = killed(client)
    for _ in range(2):
        again.call("refund", REFUND, pay_into(ledger), run="r")

    assert ledger == ["420.00", "420.00"]
    fake.assert_asked("refund", times=2)


def test_outside_of_a_run_the_same_action_later_is_another_one(fake, client, client_of, pay_into):
    fake.approve()
    ledger = []
    client.call("refund", REFUND, pay_into(ledger))

    client_of().call("refund", REFUND, pay_into(ledger))

    assert ledger == ["420.00", "420.00"]


def test_outside_of_a_run_a_killed_process_leaves_its_request_to_the_next(fake, client, killed, pay_into):
    fake.hold()
    with pytest.raises(StillPending):
        client.call("refund", REFUND, pay_into([]), wait_s=0.01)
    fake.approve()

    killed(client).call("refund", REFUND, pay_into([]))

    fake.assert_asked("refund", times=1)


def test_two_processes_at_once_outside_of_a_run_ask_for_themselves(fake, client, client_of, pay_into):
    fake.hold()
    for process_client in (client, client_of()):
        with pytest.raises(StillPending):
            process_client.call("refund", REFUND, pay_into([]), wait_s=0.01)

    fake.assert_asked("refund", times=2)


def test_a_report_that_was_lost_is_told_by_the_next_process(fake, client, killed, pay_into):
    fake.approve()
    with fake.unreachable("outcome"):
        client.call("refund", REFUND, pay_into([]), run="r")
    assert fake.reported == []

    assert killed(client).report() == 1

    fake.assert_reported("succeeded")


def test_one_call_of_a_process_works_on_one_permit(fake, client):
    fake.approve()
    mine = client.guard("refund", REFUND, key="mine")

    with mine, pytest.raises(PermitRefused, match="at work"), client.guard("refund", REFUND, key="mine"):
        raise AssertionError("this must not run")


def test_a_journal_that_cannot_be_read_stops_everything(fake, client, killed, tmp_path, pay_into):
    fake.approve()
    client.call("refund", REFUND, pay_into([]), run="r")
    for file in (tmp_path / "state" / "actions").iterdir():
        file.write_text("{")

    with pytest.raises(BrokenJournal):
        killed(client).call("refund", REFUND, pay_into([]), run="r")


def test_a_journal_that_cannot_be_written_stops_everything(fake, client_of, tmp_path, pay_into):
    fake.approve()
    (tmp_path / "file").write_text("")

    with pytest.raises(BrokenJournal, match="ASSENT_STATE"):
        client_of(state=tmp_path / "file" / "state").call("refund", REFUND, pay_into([]))

    fake.assert_not_asked()


def test_arguments_that_json_cannot_carry_are_refused_by_name(fake, client, pay_into):
    with pytest.raises(NotSerialisable, match=r"args\.amount"):
        client.call("refund", {**REFUND, "amount": object()}, pay_into([]))


def test_what_the_gateway_does_not_take_is_told_as_it_said_it(fake, client):
    with pytest.raises(BadRequest) as bad:
        client.send({"items": []})

    assert bad.value.status == 422
    assert bad.value.code == "invalid_request"


def test_without_an_address_there_is_no_client(monkeypatch):
    monkeypatch.delenv("ASSENT_URL", raising=False)
    with pytest.raises(assent.NotConfigured):
        Assent(key="asn_x")
