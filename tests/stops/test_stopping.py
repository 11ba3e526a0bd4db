"""While everything is stopped nothing is released and nothing consumed; what is rejected or over goes its way."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, transaction
from django.test import Client
from django.urls import reverse

from agents import keys
from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import Stopped
from approvals.execution import kill_switch, offline_grants, recall
from approvals.models import Approval, AuditEvent, Decision, Grant, Stop, SystemAuditEvent
from approvals.people import access
from tests.conftest import PASSWORD

WHY = "The support agent refunds twice."


@pytest.fixture
def stopped(carol) -> Stop:
    return kill_switch.stop(by=carol, why=WHY)


@pytest.mark.parametrize("verdict", ["approve", "modify"])
def test_nothing_is_approved(refund, alice, stopped, verdict):
    with pytest.raises(Stopped):
        decide(card_version_of(refund), by=alice, verdict=verdict)

    assert load(refund.pk).status == "pending"


def test_a_reviewer_may_reject(refund, alice, stopped):
    assert (
        decide(card_version_of(refund), by=alice, verdict="reject", verdict_input=VerdictInput(message="no")).status
        == "released"
    )


def test_the_page_says_409_and_why(refund, alice, stopped, as_):
    form = {"verdict": "approve", "version": refund.version}
    response = as_(alice).post(reverse("card:decide", args=[refund.pk]), form)

    assert response.status_code == 409
    assert "Everything is stopped" in response.content.decode()


def test_a_token_hears_409_stopped(refund, alice, stopped):
    token = keys.issue(user=alice, name="test")[1]
    body = {"verdict": "approve", "revision": 1, "round": refund.round, "digest": refund.digest}
    client = Client(headers={"Authorization": f"Bearer {token}"})
    response = client.post(reverse("api:decide", args=[refund.pk]), body, content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (409, "stopped")


def test_no_permit_is_used_and_once_lifted_it_is(executor, carol):
    kill_switch.stop(by=carol, why=WHY)
    refused = executor.consume()
    assert (refused.status_code, refused.json()["code"]) == (409, "stopped")
    assert executor.fresh().consumed_at is None

    kill_switch.lift(by=carol)
    assert executor.consume().status_code == 200


def test_nor_is_an_answer_that_was_lost_given_again(executor, carol):
    assert executor.consume().status_code == 200
    kill_switch.stop(by=carol, why=WHY)

    assert executor.consume().json()["code"] == "stopped"


def test_what_ran_is_reported_all_the_same(executor, carol):
    executor.consume()
    kill_switch.stop(by=carol, why=WHY)

    assert executor.report().status_code < 300


def test_an_undo_window_that_ends_releases_nothing_until_it_is_lifted(with_undo, refund, alice, carol):
    decide(card_version_of(refund), by=alice, verdict="approve")
    Approval.objects.filter(pk=refund.pk).update(hold_until=times.now())
    kill_switch.stop(by=carol, why=WHY)
    assert clock.sweep().released == 0
    assert load(refund.pk).status == "held"

    kill_switch.lift(by=carol)
    assert clock.sweep().released == 1


def test_a_rejection_that_was_held_is_released(with_undo, refund, alice, carol):
    decide(card_version_of(refund), by=alice, verdict="reject", verdict_input=VerdictInput(message="no"))
    Approval.objects.filter(pk=refund.pk).update(hold_until=times.now())
    kill_switch.stop(by=carol, why=WHY)

    assert clock.sweep().released == 1


def test_silence_that_means_yes_expires_and_lets_nothing_run(refund, stopped):
    Approval.objects.filter(pk=refund.pk).update(
        reversibility="reversible", on_timeout="approve", expires_at=times.now()
    )
    clock.sweep()

    assert load(refund.pk).status == "expired"
    assert not Decision.objects.filter(approval=refund).exists()
    assert refund.events.get(kind=AuditEvent.Kind.EXPIRED).facts == {"silence": "approve", "stopped": True}


@pytest.fixture
def small(action_type):
    """What policy lets pass, and agents may do offline."""
    return action_type("small", strategy="risk", reversibility="reversible")


def test_what_policy_would_pass_is_taken_and_waits_for_a_person(propose, small, stopped):
    passing = propose(amount=1, action="small")

    assert (passing.status, passing.route, passing.reason_code) == ("pending", "review", "stopped")


def test_without_a_stop_the_same_passes(propose, small):
    assert propose(amount=1, action="small").status == "released"


def test_a_released_one_may_be_recalled(executor, alice, stopped):
    taken = recall.recall(card_version_of(executor.fresh()), by=alice, verdict_input=VerdictInput(reason="not_needed"))

    assert taken.status == "recalled"


def test_no_agent_is_given_more_offline_uses(robot, small, carol):
    now = times.now()
    Grant.objects.create(
        agent=robot, action_type=small, tier_id=3, most=2, reserved=2, expires_at=now + timedelta(hours=1),
        granted_by=carol, granted_at=now,
    )  # fmt: skip
    assert [token is None for _grant, token in offline_grants.grants_with_tokens(robot, now=now)] == [False]
    kill_switch.stop(by=carol, why=WHY)

    assert [token for _grant, token in offline_grants.grants_with_tokens(robot, now=now)] == [None]


# --- The switch itself


def test_who_comes_second_finds_the_first_one(carol, mia):
    first = kill_switch.stop(by=carol, why=WHY)

    assert kill_switch.stop(by=mia, why="me too") == first
    assert Stop.objects.count() == 1


@pytest.mark.parametrize("change", [{"why": "nothing"}, {"by": None}, {"began_at": times.now}])
def test_the_database_lets_a_stop_be_lifted_and_nothing_else(stopped, change):
    changed = {name: value() if callable(value) else value for name, value in change.items()}
    with pytest.raises(Error, match="lifted once"), transaction.atomic():
        Stop.objects.update(**changed)
    with pytest.raises(Error, match="lifted once"), transaction.atomic():
        Stop.objects.all().delete()
    kill_switch.lift(by=None)
    with pytest.raises(Error, match="lifted once"), transaction.atomic():
        Stop.objects.update(lifted_at=None)


def test_the_page_stops_and_says_so_everywhere(carol, alice, as_):
    assert as_(carol).post(reverse("kill_switch:stop"), {"why": WHY}).status_code == 302
    for page in ("inbox:inbox", "history:history", "profile:profile", "overload:banner"):
        html = as_(alice).get(reverse(page)).content.decode()
        assert "Everything is stopped." in html, page
        assert WHY in html, page
        assert "offline use run on" in html, page


@pytest.mark.parametrize("why", ["", "  ", "\0", "x" * 501])
def test_a_stop_says_why(carol, as_, why):
    assert as_(carol).post(reverse("kill_switch:stop"), {"why": why}).status_code == (400 if "\0" in why else 422)
    assert as_(carol).post(reverse("kill_switch:stop")).status_code == 422
    assert kill_switch.standing() is None


def test_lifting_takes_a_fresh_login(carol, stopped, as_):
    client = as_(carol)
    assert client.post(reverse("kill_switch:lift"))["Location"].startswith(reverse("account_reauthenticate"))
    assert kill_switch.standing() is not None

    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.post(reverse("kill_switch:lift"), follow=True).content.decode()
    assert page.count("Lifted. Everything goes on.") == 1
    assert kill_switch.standing() is None


def test_a_token_lifts_with_the_password(carol, stopped):
    client = Client(headers={"Authorization": f"Bearer {keys.issue(user=carol, name='test')[1]}"})

    def lifting(password: object) -> int:
        body = {} if password is None else {"password": password}
        return client.delete(reverse("api:stop"), body, content_type="application/json").status_code

    assert [lifting(None), lifting(""), lifting("wrong")] == [422, 422, 403]
    assert kill_switch.standing() is not None
    assert lifting(PASSWORD) == 200
    assert kill_switch.standing() is None


def test_the_audit_log_says_who_stopped_and_who_lifted_it(carol, mia):
    kill_switch.stop(by=carol, why=WHY)
    kill_switch.lift(by=mia)
    events = SystemAuditEvent.objects.filter(kind__in=["stopped", "lifted"]).order_by("seq")

    assert [(event.kind, event.actor) for event in events] == [("stopped", "user:carol"), ("lifted", "user:mia")]
    assert events[0].detail == {"why": WHY}


def test_every_queue_hears_of_it(carol, monkeypatch, django_capture_on_commit_callbacks):
    sent = []
    monkeypatch.setattr("agents.push.send", lambda group, message: sent.append((group, message["type"])))
    with django_capture_on_commit_callbacks(execute=True):
        kill_switch.stop(by=carol, why=WHY)

    assert ("inbox.1.commerce", "overload.changed") in sent


def test_the_command_line_stops_and_lifts(transactional_db):
    out = StringIO()
    call_command("stop", why=WHY, stdout=out)
    assert kill_switch.standing().why == WHY
    call_command("lift", stdout=out)
    call_command("lift", stdout=out)

    assert kill_switch.standing() is None
    assert "Nothing was stopped." in out.getvalue()
    with pytest.raises(CommandError):
        call_command("stop", why=" ")


def test_who_operates_an_agent_may_not_as_a_reviewer(carol, olga):
    assert access.may_stop(carol)
    assert not access.may_stop(olga)
