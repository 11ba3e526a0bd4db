"""Approving with changes: the form, its JSON tab, the live difference."""

import json
import re
from html import unescape

import pytest
from django.urls import reverse
from django.utils.html import escape

from approvals.decisions.card_version import load

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def send(as_, alice):
    def post(approval, name="modify", typed=(), **form):
        seen = {"version": approval.version, "mode": "form"}
        sent = {**seen, "edits": "[]", "touched": json.dumps(list(typed)), **form}
        return as_(alice).post(reverse(f"card:{name}", args=[approval.pk]), sent, headers=FRAGMENT)

    return post


def amount(text: str) -> list[list[str]]:
    """What the page sends where the amount was touched and nothing else."""
    return [["/amount", "number", text]]


def carried(response) -> list:
    """The operations that a form carries."""
    return json.loads(unescape(re.search(r'name="edits" value="([^"]*)"', response.content.decode())[1]))


def test_u30_the_form_is_made_from_the_schema(refund, alice, as_):
    page = (
        as_(alice)
        .get(reverse("card:modify", args=[refund.pk]), {"version": refund.version}, headers=FRAGMENT)
        .content.decode()
    )

    for name in ("order", "amount", "currency"):
        assert f'data-control="/{name}"' in page
    assert "<select" in page
    assert ">GBP" in page


def test_u30_what_is_touched_is_changed_with_its_type_kept(refund, send):
    assert send(refund, typed=amount("200.5")).status_code == 200

    settled = load(refund.pk)
    assert settled.verdict == "modify"
    assert settled.proposal.args == {"order": "456", "amount": 200.5, "currency": "EUR"}


def test_u30_the_invalid_field_is_named_and_nothing_is_lost(refund, send):
    response = send(refund, typed=[*amount("-3"), ["/order", "text", "457"]])
    page = response.content.decode()

    assert response.status_code == 422
    assert "Enter 0 or more." in page
    assert 'value="457"' in page
    assert [edit["path"] for edit in carried(response)] == ["/order", "/amount"]
    assert load(refund.pk).status == "pending"


@pytest.mark.parametrize(
    "text", ["much", "", "12,50", "1_000", "007", "NaN", "1e999", "9007199254740993", "0.1" + "2" * 20]
)
def test_u30_a_number_that_is_none_or_would_be_rounded_is_refused_beside_its_field(text, refund, send):
    response = send(refund, typed=amount(text))
    page = response.content.decode()

    assert response.status_code == 422
    assert "Enter a number" in page or "can be kept exactly" in page
    assert f'value="{text}"' in page
    assert "data-touched" in page
    assert load(refund.pk).status == "pending"


def test_u30_raw_json_is_the_second_tab(refund, send):
    tab = send(refund, "modify_form", amount("99"), to="raw")
    assert "&quot;amount&quot;: 99" in tab.content.decode()
    assert carried(tab) == [{"op": "replace", "path": "/amount", "value": 99}]

    send(refund, mode="raw", edits=json.dumps(carried(tab)))
    assert load(refund.pk).proposal.args["amount"] == 99


@pytest.mark.parametrize("raw", ["{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, '{"a": 12345678901234567890}'])
def test_u30_what_is_no_json_is_said_and_kept_and_the_tab_stays(raw, refund, send):
    for name, more in (("modify", {}), ("modify_form", {"to": "form"})):
        response = send(refund, name, [["~", "json", raw]], mode="raw", **more)

        assert response.status_code == 422
        assert "This is not JSON" in response.content.decode() or "kept exactly" in response.content.decode()
        assert escape(raw) in response.content.decode()
        assert 'name="mode" value="raw"' in response.content.decode()


def test_what_is_no_json_is_said_with_its_line(refund, send):
    page = send(refund, typed=[["~", "json", '{\n  "order": oops\n}']], mode="raw").content.decode()

    assert "line 2, column 12" in page


def test_u30_the_difference_shows_while_one_types(refund, send):
    page = send(refund, "modify_diff", amount("-7")).content.decode()

    assert "data-changed" in page
    assert "Enter 0 or more." in page
    assert load(refund.pk).status == "pending"


def test_nothing_changed_is_no_modification(refund, send):
    for typed in ([], amount("420")):
        response = send(refund, typed=typed)

        assert response.status_code == 422
        assert "Nothing is changed" in response.content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {"edits": "x"},
        {"edits": "{}"},
        {"edits": '[{"op": "remove", "path": "/nowhere"}]'},
        {"typed": [["/nowhere", "text", "x"]]},
        {"typed": [["/amount", "oops", "x"]]},
        {"typed": [["/amount", "number", 5]]},
        {"typed": ["/amount"]},
        {"act": "add", "act_at": "/amount"},
        {"act": "explode", "act_at": "/amount"},
    ],
)
def test_what_is_no_edit_of_this_form_changes_nothing(form, refund, send):
    for name in ("modify", "modify_form"):
        response = send(refund, name, **form)

        assert response.status_code == 422
        assert "does not belong" in response.content.decode()
    assert send(refund, "modify_diff", **form).status_code == 200
    assert load(refund.pk).status == "pending"


def test_a_value_above_ones_own_tier_is_refused(refund, send):
    response = send(refund, typed=amount("6000"))

    assert response.status_code == 422
    assert "above yours" in response.content.decode()


def test_an_alternative_is_chosen_by_its_label(propose, alice, as_):
    credit = {"order": "456", "amount": 400, "currency": "EUR"}
    approval = propose(alternatives=[{"label": "Store credit", "args": credit}])
    form = {"verdict": "modify", "version": approval.version, "alternative": "Store credit"}
    as_(alice).post(reverse("card:decide", args=[approval.pk]), form, headers=FRAGMENT)

    settled = load(approval.pk)
    assert settled.proposal.args == credit
    assert settled.decisions.get().alternative == "Store credit"
