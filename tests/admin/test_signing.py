"""Signing keys are looked at and rotated; no page shows the half that signs."""

import re

import pytest
from django.test import Client

from agents.models import ApiKey
from approvals.db import secret_box
from approvals.execution import permits
from approvals.models import SigningKey

LIST = "/admin/approvals/signingkey/"


@pytest.fixture
def key(db) -> SigningKey:
    return permits.rotate(by=None)


@pytest.fixture
def desk(as_, admin) -> Client:
    return as_(admin)


def test_the_private_half_is_on_no_page(desk, key):
    raw = permits._b64(secret_box.open_secret(key.private))
    for url in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/", f"{LIST}rotate/"):
        page = desk.get(url).content.decode()
        assert key.private not in page and raw not in page
    assert key.kid in desk.get(f"{LIST}{key.pk}/change/").content.decode()


def test_a_rotation_asks_first_and_publishes_both(desk, key):
    assert desk.get(f"{LIST}rotate/").status_code == 200
    assert SigningKey.objects.get(retired_at=None) == key
    assert desk.post(f"{LIST}rotate/", follow=True).status_code == 200

    assert SigningKey.objects.get(retired_at=None) != key
    assert len(Client().get("/.well-known/jwks.json").json()["keys"]) == 2


def test_nobody_makes_changes_or_deletes_a_key(desk, key):
    for path in ("add/", f"{key.pk}/delete/"):
        assert desk.get(LIST + path).status_code == 403
    assert desk.post(f"{LIST}{key.pk}/change/", {"public": "x"}).status_code == 403
    key.refresh_from_db()
    assert key.public != "x"


def test_who_reviews_has_no_business_here(key, alice, as_):
    for call in (as_(alice).get, as_(alice).post):
        assert call(f"{LIST}rotate/").status_code in (302, 403)
    assert SigningKey.objects.get(retired_at=None) == key


def test_a_key_is_made_for_what_its_worker_does(desk, robot):
    issue = f"/admin/approvals/agent/{robot.pk}/issue_key/"
    page = desk.get(issue).content.decode()
    for scope in ("submit", "read", "execute"):  # everything, unless less is chosen
        assert re.search(rf'value="{scope}"[^>]*checked', page), scope
    desk.post(issue, {"name": "payments", "scopes": ["execute", "read"]})

    key = ApiKey.objects.get()
    assert key.scopes == ["read", "execute"]
    shown = desk.get(f"/admin/agents/apikey/{key.pk}/change/").content.decode()
    assert "Use permits, report steps and outcomes" in shown and "Submit, revise" not in shown


def test_a_key_for_nothing_is_not_made(desk, robot):
    answer = desk.post(f"/admin/approvals/agent/{robot.pk}/issue_key/", {"name": "x", "scopes": []})
    assert answer.status_code == 200 and not ApiKey.objects.exists()
