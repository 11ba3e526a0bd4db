from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.evidence.calibration import Lean, calibration
from approvals.evidence.selection import Selection, rows
from tests.evidence.builders import NOON

NOVEMBER = Selection(date(2026, 10, 22), date(2026, 11, 20))


def test_every_band_equals_a_count_by_hand(past, reviewers):
    past.add_many(120, reviewers)
    report = calibration(NOVEMBER)

    for group in [*report.by_type, report.overall]:
        judged = [
            a
            for a in past.added
            if a.source == "human" and a.item_type == "action" and group.key in ("", a.action_type_id)
        ]
        for band in group.bands:
            inside = [a for a in judged if int(a.confidence * 10) == band.index]
            assert band.approved == sum(a.verdict == "approve" for a in inside)
            assert band.modified == sum(a.verdict == "modify" for a in inside)
            assert band.rejected == sum(a.verdict in {"reject", "skip", "answer"} for a in inside)
            assert band.stated == sum((a.confidence for a in inside), Decimal(0))
        share = sum(a.verdict == "approve" for a in judged) / len(judged)
        assert group.gap == pytest.approx(float(sum(a.confidence for a in judged)) / len(judged) - share)
        apart = sum(abs(band.approved - float(band.stated)) for band in group.bands)
        assert group.error == pytest.approx(apart / len(judged))


@pytest.mark.parametrize(
    ("confidence", "band"), [("0.000", 0), ("0.099", 0), ("0.100", 1), ("0.300", 3), ("0.999", 9), ("1.000", 9)]
)
def test_a_confidence_on_a_border_belongs_to_the_band_above_and_one_to_the_last(past, alice, confidence, band):
    approval = past.add("approve", by=alice, confidence=confidence)
    [group] = calibration(NOVEMBER).by_type
    assert [number for number, found in enumerate(group.bands) if found.decided] == [band]
    within = Selection(NOVEMBER.first, NOVEMBER.last, band=band)
    assert rows(within, "approved").get() == approval


def test_what_nobody_judged_says_nothing(past, alice):
    past.add("approve", route="auto")
    past.add("approve", source="timeout")
    past.add(status="expired")
    past.add("answer", by=alice, item_type="question")
    past.add("approve", by=alice, confidence=None)
    report = calibration(NOVEMBER)
    assert report.overall.observed.whole == 0
    assert report.overall.mean is report.overall.error is report.overall.gap is report.overall.worst is None
    assert report.overall.lean is Lean.FEW
    assert report.unscored == 1


@pytest.mark.parametrize(
    ("approved", "rejected", "lean"),
    [(10, 20, Lean.OVER), (30, 0, Lean.UNDER), (24, 6, Lean.FITS), (3, 16, Lean.FEW)],
)
def test_a_score_of_eighty_percent_leans_where_the_interval_does_not_hold_it(past, alice, approved, rejected, lean):
    for verdict, many in (("approve", approved), ("reject", rejected)):
        for _ in range(many):
            past.add(verdict, by=alice, at=NOON, confidence="0.800")
    overall = calibration(NOVEMBER).overall
    assert overall.lean is lean
    assert (overall.worst is not None) == (lean in (Lean.OVER, Lean.UNDER))


def test_the_number_of_queries_does_not_grow(past, reviewers):
    past.add_many(10, reviewers)
    with CaptureQueriesContext(connection) as few:
        calibration(NOVEMBER)
    past.add_many(40, reviewers, seed=8)
    with CaptureQueriesContext(connection) as many:
        calibration(NOVEMBER)
    assert len(few) == len(many) == 3
