"""People stopped everything: what was approved does not run, the wait goes on, and once lifted the same call runs."""

import pytest

import assent


def test_a_permit_is_not_used_while_everything_is_stopped(fake, client):
    fake.approve("refund")
    decision = client.wait(client.submit("refund", {"order": "1"}))
    fake.stop()

    with pytest.raises(assent.Stopped) as no:
        client.consume(decision, decision.args)
    assert no.value.reason == "halted"
    assert fake.consumed == []

    fake.lift()
    client.consume(decision, decision.args)
    assert len(fake.consumed) == 1


def test_the_same_call_runs_once_it_is_lifted_and_asks_nobody_anew(fake, client):
    ran, looks = [], []

    def world() -> dict:
        looks.append(1)
        if len(looks) == 2:  # just before the permit is used
            fake.stop()
        return {}

    fake.approve("refund")
    with pytest.raises(assent.Stopped), client.guard("refund", {"order": "1"}, preconditions=world):
        raise AssertionError
    fake.lift()
    with client.guard("refund", {"order": "1"}) as go:
        ran.append(go.args)

    assert ran == [{"order": "1"}]
    assert len(fake.asked_items) == 1


def test_the_wait_goes_on_while_everything_is_stopped(fake, client):
    fake.approve("refund")
    fake.stop()
    request = client.submit("refund", {"order": "1"})
    with pytest.raises(assent.StillPending):
        client.wait(request, timeout=0.1)

    fake.lift()
    assert client.wait(request).item.may_run


def test_a_rejection_arrives_all_the_same(fake, client):
    fake.reject("no")
    fake.stop()

    with pytest.raises(assent.Rejected):
        client.wait(client.submit("refund", {"order": "1"}))
