"""When a run is over: its agent says so, or is silent for as long as its action type waits."""

from datetime import timedelta

from approvals import clock
from approvals.db import times
from approvals.execution import post_review_queue
from approvals.models import Run
from tests.permits.conftest import executor_of
from tests.post_review.conftest import WINDOW, flag_problem, review_of
from tests.runs.conftest import KEY


def test_the_agent_says_that_its_run_is_over_and_the_review_is_due(optimistic, api, alice):
    assert not post_review_queue.due_reviews_of(alice).exists()
    answer = api.post(f"runs/{KEY}/end")

    assert (answer.status_code, answer.json()["ended"]) == (200, True)
    assert [one.pk for one in post_review_queue.due_reviews_of(alice)] == [optimistic.pk]


def test_saying_it_again_changes_nothing(optimistic, api):
    api.post(f"runs/{KEY}/end", {})
    at = Run.objects.get().ended_at
    assert api.post(f"runs/{KEY}/end", {}).status_code == 200

    assert Run.objects.get().ended_at == at


def test_another_agents_run_and_none_are_not_there(optimistic, api, stranger):
    assert stranger.post(f"runs/{KEY}/end").status_code == 404
    assert api.post("runs/nowhere/end").status_code == 404
    assert api.post(f"runs/{KEY}/end", {"status": "good"}).status_code == 422


def test_a_run_that_falls_silent_is_over(optimistic, alice):
    with times.at(optimistic.created_at + WINDOW - timedelta(seconds=1)):
        clock.sweep()
    assert Run.objects.get().ended_at is None

    with times.at(optimistic.created_at + WINDOW):
        assert clock.sweep().lapsed == 1
    assert Run.objects.get().ended_at == optimistic.created_at + WINDOW
    assert (review_of(optimistic).finding, review_of(optimistic).until) == ("open", None)
    assert post_review_queue.due_reviews_of(alice).exists()


def test_whatever_is_heard_of_it_puts_its_end_off(optimistic, course):
    later = optimistic.created_at + timedelta(minutes=6)
    with times.at(later):
        assert executor_of(optimistic, course.api).consume().status_code == 200
    with times.at(optimistic.created_at + WINDOW):
        clock.sweep()
    assert (Run.objects.get().ended_at, review_of(optimistic).until) == (None, later + WINDOW)

    with times.at(later + WINDOW):
        clock.sweep()
    assert Run.objects.get().ended_at is not None


def test_in_a_run_that_was_stopped_the_review_is_due_at_once(optimistic, veto_type, propose_in_run, alice):
    flag_problem(propose_in_run("note"), by=alice)

    assert [one.pk for one in post_review_queue.due_reviews_of(alice)] == [optimistic.pk]


def test_what_goes_ahead_in_a_run_that_is_over_is_due_at_once(optimistic, propose_in_run, api, alice):
    api.post(f"runs/{KEY}/end")
    again = propose_in_run("label", order="2")

    assert again.status == "released"
    assert {one.pk for one in post_review_queue.due_reviews_of(alice)} == {optimistic.pk, again.pk}


def test_it_may_be_looked_at_before_the_end(optimistic, alice):
    assert [one.pk for one in post_review_queue.open_reviews_of(alice)] == [optimistic.pk]
