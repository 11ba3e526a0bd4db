"""What was approved runs, once, and everything else does not run at all."""

import pytest

import assent
from assent import Assent
from assent.errors import (
    AlreadyRan,
    Answered,
    BadRequest,
    Blocked,
    BrokenJournal,
    Cancelled,
    Expired,
    NotSerialisable,
    PermitRefused,
    RefusedByPolicy,
    Rejected,
    Skipped,
    StillPending,
    Unavailable,
    Unconfirmed,
    WorldMoved,
)

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}
LESS = {**REFUND, "amount": "1.00"}


def pay_into(ledger):
    def pay(order, amount, currency):
        ledger.append(amount)
        return {"paid": amount}

    return pay


def test_an_approved_action_runs_once_and_is_reported(fake, client):
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
def test_each_no_is_an_error_of_its_own_and_nothing_runs(fake, client, tell, error, text):
    tell(fake)
    ledger = []

    with pytest.raises(error, match=text) as no:
        client.call("refund", REFUND, pay_into(ledger))

    assert type(no.value) is error
    assert ledger == []
    fake.assert_nothing_ran()


def test_a_rejection_says_whether_the_run_is_to_end(fake, client):
    fake.reject("fraud", stop=True)

    with pytest.raises(Rejected) as no:
        client.call("refund", REFUND, pay_into([]))

    assert (no.value.reason, no.value.stop) == ("fraud", True)


def test_nobody_answers_in_time_and_the_next_try_takes_the_same_request_up(fake, client):
    fake.hold()
    with pytest.raises(StillPending) as pending:
        client.call("refund", REFUND, pay_into([]), wait_s=0.05)
    fake.approve("refund")

    with client.guard("refund", REFUND) as go:
        assert go.request == pending.value.request

    fake.assert_asked("refund", times=1)


def test_out_of_reach_nothing_runs(fake, client):
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
def test_a_lost_answer_is_asked_for_again(fake, client, call):
    fake.hold()
    fake.loses_answer(call)
    fake.approve()
    ledger = []

    client.call("refund", REFUND, pay_into(ledger))

    assert ledger == ["420.00"]
    fake.assert_asked("refund", times=1)
    fake.assert_ran("refund", times=1)


def test_the_same_try_goes_on_after_an_outage_between_decision_and_use(fake, client):
    fake.approve()
    with fake.loses_answer("consume", times=None), pytest.raises(Unavailable):
        client.call("refund", REFUND, pay_into([]), run="r")
    ledger = []

    client.call("refund", REFUND, pay_into(ledger), run="r")

    assert ledger == ["420.00"]


def test_a_new_process_does_not_go_on_where_the_permit_may_have_been_used(fake, client, killed):
    fake.approve()
    with fake.loses_answer("consume", times=None), pytest.raises(Unavailable):
        client.call("refund", REFUND, pay_into([]), run="r")

    with pytest.raises(Unconfirmed, match="nobody knows"):
        killed(client).call("refund", REFUND, pay_into([]), run="r")


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
def test_a_permit_that_proves_nothing_stops_the_action_and_says_why(fake, client, how, reason, text):
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


def test_a_rotated_key_is_fetched(fake, client):
    fake.approve()
    client.call("refund", REFUND, pay_into([]))
    fake.rotate_key()

    client.call("refund", {**REFUND, "order": "9"}, pay_into([]))

    fake.assert_ran("refund", times=2)


def test_a_function_that_does_not_take_what_was_approved_does_not_use_the_permit(fake, client):
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


# --- Once, in a run and outside of one


def test_what_ran_in_an_earlier_life_of_a_run_is_not_run_again(fake, client, killed):
    fake.approve()
    ledger = []
    client.call("refund", REFUND, pay_into(ledger), run="r")

    assert killed(client).call("refund", REFUND, pay_into(ledger), run="r") == {"paid": "420.00"}

    assert ledger == ["420.00"]
    fake.assert_asked("refund", times=1)


def test_without_its_journal_a_run_still_runs_nothing_twice(fake, client, client_of, tmp_path):
    fake.approve()
    client.call("refund", REFUND, pay_into([]), run="r")

    with pytest.raises(AlreadyRan) as ran:
        client_of(state=tmp_path / "another machine").call("refund", REFUND, pay_into([]), run="r")

    assert ran.value.outcome == "succeeded"


def test_the_same_action_twice_in_a_run_is_asked_twice_and_found_twice(fake, client, killed):
    fake.approve()
    ledger = []
    for _ in range(2):
        client.call("refund", REFUND, pay_into(ledger), run="r")
    again = killed(client)
    for _ in range(2):
        again.call("refund", REFUND, pay_into(ledger), run="r")

    assert ledger == ["420.00", "420.00"]
    fake.assert_asked("refund", times=2)


def test_outside_of_a_run_the_same_action_later_is_another_one(fake, client, client_of):
    fake.approve()
    ledger = []
    client.call("refund", REFUND, pay_into(ledger))

    client_of().call("refund", REFUND, pay_into(ledger))

    assert ledger == ["420.00", "420.00"]


def test_outside_of_a_run_a_killed_process_leaves_its_request_to_the_next(fake, client, killed):
    fake.hold()
    with pytest.raises(StillPending):
        client.call("refund", REFUND, pay_into([]), wait_s=0.01)
    fake.approve()

    killed(client).call("refund", REFUND, pay_into([]))

    fake.assert_asked("refund", times=1)


def test_two_processes_at_once_outside_of_a_run_ask_for_themselves(fake, client, client_of):
    fake.hold()
    for process_client in (client, client_of()):
        with pytest.raises(StillPending):
            process_client.call("refund", REFUND, pay_into([]), wait_s=0.01)

    fake.assert_asked("refund", times=2)


def test_a_report_that_was_lost_is_told_by_the_next_process(fake, client, killed):
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


def test_a_journal_that_cannot_be_read_stops_everything(fake, client, killed, tmp_path):
    fake.approve()
    client.call("refund", REFUND, pay_into([]), run="r")
    for file in (tmp_path / "state" / "actions").iterdir():
        file.write_text("{")

    with pytest.raises(BrokenJournal):
        killed(client).call("refund", REFUND, pay_into([]), run="r")


def test_a_journal_that_cannot_be_written_stops_everything(fake, client_of, tmp_path):
    fake.approve()
    (tmp_path / "file").write_text("")

    with pytest.raises(BrokenJournal, match="ASSENT_STATE"):
        client_of(state=tmp_path / "file" / "state").call("refund", REFUND, pay_into([]))

    fake.assert_not_asked()


def test_arguments_that_json_cannot_carry_are_refused_by_name(fake, client):
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
