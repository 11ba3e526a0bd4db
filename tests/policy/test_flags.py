from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from approvals.policy.evaluation_input import History, SameDigest
from approvals.policy.flag_reasons import Duplicate, FirstTime, UnusualAmount
from approvals.policy.messages import sentence
from approvals.policy.precedent.comparison_keys import Keys
from approvals.policy.precedent.flags import LABELS, flags_of

KNOWN = History(proposed=5)


def flags_by_name(question, past=KNOWN):
    return {flag.name: flag for flag in flags_of(question, past)}


def test_an_ordinary_proposal_has_no_flag(make_question):
    assert flags_by_name(make_question(summary="Refund 50 EUR for order 456.")) == {}


def test_first_time(make_question):
    assert flags_by_name(make_question(), History())["first_time"] == FirstTime("robot", "Refund")


def test_a_duplicate_names_its_twin(make_question):
    twin = UUID(int=9)
    flag = flags_by_name(make_question(), replace(KNOWN, twin=SameDigest(twin, "executed")))["duplicate"]
    assert str(twin) in sentence(flag) and "executed already" in sentence(flag)
    assert flag == Duplicate(twin, "executed")
    here = flags_by_name(make_question(), replace(KNOWN, twin=SameDigest(None, "pending")))["duplicate"]
    assert "submission" in sentence(here)


@pytest.mark.parametrize(
    ("value", "amounts", "raised"),
    [
        ("300", ["100"] * 5, True),
        ("299.99", ["100"] * 5, False),
        ("900", ["100"] * 4, False),
        ("300", ["10", "90", "100", "100", "5000"], True),
        ("900", ["0"] * 9, False),
    ],
)
def test_an_unusual_value_is_three_times_the_median_of_at_least_five(make_question, value, amounts, raised):
    past = replace(KNOWN, amounts=tuple(map(Decimal, amounts)))
    assert ("unusual_amount" in flags_by_name(make_question(value=Decimal(value)), past)) is raised


def test_the_ratio_is_said(make_question):
    past = replace(KNOWN, amounts=(Decimal("42.00"),) * 7)
    flag = flags_by_name(make_question(value=Decimal("130.20")), past)["unusual_amount"]
    assert sentence(flag) == "3.1 times the usual value of 42.00 (median of the last 7 approved)"
    assert flag == UnusualAmount(Decimal("3.1"), Decimal("42.00"), 7)


def test_frequency_counts_this_one(make_question):
    past = replace(KNOWN, same_subject=1, keys=Keys(count="customer:981"))
    flag = flags_by_name(make_question(subject="customer:981"), past)["frequency"]
    assert sentence(flag) == "2nd time for customer:981 in 7 days: Refund"
    assert flag.nth == 2


def test_a_burst_starts_with_the_tenth(make_question):
    assert "burst" not in flags_by_name(make_question(), replace(KNOWN, recent=8))
    assert flags_by_name(make_question(), replace(KNOWN, recent=9))["burst"].count == 10


def test_hidden_characters_are_found_in_arguments_keys_and_summary(make_question):
    flag = flags_by_name(
        make_question(args={"amount": 50, "note": ["ok", "a\u202eb"], "p\u0430y": 1}, summary="\u200b")
    )["hidden_characters"]
    assert flag.kinds == ("bidi", "mixed_script", "zero_width")
    assert set(flag.where) == {"summary", "/note/1", "/p\u0430y"}


@pytest.mark.parametrize(
    ("summary", "strange"),
    [
        ("Refund 50 EUR to order 456", []),
        ("Refund 50.00 EUR", []),
        ("Refund 500 EUR to order 456", ["500"]),
        ("3 things", []),
        ("1,200.50 EUR", []),
        ("1.200,50 EUR", []),
        ("120.50 EUR", ["120.50"]),
        ("for 12 people", []),
        ("for 13 people", ["13"]),
        ("order A-77", []),
        ("customer 981", []),
        ("pay $2.3 million", []),
        ("pay 2,3 Mio. €", []),
        ("pay 2.3m EUR", []),
        ("pay 2300k", []),
        ("pay 2.300 Tsd. EUR", []),
        ("pay 2'300'000 EUR", []),
        ("pay 0.0023 billion", []),
        ("pay $2.4 million", ["2.4 million"]),
        ("pay 2.3 billion", ["2.3 billion"]),
        ("pay 5k", ["5k"]),  # a lone digit counts things; five thousand is a fact
        ("1.2005k EUR", []),
        ("50 m away", []),
        ("12 kilos", []),
        ("50 millionaires", []),
    ],
)
def test_numbers_that_only_the_summary_knows(make_question, summary, strange):
    args = {
        "order": "456",
        "amount": 50,
        "total": "1200.50",
        "sum": 2_300_000,
        "who": list("abcdefghijkl"),
        "ref": "A-77",
    }
    flag = flags_by_name(make_question(args=args, summary=summary, subject="customer:981")).get(
        "numbers_not_in_arguments"
    )
    assert (list(flag.numbers) if flag else []) == strange


def test_recipients_that_only_the_summary_knows(make_question):
    args = {"to": "ann@mail.example"}
    assert flags_by_name(make_question(args=args, summary="Mail to Ann@mail.example")) == {}
    flag = flags_by_name(make_question(args=args, summary="Mail to bob99@mail.example"))["recipients_not_in_arguments"]
    assert flag.recipients == ("bob99@mail.example",)
    assert "numbers_not_in_arguments" not in flags_by_name(
        make_question(args=args, summary="Mail to bob99@mail.example")
    )


def test_every_flag_has_a_label():
    assert set(LABELS) == {
        "first_time",
        "duplicate",
        "unusual_amount",
        "frequency",
        "burst",
        "near_repeat",
        "hidden_characters",
        "numbers_not_in_arguments",
        "recipients_not_in_arguments",
    }
