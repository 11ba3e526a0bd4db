"""From a composite to what people made of it: fitted where enough was decided, and only where people looked.

It opens no gate and refuses nobody: all that it can do is have a person asked.
"""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals import tasks
from approvals.db.ids import new_id
from approvals.evidence import fitted
from approvals.models import ActionType, Agent, AgentCurve, Approval, Curve, PostReview
from approvals.policy import snapshot
from approvals.policy.assessment import assess, read_histories, recall
from approvals.policy.evaluation_input import EvaluationInput, History
from approvals.policy.precedent import curves
from approvals.policy.precedent.curves import AgentTally, Observed, Point, ScoreDecisions, fit
from approvals.policy.precedent.curves import ScoreCurve as Fit
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from tests.conftest import sentences_of

TWO = AgentStanding(level=2)


def decimal(text) -> Decimal:
    return Decimal(str(text))


# --- The fit


def test_a_fit_rises_where_the_decisions_do_not():
    points = fit(
        [
            ScoreDecisions(decimal("0.5"), 20, 40),
            ScoreDecisions(decimal("0.6"), 10, 40),
            ScoreDecisions(decimal("0.7"), 38, 40),
        ]
    )
    assert points == [Point(decimal("0.5"), decimal("0.6"), 30, 80), Point(decimal("0.7"), decimal("0.7"), 38, 40)]


def test_few_decisions_make_no_step_of_their_own():
    points = fit(
        [
            ScoreDecisions(decimal("0.5"), 10, 40),
            ScoreDecisions(decimal("0.6"), 30, 40),
            ScoreDecisions(decimal("0.9"), 3, 3),
        ]
    )
    assert points == [Point(decimal("0.5"), decimal("0.5"), 10, 40), Point(decimal("0.6"), decimal("0.9"), 33, 43)]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 30), st.integers(1, 30)), unique_by=lambda row: row[0]))
def test_every_fit_rises_loses_nothing_and_is_broad(rows):
    judged = [ScoreDecisions(decimal(score) / 1000, min(yes, many), many) for score, yes, many in rows]
    points = fit(judged)
    shares = [point.approved / point.decided for point in points]
    assert shares == sorted(shares)
    assert sum(point.decided for point in points) == sum(one.decided for one in judged)
    assert all(lower.high < upper.low for lower, upper in pairwise(points))
    assert len(points) < 2 or all(point.decided >= curves.LEAST for point in points)


def test_a_fit_is_the_isotonic_regression():
    """By its other definition: the greatest least mean of what lies around a score (Barlow and others, 1972)."""
    judged = [ScoreDecisions(decimal(n) / 20, (n * 7) % 31 + 20, 60) for n in range(20)]
    points = fit(judged)
    for index, score in enumerate(judged):
        [point] = [point for point in points if point.low <= score.score <= point.high]
        expected = max(min(mean(judged[a : b + 1]) for b in range(index, 20)) for a in range(index + 1))
        assert point.approved / point.decided == pytest.approx(expected)


def mean(judged) -> float:
    return sum(one.approved for one in judged) / sum(one.decided for one in judged)


def test_outside_of_what_people_saw_nothing_is_claimed():
    curve = Fit((Point(decimal("0.5"), decimal("0.6"), 30, 80), Point(decimal("0.7"), decimal("0.8"), 38, 40)), 120, {})
    assert curve.at(decimal("0.55"), {}) == Observed(decimal("0.375"), 80, 0)
    assert curve.at(decimal("0.65"), {}) == Observed(decimal("0.375"), 80, 0)  # between two steps the lower one holds
    assert curve.at(decimal("0.8"), {}) == Observed(decimal("0.950"), 40, 0)
    assert curve.at(decimal("0.499"), {}) is curve.at(decimal("0.801"), {}) is curve.at(None, {}) is None
    assert curve.at(decimal("0.55"), {"precedent": 1}) is None  # other weights make other scores


@pytest.mark.parametrize(
    ("own", "share"),
    [
        (AgentTally(0, 0), "0.500"),  # nothing of its own: the pool's
        (AgentTally(0, 20), "0.250"),  # as many of its own as the pool weighs: half way
        (AgentTally(20, 20), "0.750"),
        (AgentTally(0, 180), "0.050"),
        (AgentTally(180, 180), "0.950"),
    ],
)
def test_an_agents_own_record_counts_the_more_the_longer_it_is(own, share):
    curve = Fit((Point(decimal("0.5"), decimal("0.6"), 300, 600),), 600, {}, (own,))
    assert curve.at(decimal("0.5"), {}) == Observed(decimal(share), 600, own.decided)


# --- What routing makes of it


def observed_share(share, decided=412, own=30):
    return Observed(decimal(share), decided, own)


@pytest.mark.parametrize(
    ("composite", "share", "expected"),
    [
        ("0.70", "0.99", "review"),  # opens nothing
        ("0.849", "1.00", "review"),
        ("0.90", "0.85", "auto"),
        ("0.90", "0.849", "review"),
        ("0.90", "0.000", "review"),  # refuses nothing
        ("0.61", "0.000", "review"),
        ("0.59", "1.00", "reject"),  # nor saves anything from the declared bands
    ],
)
def test_what_was_observed_can_only_have_a_person_asked(
    make_question, make_assessment, policy, composite, share, expected
):
    for level, strategy in [(2, "confidence"), (3, "always"), (3, "confidence")]:
        question = make_question(kind_of(make_question, strategy))
        assessment = make_assessment(composite, "0.90", observed=observed_share(share))
        assert route(question, assessment, policy, AgentStanding(level=level)).route == expected


def kind_of(ask, strategy):
    return replace(ask().type, strategy=strategy)


shares = st.integers(0, 1000).map(lambda thousandths: decimal(thousandths) / 1000)


# What the fixtures make is never changed, so that each case may have the same.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(composite=shares, own=shares, share=shares, bare=st.none() | shares)
def test_no_observation_moves_a_proposal_anywhere_but_to_a_person(
    make_question, make_assessment, policy, composite, own, share, bare
):
    question, without = make_question(), make_assessment(composite, own, without_precedent=bare)
    before = route(question, without, policy, TWO)
    after = route(question, replace(without, observed=observed_share(share)), policy, TWO)
    assert after.route == before.route or (before.route, after.route) == ("auto", "review")


def test_the_reason_says_what_lowered_it(make_question, make_assessment, policy):
    routing = route(make_question(), make_assessment("0.910", "0.90", observed=observed_share("0.730")), policy, TWO)
    assert sentences_of(routing.reasons)[0] == (
        "Confidence 0.910 is at or above 0.85, but what people approved of such proposals is 0.730 for this agent "
        "(412 decided, 30 of them its own), so a person is asked."
    )
    [passed] = sentences_of(route(make_question(), make_assessment(), policy, TWO).reasons)
    assert passed.startswith("Confidence 0.90 is at or above 0.85")


# --- From decisions to curves


def test_many_agents_of_one_type_lift_none_over_the_threshold_and_refuse_no_newcomer(policy, make_question):
    """The scenario that was met: good agents and bad ones pooled, and one curve for them all."""
    rng = Random(7)  # noqa: S311  # the same in every run
    quality = {number: 0.98 if number % 2 else 0.30 for number in range(12)}
    pool, of_agent = Counter(), {}
    for number, good in quality.items():
        record = Counter()
        for _ in range(90):
            score = decimal(rng.choice(["0.700", "0.760", "0.820", "0.860", "0.910"]))
            record[score, rng.random() < good + (0.02 if score > decimal("0.8") else 0)] += 1
        of_agent[number] = [
            ScoreDecisions(score, record[score, True], record[score, True] + record[score, False])
            for score in sorted({score for score, _ in record})
        ]
        pool.update(record)
    judged = [
        ScoreDecisions(score, pool[score, True], pool[score, True] + pool[score, False]) for score, _ in sorted(pool)
    ]
    points = fit({one.score: one for one in judged}.values())
    passed = Counter()
    for number in [*quality, None]:  # None is nobody's: an agent that is new here
        own = tuple(curves.counts(points, of_agent[number])) if number is not None else ()
        curve = Fit(tuple(points), 1080, {}, own)
        for score in (decimal(n) / 100 for n in range(60, 100)):
            question, observed = make_question(), curve.at(score, {})
            assessment = replace(
                assess(question, History()), composite=score, own=decimal("0.9"), without_precedent=None
            )
            routing = route(question, replace(assessment, observed=observed), policy, TWO)
            assert routing.route != "reject"
            assert routing.route == "review" or score >= decimal("0.85")
            passed[number] += routing.route == "auto" and score in {decimal("0.86"), decimal("0.91")}
    assert max(passed[number] for number in quality if number % 2 == 0) == 0  # what people refuse of it passes no more


@pytest.fixture
def decided(refunds, propose, alice):
    """decided("0.7", approved=60, of=100): decisions of people on refunds with that score."""
    pattern = propose()

    def make(score, *, approved, of, **changes):
        row = Approval.objects.filter(pk=pattern.pk).values().get()
        made = []
        for number in range(of):
            row |= {"id": None, "confidence": decimal(score), "status": "released", "source": "human"}
            row |= {"verdict": "approve" if number < approved else "reject", "decided_by_id": alice.pk}
            row |= {"decided_at": row["created_at"], "released_at": row["created_at"], "item": str(new_id()), **changes}
            made.append(Approval(**{name: value for name, value in row.items() if name != "id"}))
        return Approval.objects.bulk_create(made)

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


def test_each_agent_has_its_own_record_at_each_step(decided, propose, robot):
    other = Agent.objects.create(name="other")
    decided("0.6", approved=60, of=100)
    decided("0.6", approved=0, of=50, agent_id=other.pk)
    decided("0.9", approved=90, of=100, agent_id=other.pk)
    fitted.fit_all()
    assert Curve.objects.get().points == [["0.600", "0.600", 60, 150], ["0.900", "0.900", 90, 100]]
    assert dict(AgentCurve.objects.values_list("agent__name", "counts")) == {
        "robot": [[60, 100], [0, 0]],
        "other": [[0, 50], [90, 100]],
    }
    decided("0.6", approved=0, of=10)
    fitted.fit_all()
    assert AgentCurve.objects.get(agent=robot).counts == [[60, 110], [0, 0]]


def test_what_was_looked_at_afterwards_and_what_people_found_fault_with_count(decided, alice):
    decided("0.7", approved=100, of=200)
    passed = decided("0.9", approved=60, of=60, source="policy", decided_by_id=None)
    fitted.fit_all()
    assert Curve.objects.get().points == [["0.700", "0.700", 100, 200]]  # what nobody looked at says nothing
    at = passed[0].created_at
    PostReview.objects.bulk_create(
        PostReview(approval=approval, why="sampled", tier_id=1, domain_id=approval.domain_id, opened_at=at, **fields)
        for approval, fields in zip(
            passed, [{"finding": "ok", "by": alice, "at": at}] * 30 + [{"finding": "open"}] * 30, strict=True
        )
    )
    Approval.objects.filter(pk__in=[one.pk for one in passed[:12]]).update(faulted_at=at)
    Approval.objects.filter(pk__in=[one.pk for one in passed[30:40]]).update(faulted_at=at)
    fitted.fit_all()
    # 18 fine ones, and 22 that are not: below what people made of lower scores, so both are one step.
    assert Curve.objects.get().points == [["0.700", "0.900", 118, 240]]


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
    AgentCurve.objects.all().delete()
    approval = propose(order="10")
    assert approval.assessment["observed"] == {"share": 0.93, "decided": 200, "own": 0}
    Curve.objects.all().delete()
    kind = snapshot.current().types["refund"]
    args = {"order": "10", "amount": 420, "currency": "EUR"}
    question = EvaluationInput(
        kind,
        robot.pk,
        robot.name,
        args,
        approval.digest,
        approval.created_at,
        value=approval.value,
        approval_id=approval.pk,
    )
    assert recall(question, approval.assessment).observed == Observed(decimal("0.93"), 200, 0)
    assert recall(question, {**approval.assessment, "composite": 0.111}).observed is None
    [history] = read_histories([question])
    assert assess(question, history).observed is None
