"""Approving with changes: the form made from the schema, its JSON tab, the live difference."""

import json

import pytest
from django.urls import reverse

from approvals.review.decisions import load
from console import schemaform

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def send(as_, alice):
    def post(approval, name="modify", **form):
        seen = {"revision": approval.revision, "round": approval.round, "digest": approval.digest, "mode": "form"}
        return as_(alice).post(reverse(name, args=[approval.pk]), {**seen, **form}, headers=FRAGMENT)

    return post


def fields(amount="420", order="456", currency='"EUR"') -> dict[str, str]:
    return {"args/order": order, "args/amount": amount, "args/currency": currency}


def test_u30_the_form_is_made_from_the_schema(refund, alice, as_):
    page = as_(alice).get(reverse("modify", args=[refund.pk]), headers=FRAGMENT).content.decode()

    for name in fields():
        assert f'name="{name}"' in page
    assert "<select" in page
    assert ">GBP</option>" in page


def test_u30_what_is_sent_replaces_the_arguments_with_their_types_kept(refund, send):
    assert send(refund, **fields(amount="200.5")).status_code == 200

    settled = load(refund.pk)
    assert settled.verdict == "modify"
    assert settled.proposal.args == {"order": "456", "amount": 200.5, "currency": "EUR"}


def test_u30_the_invalid_field_is_named_and_nothing_is_lost(refund, send):
    response = send(refund, **fields(amount="-3", order="457"))
    page = response.content.decode()

    assert response.status_code == 422
    assert 'id="f-args-amount-error"' in page
    assert 'value="457"' in page
    assert load(refund.pk).status == "pending"


def test_u30_a_number_that_is_none_is_named(refund, send):
    response = send(refund, **fields(amount="much"))

    assert response.status_code == 422
    assert "Amount: this is no number." in response.content.decode()


def test_u30_raw_json_is_the_second_tab(refund, send):
    tab = send(refund, "modify_form", to="raw", **fields(amount="99"))
    assert "&quot;amount&quot;: 99" in tab.content.decode()

    send(refund, mode="raw", raw='{"order": "456", "amount": 99, "currency": "EUR"}')
    assert load(refund.pk).proposal.args["amount"] == 99


@pytest.mark.parametrize("raw", ["{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000])
def test_u30_what_is_no_json_is_said_beside_the_field(raw, refund, send):
    response = send(refund, mode="raw", raw=raw)

    assert response.status_code == 422
    assert "This is not JSON" in response.content.decode()


def test_u30_the_difference_shows_while_one_types(refund, send):
    page = send(refund, "modify_diff", **fields(amount="-7")).content.decode()

    assert "data-changed" in page
    assert "/amount" in page
    assert load(refund.pk).status == "pending"


def test_nothing_changed_is_no_modification(refund, send):
    response = send(refund, **fields())

    assert response.status_code == 422
    assert "Nothing is changed" in response.content.decode()


def test_a_value_above_ones_own_tier_is_refused(refund, send):
    response = send(refund, **fields(amount="6000"))

    assert response.status_code == 422
    assert "above yours" in response.content.decode()


def test_an_alternative_is_chosen_by_its_label(propose, alice, as_):
    credit = {"order": "456", "amount": 400, "currency": "EUR"}
    approval = propose(alternatives=[{"label": "Store credit", "args": credit}])
    form = {"verdict": "modify", "revision": 1, "round": 1, "digest": approval.digest, "alternative": "Store credit"}
    as_(alice).post(reverse("decide", args=[approval.pk]), form, headers=FRAGMENT)

    settled = load(approval.pk)
    assert settled.proposal.args == credit
    assert settled.decisions.get().alternative == "Store credit"


# --- The form by itself

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "price": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "on": {"type": "string", "format": "date"},
        "urgent": {"type": "boolean"},
        "level": {"enum": [1, "two", True]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "address": {"type": "object", "properties": {"city": {"type": "string"}, "note": {"type": ["string", "null"]}}},
        "free": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["name"],
}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "x"},
        {"name": "x", "price": "420.00", "count": 3, "ratio": 1.0, "on": "2026-11-21", "urgent": False, "level": True},
        {"name": "x", "tags": ["a b", "c"], "sizes": [1, 2], "free": [{"a": [1, {"b": None}]}]},
        {"name": "x", "address": {"city": "Ulm", "note": None}, "level": "two"},
        {"name": "x", "tags": [], "price": "", "a/b~c": "escaped", "unknown": {"deep": {"er": 1.5}}},
    ],
)
def test_an_untouched_form_gives_back_exactly_what_it_was_made_from(value):
    made = schemaform.fields_of(SCHEMA, value)

    assert schemaform.mirrors(made, value)


@pytest.mark.parametrize("value", [{"name": 5}, {"name": "x", "tags": ["a\nb"], "count": "three"}])
def test_what_the_controls_cannot_hold_is_seen(value):
    """The page then offers the JSON tab alone."""
    made = schemaform.fields_of(SCHEMA, value)
    shown = {one.name: one.text for one in made}

    assert not schemaform.mirrors(made, value) or json.dumps(schemaform.read(made, shown)) == json.dumps(value)


def test_a_line_break_of_the_browser_is_a_line_break():
    made = schemaform.fields_of(SCHEMA, {"name": "a\nb"})

    assert schemaform.read(made, {"args/name": "a\r\nb"}) == {"name": "a\nb"}
