"""From a composite to what people made of it: fitted where enough was decided, and only where people looked."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals import tasks
from approvals.evidence import fitted
from approvals.models import ActionType, Approval, Curve
from approvals.policy import curves, snapshot
from approvals.policy.assess import assess, gather, recall
from approvals.policy.curves import Curve as Fit
from approvals.policy.curves import Judged, Observed, Point, fit
from approvals.policy.history import Question
from approvals.policy.routing import Standing, route

TWO = Standing(level=2)


def d(text) -> Decimal:
    return Decimal(str(text))


# --- The fit


def test_a_fit_rises_where_the_decisions_do_not():
    points = fit([Judged(d("0.5"), 20, 40), Judged(d("0.6"), 10, 40), Judged(d("0.7"), 38, 40)])
    assert points == [Point(d("0.5"), d("0.6"), 30, 80), Point(d("0.7"), d("0.7"), 38, 40)]


def test_few_decisions_make_no_step_of_their_own():
    points = fit([Judged(d("0.5"), 10, 40), Judged(d("0.6"), 30, 40), Judged(d("0.9"), 3, 3)])
    assert points == [Point(d("0.5"), d("0.5"), 10, 40), Point(d("0.6"), d("0.9"), 33, 43)]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 30), st.integers(1, 30)), unique_by=lambda one: one[0]))
def test_every_fit_rises_loses_nothing_and_is_broad(rows):
    judged = [Judged(d(score) / 1000, min(yes, many), many) for score, yes, many in rows]
    points = fit(judged)
    shares = [point.approved / point.decided for point in points]
    assert shares == sorted(shares)
    assert sum(point.decided for point in points) == sum(one.decided for one in judged)
    assert all(lower.high < upper.low for lower, upper in pairwise(points))
    assert len(points) < 2 or all(point.decided >= curves.LEAST for point in points)


def test_a_fit_is_the_isotonic_regression():
    """By its other definition: the greatest least mean of what lies around a score (Barlow and others, 1972)."""
    judged = [Judged(d(n) / 20, (n * 7) % 31 + 20, 60) for n in range(20)]
    points = fit(judged)
    for place, one in enumerate(judged):
        [point] = [point for point in points if point.low <= one.score <= point.high]
        expected = max(min(mean(judged[a : b + 1]) for b in range(place, 20)) for a in range(place + 1))
        assert point.approved / point.decided == pytest.approx(expected)


def mean(judged) -> float:
    return sum(one.approved for one in judged) / sum(one.decided for one in judged)


def test_outside_of_what_people_saw_nothing_is_claimed():
    curve = Fit((Point(d("0.5"), d("0.6"), 30, 80), Point(d("0.7"), d("0.8"), 38, 40)), 120, {})
    assert curve.at(d("0.55"), {}) == Observed(d("0.375"), 80)
    assert curve.at(d("0.65"), {}) == Observed(d("0.375"), 80)  # between two steps the lower one holds
    assert curve.at(d("0.8"), {}) == Observed(d("0.950"), 40)
    assert curve.at(d("0.499"), {}) is curve.at(d("0.801"), {}) is curve.at(None, {}) is None
    assert curve.at(d("0.55"), {"precedent": 1}) is None  # other weights make other scores


# --- What routing makes of it


def seen(share, decided=412):
    return Observed(d(share), decided)


@pytest.mark.parametrize(
    ("composite", "share", "expected"),
    [("0.70", "0.85", "auto"), ("0.90", "0.849", "review"), ("0.90", "0.599", "reject"), ("0.10", "0.60", "review")],
)
def test_the_bands_compare_what_was_observed_where_it_is_known(ask, weighed, policy, composite, share, expected):
    routing = route(ask(), weighed(composite, "0.90", observed=seen(share)), policy, TWO)
    assert routing.route == expected


def test_our_own_signals_must_carry_it_all_the_same(ask, weighed, policy):
    routing = route(ask(), weighed("0.70", "0.599", observed=seen("0.99")), policy, TWO)
    assert (routing.route, routing.reason_code) == ("review", "low_confidence")


def test_the_reason_says_which_of_the_two_it_is(ask, weighed, policy):
    routing = route(ask(), weighed("0.710", "0.90", observed=seen("0.930")), policy, TWO)
    said = "Confidence 0.930 (people approved that share of 412 with a composite like 0.710) is at or above 0.85"
    assert routing.reasons[0].startswith(said)
    assert route(ask(), weighed(), policy, TWO).reasons[0].startswith("Confidence 0.90 is at or above 0.85")


# --- From decisions to curves


@pytest.fixture
def decided(refunds, propose, alice):
    """decided("0.7", approved=60, of=100): decisions of people on refunds with that score."""
    pattern = propose()

    def make(score, *, approved, of):
        row = Approval.objects.filter(pk=pattern.pk).values().get()
        made = []
        for number in range(of):
            row |= {"id": None, "confidence": d(score), "status": "released", "source": "human"}
            row |= {"verdict": "approve" if number < approved else "reject", "decided_by_id": alice.pk}
            row |= {"decided_at": row["created_at"], "released_at": row["created_at"], "item": f"{score}-{number}"}
            made.append(Approval(**{name: value for name, value in row.items() if name != "id"}))
        Approval.objects.bulk_create(made)

    return make


def test_two_hundred_decisions_make_a_curve_and_one_fewer_none(decided):
    decided("0.6", approved=30, of=100)
    decided("0.8", approved=90, of=99)
    tasks.fit_curves()
    assert not Curve.objects.exists()
    decided("0.81", approved=1, of=1)
    tasks.fit_curves()
    curve = Curve.objects.get()
    assert (curve.action_type_id, curve.decided) == ("refund", 200)
    assert curve.points == [["0.600", "0.600", 30, 100], ["0.800", "0.810", 91, 100]]


def test_what_was_weighed_otherwise_does_not_count(decided, refunds):
    decided("0.6", approved=30, of=250)
    assert fitted.fit_all() == 1
    ActionType.objects.filter(pk="refund").update(weights={"precedent": 0.5})
    snapshot.publish(by=None, note="other weights")
    assert fitted.fit_all() == 0
    assert not Curve.objects.exists()


def test_a_proposal_stores_what_was_observed_and_a_rehearsal_takes_it_from_there(decided, propose, robot):
    before = propose(order="9")
    score = before.confidence
    decided(score, approved=186, of=200)
    fitted.fit_all()
    # Decided ones are precedent, too: the score of the next is another, so the curve is read for the score itself.
    Curve.objects.update(points=[["0.000", "1.000", 186, 200]])
    found = propose(order="10")
    assert found.assessment["observed"] == {"share": 0.93, "decided": 200}
    Curve.objects.all().delete()
    kind = snapshot.current().types["refund"]
    args = {"order": "10", "amount": 420, "currency": "EUR"}
    question = Question(
        kind, robot.pk, robot.name, args, found.digest, found.created_at, value=found.value, approval_id=found.pk
    )
    assert recall(question, found.assessment).observed == Observed(d("0.93"), 200)
    assert recall(question, {**found.assessment, "composite": 0.111}).observed is None
    [history] = gather([question])
    assert assess(question, history).observed is None
