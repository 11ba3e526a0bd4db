"""The kill switch is of the whole house, so that the domain of a reviewer of the highest tier does not matter."""

from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from agents import keys
from approvals.decisions.card_version import load
from approvals.execution import kill_switch
from approvals.models import Agent, User
from approvals.people import roles
from tests.access.agent_keys import client_of
from tests.conftest import PASSWORD


def stops_and_lifts(role: str, user: User | None, as_, password: str = PASSWORD) -> list[bool]:
    """Whether this person stops and lifts, on the page and by a token."""
    browser = as_(user) if user else Client()
    token = client_of(keys.issue(user=user, name="test")[1]) if user else Client()
    done = []
    browser.post(reverse("kill_switch:stop"), {"why": role})
    done.append(kill_switch.standing() is not None)
    kill_switch.stop(by=None, why="another")
    browser.post(reverse("account_reauthenticate"), {"password": password})
    browser.post(reverse("kill_switch:lift"))
    done.append(kill_switch.standing() is None)
    kill_switch.lift(by=None)
    token.post(reverse("api:stop"), {"why": role}, content_type="application/json")
    done.append(kill_switch.standing() is not None)
    kill_switch.stop(by=None, why="another")
    token.delete(reverse("api:stop"), {"password": password}, content_type="application/json")
    done.append(kill_switch.standing() is None)
    kill_switch.lift(by=None)
    return done


def test_the_kill_switch_is_for_the_highest_tier_managers_and_admins(everybody, as_):
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        allowed = role in ("R3", "RX", "manager", "admin", "superuser")
        assert stops_and_lifts(role, user, as_) == [allowed] * 4, role


def test_an_agent_is_paused_by_the_highest_tier_of_its_domain_managers_and_admins(everybody, propose, robot, as_):
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        allowed = role in ("R3", "manager", "admin", "superuser")
        browser = as_(user) if user else Client()
        token = client_of(keys.issue(user=user, name="test")[1]) if user else Client()
        done = []
        for request, reject in (
            (
                lambda browser=browser: browser.post(reverse("agent:pause", args=[robot.pk])),
                lambda browser=browser: browser.post(reverse("agent:reject", args=[robot.pk]), {"message": "no"}),
            ),
            (
                lambda token=token: token.post(reverse("api:agent_pause", args=["robot"])),
                lambda token=token: token.post(
                    reverse("api:reject_pending", args=["robot"]), {"message": "no"}, "application/json"
                ),
            ),
        ):
            approval = propose()
            done.append(browser.get(reverse("agent:agent", args=[robot.pk])).status_code == 200)
            request()
            done.append(Agent.objects.filter(pk=robot.pk, paused_at=None).update(paused_at=None) == 0)
            Agent.objects.update(paused_at=None)
            reject()
            done.append(load(approval.pk).status != "pending")
        assert done == [allowed] * 6, role


def test_an_agents_key_stops_nothing(robot):
    own = client_of(keys.issue(agent=robot, name="own")[1])

    assert own.get(reverse("api:stop")).status_code == 403
    assert own.post(reverse("api:agent_pause", args=["robot"])).status_code == 403
    assert (
        own.post(reverse("api:reject_pending", args=["robot"]), {"message": "x"}, "application/json").status_code == 403
    )
    assert own.post(reverse("api:stop"), {"why": "x"}, content_type="application/json").status_code == 403
    assert kill_switch.standing() is None
