"""A press and an amendment at the same moment: the press is made to what its card showed, or to nothing."""

import time
from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.urls import reverse

from approvals.db import times
from approvals.models import AgentQuestion, Approval, Guidance, Incident, Note
from approvals.requests.submission import RunRef
from tests.concurrency import together
from tests.console.test_versions import EVERYTHING, FRAGMENT, nothing_happened, revised

pytestmark = pytest.mark.django_db(transaction=True)

# What each says besides the version; it counts where nobody amends.
PRESSES = {
    "decide": {"verdict": "approve"},
    "modify": {"mode": "form", "edits": "[]", "touched": '[["/amount", "number", "200"]]'},
    "snooze": {},
    "escalate": EVERYTHING,
    "ask": EVERYTHING,
    "comment": EVERYTHING,
    "guide": EVERYTHING,
}
SAID = (Guidance, Incident, AgentQuestion, Note)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])


@pytest.fixture
def refund(propose, bob) -> Approval:
    """In a run, which can be advised, and with somebody above, who can be asked."""
    return propose(run=RunRef("run-1"))


def form_of(name, refund) -> dict:
    return {**PRESSES[name], "version": refund.version, "until": (times.now() + timedelta(minutes=5)).isoformat()}


@pytest.mark.parametrize("name", PRESSES)
def test_a_press_counts_where_nobody_amends(name, refund, alice, as_):
    assert (
        as_(alice).post(reverse(f"card:{name}", args=[refund.pk]), form_of(name, refund), headers=FRAGMENT).status_code
        == 200
    )
    assert not nothing_happened(refund) or any(kind.objects.exists() for kind in SAID)


@pytest.mark.parametrize("attempt", [True, False])
@pytest.mark.parametrize("name", PRESSES)
def test_a_press_during_an_amendment_waits_for_it_and_does_nothing(name, attempt, refund, robot, alice, as_):
    amended, pressed = Event(), Event()
    form = form_of(name, refund)
    if attempt:
        form["attempt"] = str(uuid4())

    def amend():
        with transaction.atomic():
            revised(refund, robot)
            amended.set()
            while not (somebody_waits() or pressed.is_set()):
                time.sleep(0.01)

    def press():
        try:
            assert amended.wait(60)
            return as_(alice).post(reverse(f"card:{name}", args=[refund.pk]), form, headers=FRAGMENT)
        finally:
            pressed.set()

    error, response = together(amend, press)

    assert error is None
    assert response.status_code == 409
    assert "The agent revised this (v2)" in response.content.decode()
    assert nothing_happened(refund)
    assert not any(kind.objects.exists() for kind in SAID)
