"""A level is gained by signature alone, band by band and one at a time, and lost at once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from approvals.autonomy import levels
from approvals.autonomy.levels import LevelChanged, NotEarned
from approvals.db import times
from approvals.errors import NotAllowed
from approvals.execution import incidents
from approvals.models import (
    Approval,
    Autonomy,
    Breaker,
    Delivery,
    Incident,
    LevelEvidence,
    PostReview,
    SystemAuditEvent,
)
from tests.concurrency import rounds


def events(*kinds: str) -> list[SystemAuditEvent]:
    return list(SystemAuditEvent.objects.filter(kind__in=kinds).order_by("seq"))


# --- Signing


def test_a_manager_signs_what_was_earned_on_its_numbers(evidence, autonomy, mia):
    signed = levels.sign(evidence("low").pk, by=mia, from_level=2)

    autonomy.refresh_from_db()
    assert [autonomy.level_in(band) for band in ("low", "medium", "high")] == [3, 2, 2]
    [event] = events("level_raised")
    assert (event.actor, event.subject) == ("user:mia", "autonomy:robot/refund")
    assert event.detail == {
        "version": "",
        "impact": "low",
        "from_level": 2,
        "to_level": 3,
        "labels": 100,
        "wrong": 0,
        "e": 31.5,
        "bar": 0.05,
        "delta": 0.05,
        "careful": True,
    }
    signed.refresh_from_db()
    assert (signed.labels, signed.earned, signed.e) == (0, False, 1.0)
    assert signed.counts_from == signed.began_at > times.now() - timedelta(minutes=1)


@pytest.mark.parametrize("role", ["alice", "carol", "otto", "ada", "root", "oscar"])
def test_nobody_else_signs(role, request, evidence, autonomy):
    with pytest.raises(NotAllowed):
        levels.sign(evidence().pk, by=request.getfixturevalue(role), from_level=2)

    autonomy.refresh_from_db()
    assert autonomy.level == 2


def test_a_manager_who_operates_the_agent_does_not_sign(evidence, mia, robot):
    robot.operators.add(mia)

    with pytest.raises(NotAllowed):
        levels.sign(evidence().pk, by=mia, from_level=2)


def test_what_the_page_showed_is_what_is_signed(evidence, mia):
    row = evidence()
    levels.sign(row.pk, by=mia, from_level=2)
    LevelEvidence.objects.update(earned=True, began_at=times.now() - timedelta(days=30))

    with pytest.raises(LevelChanged):
        levels.sign(row.pk, by=mia, from_level=2)


@pytest.mark.parametrize("lack", ["earned", "time", "breaker", "incident", "reversibility"])
def test_whatever_is_missing_keeps_the_level(lack, evidence, autonomy, mia, open_breaker, propose, refunds, robot):
    row = evidence(earned=lack != "earned")
    if lack == "time":
        LevelEvidence.objects.update(began_at=times.now() - timedelta(days=6))
    elif lack == "breaker":
        open_breaker(robot)
    elif lack == "incident":
        Incident.objects.create(approval=propose(), severity="high", text="money is gone")
    elif lack == "reversibility":
        Autonomy.objects.update(level=3)  # partial: level 4 is for what can be undone

    with pytest.raises(NotEarned):
        levels.sign(row.pk, by=mia, from_level=3 if lack == "reversibility" else 2)


def test_an_incident_that_a_manager_closed_holds_up_nothing(evidence, propose, mia, otto, robot):
    row = evidence()
    incident = Incident.objects.create(approval=propose(), severity="critical", text="money is gone")
    with pytest.raises(NotAllowed):
        levels.close_incident(incident, by=otto)

    assert levels.close_incident(incident, by=mia)
    assert not levels.close_incident(incident, by=mia)
    levels.sign(row.pk, by=mia, from_level=2)
    assert len(events("incident_closed")) == 1


def test_bands_of_lower_value_come_first_and_a_rare_one_holds_up_none(evidence, mia):
    low = evidence("low", labels=3, earned=False, needed=85)
    high = evidence("high")
    assert levels.sign(high.pk, by=mia, from_level=2)

    low.labels = 200  # enough to earn it, and it has not
    low.save()
    medium = evidence("medium")
    with pytest.raises(NotEarned):
        levels.sign(medium.pk, by=mia, from_level=2)


def test_the_database_refuses_what_is_above_the_reversibility(robot, action_type):
    wire = action_type("wire", reversibility="irreversible")
    for fields in ({"level": 3}, {"level": 2, "level_high": 3}):
        with pytest.raises(IntegrityError, match="never passes level 2"), transaction.atomic():
            Autonomy.objects.create(agent=robot, action_type=wire, **fields)
    row = Autonomy.objects.create(agent=robot, action_type=wire, level=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        Autonomy.objects.filter(pk=row.pk).update(level=4)


# --- Losing one


def test_an_incident_of_high_severity_costs_every_level_and_opens_the_breaker(autonomy, refund, alice, mia):
    Autonomy.objects.update(level=3)
    Approval.objects.filter(pk=refund.pk).update(
        status="executed", verdict="approve", source="human", decided_by=alice, decided_at=times.now()
    )
    incidents.open_incident(refund, by=mia, severity="low", text="a typo")
    autonomy.refresh_from_db()
    assert autonomy.level == 3

    incidents.open_incident(refund, by=mia, severity="high", text="paid twice")

    autonomy.refresh_from_db()
    assert [autonomy.level_in(band) for band in levels.BANDS] == [1, 1, 1]
    [lowered] = events("level_lowered")
    assert (lowered.actor, lowered.detail["cause"], lowered.detail["to_level"]) == ("user:mia", "incident", 1)
    breaker = Breaker.objects.get()
    assert (breaker.cause, breaker.agent, breaker.action_type_id) == ("incident", refund.agent, "refund")
    addresses = set(Delivery.objects.filter(topic="breaker.opened").values_list("target", flat=True))
    assert addresses == {"mia@example.com", "alice@example.com"}
    assert all(delivery.due_at <= times.now() for delivery in Delivery.objects.filter(channel="mail"))


def test_an_alarm_costs_one_level_of_its_band(autonomy, evidence):
    Autonomy.objects.update(level=3)

    levels.lower_by_alarm(evidence("low", wrong=20), now=times.now())

    autonomy.refresh_from_db()
    assert [autonomy.level_in(band) for band in levels.BANDS] == [2, 3, 3]
    [lowered] = events("level_lowered")
    assert (lowered.actor, lowered.detail["labels"], lowered.detail["wrong"]) == ("policy", 100, 20)
    assert Breaker.objects.get().cause == "alarm"
    row = LevelEvidence.objects.get()
    assert (row.labels, row.earned, row.warned) == (0, False, False)


def test_lowering_by_hand_lowers_only_what_is_above(autonomy, mia, otto):
    Autonomy.objects.update(level=3, level_high=1)
    with pytest.raises(NotAllowed):
        levels.lower_by_hand(autonomy.pk, by=otto, level=2)

    levels.lower_by_hand(autonomy.pk, by=mia, level=2)

    autonomy.refresh_from_db()
    assert [autonomy.level_in(band) for band in levels.BANDS] == [2, 2, 1]
    with pytest.raises(NotAllowed):
        levels.lower_by_hand(autonomy.pk, by=mia, level=3)


# --- Races


@pytest.mark.django_db(transaction=True)
def test_of_two_signatures_at_once_one_raises_the_level(robot, action_type, mia, person):
    max_ = person("max", is_manager=True)
    kinds = [action_type(f"refund{number}") for number in range(8)]
    rows = [signable(robot, kind) for kind in kinds]

    results = rounds(
        len(rows),
        lambda number: levels.sign(rows[number].pk, by=mia, from_level=2),
        lambda number: levels.sign(rows[number].pk, by=max_, from_level=2),
    )

    assert all({type(result) for result in pair} == {LevelEvidence, LevelChanged} for pair in results), results
    assert set(Autonomy.objects.values_list("level", flat=True)) == {3}
    assert len(events("level_raised")) == len(rows)


@pytest.mark.django_db(transaction=True)
def test_a_signature_beside_an_alarm_never_ends_above_where_it_began(robot, action_type, mia):
    kinds = [action_type(f"refund{number}") for number in range(8)]
    rows = [signable(robot, kind) for kind in kinds]

    results = rounds(
        len(rows),
        lambda number: levels.sign(rows[number].pk, by=mia, from_level=2),
        lambda number: levels.lower_by_alarm(rows[number], now=times.now()),
    )

    # Signed first and then lowered, or lowered first and then not signed any more.
    for row, (signed, alarm) in zip(rows, results, strict=True):
        assert alarm is None
        expected = 2 if isinstance(signed, LevelEvidence) else 1
        assert Autonomy.objects.get(pk=row.autonomy_id).level == expected, (signed, alarm)
        assert isinstance(signed, LevelEvidence | LevelChanged)
    assert Breaker.objects.count() == len(rows)


def signable(robot, kind) -> LevelEvidence:
    began = times.now() - timedelta(days=30)
    row = Autonomy.objects.create(agent=robot, action_type=kind, level=2)
    return LevelEvidence.objects.create(
        autonomy=row, impact="low", began_at=began, counts_from=began, labels=100, e=31.5, earned=True, needed=0
    )


# --- What routing makes of it


def test_each_version_is_routed_by_its_own_level_and_a_new_one_by_the_newest(autonomy, propose, refunds, robot):
    refunds.strategy = "risk"
    levels.row_of(robot.pk, "refund", ("m2", "", ""), level=2)
    Autonomy.objects.filter(agent_model="m2").update(level=1)

    assert propose(model="").reason_code == "fixed"  # level 2, and its strategy always asks
    assert [row.newest for row in Autonomy.objects.order_by("pk")] == [False, True]
    for model, reason in (("", "always_asks"), ("m2", "level_one"), ("m3", "level_one")):
        assert propose(model=model).reasons[0]["code"] == reason, model


def test_a_new_version_starts_where_the_newest_stands(autonomy, robot):
    Autonomy.objects.update(level=3, level_high=2, shadow=True)

    row = levels.row_of(robot.pk, "refund", ("m2", "p", "t"), level=1)

    assert (row.level, row.level_in("high"), row.shadow, row.newest) == (3, 2, True, True)
    assert levels.row_of(robot.pk, "refund", ("m2", "p", "t"), level=1).pk == row.pk
    assert levels.row_of(robot.pk, "refund", ("", "", ""), level=1).pk == autonomy.pk


def test_a_level_holds_in_its_band_of_value(action_type, robot, propose):
    action_type("tag", strategy="always", reversibility="reversible")
    Autonomy.objects.create(agent=robot, action_type_id="tag", level=4, level_medium=2, level_high=1)

    routes = [(propose(amount, action="tag").route) for amount in (50, 500)]
    high = propose(6000, action="tag")

    assert routes == ["auto", "review"]
    assert high.reasons[0]["code"] == "level_one"


def test_a_hundred_versions_cost_no_further_query(autonomy, robot, propose):
    propose(key="warm")
    with CaptureQueriesContext(connection) as before:
        propose(model="m1")
    for number in range(100):
        levels.row_of(robot.pk, "refund", (f"m{number}", "", ""), level=2)
    with CaptureQueriesContext(connection) as after:
        propose(model="m50")

    assert len(after) == len(before)


def test_while_warned_more_of_what_passes_is_drawn(action_type, robot, propose, evidence):
    tag = action_type("tag", strategy="never", reversibility="reversible", sample="0.250")
    row = Autonomy.objects.create(agent=robot, action_type=tag, level=2)
    evidence("low", of=row, warned=True)

    for number in range(8):
        propose(action="tag", key=f"k{number}")

    assert PostReview.objects.filter(why="sampled").count() == 8
