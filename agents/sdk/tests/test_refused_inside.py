"""A refusal inside of an action is no refusal of the action itself."""

import pytest

from assent import rollback
from assent.errors import FailedInside

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


@pytest.mark.parametrize("how", ["call", "guard", "run.do", "run.step", "decorator"])
def test_a_refusal_inside_of_an_action_is_no_refusal_of_the_action(fake, client, how):
    fake.approve("refund")
    fake.reject("no mail", action="mail")
    ledger, run = [], client.run("r")

    def pay(order, amount, currency):
        ledger.append(amount)
        client.call("mail", {"to": "m@example.org"}, lambda to: ledger.append(to))

    def guarded(guard):
        with guard as go:
            pay(**go.args)

    ways = {
        "call": lambda: client.call("refund", REFUND, pay),
        "decorator": lambda: client.requires_approval("refund")(pay)(**REFUND),
        "guard": lambda: guarded(client.guard("refund", REFUND)),
        "run.do": lambda: run.do("pay", pay, action="refund", args=REFUND),
        "run.step": lambda: guarded(run.step("pay", action="refund", args=REFUND)),
    }

    with pytest.raises(FailedInside, match="no mail") as inside:
        ways[how]()

    import assent

    assert not isinstance(inside.value, assent.AssentError)
    assert type(inside.value.error) is assent.Rejected
    assert inside.value.request == fake.assert_asked("refund").request
    assert ledger == ["420.00"]
    assert fake.assert_reported("failed", action="refund").detail.startswith("Rejected: ")


async def test_the_same_of_coroutines(fake, aclient):
    fake.approve("refund")
    fake.refuse("no mail", action="mail")

    @aclient.requires_approval("mail")
    async def mail(to): ...

    @aclient.requires_approval("refund")
    async def refund(order):
        await mail("m@example.org")

    with pytest.raises(FailedInside):
        await refund("456")
    async with aclient.guard("refund", REFUND):
        pass
    with pytest.raises(FailedInside):
        async with aclient.guard("refund", REFUND):
            await mail("m@example.org")


def test_a_persons_no_inside_of_a_step_undoes_the_run(fake, client, monkeypatch):
    monkeypatch.setattr(rollback, "_FIRST", 0.01)
    fake.approve("reserve")
    fake.reject("no", action="mail")
    undone = []

    with pytest.raises(FailedInside), client.run("r") as run:
        with run.step("reserve", action="reserve", args={}, undo=lambda: undone.append("reserve")):
            pass
        with run.step("again", action="reserve", args={"n": 2}):
            client.call("mail", {}, dict)

    assert undone == ["reserve"]


def test_what_has_run_raises_no_error_of_this_package(fake, client, monkeypatch):
    """Whatever breaks after the action, the caller goes on with its result."""
    fake.approve()

    def pay(order, amount, currency):
        monkeypatch.setattr(client._core.journal, "folder", client._core.journal.folder / "file" / "below")
        (client._core.journal.folder.parent.parent).mkdir(exist_ok=True)
        client._core.journal.folder.parent.write_text("no folder")
        return "paid"

    with client.run("r") as run:
        assert run.do("pay", pay, action="refund", args=REFUND) == "paid"
    monkeypatch.undo()
    assert client.call("refund", {**REFUND, "order": "9"}, lambda **args: "paid") == "paid"
