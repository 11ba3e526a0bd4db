"""A modification reaches what was proposed, and nothing that the caller kept to itself."""

import functools

import pytest

from assent.errors import PermitRefused

REFUND = {"order": "456", "amount": "420.00"}


class Shop:
    def __init__(self):
        self.paid = []


def decorated(client, **options):
    return client.requires_approval("refund", **options)


def refuses(fake, call, text):
    with pytest.raises(PermitRefused, match=text) as refused:
        call()
    assert refused.value.reason == "arguments"
    fake.assert_nothing_ran()
    assert fake.reported == []


@pytest.mark.parametrize("name", ["self", "till"])
def test_it_does_not_reach_self_nor_what_was_not_sent(fake, client, name):
    fake.modify("refund", {name: "mallory's"})

    class Register(Shop):
        @decorated(client, without=["till"])
        def refund(self, amount, till="mine"):
            self.paid.append((amount, till))

    shop = Register()

    refuses(fake, lambda: shop.refund("1.00"), f"{name} was not proposed")
    assert shop.paid == []


def test_it_does_not_reach_cls(fake, client):
    fake.modify("refund", {"cls": "mallory's"})

    class Register:
        @classmethod
        @decorated(client)
        def refund(cls, amount):
            raise AssertionError("this must not run")

    refuses(fake, lambda: Register.refund("1.00"), "cls was not proposed")


def test_it_does_not_reach_around_keywords_that_were_kept(fake, client):
    fake.modify("refund", {"till": "mallory's"})

    @decorated(client, without=["kept"])
    def refund(amount, **kept):
        raise AssertionError("this must not run")

    refuses(fake, lambda: refund("1.00", till="mine"), "no parameter till")
    assert fake.assert_asked("refund").args == {"amount": "1.00"}


def test_what_was_kept_comes_back_whole(fake, client):
    fake.modify("refund", {"amount": "2.00"})

    @decorated(client, without=["kept"])
    def refund(amount, **kept):
        return [amount, kept]

    assert refund("1.00", till="mine") == ["2.00", {"till": "mine"}]


def test_it_does_not_replace_what_a_partial_holds(fake, client):
    fake.modify("refund", {"till": "mallory's"})

    def refund(order, amount, till):
        raise AssertionError("this must not run")

    pay = functools.partial(refund, till="mine")
    refuses(fake, lambda: client.call("refund", REFUND, pay), "till was not proposed")
    refuses(fake, lambda: client.run("r").call("refund", REFUND, pay), "till was not proposed")
    refuses(fake, lambda: client.run("s").do("pay", pay, action="refund", args=REFUND), "till was not proposed")


@pytest.mark.parametrize("how", ["call", "run.call", "run.do", "decorator"])
def test_a_parameter_that_the_function_does_not_have_uses_no_permit(fake, client, how):
    fake.modify("refund", {"express": True})
    run = client.run("r")

    def refund(order, amount):
        raise AssertionError("this must not run")

    ways = {
        "call": lambda: client.call("refund", REFUND, refund),
        "run.call": lambda: run.call("refund", REFUND, refund),
        "run.do": lambda: run.do("pay", refund, action="refund", args=REFUND),
        "decorator": lambda: decorated(client)(refund)(**REFUND),
    }
    refuses(fake, ways[how], "no parameter express")


def test_a_parameter_that_was_taken_away_uses_no_permit(fake, client):
    fake.modify("refund", args={"order": "456"})

    refuses(fake, lambda: client.call("refund", REFUND, lambda order, amount: None), "amount is missing")


def test_it_does_not_reach_arguments_without_names(fake, client):
    fake.modify("refund", {"more": "abc"})

    def refund(order, amount, *more):
        raise AssertionError("this must not run")

    refuses(fake, lambda: client.call("refund", REFUND, refund), "no parameter more")


def test_positional_only_arguments_are_reached_by_their_names(fake, client):
    fake.modify("refund", {"amount": "1.00"})

    assert client.call("refund", REFUND, lambda order, amount, /, *more: [order, amount, more]) == ["456", "1.00", ()]


def test_a_name_that_stands_for_two_arguments_cannot_be_shown(fake, client):
    @decorated(client)
    def refund(amount, /, **more):
        raise AssertionError("this must not run")

    with pytest.raises(TypeError, match="amount is given twice"):
        refund("1.00", amount="9999.00")
    fake.assert_not_asked()
