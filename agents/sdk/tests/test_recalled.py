"""A reviewer takes an approval back before it ran: nothing runs, and the error says who and why."""

import pytest

import assent


def test_a_decision_that_was_recalled_is_told_as_that(fake, client):
    fake.approve("refund")
    request = client.submit("refund", {"order": "1"})
    client.wait(request)
    fake.recall("refund", reason="changed", message="The customer cancelled.")

    with pytest.raises(assent.Recalled, match="The customer cancelled") as no:
        client.wait(client.read(request))
    assert (no.value.reason, no.value.item.status, no.value.item.may_run) == ("changed", "recalled", False)
    assert no.value.item.permit is None
    assert isinstance(no.value, assent.Denied)


def test_a_permit_that_was_recalled_lets_nothing_run(fake, client):
    fake.approve("refund")
    decision = client.wait(client.submit("refund", {"order": "1"}))
    fake.recall("refund")

    with pytest.raises(assent.Recalled, match="recalled this") as no:
        client.consume(decision, decision.args)
    assert no.value.request == decision.request
    assert fake.consumed == []


def test_what_is_recalled_between_the_decision_and_the_run_does_not_run(fake, client):
    ran = []
    fake.approve("refund")

    def world() -> dict:
        fake.recall("refund")  # the second look is just before the permit is used
        return {}

    with pytest.raises(assent.Recalled), client.guard("refund", {"order": "1"}, preconditions=world) as go:
        ran.append(go.args)
    assert ran == [] and fake.reported == []


def test_the_same_call_again_is_a_new_question(fake, client):
    fake.approve("refund")

    def world() -> dict:
        fake.recall("refund")
        return {}

    with pytest.raises(assent.Recalled), client.guard("refund", {"order": "1"}, preconditions=world):
        raise AssertionError
    with client.guard("refund", {"order": "1"}) as go:
        assert go.args == {"order": "1"}
    assert len(fake.asked_items) == 2


def test_the_first_document_stays_as_it_was(fake, client):
    fake.approve("refund")
    decision = client.wait(client.submit("refund", {"order": "1"}))
    [taken] = fake.recall()
    assert (taken.action, fake.recall()) == ("refund", [])

    request = fake.state.requests[decision.request]
    assert request.document != request.recalled
    first = fake.state.requests[decision.request].document
    assert '"recalled"' not in first and '"recalled"' in request.newest


def test_what_was_used_is_not_recalled_any_more(fake, client):
    fake.approve("refund")
    with client.guard("refund", {"order": "1"}):
        assert fake.recall() == []
