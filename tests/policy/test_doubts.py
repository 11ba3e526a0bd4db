"""What may stand and is probably not meant."""

from decimal import Decimal

import pytest

from approvals.policy.authoring import advice

OWN = (Decimal("0.85"), Decimal("0.60"))
NAMED = {"type": "object", "properties": {"amount": {"type": "number"}}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "The schema is empty"),
        ({"type": "array", "items": {}}, "the arguments are no object"),
        ({"type": "string"}, "the arguments are no object"),
        ({"type": "object"}, "names no arguments"),
        ({"type": "object", "properties": {}}, "names no arguments"),
    ],
)
def test_a_schema_that_says_nothing_is_doubted(schema, expected):
    [doubt] = advice.doubts_about_type(schema, OWN, {})
    assert expected in doubt


@pytest.mark.parametrize("schema", [NAMED, {"$ref": "#/$defs/a"}, {"type": ["object", "null"], **{"anyOf": []}}])
def test_one_that_names_something_is_not(schema):
    assert list(advice.doubts_about_type(schema, OWN, {})) == []


def test_bands_that_are_looser_for_more_impact_are_doubted():
    bands = {"high": (Decimal("0.70"), Decimal("0.60"))}
    [doubt] = advice.doubts_about_type(NAMED, OWN, bands)
    assert doubt.startswith("The bands are upside down: what is of high impact passes from 0.70, ")
    low = {"low": (Decimal("0.90"), Decimal("0.70"))}
    assert len(list(advice.doubts_about_type(NAMED, OWN, low))) == 2
    rising = {"low": (Decimal("0.70"), Decimal("0.50")), "high": (Decimal("0.95"), Decimal("0.80"))}
    assert list(advice.doubts_about_type(NAMED, OWN, rising)) == []
