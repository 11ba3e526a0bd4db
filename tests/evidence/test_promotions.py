"""What labels earn and cost: a promotion that waits for its signature, a warning that has more drawn, a lost level."""

from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.autonomy import levels
from approvals.db import times
from approvals.db.ids import new_id
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.evidence import catch_rates, label_recounts, labels, promotions
from approvals.evidence.guarantees import CatchRate, Promotion, labels_needed
from approvals.evidence.promotions import LevelCounting
from approvals.history import seal
from approvals.models import (
    Agent,
    Autonomy,
    Breaker,
    Delivery,
    EvidenceCell,
    Label,
    LevelEvidence,
    SystemAuditEvent,
)
from approvals.policy import snapshot


@pytest.fixture
def cell(robot, refunds):
    return EvidenceCell.objects.create(
        id=new_id(), agent=robot, action_type=refunds, agent_model="m1", impact="medium", began_at=times.now()
    )


@pytest.fixture
def count(cell, refund):
    """Have labels counted: count(right=80, wrong=2). All are of one proposal, of which only the time matters."""

    def make(*, right=0, wrong=0, unseen=0, missing=0, settled_right=0, share="1"):
        counting = LevelCounting(replaying=False)

        def label(**fields):
            return Label(approval=refund, cell=cell, share=Decimal(share), **fields)

        for _ in range(wrong):
            counting.see(cell, label(drawn=True, wrong=True))
        for _ in range(right):
            counting.see(cell, label(drawn=True, wrong=False))
        for _ in range(unseen):
            counting.see(cell, label(drawn=False, wrong=None))
        for _ in range(missing):
            counting.see(cell, label(drawn=True, wrong=True, missing=True))
        for _ in range(settled_right):
            counting.correct(cell, label(drawn=True, wrong=False, missing=True))
        counting.store(cell)
        cell.save()
        return LevelEvidence.objects.get()

    return make


def test_labels_are_counted_as_the_statistics_say_whatever_the_parts_they_come_in(count):
    evidence = None
    for right, wrong in ((30, 0), (0, 1), (69, 0)):
        evidence = count(right=right, wrong=wrong)
    whole = Promotion(0.05, 0.05)
    for wrong in [False] * 30 + [True] + [False] * 69:
        whole.see(wrong=wrong)

    assert (evidence.labels, evidence.wrong) == (100, 1)
    assert evidence.e == pytest.approx(whole.e)
    assert (evidence.earned, evidence.needed) == (whole.earned, whole.needed) == (False, whole.needed)
    assert (evidence.e_needed, evidence.fewest) == (20, labels_needed(0.05, 0.05))
    assert whole.needed > 20


def test_what_is_earned_waits_and_managers_hear_of_it_once(count, mia, robot):
    assert not count(right=87).earned
    assert not Delivery.objects.filter(topic="level.earned").exists()
    evidence = count(right=1)

    assert evidence.earned
    row = Autonomy.objects.get()
    assert (row.agent_model, row.level, row.level_in("medium")) == ("m1", 2, 2), "nothing changes by itself"
    count(right=1)
    assert Delivery.objects.filter(topic="level.earned").count() == 1

    with times.at(times.now() + timedelta(days=8)):
        levels.sign(evidence.pk, by=mia, from_level=2)
    row.refresh_from_db()
    assert [row.level_in(band) for band in levels.BANDS] == [2, 3, 2]
    assert count(right=50).labels == 0, "what was proposed before the level began counts for nothing"


def test_a_missing_label_counts_as_wrong_until_it_is_there_and_says_nothing_of_a_decline(count, cell):
    evidence = count(right=20, missing=3)
    assert (evidence.labels, evidence.wrong) == (23, 3)
    before = cell.states["levels"]["decline"]["evidence"]

    evidence = count(settled_right=3)

    assert (evidence.labels, evidence.wrong) == (23, 0)
    assert cell.states["levels"]["decline"]["evidence"] != before
    assert evidence.e == pytest.approx(expected(23))


def expected(right: int) -> float:
    whole = Promotion(0.05, 0.05)
    for _ in range(right):
        whole.see(wrong=False)
    return whole.e


def test_a_turn_costs_a_level_and_opens_the_breaker_at_once(count, mia, alice):
    count(right=60)
    evidence = None
    for _ in range(16):
        evidence = count(wrong=1, right=1)
        if Breaker.objects.exists():
            break

    row = Autonomy.objects.get()
    assert (row.level_in("medium"), row.level_in("low")) == (1, 2)
    assert Breaker.objects.get().cause == "alarm"
    event = SystemAuditEvent.objects.get(kind="level_lowered")
    assert (event.detail["cause"], event.detail["version"]) == ("alarm", "m1")
    assert event.detail["labels"] > 60
    assert evidence.labels == 0
    assert Delivery.objects.filter(topic="level.lowered", target="alice@example.com").count() == 1


def test_a_warning_has_more_drawn_before_that_and_ends_by_itself(count):
    evidence = count(wrong=4)
    assert not evidence.warned
    while not evidence.warned:
        evidence = count(wrong=1)
    assert not Breaker.objects.exists()

    while evidence.warned:
        evidence = count(right=10)
    assert evidence.labels < 1000


def test_what_passes_with_a_share_of_nothing_is_out_of_reach(count):
    assert count(right=30, unseen=0).needed > 0
    evidence = count(unseen=1, share="0")

    assert (evidence.e, evidence.needed) == (0, None)


def test_another_bar_starts_anew_and_so_does_the_first_seeded_case(count, refunds, monkeypatch):
    count(right=50)
    refunds.level_bar = Decimal("0.100")
    refunds.save()
    snapshot.publish(by=None, note="bar")
    evidence = count(right=1)
    assert evidence.labels == 0, "of what was proposed before the bar changed nothing counts"
    assert evidence.careful

    rate = CatchRate(0.025)
    for _ in range(100):
        rate.see(caught=True)
    monkeypatch.setattr(catch_rates, "of", lambda action_type: [rate])
    evidence = count(right=1)
    assert (evidence.careful, evidence.e_needed) == (False, 40)
    assert evidence.fewest > labels_needed(0.1, 0.05)


def test_the_states_of_a_cell_made_anew_from_its_labels_are_the_same(propose, alice):
    approvals = [propose(order=str(number)) for number in range(6)]
    for number, approval in enumerate(approvals):
        verdict = "reject" if number == 2 else "approve"
        verdict_input = VerdictInput(message="No.", reason="other", viewed=timedelta(seconds=30))
        decide(card_version_of(approval), by=alice, verdict=verdict, verdict_input=verdict_input)
    seal.seal(now=times.now())
    labels.enter_labels()
    with times.at(times.now() + timedelta(days=8)):
        labels.enter_labels()
    [cell] = EvidenceCell.objects.all()
    shown = LevelEvidence.objects.values().get()
    assert (shown["labels"], shown["wrong"]) == (6, 1)
    before = cell.states["levels"]

    label_recounts.rebuild(cell)

    assert cell.states["levels"] == before
    again = LevelEvidence.objects.values().get()
    assert {**again, "updated_at": None} == {**shown, "updated_at": None}


def test_gates_are_named_with_few_of_them_wrongly(robot, action_type, refunds):
    """Of twenty cells the e-values decide together: one alone needs 400."""
    wire = action_type("wire", reversibility="irreversible")
    by_law = action_type("filing", by_law=True)
    now = times.now()
    rows = {}
    for number, (kind, e) in enumerate([(refunds, 150.0), (refunds, 250.0), (wire, 1e9), (by_law, 1e9)]):
        agent = Agent.objects.create(name=f"agent-{number}")
        row = Autonomy.objects.create(agent=agent, action_type=kind, level=2)
        rows[number] = LevelEvidence.objects.create(
            autonomy=row, impact="medium", began_at=now, counts_from=now, e=e, labels=200
        )
    for number in range(18):
        row = Autonomy.objects.create(agent=Agent.objects.create(name=f"bad-{number}"), action_type=refunds, level=2)
        LevelEvidence.objects.create(autonomy=row, impact="medium", began_at=now, counts_from=now, e=0.5, labels=9)

    def named() -> set[int]:
        promotions.name_gates()
        return {number for number, row in rows.items() if LevelEvidence.objects.get(pk=row.pk).may_lose_gate}

    assert named() == set()
    LevelEvidence.objects.filter(pk=rows[0].pk).update(e=210.0)
    assert named() == {0, 1}
    LevelEvidence.objects.filter(pk=rows[1].pk).update(e=1.0)
    assert named() == set()
