"""A permit that proves nothing stops the action; the world is looked at again, and a no is answered."""

import pytest

import assent
from assent.errors import Blocked, PermitRefused, WorldMoved

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}

LESS = {**REFUND, "amount": "1.00"}


# --- Permits


@pytest.mark.parametrize(
    ("how", "reason", "text"),
    [
        ("malformed", "malformed", "not a signed token"),
        ("algorithm", "algorithm", "'none'; only EdDSA counts"),
        ("kind", "kind", "another kind"),
        ("audience", "audience", "for the agent 'somebody-else'"),
        ("expired", "expired", "expired"),
        ("digest", "digest", "not what was approved"),
        ("signature", "signature", "was changed"),
        ("unknown_key", "unknown_key", "No published key"),
        ("revision", "digest", "not what the permit proves"),
    ],
)
def test_a_permit_that_proves_nothing_stops_the_action_and_says_why(fake, client, how, reason, text, pay_into):
    fake.approve()
    fake.forge(how)
    ledger = []

    with pytest.raises(PermitRefused, match=text) as refused:
        client.call("refund", REFUND, pay_into(ledger))

    assert refused.value.reason == reason
    assert ledger == []
    fake.assert_nothing_ran()


def test_arguments_changed_after_the_approval_do_not_run(fake, client):
    fake.approve()
    decision = client.wait(client.submit("refund", REFUND))

    with pytest.raises(PermitRefused, match="not what was approved") as refused:
        client.consume(decision, {**REFUND, "amount": "42000.00"})

    assert refused.value.reason == "digest"
    fake.assert_nothing_ran()


def test_a_permit_is_used_once(fake, client):
    fake.approve()
    decision = client.wait(client.submit("refund", REFUND))
    client.consume(decision, REFUND, attempt="one")
    assert client.consume(decision, REFUND, attempt="one").attempt == "one"

    with pytest.raises(PermitRefused) as refused:
        client.consume(decision, REFUND, attempt="two")

    assert refused.value.reason == "consumed"


def test_a_permit_held_against_another_request_is_refused(fake, client):
    fake.approve()
    first = client.wait(client.submit("refund", REFUND))
    second = client.wait(client.submit("refund", {**REFUND, "order": "457"}))
    mixed = assent.Decision(first.request, "decided", (assent.Verdict(**{**fields(first), "permit": second.permit}),))

    with pytest.raises(PermitRefused, match="another request"):
        client.consume(mixed, {**REFUND, "order": "457"})


def fields(decision):
    return {name: getattr(decision.item, name) for name in decision.item.__dataclass_fields__}


def test_an_agent_does_not_use_another_agents_permit(fake, client, client_of):
    fake.approve()
    permit = client.wait(client.submit("refund", REFUND)).permit

    with pytest.raises(PermitRefused, match="for the agent 'test-agent', and this is 'mallory'"):
        client_of(agent="mallory").consume(permit, REFUND)


def test_an_amended_request_is_not_run_by_the_permit_of_its_old_revision(fake, client):
    from assent import permits, tokens

    fake.approve()
    decision = client.wait(client.submit("refund", REFUND))

    with pytest.raises(PermitRefused, match="revision 1; the request was amended: revision 2"):
        permits.check_permit(tokens.read(decision.permit), agent="test-agent", args=REFUND, revision=2)


def test_a_rotated_key_is_fetched(fake, client, pay_into):
    fake.approve()
    client.call("refund", REFUND, pay_into([]))
    fake.rotate_key()

    client.call("refund", {**REFUND, "order": "9"}, pay_into([]))

    fake.assert_ran("refund", times=2)


def test_a_function_that_does_not_take_what_was_approved_does_not_use_the_permit(fake, client, pay_into):
    fake.modify("refund", {"express": True})

    with pytest.raises(PermitRefused, match="no parameter express"):
        client.call("refund", REFUND, pay_into([]))

    fake.assert_nothing_ran()


def test_another_action_runs_only_where_the_caller_said_so(fake, client):
    fake.approve()
    with client.guard("refund", REFUND, rename_to=["credit"]) as go:
        assert go.action == "refund"


# --- The world


def test_when_the_world_moved_the_guard_waits_for_the_new_approval(fake, client):
    fake.approve()
    fake.returns_world_moved("refund")
    looks = iter(["delivered", "returned", "returned"])
    seen = []

    def world():
        seen.append({"order_status": next(looks)})
        return seen[-1]

    with client.guard("refund", REFUND, preconditions=world):
        pass

    assert len(seen) == 3
    fake.assert_ran("refund", times=1)


def test_a_world_that_moves_all_the_time_ends_it(fake, client):
    fake.approve()
    fake.returns_world_moved("refund", times=None)

    with pytest.raises(WorldMoved), client.guard("refund", REFUND, preconditions=lambda: {"version": 1}):
        raise AssertionError("this must not run")


def test_a_world_that_cannot_be_looked_at_uses_no_permit(fake, client):
    fake.approve()
    looks = []

    def world():
        if looks:
            raise ConnectionError("the shop is away")
        looks.append(1)
        return {"version": 1}

    with pytest.raises(ConnectionError), client.guard("refund", REFUND, preconditions=world):
        raise AssertionError("this must not run")

    fake.assert_nothing_ran()


# --- After a no


def test_after_a_no_the_first_alternative_is_proposed_with_what_was_rejected(fake, client):
    fake.reject("too much", times=1)
    fake.approve()
    credit = {**REFUND, "amount": "100.00"}

    with client.guard(
        "refund", REFUND, on_rejection="alternative", alternatives=[{"label": "Less", "args": credit}]
    ) as go:
        assert go.args == credit

    asked_item = fake.assert_asked("refund", amount="100.00")
    [before] = asked_item.sent["context"]["rejections"]
    assert (before["reason"], before["args"]["amount"]) == ("too much", "420.00")


def test_when_every_alternative_is_rejected_it_is_blocked_with_the_reasons(fake, client):
    fake.reject("no", times=None)

    with (
        pytest.raises(Blocked) as blocked,
        client.guard(
            "refund",
            REFUND,
            on_rejection="alternative",
            alternatives=[{"label": "Less", "args": LESS}],
        ),
    ):
        raise AssertionError("this must not run")

    assert [one["reason"] for one in blocked.value.history] == ["no", "no"]
