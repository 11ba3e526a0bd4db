"""When a run is over: its agent says so, or is silent for as long as its action type waits."""

from datetime import timedelta

from approvals import times
from approvals.models import Run
from approvals.review import audits, clock
from tests.afterwards.conftest import WINDOW, look, object_to
from tests.permits.conftest import executor_of
from tests.runs.conftest import KEY


def test_the_agent_says_that_its_run_is_over_and_the_review_is_due(labelled, api, alice):
    assert not audits.due_of(alice).exists()
    answer = api.post(f"runs/{KEY}/end")

    assert (answer.status_code, answer.json()["ended"]) == (200, True)
    assert [one.pk for one in audits.due_of(alice)] == [labelled.pk]


def test_saying_it_again_changes_nothing(labelled, api):
    api.post(f"runs/{KEY}/end", {})
    at = Run.objects.get().ended_at
    assert api.post(f"runs/{KEY}/end", {}).status_code == 200

    assert Run.objects.get().ended_at == at


def test_another_agents_run_and_none_are_not_there(labelled, api, stranger):
    assert stranger.post(f"runs/{KEY}/end").status_code == 404
    assert api.post("runs/nowhere/end").status_code == 404
    assert api.post(f"runs/{KEY}/end", {"status": "good"}).status_code == 422


def test_a_run_that_falls_silent_is_over(labelled, alice):
    with times.at(labelled.created_at + WINDOW - timedelta(seconds=1)):
        clock.sweep()
    assert Run.objects.get().ended_at is None

    with times.at(labelled.created_at + WINDOW):
        assert clock.sweep().lapsed == 1
    assert Run.objects.get().ended_at == labelled.created_at + WINDOW
    assert (look(labelled).finding, look(labelled).until) == ("open", None)
    assert audits.due_of(alice).exists()


def test_whatever_is_heard_of_it_puts_its_end_off(labelled, course):
    later = labelled.created_at + timedelta(minutes=6)
    with times.at(later):
        assert executor_of(labelled, course.api).consume().status_code == 200
    with times.at(labelled.created_at + WINDOW):
        clock.sweep()
    assert (Run.objects.get().ended_at, look(labelled).until) == (None, later + WINDOW)

    with times.at(later + WINDOW):
        clock.sweep()
    assert Run.objects.get().ended_at is not None


def test_in_a_run_that_was_stopped_the_review_is_due_at_once(labelled, noting, go, alice):
    object_to(go("note"), by=alice)

    assert [one.pk for one in audits.due_of(alice)] == [labelled.pk]


def test_what_goes_ahead_in_a_run_that_is_over_is_due_at_once(labelled, go, api, alice):
    api.post(f"runs/{KEY}/end")
    again = go("label", order="2")

    assert again.status == "released"
    assert {one.pk for one in audits.due_of(alice)} == {labelled.pk, again.pk}


def test_it_may_be_looked_at_before_the_end(labelled, alice):
    assert [one.pk for one in audits.open_of(alice)] == [labelled.pk]
