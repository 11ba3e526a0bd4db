"""An approved action caused harm: its agent or the people who answer for it say so, and it counts."""

from decimal import Decimal

import pytest

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import agent_reports as agents_own
from approvals.execution.incidents import open_incident
from approvals.history import seal
from approvals.models import Delivery, Endpoint, Incident
from approvals.policy import messages
from approvals.requests.submission import Item
from tests.checker import check
from tests.web import database_url


@pytest.fixture
def executed_refund(propose, bob, robot):
    """A refund of tier 2 that was approved and has run."""
    refund = propose(amount=6000)
    decide(card_version_of(refund), by=bob, verdict="approve")
    agents_own.report_outcome(refund, by=robot, result="succeeded")
    return load(refund.pk)


def incident_body(approval, **more):
    return {
        "request": str(approval.request_id),
        "item": approval.item,
        "severity": "high",
        "text": "paid twice",
        **more,
    }


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_the_agent_reports_harm(executed_refund, robot, api):
    Endpoint.objects.create(agent=robot, url="https://robot.example/hook", secret="s")
    response = api.post("incidents", incident_body(executed_refund, cost="120.5"))

    assert response.status_code == 201
    assert response.json()["cost"] == "120.50"
    incident = Incident.objects.get()
    assert (incident.severity, incident.text, incident.opened_by) == ("high", "paid twice", None)
    assert incident.cost == Decimal("120.50")
    assert executed_refund.events.get(kind="incident").actor == "agent:robot"
    assert Delivery.objects.get(topic="incident.opened").payload["data"]["severity"] == "high"
    assert check(database_url()) == []


def test_the_same_report_again_is_the_one_there_is(executed_refund, api):
    api.post("incidents", incident_body(executed_refund))
    again = api.post("incidents", incident_body(executed_refund))
    other = api.post("incidents", incident_body(executed_refund, text="and the customer left"))

    assert (again.status_code, other.status_code) == (200, 201)
    assert executed_refund.events.filter(kind="incident").count() == Incident.objects.count() == 2


def test_who_decides_and_the_manager_report_harm_and_nobody_else(executed_refund, request):
    opens = set()
    for name in ("alice", "bob", "carol", "olga", "mallory", "mia", "otto", "ada", "root", "oscar"):
        try:
            open_incident(executed_refund, by=request.getfixturevalue(name), severity="low", text=f"{name} saw it")
            opens.add(name)
        except NotAllowed:
            pass

    assert opens == {"bob", "carol", "mia"}
    assert set(Incident.objects.values_list("opened_by__username", flat=True)) == opens


def test_nothing_that_did_not_run_caused_harm(propose, alice, api):
    waiting, refused = propose(order="1"), propose(order="2")
    decide(card_version_of(refused), by=alice, verdict="reject", verdict_input=VerdictInput(message="no"))

    for approval in (waiting, refused):
        response = api.post("incidents", incident_body(approval))
        assert (response.status_code, response.json()["code"]) == (409, "not_decided")
        with pytest.raises(NotAllowed):
            open_incident(approval, by=alice, severity="low", text="?")
    assert not Incident.objects.exists()


def test_an_agent_learns_no_verdict_by_reporting_harm(propose, alice, api):
    fields = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}
    approved = propose(items=(Item(id="a", **fields), Item(id="b", **fields)))
    decide(card_version_of(approved), by=alice, verdict="approve")

    assert load(approved.pk).status == "released"
    assert api.post("incidents", incident_body(approved)).status_code == 409


def test_another_agents_approval_is_not_there(executed_refund, stranger):
    assert stranger.post("incidents", incident_body(executed_refund)).status_code == 404
    assert not Incident.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"severity": "mild"}, {"severity": None}, {"text": ""}, {"text": "x" * 4001}, {"request": "1"}),
        *({"opened_by": 1}, {"cost": "a lot"}, {"cost": "-1"}, {"cost": 1}),
    ],
)
def test_bad_input_is_refused(wrong, executed_refund, api):
    assert api.post("incidents", incident_body(executed_refund, **wrong)).status_code == 422
    assert not Incident.objects.exists()


def test_a_person_says_what_happened(executed_refund, bob):
    with pytest.raises(BadVerdict):
        open_incident(executed_refund, by=bob, severity="low", text="  ")


def test_an_incident_counts_against_the_agent_in_what_it_proposes_next(executed_refund, propose, robot):
    def precedent():
        [signal] = [one for one in propose(amount=6000).assessment["signals"] if one["name"] == "precedent"]
        return messages.sentences([signal["note"]])[0]

    assert precedent() == "1 of the last 1 approved unchanged by people"
    open_incident(executed_refund, by=robot, severity="high", text="paid twice")
    assert precedent() == "0 of the last 1 approved unchanged by people"


def test_an_incident_keeps_what_it_cost(executed_refund, bob):
    incident, _new = open_incident(executed_refund, by=bob, severity="low", text="paid twice", cost=" 420.5 ")
    incident.refresh_from_db()
    assert incident.cost == Decimal("420.50")
    assert seal.verify(executed_refund.pk).ok


@pytest.mark.parametrize("cost", ["-1", "much", "NaN", "1e15", "Infinity"])
def test_a_cost_that_is_no_amount_is_refused(executed_refund, bob, cost):
    with pytest.raises(BadVerdict) as refused:
        open_incident(executed_refund, by=bob, severity="low", text="paid twice", cost=cost)
    assert [fault.pointer for fault in refused.value.faults] == ["/cost"]
    assert not Incident.objects.exists()
