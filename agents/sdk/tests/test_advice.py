"""A model that reads an error of this package is instruction why, in the reviewer's words, and what to do next."""

import pytest

from assent import tool_message
from assent.errors import AssentError, BadRequest

REFUND = {"order": "456", "amount": "420.00"}


def advice(client, **guarding):
    with pytest.raises(AssentError) as no:
        client.call("refund", REFUND, dict, **guarding)
    return tool_message(no.value)


def test_a_rejection_carries_the_reviewers_reason_and_what_to_do(fake, client):
    fake.reject("offer an exchange first", guidance="the customer is fine with it")
    text = advice(client)
    assert text.startswith(
        "Rejected: Rejected by Test Reviewer: offer an exchange first The reviewer adds: the customer"
    )
    assert text.endswith("take the reason into account, or go another way.")


def test_a_no_that_ends_the_run_says_so(fake, client):
    fake.reject("fraud", stop=True)
    assert advice(client).endswith("the whole run is to end: do nothing more.")


@pytest.mark.parametrize(
    ("instruction", "next_step"),
    [
        ("refuse", "nobody was asked. Propose something that the rule allows."),
        ("expire", "which is no rejection: ask again"),
        ("withdraw", "Go on without it."),
        ("hold", "Ask again with exactly the same call: the same request is found."),
        ("unreachable", "Try again later"),
    ],
)
def test_each_no_has_its_own_next_step(fake, client, instruction, next_step):
    getattr(fake, instruction)()
    assert next_step in advice(client, wait_s=0.01)


def test_an_answer_and_a_fault_are_told_in_full(fake, client):
    fake.answer("use the voucher", action="refund")
    assert "The answer: 'use the voucher'" in advice(client)
    problem = {"code": "invalid_request", "detail": "no", "errors": [{"pointer": "/amount", "message": "too long"}]}
    assert "(/amount: too long)" in tool_message(BadRequest(problem, status=422))


def test_what_nobody_knows_is_not_to_be_repeated(fake, client):
    fake.approve()
    with pytest.raises(KeyboardInterrupt):
        client.call("refund", REFUND, _interrupted, run="r")
    assert "Do not repeat it: look whether it took effect" in advice(client, run="r")


def _interrupted(**args):
    raise KeyboardInterrupt
