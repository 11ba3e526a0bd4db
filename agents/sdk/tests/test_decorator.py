"""Decorated functions: bound by their signature, run with what was approved."""

import asyncio

import pytest

import assent
from assent import AsyncAssent
from assent.errors import PermitRefused

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


def test_positions_names_and_defaults_are_sent_by_name(fake, client):
    fake.modify("refund", {"amount": "200.00"})
    ran = []

    @client.requires_approval("refund", describe=lambda args: {"summary": f"Refund {args['amount']}"})
    def refund(order, amount, /, currency="EUR", *, note="", **more):
        ran.append((order, amount, currency, note, more))
        return amount

    assert refund("456", "420.00", express=True) == "200.00"

    asked_item = fake.assert_asked("refund", order="456", amount="420.00", currency="EUR", note="", express=True)
    assert asked_item.summary == "Refund 420.00"
    assert ran == [("456", "200.00", "EUR", "", {"express": True})]
    assert refund.__name__ == "refund"


def test_methods_and_what_cannot_be_sent_stay_here(fake, client):
    fake.approve()

    class Shop:
        paid = ()

        @client.requires_approval("refund", without=["till"])
        def refund(self, amount, till):
            self.paid += (amount, till)

    shop, till = Shop(), object()
    shop.refund("1.00", till=till)

    assert shop.paid == ("1.00", till)
    assert fake.assert_asked("refund").args == {"amount": "1.00"}


def test_arguments_without_names_cannot_be_shown(client):
    with pytest.raises(TypeError, match=r"\*amounts has no names"):

        @client.requires_approval("refund")
        def refund(*amounts): ...


def test_a_coroutine_function_stays_one(fake, client):
    fake.approve()

    @client.requires_approval("refund")
    async def refund(order, amount, currency):
        await asyncio.sleep(0)
        return amount

    assert asyncio.run(refund(**REFUND)) == "420.00"
    assert asyncio.run(refund(**REFUND)) == "420.00"  # another loop
    fake.assert_ran("refund", times=2)


async def test_the_asynchronous_client_keeps_the_same_rules(fake, tmp_path):
    fake.modify("refund", {"amount": "1.00"})
    seen = []

    async def world():
        seen.append(1)
        return {"version": 7}

    async with AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path, patience=0.3) as client:
        async with client.guard("refund", REFUND, preconditions=world) as go:
            assert go.args["amount"] == "1.00"
        fake.forge("digest")
        with pytest.raises(PermitRefused):
            await client.call("refund", REFUND, dict)
        assert await client.call("refund", REFUND, lambda **args: args["amount"], run="r") == "1.00"
        assert (await client.whoami()).agent == "test-agent"
    assert len(seen) == 2


async def test_many_wait_in_one_loop(fake, tmp_path):
    fake.hold()
    async with AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path, patience=5) as client:
        requests = await asyncio.gather(*(client.submit("refund", {**REFUND, "order": str(n)}) for n in range(50)))
        waits = [asyncio.ensure_future(client.wait(one)) for one in requests]
        for _ in range(100):  # they all begin
            await asyncio.sleep(0)
        fake.approve()
        assert {one.verdict for one in await asyncio.gather(*waits)} == {"approve"}


async def test_a_cancelled_wait_leaves_the_request_to_the_next(fake, tmp_path):
    fake.hold()
    async with AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path, patience=0.3) as client:
        waiting = asyncio.ensure_future(client.call("refund", REFUND, dict, run="r"))
        while not fake.asked_items:
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        fake.approve()
        assert await client.call("refund", REFUND, lambda **args: 1, run="r") == 1
    fake.assert_asked("refund", times=1)


def test_the_default_client_is_made_of_the_environment(fake, client, monkeypatch):
    fake.approve()
    with assent.defaults.fresh():
        assent.client(client)

        @assent.requires_approval("refund")
        def refund(order):
            return order

        assert refund("9") == "9"

    monkeypatch.delenv("ASSENT_URL", raising=False)
    with assent.defaults.fresh(), pytest.raises(assent.NotConfigured):
        refund("9")


def test_a_plain_function_is_not_blocked_behind_the_asynchronous_client(fake, tmp_path):
    client = AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path)
    with pytest.raises(TypeError, match="no coroutine function"):
        client.requires_approval("refund")(lambda order: order)
