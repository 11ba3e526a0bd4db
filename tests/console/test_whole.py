"""Every page and form with a NUL, and with each field missing: none is a surprise. A database that is away is 503."""

from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from django.db.utils import DatabaseErrorWrapper
from django.urls import reverse

from tests.addresses import addresses

FIELDS = (
    *("q", "queue", "agent", "action", "after", "state", "whose", "filter", "version", "verdict", "message", "reason"),
    *(
        "text",
        "why",
        "until",
        "typed",
        "password",
        "edits",
        "plan",
        "answer",
        "guidance",
        "note",
        "ran",
        "pick",
        "tier",
    ),
    *("starts_at", "ends_at", "delegate", "finding", "most", "hours", "expression", "theme", "next", "kind"),
)
NUL = "a\0b"


def addresses_of(approval) -> list[str]:
    paths = []
    for name, pattern in addresses():
        if name.startswith("api:"):
            continue
        converters = pattern.pattern.converters
        given = {"uuid": approval.pk if "approvals/" in str(pattern.pattern) else uuid4(), "int": 1, "slug": "errors"}
        kinds = {
            key: type(converter).__name__.removesuffix("Converter").lower() for key, converter in converters.items()
        }
        paths.append(reverse(name, kwargs={key: given[kind] for key, kind in kinds.items()}))
    return paths


def test_no_page_and_no_form_fails_by_a_nul_or_by_a_missing_field(refund, carol, as_):
    client = as_(carol)
    for address in addresses_of(refund):
        assert client.get(address, {"q": NUL, "after": NUL}).status_code == 400, address
        assert client.post(address, dict.fromkeys(FIELDS, NUL)).status_code in (400, 403), address
        assert client.post(address, {"version": refund.version}).status_code < 500, address
        assert client.post(address).status_code < 500, address


def test_an_address_with_a_nul_is_refused(carol, as_):
    assert as_(carol).get("/help/%00/").status_code in (400, 404)


@pytest.mark.parametrize("why", ["away", "full"])
@pytest.mark.parametrize("page", ["history:history", "profile:profile"])
def test_a_database_that_is_away_or_full_is_503_with_when_to_come_back(page, why, alice, as_, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        with DatabaseErrorWrapper(connection):  # as Django turns the driver's errors into its own
            raise psycopg.OperationalError("server closed it") if why == "away" else psycopg.errors.DiskFull("no space")

    client = as_(alice)
    client.raise_request_exception = False
    with monkeypatch.context() as patched:
        patched.setattr("django.db.backends.utils.CursorWrapper.execute", fails)
        response = client.get(reverse(page))

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "database cannot be reached" in response.content.decode()
