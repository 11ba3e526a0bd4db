"""At the same moment, on real PostgreSQL: an executor against a veto, two people, a person against the clock."""

from collections import Counter

import pytest

from approvals import clock
from approvals.db import times
from approvals.execution import steps
from approvals.execution.consume import PermitRefused, PermitUse, PermitUsed, consume
from approvals.execution.post_review import AlreadyReviewed
from approvals.execution.steps import StepReport
from approvals.models import Approval, AuditEvent, PostReview
from tests.checker import check
from tests.concurrency import together
from tests.permits.conftest import executor_of
from tests.post_review.conftest import UNDO, WINDOW, flag_problem, fresh, mark_fine, review_of
from tests.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 12


@pytest.mark.parametrize("kind", ["note", "label"])
def test_an_executor_and_an_objection_never_both_have_it(
    kind, veto_type, optimistic_type, propose_in_run, api, robot, alice
):
    ends = Counter()
    for round_ in range(ROUNDS):
        approval = propose_in_run(kind, key=f"run-{round_}", order=str(round_))
        held = executor_of(approval, api)
        use = PermitUse(held.jti, held.permit, held.digest, "one")
        used, objected = together(
            lambda: consume(use, by=robot),  # noqa: B023
            lambda: flag_problem(approval, by=alice),  # noqa: B023
        )
        assert not isinstance(objected, Exception), objected
        after = fresh(approval)
        if isinstance(used, PermitUsed):
            assert (after.status, after.consumed_at is not None) == ("released", True)
        else:
            assert isinstance(used, PermitRefused) and used.code in ("vetoed", "run_stopped")
            assert (after.status, after.consumed_at) == ("skipped", None)
        ends[type(used)] += 1
    assert check(database_url()) == []


def test_of_two_people_one_has_it_and_the_other_reads_who(veto_type, propose_in_run, alice, bob):
    for round_ in range(ROUNDS):
        approval = propose_in_run("note", key=f"run-{round_}", order=str(round_))
        results = together(
            lambda: mark_fine(approval, by=alice),  # noqa: B023
            lambda: flag_problem(approval, by=bob),  # noqa: B023
        )
        assert [isinstance(one, AlreadyReviewed) for one in results].count(True) == 1, results
        kinds = approval.events.filter(kind__in=["reviewed", "vetoed"])
        assert kinds.count() == 1
        assert (review_of(approval).finding == "ok") == (kinds.get().kind == "reviewed")
    assert check(database_url()) == []


def test_a_veto_against_the_clock(veto_type, propose_in_run, alice):
    for round_ in range(ROUNDS):
        approval = propose_in_run("note", key=f"run-{round_}", order=str(round_))
        PostReview.objects.filter(pk=approval.pk).update(until=times.now())
        vetoed, _ = together(lambda: flag_problem(approval, by=alice), clock.sweep)  # noqa: B023
        assert isinstance(vetoed, AlreadyReviewed)
        clock.sweep()
        assert review_of(approval).finding == "lapsed"
        assert (fresh(approval).status, approval.events.filter(kind="reviewed").count()) == ("released", 1)


def test_two_clocks_close_each_window_once(veto_type, propose_in_run):
    for number in range(60):
        propose_in_run("note", key=f"run-{number}", order=str(number))
    PostReview.objects.update(until=times.now())
    together(*[clock.sweep] * 4)

    assert set(PostReview.objects.values_list("finding", flat=True)) == {"lapsed"}
    assert AuditEvent.objects.filter(kind="reviewed").count() == 60


def test_overlapping_sets_of_two_people_find_each_once(optimistic_type, propose_in_run, alice, bob):
    for round_ in range(ROUNDS // 2):
        mine = [propose_in_run("label", key=f"{round_}", order=f"{round_}-{n}") for n in range(6)]
        together(lambda: mark_fine(*mine[:4], by=alice), lambda: flag_problem(*reversed(mine[2:]), by=bob))  # noqa: B023
        assert not PostReview.objects.filter(finding="open").exists()
        assert AuditEvent.objects.filter(approval__in=mine, kind="reviewed").count() == 6
    assert check(database_url()) == []


def test_a_step_that_is_told_of_while_somebody_objects_is_undone_either_way(
    optimistic_type, propose_in_run, api, robot, alice
):
    for round_ in range(ROUNDS):
        approval = propose_in_run("label", key=f"run-{round_}", order=str(round_))
        held = executor_of(approval, api)
        consume(PermitUse(held.jti, held.permit, held.digest, "one"), by=robot)
        report = StepReport(
            "label", fields={"undo": UNDO}, approval=Approval.objects.select_related("request").get(pk=approval.pk)
        )
        together(
            lambda: steps.record(approval.request.run, report),  # noqa: B023
            lambda: flag_problem(approval, by=alice),  # noqa: B023
        )
        assert approval.steps.get().status == "undoing"


def test_a_window_that_is_not_over_stays_open(veto_type, propose_in_run):
    due, later = propose_in_run("note", key="a"), propose_in_run("note", key="b", order="2")
    PostReview.objects.filter(pk=later.pk).update(until=times.now() + WINDOW * 2)
    with times.at(due.created_at + WINDOW):
        clock.sweep()

    assert (review_of(due).finding, review_of(later).finding) == ("lapsed", "open")
