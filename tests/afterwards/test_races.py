"""At the same moment, on real PostgreSQL: an executor against a veto, two people, a person against the clock."""

from collections import Counter

import pytest

from approvals import times
from approvals.models import Approval, Audit, Event
from approvals.review import clock, steps
from approvals.review.consume import PermitRefused, Use, Used, consume
from approvals.review.findings import AlreadyFound
from approvals.review.steps import Told
from tests.afterwards.conftest import UNDO, WINDOW, fine, fresh, look, object_to
from tests.checker import check
from tests.conftest import database_url
from tests.permits.conftest import executor_of
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 12


@pytest.mark.parametrize("kind", ["note", "label"])
def test_an_executor_and_an_objection_never_both_have_it(kind, noting, labelling, go, api, robot, alice):
    ends = Counter()
    for round_ in range(ROUNDS):
        approval = go(kind, key=f"run-{round_}", order=str(round_))
        held = executor_of(approval, api)
        use = Use(held.jti, held.permit, held.digest, "one")
        used, objected = together(
            lambda: consume(use, by=robot),  # noqa: B023
            lambda: object_to(approval, by=alice),  # noqa: B023
        )
        assert not isinstance(objected, Exception), objected
        after = fresh(approval)
        if isinstance(used, Used):
            assert (after.status, after.consumed_at is not None) == ("released", True)
        else:
            assert isinstance(used, PermitRefused) and used.code in ("vetoed", "run_stopped")
            assert (after.status, after.consumed_at) == ("skipped", None)
        ends[type(used)] += 1
    assert check(database_url()) == []


def test_of_two_people_one_has_it_and_the_other_reads_who(noting, go, alice, bob):
    for round_ in range(ROUNDS):
        approval = go("note", key=f"run-{round_}", order=str(round_))
        found = together(
            lambda: fine(approval, by=alice),  # noqa: B023
            lambda: object_to(approval, by=bob),  # noqa: B023
        )
        assert [isinstance(one, AlreadyFound) for one in found].count(True) == 1, found
        kinds = approval.events.filter(kind__in=["audited", "vetoed"])
        assert kinds.count() == 1
        assert (look(approval).finding == "fine") == (kinds.get().kind == "audited")
    assert check(database_url()) == []


def test_a_veto_against_the_clock(noting, go, alice):
    for round_ in range(ROUNDS):
        approval = go("note", key=f"run-{round_}", order=str(round_))
        Audit.objects.filter(pk=approval.pk).update(until=times.now())
        vetoed, _ = together(lambda: object_to(approval, by=alice), clock.sweep)  # noqa: B023
        assert isinstance(vetoed, AlreadyFound)
        clock.sweep()
        assert look(approval).finding == "lapsed"
        assert (fresh(approval).status, approval.events.filter(kind="audited").count()) == ("released", 1)


def test_two_clocks_close_each_window_once(noting, go):
    for number in range(60):
        go("note", key=f"run-{number}", order=str(number))
    Audit.objects.update(until=times.now())
    together(*[clock.sweep] * 4)

    assert set(Audit.objects.values_list("finding", flat=True)) == {"lapsed"}
    assert Event.objects.filter(kind="audited").count() == 60


def test_overlapping_sets_of_two_people_find_each_once(labelling, go, alice, bob):
    for round_ in range(ROUNDS // 2):
        mine = [go("label", key=f"{round_}", order=f"{round_}-{n}") for n in range(6)]
        together(lambda: fine(*mine[:4], by=alice), lambda: object_to(*reversed(mine[2:]), by=bob))  # noqa: B023
        assert not Audit.objects.filter(finding="open").exists()
        assert Event.objects.filter(approval__in=mine, kind="audited").count() == 6
    assert check(database_url()) == []


def test_a_step_that_is_told_of_while_somebody_objects_is_undone_either_way(labelling, go, api, robot, alice):
    for round_ in range(ROUNDS):
        approval = go("label", key=f"run-{round_}", order=str(round_))
        held = executor_of(approval, api)
        consume(Use(held.jti, held.permit, held.digest, "one"), by=robot)
        told = Told("label", said={"undo": UNDO}, approval=Approval.objects.select_related("pause").get(pk=approval.pk))
        together(
            lambda: steps.record(approval.pause.run, told),  # noqa: B023
            lambda: object_to(approval, by=alice),  # noqa: B023
        )
        assert approval.steps.get().status == "undoing"


def test_a_window_that_is_not_over_stays_open(noting, go):
    due, later = go("note", key="a"), go("note", key="b", order="2")
    Audit.objects.filter(pk=later.pk).update(until=times.now() + WINDOW * 2)
    with times.at(due.created_at + WINDOW):
        clock.sweep()

    assert (look(due).finding, look(later).finding) == ("lapsed", "open")
