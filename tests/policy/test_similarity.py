"""Which proposals are alike: one letter to many people is, different letters under one signature are not."""

import re
import string
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policy.precedent.comparison_keys import LONGEST, keys_of
from approvals.policy.precedent.similarity import similarity_key

ROBOT = UUID(int=1)
SIGNATURE = "\n\nKind regards\nYour team at Acme Supplies\nThis mail was sent from an address that nobody reads."
SHIPPED = (
    "Dear {name},\n\nyour order {order} has left our warehouse on {day} and reaches you within three working days. "
    "If anything is missing or broken, please write to us and we will send a replacement at once. "
    "Follow the parcel at https://track.example/{order}.\n\nGoodbye, {name}, and until next time!"
)


def mail(name="Anna", order="456", day="12 November", body=SHIPPED, to=None, subject="Your order {order} has shipped"):
    facts = {"name": name, "order": order, "day": day}
    address = to or f"{name.split()[0].lower()}@mail.example"
    return {"to": address, "subject": subject.format(**facts), "body": body.format(**facts) + SIGNATURE}


WORDS = {word.strip(".,").casefold() for word in f"{SHIPPED} {SIGNATURE} Your order has shipped".split()}
# Whoever has a word of the letter for a name hides that word in the own letter, and not in the others'.
names = st.lists(
    st.builds(
        str.__add__, st.sampled_from(string.ascii_uppercase), st.text(string.ascii_lowercase, max_size=12)
    ).filter(lambda name: name.casefold() not in WORDS),
    min_size=1,
    max_size=3,
).map(" ".join)
numbers = st.integers(0, 10**9).map(str)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**52), 2**52) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(names, numbers, names, numbers)
def test_the_same_letter_to_anybody_about_any_number_is_alike(name, order, other, another):
    assert similarity_key(mail(name, order)) == similarity_key(mail(other, another))


@given(json, st.text(max_size=10))
def test_any_arguments_have_a_fingerprint_that_fits_its_column(args, path):
    fingerprint = similarity_key(args, value=path, naming=[path])
    assert re.fullmatch(r"[0-9a-f]{64}", fingerprint) if args is not None else fingerprint == ""
    assert fingerprint == similarity_key(args, value=path, naming=[path])


SMALL = [f"{one}{two}{three}" for one in "abmt" for two in "aeo" for three in ("nna", "rik", "lto")]


def test_a_name_that_is_written_small_is_known_by_its_address():
    body = "hi {name}, so {name} it is done, and {name} may call us"
    fingerprints = {similarity_key(mail(name, body=body)) for name in SMALL}
    assert len(fingerprints) == 1
    assert len({similarity_key(mail(name, body=body, to="somebody@mail.example")) for name in SMALL}) > 1


def test_what_the_subject_says_counts_as_a_name():
    letters = [
        {"customer": name, "text": f"we told {name} and {name} said that {name} agrees to pay"} for name in SMALL
    ]
    assert len({similarity_key(letter, naming=["customer"]) for letter in letters}) == 1
    assert len({similarity_key(letter) for letter in letters}) > 1


def test_where_a_few_words_differ_most_letters_are_still_alike():
    things = ["garden hose", "red shoes", "coffee maker", "lamp", "set of four chairs", "desk", "blue mug", "tea"]
    things += ["used book on bees", "pillow", "phone case", "pair of gloves", "toaster", "rain coat", "soap", "kettle"]
    letters = [mail(body=SHIPPED.replace("your order", f"your {thing} of order", 1)) for thing in things]
    most = Counter(map(similarity_key, letters)).most_common(1)[0][1]
    assert most >= len(things) * 2 // 3


def test_different_letters_under_one_signature_are_not_alike():
    bodies = [
        "Dear {name},\n\nthank you for your question about the size chart; a medium fits up to ninety kilograms.",
        "Dear {name},\n\nwe are sorry that the lid arrived cracked and have sent another one this morning.",
        "Dear {name},\n\nthe invoice that you asked for is attached, now with the address of your company on it.",
        "Dear {name},\n\nno, this model cannot be repaired at home; please bring it to a workshop near you.",
    ]
    assert len({similarity_key(mail(body=body, subject="Re: your question")) for body in bodies}) == len(bodies)


@pytest.mark.parametrize(
    ("first", "other", "alike"),
    [
        ({"service": "api", "replicas": 5}, {"service": "api", "replicas": 6}, True),
        ({"service": "api", "replicas": 5}, {"service": "web", "replicas": 5}, False),
        ({"order": "456", "amount": 50}, {"order": "457", "amount": 50}, False),
        ({"order": "456", "amount": "50.00"}, {"order": "456", "amount": "40.00"}, True),
        ({"to": ["a", "b"]}, {"to": ["a", "b", "c"]}, False),
        ({"public": True}, {"public": False}, False),
        ({}, {}, True),
    ],
)
def test_without_prose_only_numbers_and_the_value_may_differ(first, other, alike):
    paths = {"value": "amount", "naming": ["order"]}
    assert (similarity_key(first, **paths) == similarity_key(other, **paths)) is alike


def test_the_fingerprint_is_bounded_work():
    endless = {"text": "word " * 100_000, "more": [{"deep": "word " * 50}] * 5000}
    assert similarity_key(endless) == similarity_key({**endless, "text": endless["text"] + "and another end"})


@pytest.mark.parametrize(
    ("args", "usual"),
    [
        ({"department": "ops"}, "department:ops"),
        ({"department": " ops "}, "department:ops"),
        ({"department": 7}, "department:7"),
        ({"department": ["a", "b"]}, 'department:["a","b"]'),
        ({"department": ""}, ""),
        ({"department": None}, ""),
        ({}, ""),
    ],
)
def test_a_key_names_its_argument_and_value(kind, args, usual):
    assert keys_of(ROBOT, kind(baseline_path="department"), args, "").baseline == usual


def test_two_long_keys_stay_two_and_fit_the_column(kind):
    long = ["x" * 300 + end for end in "ab"]
    keys = [keys_of(ROBOT, kind(frequency_path="who.name"), {"who": {"name": one}}, "order:1").count for one in long]
    assert len(set(keys)) == 2
    assert all(len(key) <= LONGEST and key.startswith("name:xxx") for key in keys)


def test_without_a_path_of_its_own_the_subject_is_counted_and_the_agents_usual_value_holds(kind):
    keys = keys_of(ROBOT, kind(), {"order": "1"}, "order:1")
    assert (keys.baseline, keys.count) == ("", "order:1")
