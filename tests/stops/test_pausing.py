"""An agent is paused, and all it has pending rejected, in one place each."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from agents import keys
from approvals.decisions.card_version import load
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import agent_pause
from approvals.models import Agent, AuditEvent, Decision
from tests.checker import check
from tests.web import database_url


def test_the_page_pauses_and_resumes_with_a_line_in_the_history(robot, refund, mia, as_):
    address = reverse("agent:pause", args=[robot.pk])
    as_(mia).post(address)
    assert Agent.objects.get(pk=robot.pk).paused_at is not None
    assert "Paused since" in as_(mia).get(reverse("agent:agent", args=[robot.pk])).content.decode()

    as_(mia).post(address, {"on": "no"})
    assert Agent.objects.get(pk=robot.pk).paused_at is None
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == ["Paused.", "Pause ended."]


def test_a_paused_agent_uses_no_permit_and_asks_nothing(executor, propose, robot, mia):
    agent_pause.pause(robot, by=mia)

    assert executor.consume().json()["code"] == "agent_paused"
    assert propose(order="2").verdict == "reject"


def test_all_that_waits_is_rejected_with_the_words_and_the_rest_stays(propose, executor, robot, mia, as_):
    waiting = [propose(order=str(n)) for n in range(3)]
    other = propose(agent=Agent.objects.create(name="other"))
    as_(mia).post(reverse("agent:reject", args=[robot.pk]), {"message": "It repeats itself."})

    for approval in waiting:
        after = load(approval.pk)
        assert (after.status, after.verdict, after.decided_by) == ("released", "reject", mia)
        assert json.loads(after.request.answer)["items"][0]["message"] == "It repeats itself."
        event = approval.events.get(kind=AuditEvent.Kind.DECIDED)
        assert (event.actor, event.facts["everything"]) == ("user:mia", True)
    assert load(other.pk).status == "pending"
    assert executor.fresh().verdict == "approve"


@pytest.mark.parametrize("why", ["", " ", "\0", "x" * 2001])
def test_a_reason_is_needed(robot, refund, mia, as_, why):
    with pytest.raises(BadVerdict):
        agent_pause.reject_pending(robot, by=mia, why=why)
    assert as_(mia).post(reverse("agent:reject", args=[robot.pk]), {"message": why}).status_code == (
        400 if "\0" in why else 422
    )
    assert load(refund.pk).status == "pending"


@pytest.mark.django_db(transaction=True)
def test_more_than_one_set_and_the_invariants_hold(propose, robot, mia, monkeypatch):
    monkeypatch.setattr(agent_pause, "SET", 2)
    for n in range(5):
        propose(order=str(n))

    assert agent_pause.reject_pending(robot, by=mia, why="all of it") == 5
    assert Decision.objects.filter(surface="agent", user=mia).count() == 5
    assert check(database_url()) == []


def test_a_token_does_the_same(robot, refund, mia):
    client = Client(headers={"Authorization": f"Bearer {keys.issue(user=mia, name='test')[1]}"})
    response = client.post(reverse("api:agent_pause", args=["robot"]))
    assert (response.status_code, response.json()["paused"]) == (200, True)
    rejecting = client.post(reverse("api:reject_pending", args=["robot"]), {"message": "no"}, "application/json")
    assert rejecting.json() == {"rejected": 1}
    assert client.delete(reverse("api:agent_pause", args=["robot"])).json() == {
        "agent": "robot",
        "paused": False,
        "since": None,
    }
    assert client.post(reverse("api:agent_pause", args=["nobody"])).status_code == 404


def test_who_may_not_is_refused_below_the_pages_too(robot, refund, bob):
    with pytest.raises(NotAllowed):
        agent_pause.pause(robot, by=bob)
    with pytest.raises(NotAllowed):
        agent_pause.reject_pending(robot, by=bob, why="no")
