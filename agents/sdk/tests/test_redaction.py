"""Redacted fields never leave, and what runs has the real values."""

import hashlib
import json

import pytest

from assent.errors import PermitRefused
from assent.redaction import MARK, Redaction

CARD = {"card": {"number": "4111 1111 1111 1111", "name": "A. Lee"}, "amount": "20.00"}


def test_the_value_stays_here_and_comes_back_to_run(fake, client):
    fake.modify("charge", {"amount": "10.00"})

    with client.guard("charge", CARD, redact=["card.number"]) as go:
        assert go.args == {**CARD, "amount": "10.00"}

    sent = json.dumps([one.body for one in fake.exchanges])
    assert "4111 1111" not in sent
    digest = fake.asked_items[0].args["card"]["number"]
    assert digest.startswith(MARK) and len(digest) == len(MARK) + 64
    assert hashlib.sha256(json.dumps(CARD["card"]["number"]).encode()).hexdigest() not in digest


def test_the_same_digest_stands_there_after_a_restart(fake, client, killed):
    fake.approve()
    client.call("charge", CARD, lambda card, amount: 1, redact=["/card/number"], run="r")

    assert killed(client).call("charge", CARD, lambda card, amount: 1, redact=["/card/number"], run="r") == 1

    fake.assert_asked("charge", times=1)


def test_alternatives_and_the_present_state_are_redacted_too(fake, client):
    fake.approve()
    client.submit(
        "charge",
        CARD,
        redact=["card.number"],
        alternatives=[{"label": "Half", "args": CARD}],
        current={"card": CARD["card"]},
    )

    assert "4111 1111" not in json.dumps(fake.exchanges[0].body)


def test_a_field_that_is_not_there_is_a_typing_error_and_not_sent(fake, client):
    with pytest.raises(ValueError, match=r"card\.nubmer"):
        client.submit("charge", CARD, redact=["card.nubmer"])

    fake.assert_not_asked()


@pytest.mark.parametrize("how", ["made up", "moved"])
def test_a_digest_that_is_not_that_fields_runs_nothing(fake, client, how):
    def change(args):
        if how == "moved":
            return {"card": {**args["card"], "name": args["card"]["number"]}}
        return {"card": {**args["card"], "number": MARK + "0" * 64}}

    fake.modify("charge", change)

    with pytest.raises(PermitRefused, match="card") as refused, client.guard("charge", CARD, redact=["card.number"]):
        raise AssertionError("this must not run")

    assert refused.value.reason == "redaction"
    fake.assert_nothing_ran()


def test_what_a_reviewer_typed_instead_of_a_digest_is_what_was_approved():
    hiding = Redaction.of(["iban"], b"secret", "r")
    hiding.hide({"iban": "DE1"})

    assert hiding.show({"iban": "DE2"}) == {"iban": "DE2"}


def test_values_in_lists_are_reached():
    hiding = Redaction.of(["cards.1.number"], b"secret", "r")
    args = {"cards": [{"number": 1}, {"number": 2}]}

    hidden = hiding.hide(args)

    assert hidden["cards"][0] == {"number": 1}
    assert hidden["cards"][1]["number"].startswith(MARK)
    assert hiding.show(hidden) == args
