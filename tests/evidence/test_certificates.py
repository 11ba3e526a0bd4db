"""A gate opens below the declared threshold only under a certificate of exactly that cell, and not for long."""

import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command

from approvals.db import times
from approvals.evidence import catch_rates, labels
from approvals.evidence.guarantees import CatchRate
from approvals.execution import incidents
from approvals.history import seal
from approvals.models import ActionType, Agent, Autonomy, Certificate, EvidenceCell, SystemAuditEvent
from approvals.policy import snapshot
from approvals.policy.authoring import rehearsal
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.policy.authoring.rehearsal import Period
from console.evidence.sentences import event_sentence
from tests.conftest import sentences_of
from tests.evidence.labelled import judged, mostly_right

IMPACT_ALONE = {
    "stated_confidence": 0,
    "tool_validity": 0,
    "retrieval_relevance": 0,
    "precedent": 0,
    "policy": 0,
    "impact": 1,
}


@pytest.fixture
def credits(action_type) -> ActionType:
    """Its score is its impact alone: 1 up to 100 euros, 0.8 up to 5,000. It passes from 0.95 on."""
    return action_type(
        "credit",
        reversibility="reversible",
        strategy="confidence",
        weights=IMPACT_ALONE,
        auto_threshold="0.950",
        review_threshold="0.500",
        threshold_start="0.800",
    )


@pytest.fixture
def readers_are_known(monkeypatch) -> CatchRate:
    """Of 300 seeded faults people caught each."""
    rate = CatchRate()
    for _ in range(300):
        rate.see(caught=True)
    monkeypatch.setattr(catch_rates, "of", lambda name: [rate])
    return rate


@pytest.fixture
def enter() -> Callable[[], int]:
    def sweep() -> int:
        seal.seal(now=times.now())
        return labels.enter_labels()

    return sweep


@pytest.fixture
def agents(db) -> list[Agent]:
    return [Agent.objects.create(name=name) for name in ("careful", "steady", "careless")]


def routes(propose, agents: list[Agent], **fields: object) -> list[str]:
    return [propose(400, action="credit", agent=agent, **fields).route for agent in agents]


@pytest.fixture
def certified(credits, propose, alice, robot, readers_are_known, enter) -> Certificate:
    """What robot has earned with 150 labels without a fault."""
    judged(robot, credits, mostly_right(150), by=alice)
    enter()
    return Certificate.objects.get(advisory=False, ended_at=None)


def test_an_agent_that_is_right_in_60_percent_is_let_through_in_none_of_the_ways_of_those_that_are_right_in_97(
    credits, propose, alice, agents, readers_are_known, enter
):
    careful, steady, careless = agents
    assert routes(propose, agents) == ["review", "review", "review"]
    judged(careful, credits, mostly_right(1200, wrong_every=33), by=alice)
    judged(steady, credits, mostly_right(1200, wrong_every=34), by=alice)
    judged(careless, credits, [*mostly_right(1200, wrong_every=2), *mostly_right(300, wrong_every=5)], by=alice)
    enter()

    assert routes(propose, agents) == ["auto", "auto", "review"]
    assert {row.cell.agent.name for row in Certificate.objects.all()} == {"careful", "steady"}


def test_the_card_says_by_what_it_passed_and_a_share_is_looked_at(certified, propose):
    approval = propose(400, action="credit")

    assert (approval.route, approval.source, approval.share) == ("auto", "policy", Decimal("0.050"))
    [reason] = sentences_of(approval.reasons)
    assert reason == (
        "Confidence 0.800 is below 0.95, and passes under a certificate: at or above 0.5 at most 5.0% would be wrong, "
        f"by {certified.labels} labels; false with a probability of at most 5.0%."
    )


def test_without_seeded_cases_it_is_advice_and_opens_nothing(credits, propose, alice, robot, enter):
    judged(robot, credits, mostly_right(300), by=alice)
    enter()

    assert [row.advisory for row in Certificate.objects.all()] == [True]
    assert propose(400, action="credit").route == "review"


def test_readers_who_miss_faults_lower_the_bar(credits, propose, alice, robot, readers_are_known, enter):
    for _ in range(400):
        readers_are_known.see(caught=False)
    judged(robot, credits, mostly_right(150), by=alice)
    enter()

    assert not Certificate.objects.filter(advisory=False).exists()
    judged(robot, credits, mostly_right(300), by=alice)
    enter()
    assert Certificate.objects.get(advisory=False).bar < 0.03


@pytest.mark.parametrize(
    "fields", [{"model": "m-2"}, {"prompt_version": "p-2"}, {"tool_version": "t-2"}, {"action": "refund"}]
)
def test_it_is_of_exactly_that_cell(certified, propose, refunds, fields):
    assert propose(400, **{"action": "credit", **fields}).route == "review"


@pytest.mark.parametrize(
    ("what", "route"),
    [
        ({"by_law": True, "strategy": "always"}, "review"),
        ({"reversibility": "irreversible", "strategy": "always"}, "review"),
        ({"approvers": 2}, "review"),
        ({"strategy": "always"}, "review"),
        ({"spend_limit": 100}, "review"),
        ({"review_threshold": "0.900"}, "reject"),
        ({"weights": {**IMPACT_ALONE, "policy": 0.1}}, "auto"),
    ],
)
def test_what_else_asks_for_a_person_still_does(certified, credits, propose, what, route):
    for name, value in what.items():
        setattr(credits, name, value)
    credits.save()
    snapshot.publish(by=None, note="stricter")

    if "weights" in what:  # other weights make other scores, of which nothing is certified
        assert propose(400, action="credit").route == "review"
    else:
        assert propose(400, action="credit").route == route


def test_a_breaker_and_level_one_ask_all_the_same(certified, credits, propose, robot):
    trust = Autonomy.objects.filter(agent=robot, action_type=credits)
    assert trust.update(level=1)
    assert propose(400, action="credit").route == "review"
    trust.update(level=2)
    assert propose(400, action="credit").route == "auto"


def test_a_turn_for_the_worse_ends_it_and_the_next_uses_later_labels_only(
    certified, credits, propose, robot, alice, enter
):
    judged(robot, credits, ["reject"] * 20, by=alice)
    enter()

    certified.refresh_from_db()
    assert certified.ended_by == "decline"
    assert propose(400, action="credit").route == "review"
    judged(robot, credits, mostly_right(90), by=alice)
    enter()
    assert not Certificate.objects.filter(ended_at=None).exists()
    judged(robot, credits, mostly_right(600), by=alice)
    enter()
    assert Certificate.objects.get(ended_at=None, advisory=False).term == 1


def test_a_severe_incident_ends_it(certified, credits, propose, robot, alice, enter):
    passed = propose(400, action="credit")
    incidents.open_incident(passed, by=alice, severity="low", text="a typing error")
    enter()
    assert propose(400, action="credit").route == "auto"
    incidents.open_incident(passed, by=alice, severity="high", text="paid twice")
    enter()

    certified.refresh_from_db()
    assert certified.ended_by == "incident"
    assert propose(400, action="credit").route == "review"


def test_a_new_stated_version_ends_that_of_the_old_one(certified, credits, robot, alice, propose, enter):
    judged(robot, credits, mostly_right(1), by=alice, agent_model="m-2")
    enter()

    certified.refresh_from_db()
    assert certified.ended_by == "version"
    assert propose(400, action="credit").route == "review"


def test_people_who_catch_fewer_faults_end_it(certified, credits, robot, alice, propose, readers_are_known, enter):
    for _ in range(30):
        readers_are_known.see(caught=False)
    judged(robot, credits, mostly_right(1), by=alice)
    enter()

    certified.refresh_from_db()
    assert certified.ended_by == "catch_rate"


def test_what_opened_and_ended_is_in_the_audit_log(certified, credits, robot, alice, enter):
    judged(robot, credits, ["reject"] * 20, by=alice)
    enter()

    events = SystemAuditEvent.objects.filter(kind__startswith="certificate", detail__advisory=False).order_by("seq")
    assert [(event.kind, event.subject, event.detail.get("ended_by")) for event in events] == [
        ("certificate_opened", "autonomy:robot/credit", None),
        ("certificate_ended", "autonomy:robot/credit", "decline"),
    ]
    assert events[0].detail["labels"] == certified.labels
    begun, over = [event_sentence(event) for event in events]
    assert re.fullmatch(r"Certified from 0\.\d+ for \w+ impact: at most 5 % wrong, by \d+ labels\.", begun)
    assert re.fullmatch(r"The certificate from 0\.\d+ for \w+ impact ended: More was wrong than certified\.", over)


def test_a_rehearsal_goes_by_the_same_certificates(certified, credits, propose):
    approval = propose(400, action="credit")
    assert approval.route == "auto"
    base = snapshot_of_tables()
    Certificate.objects.update(basis="sha256:other")
    draft = snapshot_of_tables()
    draft["types"]["credit"]["auto_threshold"] = "0.960"
    assert rehearsal.rehearse(base, draft, Period()).kinds() == {}
    Certificate.objects.update(basis=certified.basis)
    draft["types"]["credit"]["error_target"] = "0.010"

    assert rehearsal.rehearse(base, draft, Period()).kinds() == {"auto_review": 1}


def test_the_states_are_made_again_from_the_labels_alone(credits, propose, alice, robot, readers_are_known, enter):
    judged(robot, credits, mostly_right(130), by=alice)
    judged(robot, credits, ["", "", "approve", ""], by=alice)
    enter()
    silent = judged(robot, credits, ["approve"] * 3, by=alice, viewed=timedelta(0))
    judged(robot, credits, ["reject"] * 20, by=alice)
    judged(robot, credits, mostly_right(110, wrong_every=40), by=alice)
    enter()
    assert silent
    cell = EvidenceCell.objects.get()
    kept = cell.states
    assert kept["thresholds"]["guarded"]["certifier"]["term"] == 1
    spoiled = json.loads(json.dumps(kept))
    for name in ("guarded", "advisory"):
        spoiled["thresholds"][name]["certifier"]["tallies"][0]["labels"] += 7
    EvidenceCell.objects.update(states=spoiled)
    call_command("recount", stdout=io.StringIO())

    assert EvidenceCell.objects.get().states == kept
