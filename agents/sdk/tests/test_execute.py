"""Decided in one place, run in another: once, with what was approved, or nobody knows and it is said so."""

import json
import subprocess
import sys
import textwrap

import pytest

from assent import Assent
from assent.errors import (
    AlreadyRan,
    Answered,
    Expired,
    PermitRefused,
    Recalled,
    Rejected,
    Skipped,
    Unconfirmed,
    WorldMoved,
)

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


def carried(client, **asking):
    """A decision as a checkpoint hands it to another process."""
    return json.loads(json.dumps(client.wait_all(client.submit("refund", REFUND, **asking)).document))


@pytest.fixture
def elsewhere(fake, tmp_path):
    """A client on another machine: no journal in common."""
    with Assent(fake.url, fake.key, transport=fake.transport, state=tmp_path / "elsewhere") as client:
        yield client


def test_what_was_approved_runs_where_the_decision_is_carried_to(fake, client, elsewhere, pay_into):
    fake.modify("refund", {"amount": "200.00"})
    ledger = []

    assert elsewhere.execute(carried(client), pay_into(ledger)) == {"paid": "200.00"}

    assert ledger == ["200.00"]
    fake.assert_ran("refund", amount="200.00")
    fake.assert_reported("succeeded")


def test_the_same_decision_handed_over_twice_runs_once(fake, client, client_of, pay_into):
    fake.approve()
    decision, ledger = carried(client), []

    for life in (client, client, client_of()):
        assert life.execute(decision, pay_into(ledger)) == {"paid": "420.00"}

    assert ledger == ["420.00"]
    fake.assert_ran("refund", times=1)


def test_on_another_machine_it_ran_already(fake, client, elsewhere, pay_into):
    fake.approve()
    decision, ledger = carried(client), []
    client.execute(decision, pay_into(ledger))

    with pytest.raises(AlreadyRan):
        elsewhere.execute(decision, pay_into(ledger))
    assert ledger == ["420.00"]


def test_an_action_that_fails_is_reported_as_failed(fake, client):
    fake.approve()

    def pay(**args):
        raise ConnectionError("the bank is closed")

    with pytest.raises(ConnectionError):
        client.execute(carried(client), pay)
    fake.assert_reported("failed")


async def test_coroutine_functions_too(fake, client, aclient):
    fake.approve()

    async def pay(order, amount, currency):
        return amount

    assert await aclient.execute(carried(client), pay) == "420.00"


@pytest.mark.parametrize(
    ("instruction", "error"),
    [("reject", Rejected), ("expire", Expired), ("skip", Skipped), ("answer", Answered)],
)
def test_what_may_not_run_does_not(fake, client, instruction, error):
    getattr(fake, instruction)(*(["x"] if instruction == "answer" else []), action="refund")
    with pytest.raises(error):
        client.execute(carried(client), dict)
    assert fake.consumed == []


def test_what_was_taken_back_since_does_not_run(fake, client):
    fake.approve()
    decision = carried(client)
    fake.recall()
    with pytest.raises(Recalled):
        client.execute(decision, dict)


def test_a_changed_document_is_not_what_the_permit_proves(fake, client):
    fake.approve()
    decision = carried(client)
    decision["items"][0]["action"]["args"]["amount"] = "9000.00"
    with pytest.raises(PermitRefused, match="digest"):
        client.execute(decision, dict)
    assert fake.consumed == []


def test_another_action_than_the_one_meant_does_not_run(fake, client):
    fake.approve()
    with pytest.raises(PermitRefused, match="'refund' was approved"):
        client.execute(carried(client), dict, action="tag")


def test_arguments_that_the_function_does_not_take_leave_the_permit_unused(fake, client):
    fake.approve()
    decision = carried(client)
    with pytest.raises(PermitRefused, match="does not fit"):
        client.execute(decision, lambda order: order)
    assert client.execute(decision, lambda **args: args["order"]) == "456"


def test_a_field_that_stayed_at_home_does_not_run_elsewhere(fake, client):
    fake.approve()
    with pytest.raises(PermitRefused, match="order was redacted"):
        client.execute(carried(client, redact=["order"]), dict)


def test_where_the_world_moved_it_is_asked_anew(fake, client):
    fake.approve()
    decision = carried(client)
    fake.returns_world_moved()
    with pytest.raises(WorldMoved) as moved:
        client.execute(decision, dict)
    assert client.execute(client.wait(moved.value.returned), lambda **args: args["amount"]) == "420.00"


def test_of_several_items_the_named_one_runs(fake, client):
    fake.approve("refund")
    fake.reject("no tags", action="tag")
    items = [{"id": name, "action": {"name": name, "args": REFUND}} for name in ("refund", "tag")]
    decision = client.wait_all(client.send({"items": items}))

    with pytest.raises(ValueError, match="'refund', 'tag'"):
        client.execute(decision, dict)
    assert client.execute(decision, lambda **args: "paid", item="refund") == "paid"
    with pytest.raises(Rejected):
        client.execute(decision, dict, item="tag")


def test_killed_between_permit_and_action_nobody_knows(fake, tmp_path):
    """kill -9 of a process that had used the permit: Unconfirmed here and on any machine, at each try."""
    fake.approve()
    script = textwrap.dedent(
        f"""
        import json, sys, assent
        def pay(**args):
            print("used", flush=True)
            sys.stdin.read()
        client = assent.Assent(sys.argv[1], "asn_test", state={str(tmp_path)!r}, agent="test-agent")
        client.execute(json.loads(sys.argv[2]), pay)
        """
    )
    with (
        fake.served() as url,
        Assent(url, fake.key, state=tmp_path, agent="test-agent") as client,
        Assent(url, fake.key, state=tmp_path / "other", agent="test-agent") as elsewhere,
    ):
        decision = client.wait(client.submit("refund", REFUND)).document
        process = subprocess.Popen(
            [sys.executable, "-c", script, url, json.dumps(decision)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": _src()},
        )
        with process:
            assert process.stdout.readline() == "used\n"
            process.kill()
        for life in (client, client, elsewhere):
            with pytest.raises(Unconfirmed):
                life.execute(decision, dict)
    assert fake.reported == []


def test_waiting_for_all_raises_for_none(fake, client):
    fake.reject("too much")
    decision = client.wait_all(client.submit("refund", REFUND))
    assert (decision.verdict, decision.message) == ("reject", "too much")


def _src():
    import assent

    return str(assent.__path__[0]).removesuffix("/assent")
