"""A page whose question to the database takes too long: the question ends, and the page says so."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from tests.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def table_taken(transactional_db) -> Iterator[psycopg.Connection]:
    """Whoever reads approvals waits for as long as this lasts."""
    with psycopg.connect(database_url()) as other:
        yield other


def taken(other: psycopg.Connection) -> None:
    other.execute("LOCK TABLE approvals_approval IN ACCESS EXCLUSIVE MODE")


def waiting(other: psycopg.Connection) -> int:
    """How many of the database's other sessions are still at work."""
    [count] = other.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> "
        "pg_backend_pid() AND backend_type = 'client backend'"
    ).fetchone()
    return count


@pytest.mark.parametrize("path", ["/", "/overview/", "/history/", "/runs/", "/unconfirmed/"])
def test_a_page_that_takes_too_long_is_ended_and_says_so(path, refund, alice, as_, table_taken, settings):
    settings.ASSENT_PAGE_TIME = timedelta(seconds=0.3)
    client = as_(alice)
    client.raise_request_exception = False
    taken(table_taken)

    answer = client.get(path)

    assert answer.status_code == 503
    assert "This page took too long" in answer.content.decode()
    assert waiting(table_taken) == 0
    table_taken.rollback()
    assert client.get(path).status_code == 200


def test_a_part_of_a_page_says_so_in_a_corner(refund, alice, as_, table_taken, settings):
    settings.ASSENT_PAGE_TIME = timedelta(seconds=0.3)
    client = as_(alice)
    client.raise_request_exception = False
    taken(table_taken)

    answer = client.get("/?q=refund", headers={"HX-Request": "true"})

    assert (answer.status_code, answer["HX-Retarget"]) == (503, "#toasts")
    assert "This took too long and was stopped" in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_the_limit_ends_with_its_page(refund, alice, as_, settings):
    settings.ASSENT_PAGE_TIME = timedelta(seconds=0.3)
    as_(alice).get("/")

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), pg_sleep(0.5)")
        assert cursor.fetchone()[0] == "0"


def test_a_decision_waits_as_long_as_it_takes(refund, alice, as_, table_taken, settings):
    settings.ASSENT_PAGE_TIME = timedelta(seconds=0.1)
    client = as_(alice)
    client.raise_request_exception = False
    taken(table_taken)
    threading.Timer(0.6, table_taken.rollback).start()

    answer = client.post(f"/approvals/{refund.pk}/claim/")

    assert answer.status_code != 503
