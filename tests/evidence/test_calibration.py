"""What labels say of scores: counted as they enter, the same when counted anew, and read by week and group."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.evidence import labels
from approvals.evidence.calibration import Lean, ScoreSelection, calibration
from approvals.evidence.calibration_counts import COMPARED, COMPOSITE, Against, monday_of
from approvals.execution import agent_reports
from approvals.history import seal
from approvals.models import Approval, CalibrationRollup, PostReview
from approvals.policy import snapshot
from approvals.policy.precedent.curves import Observed
from tests.evidence.labelled import judged, mostly_right

READ, NO = VerdictInput(viewed=timedelta(seconds=30)), VerdictInput(reason="other", message="no")
PARTS = [900, 950, None, None, 700, 1000, 800]


@pytest.fixture
def lately(db):
    """The weeks that hold everything: lately(score="precedent")."""
    today = monday_of(times.now())
    return lambda **chosen: ScoreSelection(today - timedelta(weeks=12), today, **chosen)


def counted():
    names = [field.name for field in CalibrationRollup._meta.fields if field.name != "id"]
    return sorted(map(str, CalibrationRollup.objects.values_list(*names)))


def sweep(*, later=timedelta(0)):
    now = times.now()
    seal.seal(now=now)
    with times.at(now + later):
        labels.enter_labels()


def test_what_is_counted_as_labels_enter_equals_a_recount(refunds, propose, robot, alice, lately):
    refunds.horizon = timedelta(minutes=1)
    refunds.save()
    snapshot.publish(by=None, note="a minute")
    right, wrong, late = (propose(order=str(number)) for number in range(3))
    decide(card_version_of(right), by=alice, verdict="approve", verdict_input=READ)
    decide(card_version_of(wrong), by=alice, verdict="reject", verdict_input=NO)
    sweep(later=timedelta(minutes=2))
    assert calibration(lately()).whole.count == 2, "nobody judged the third"
    assert calibration(lately(against=Against.OUTCOMES)).whole.count == 0, "nobody says what came of it"

    decide(card_version_of(late), by=alice, verdict="approve", verdict_input=READ)
    agent_reports.report_outcome(Approval.objects.get(pk=right.pk), by=robot, result="failed")
    agent_reports.report_outcome(Approval.objects.get(pk=late.pk), by=robot, result="succeeded")
    sweep()
    people, outcomes = calibration(lately()).whole.pooled, calibration(lately(against=Against.OUTCOMES)).whole.pooled
    assert (people.count, people.share) == (3, pytest.approx(2 / 3))
    assert (outcomes.count, outcomes.share) == (2, 0.5)
    assert people.score == pytest.approx(float(right.routed_score), abs=1e-9)

    live = counted()
    call_command("recount", verbosity=0)
    assert counted() == live
    sweep(later=timedelta(minutes=5))
    assert counted() == live, "nothing is counted twice"


def test_the_page_holds_what_the_gate_compares_against_labels_and_the_composite_apart(propose, monkeypatch):
    """The composite as it came was held against labels, while thresholds compare what was observed where it is less."""
    seen = Observed(Decimal("0.412"), 300, 40)
    monkeypatch.setattr("approvals.policy.assessment._observed", lambda *given: seen)
    approval = propose()

    assert approval.routed_score == Decimal("0.412") < approval.confidence
    assert approval.routed_parts[0] == int(approval.confidence * 1000)
    names = [signal["name"] for signal in approval.assessment["signals"]]
    assert len([part for part in approval.routed_parts[1:] if part is not None]) == len(names)


def test_each_score_alone_is_read_and_missing_signals_say_nothing(robot, refunds, alice, lately):
    judged(robot, refunds, mostly_right(50, wrong_every=5), by=alice, score="0.850", routed_parts=PARTS)
    labels.enter_labels()
    readings = {reading.key: reading for reading in calibration(lately()).by_score}

    assert readings[COMPARED].pooled.score == pytest.approx(0.85)
    assert readings[COMPOSITE].pooled.score == pytest.approx(0.9)
    assert readings["precedent"].pooled.score == pytest.approx(0.7)
    assert [name for name, reading in readings.items() if not reading.count] == ["tool_validity", "retrieval_relevance"]
    assert {reading.pooled.share for reading in readings.values() if reading.count} == {0.8}


def test_what_was_drawn_as_one_of_twenty_stands_for_twenty_and_what_was_not_drawn_for_nothing(
    robot, refunds, alice, lately
):
    judged(robot, refunds, mostly_right(40), by=alice)
    few = judged(robot, refunds, ["reject"] * 2, by=alice, share=Decimal("0.050"))
    Approval.objects.filter(pk__in=[one.pk for one in few]).update(faulted_at=times.now())
    judged(robot, refunds, [""] * 30, by=alice)
    PostReview.objects.bulk_create(
        PostReview(approval=one, why="sampled", tier_id=1, domain=one.domain, opened_at=times.now()) for one in few
    )
    labels.enter_labels()
    pooled = calibration(lately()).whole.pooled

    assert (pooled.count, pooled.share) == (42, pytest.approx(40 / 80))
    assert pooled.effective == pytest.approx(80**2 / (40 + 2 * 400))


def test_groups_are_told_apart_and_a_score_that_errs_is_named(robot, refunds, action_type, alice, lately):
    mail = action_type("mail", reversibility="reversible")
    judged(robot, refunds, mostly_right(200, wrong_every=2), by=alice, score="0.900", impact="high", agent_model="m1")
    judged(robot, mail, mostly_right(100, wrong_every=10), by=alice, score="0.900", impact="low")
    labels.enter_labels()
    whole = calibration(lately())

    assert [(group.key, group.count, group.lean) for group in whole.by_type] == [
        ("refund", 200, Lean.OVER),
        ("mail", 100, Lean.FITS),
    ]
    assert [(group.key, group.count) for group in whole.by_impact] == [("high", 200), ("low", 100)]
    assert [(group.name, group.count) for group in whole.by_agent] == [("robot", 300)]
    assert [(group.name, group.agent) for group in whole.by_version] == [("robot · m1", str(robot.pk))]
    assert whole.worst.share == pytest.approx(190 / 300)
    low, high = whole.worst.gap_interval
    assert 0 < low < whole.worst.gap < high
    narrowed = calibration(lately(action_type="mail", impact="low", agent=robot.pk))
    assert (narrowed.whole.count, narrowed.worst) == (100, None)
    assert narrowed.band


def test_what_the_first_weeks_showed_is_judged_by_the_later_ones(robot, refunds, alice, lately):
    early = judged(robot, refunds, mostly_right(120, wrong_every=3), by=alice, score="0.900")
    Approval.objects.filter(pk__in=[one.pk for one in early]).update(created_at=times.now() - timedelta(days=50))
    judged(robot, refunds, mostly_right(90, wrong_every=3), by=alice, score="0.900")
    labels.enter_labels()
    whole = calibration(lately())

    assert (whole.judged_later.earlier, whole.judged_later.later) == (120, 90)
    assert whole.judged_from == monday_of(times.now() - timedelta(days=30))
    assert whole.judged_later.gain == pytest.approx((0.9 - 2 / 3) ** 2, abs=0.001)
    assert calibration(lately(impact="low")).judged_later is None


def test_a_year_costs_as_many_queries_as_a_week(robot, refunds, alice):
    today = monday_of(times.now())
    judged(robot, refunds, mostly_right(50, wrong_every=5), by=alice)
    labels.enter_labels()
    queries = []
    for weeks in (1, 52):
        with CaptureQueriesContext(connection) as captured:
            calibration(ScoreSelection(today - timedelta(weeks=weeks), today))
        queries.append(len(captured))
    assert queries == [7, 7]
