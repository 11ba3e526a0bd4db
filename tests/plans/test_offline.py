"""Out of reach a signed grant lets a little run; afterwards it is told, and what went too far is alarmed."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from agents import keys
from approvals.db import times
from approvals.execution import permits
from approvals.execution.grants import BadGrant, GrantRequest, give, revoke
from approvals.models import Agent, Approval, Autonomy, Consumption, Grant, Incident, Rule
from approvals.policy import snapshot
from approvals.values import schema
from tests.checker import check
from tests.conftest import sentences_of
from tests.plans.conftest import together
from tests.web import database_url

SMALL = ({"path": "amount", "op": "le", "value": "500"},)


@pytest.fixture
def credits(action_type):
    return action_type("credit", reversibility="reversible")


@pytest.fixture
def standing_approval(credits, robot, bob) -> Grant:
    until = times.now() + timedelta(days=2)
    return give(GrantRequest(robot.pk, "credit", 5, until, 1, conditions=SMALL, reserved=2), by=bob)


@pytest.fixture
def api(robot) -> Client:
    return Client(headers={"Authorization": f"Bearer {keys.issue(agent=robot, name='test')[1]}"})


def listed(api) -> list[dict]:
    response = api.get(reverse("api:grants"))
    assert response.status_code == 200
    return response.json()["grants"]


def use(amount=10, *, key="u1", outcome="succeeded", at=None, action="credit", args=None, version=1, **fields) -> dict:
    args = args if args is not None else {"order": "7", "amount": amount, "currency": "EUR"}
    digest = schema.action_digest(agent="robot", action=action, schema_version=version, args=args, subject="order:7")
    return {
        "key": key,
        "at": (at or times.now()).isoformat(),
        "action": {"name": action, "args": args},
        "action_digest": digest,
        "outcome": outcome,
        "detail": "",
        **fields,
    }


def report(api, grant, *uses):
    address = reverse("api:grant_uses", args=[grant.pk])
    return api.post(address, {"uses": list(uses)}, content_type="application/json")


# --- What the agent is given


def test_the_agent_reads_its_own_with_a_token_for_what_was_set_aside(standing_approval, api, robot):
    [grant] = listed(api)
    claims = permits.read(grant["token"], permits.GRANT, now=times.now())

    assert (grant["id"], grant["offline"], grant["reserved"], grant["most"]) == (str(standing_approval.pk), True, 2, 5)
    assert (claims["aud"], claims["jti"], claims["action"], claims["most"]) == (
        "robot",
        str(standing_approval.pk),
        "credit",
        2,
    )
    assert claims["exp"] - claims["iat"] == 24 * 3600
    # The tier's ceiling, in the dearest currency: 5,000 by 1.2.
    assert {"path": "amount", "op": "le", "value": "4166.66"} in claims["conditions"]
    assert SMALL[0] in claims["conditions"]


def test_online_and_offline_uses_never_exceed_the_count(standing_approval, propose, api):
    online = [propose(1, action="credit", order=str(number)).route for number in range(5)]
    assert online == ["auto"] * 3 + ["review"] * 2
    use_states = report(api, standing_approval, use(key="a"), use(key="b"), use(key="c")).json()["uses"]

    assert [one["status"] for one in use_states] == ["recorded", "recorded", "violation"]
    standing_approval.refresh_from_db()
    assert (standing_approval.used, standing_approval.used_offline, standing_approval.left) == (5, 2, 0)


@pytest.mark.parametrize("what", ["revoked", "over", "level 1", "paused", "rule", "irreversible", "giver"])
def test_no_token_is_given_where_everything_would_be_asked(what, standing_approval, api, bob, credits, robot):
    if what == "revoked":
        revoke(standing_approval.pk, by=bob)
    elif what == "level 1":
        Autonomy.objects.create(agent=robot, action_type=credits, level=1)
    elif what == "paused":
        Agent.objects.filter(pk=robot.pk).update(paused_at=times.now())
    elif what == "rule":
        Rule.objects.create(name="ask", action_type=credits, expression="false", effect="review", message="ask")
    elif what == "irreversible":
        type(credits).objects.filter(pk="credit").update(reversibility="partial")
    elif what == "giver":
        bob.memberships.all().delete()
    snapshot.publish(by=None, note=what)
    moment = standing_approval.expires_at if what == "over" else times.now()
    with times.at(moment):
        assert not [one for one in listed(api) if one["token"]]


def test_rules_that_only_we_can_evaluate_keep_an_action_from_offline_use(credits, robot, bob):
    Rule.objects.create(name="ask", action_type=credits, expression="false", effect="block", message="ask")
    snapshot.publish(by=None, note="rule")
    until = times.now() + timedelta(days=2)
    with pytest.raises(BadGrant, match="cannot be evaluated"):
        give(GrantRequest(robot.pk, "credit", 5, until, 1, reserved=1), by=bob)
    with pytest.raises(BadGrant):
        give(GrantRequest(robot.pk, "credit", 5, until, 1, reserved=6), by=bob)


# --- What the agent tells


def test_a_use_becomes_an_approval_with_its_outcome_and_a_permit_that_is_used_up(standing_approval, api):
    response = report(api, standing_approval, use())
    [use_state] = response.json()["uses"]
    approval = Approval.objects.get(request=use_state["request"])

    assert (use_state["status"], use_state["reasons"], use_state["replayed"]) == ("recorded", [], False)
    assert (approval.source, approval.grant, approval.status, approval.route) == (
        "grant",
        standing_approval,
        "executed",
        "auto",
    )
    assert "while Assent could not be asked" in sentences_of(approval.reasons)[1]
    assert Consumption.objects.get(approval=approval).executor == "offline"
    assert [one.kind for one in approval.events.order_by("seq")] == ["submitted", "released", "consumed", "outcome"]
    assert json.loads(approval.request.answer)["items"][0]["source"] == "grant"


def test_an_unknown_outcome_stays_open(standing_approval, api):
    report(api, standing_approval, use(outcome=None))

    assert Approval.objects.get().status == "released"
    assert Approval.objects.get().consumed_at is not None


def test_the_same_key_is_the_same_use_and_another_use_under_it_is_refused(standing_approval, api):
    offline_use = use()
    first, again = (
        report(api, standing_approval, offline_use).json()["uses"][0],
        report(api, standing_approval, offline_use).json()["uses"][0],
    )

    assert (again["request"], again["replayed"]) == (first["request"], True)
    assert report(api, standing_approval, use(11)).status_code == 422
    standing_approval.refresh_from_db()
    assert standing_approval.used == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"amount": 501}, "The arguments do not meet its conditions."),
        ({"args": {"order": "7", "amount": 1}}, "The arguments are none of this action: /currency"),
        ({"args": '{"order": '}, "The arguments are none of this action"),
        ({"action": "refund"}, "It was not given for refund."),
        ({"action": "unheard-of"}, "It was not given for unheard-of."),
        ({"action_digest": "sha256:" + "0" * 64}, "The digest is not that of what is reported."),
        ({"ago": timedelta(days=1)}, "It was not in force at"),
        ({"ago": -timedelta(hours=1)}, "It was not in force at"),
    ],
)
def test_a_use_beyond_its_scope_is_recorded_as_a_violation_and_alarmed(sent, reason, standing_approval, api, refunds):
    ago = sent.pop("ago", timedelta(0))
    [use_state] = report(api, standing_approval, use(**{"at": times.now() - ago, **sent})).json()["uses"]
    approval = Approval.objects.get(request=use_state["request"])
    incident = Incident.objects.get()

    assert use_state["status"] == "violation"
    assert any(one["text"].startswith(reason) for one in use_state["reasons"])
    assert (approval.source, approval.verdict, approval.grant) == ("policy", "reject", standing_approval)
    assert approval.events.filter(kind="incident").exists()
    assert (incident.approval, incident.severity) == (approval, "critical")
    assert reason in incident.text
    standing_approval.refresh_from_db()
    assert standing_approval.used == 0


def test_a_use_after_its_revocation_is_alarmed_and_one_before_is_not(standing_approval, api, bob):
    before = times.now()
    revoke(standing_approval.pk, by=bob)
    body = report(
        api, standing_approval, use(key="a", at=before), use(key="b", at=times.now() + timedelta(seconds=1))
    ).json()

    assert [one["status"] for one in body["uses"]] == ["recorded", "violation"]


def test_what_policy_refuses_is_alarmed(standing_approval, api, credits):
    Rule.objects.create(name="no", action_type=credits, expression="true", effect="block", message="no")
    snapshot.publish(by=None, note="no")
    [use_state] = report(api, standing_approval, use()).json()["uses"]

    assert use_state["status"] == "violation"
    assert "Refused by the rule 'no': no" in [one["text"] for one in use_state["reasons"]]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"at": "yesterday"}, "/uses/0/at"),
        ({"at": "2026-11-21T09:00:00"}, "/uses/0/at"),
        ({"key": ""}, "/uses/0/key"),
        ({"outcome": "fine"}, "/uses/0/outcome"),
        ({"more": 1}, "/uses/0/more"),
    ],
)
def test_a_report_of_another_shape_is_pointed_at(change, pointer, standing_approval, api):
    response = report(api, standing_approval, {**use(), **change})

    assert response.status_code == 422
    assert pointer in {one["pointer"] for one in response.json()["errors"]}
    assert not Approval.objects.exists()


def test_another_agents_grant_is_not_there(standing_approval, credits):
    other = Client(headers={"Authorization": f"Bearer {keys.issue(agent=Agent.objects.create(name='x'), name='x')[1]}"})

    assert listed(other) == []
    assert report(other, standing_approval, use()).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_reports_at_once_never_exceed_what_was_set_aside(standing_approval, api):
    uses = iter([use(key=str(number)) for number in range(10)])
    statuses = together(lambda: report(api, standing_approval, next(uses)).json()["uses"][0]["status"], 10)

    assert sorted(map(str, statuses)) == ["recorded"] * 2 + ["violation"] * 8
    assert check(database_url()) == []
