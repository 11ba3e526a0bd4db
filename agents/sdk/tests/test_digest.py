"""Canonical JSON: the same bytes as the library that the server signs with."""

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.digest import action_digest, canonical, digest_of
from assent.errors import NotSerialisable

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXT, inside, max_size=4),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=600, deadline=None)
def test_any_json_has_the_form_of_rfc_8785(value):
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (333333333.33333329, "333333333.3333333"),
        (123456789012345680000.0, "123456789012345680000"),
        (-4.5, "-4.5"),
        (420.0, "420"),
    ],
)
def test_numbers_are_written_as_in_ecmascript(number, text):
    assert canonical(number) == text.encode()


def test_keys_are_sorted_by_utf_16_code_units():
    assert canonical({"\U0001f600": 1, "\ufb33": 2, "a": 3}) == '{"a":3,"\U0001f600":1,"\ufb33":2}'.encode()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": {"b": [1, float("nan")]}}, "a.b[1]"),
        ({"amount": 2**53}, "amount"),
        ({"due": object()}, "due"),
        ({"pair": (1, 2)}, "pair"),
        ({"a": {1: 2}}, "a"),
        ({"a": "\ud800"}, "a"),
    ],
)
def test_what_has_no_form_is_refused_by_the_name_of_its_field(value, path):
    with pytest.raises(NotSerialisable) as refused:
        canonical(value)

    assert refused.value.path == path
    assert str(refused.value).startswith(path)


def test_the_digest_covers_who_what_and_whom():
    content = {
        "agent": "robot",
        "action": "refund",
        "schema_version": 1,
        "args": {"amount": 1},
        "subject": "customer:9",
    }

    digest = action_digest(**content)

    assert digest == digest_of(content)
    assert (
        len({digest, *(action_digest(**{**content, name: 7 if name == "schema_version" else "x"}) for name in content)})
        == 6
    )
    assert action_digest(**content, attachments=["sha256:1"]) != digest
