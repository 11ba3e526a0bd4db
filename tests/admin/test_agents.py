"""Agents are paused and resumed; keys are issued once and revoked."""

import hashlib

import pytest

from agents import keys
from agents.models import ApiKey
from approvals.models import Agent

AGENT = "/admin/approvals/agent/{}/"


@pytest.fixture
def desk(as_, admin):
    return as_(admin)


def test_a_secret_is_shown_once_and_only_its_hash_is_stored(desk, robot):
    answer = desk.post(AGENT.format(robot.pk) + "issue_key/", {"name": "production", "scopes": ["read", "submit"]})
    secret = answer.context["secret"]
    key = ApiKey.objects.get()

    assert secret in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert key.name == "production" and key.agent == robot
    assert key.hash == hashlib.sha256(secret.encode()).hexdigest()
    assert keys.who(secret).agent_id == robot.pk
    stored = " ".join(str(value) for value in ApiKey.objects.values().get().values())
    assert secret not in stored
    for page in (AGENT.format(robot.pk) + "change/", AGENT.format(robot.pk) + "history/", "/admin/agents/apikey/"):
        assert secret not in desk.get(page).content.decode()


def test_looking_at_the_page_issues_nothing(desk, robot):
    assert desk.get(AGENT.format(robot.pk) + "issue_key/").status_code == 200
    assert desk.post(AGENT.format(robot.pk) + "issue_key/", {"name": "", "scopes": []}).status_code == 200

    assert not ApiKey.objects.exists()


def test_a_revoked_key_is_refused(desk, robot):
    key, secret = keys.issue(agent=robot, name="old")

    assert desk.get(f"/admin/agents/apikey/{key.pk}/revoke_this/").status_code == 200
    assert keys.who(secret) is not None
    assert desk.post(f"/admin/agents/apikey/{key.pk}/revoke_this/").status_code == 302

    assert keys.who(secret) is None


def test_several_keys_are_revoked_together(desk, robot):
    issued = [keys.issue(agent=robot, name=str(n))[0] for n in range(3)]

    desk.post("/admin/agents/apikey/", {"action": "revoke", "_selected_action": [str(key.pk) for key in issued]})

    assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_a_key_is_neither_added_nor_changed_nor_deleted(as_, root, robot):
    key, _secret = keys.issue(agent=robot)
    browser = as_(root)

    assert browser.get("/admin/agents/apikey/add/").status_code == 403
    assert browser.post(f"/admin/agents/apikey/{key.pk}/change/", {"name": "mine"}).status_code == 403
    assert browser.post(f"/admin/agents/apikey/{key.pk}/delete/", {"post": "yes"}).status_code == 403


def test_an_agent_is_paused_and_resumed_from_the_list(desk, robot):
    desk.post("/admin/approvals/agent/", {"action": "pause", "_selected_action": [str(robot.pk)]})
    robot.refresh_from_db()
    paused_at = robot.paused_at
    desk.post("/admin/approvals/agent/", {"action": "pause", "_selected_action": [str(robot.pk)]})
    robot.refresh_from_db()

    assert paused_at is not None and robot.paused_at == paused_at
    desk.post("/admin/approvals/agent/", {"action": "resume", "_selected_action": [str(robot.pk)]})
    robot.refresh_from_db()
    assert robot.paused_at is None


def test_an_agent_is_paused_from_its_page(desk, save, robot):
    save(desk, AGENT.format(robot.pk) + "change/", approvals_agent_pause_this="1")
    robot.refresh_from_db()
    assert robot.paused_at is not None

    save(desk, AGENT.format(robot.pk) + "change/", approvals_agent_resume_this="1")
    robot.refresh_from_db()
    assert robot.paused_at is None


def test_nobody_takes_themselves_off_their_own_agent(as_, root, save, refused, robot):
    robot.operators.add(root)

    complaint = refused(save(as_(root), AGENT.format(robot.pk) + "change/", operators=[]))

    assert "Nobody takes themselves off" in complaint
    assert root in robot.operators.all()


def test_an_agent_is_never_deleted(as_, root, robot):
    assert as_(root).post(AGENT.format(robot.pk) + "delete/", {"post": "yes"}).status_code == 403
    assert Agent.objects.filter(pk=robot.pk).exists()
