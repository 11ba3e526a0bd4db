"""What a person found on looking afterwards, and what follows from an objection."""

import pytest

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import run_endings
from approvals.execution.post_review import AlreadyReviewed
from approvals.models import Approval, Incident, PostReview
from approvals.requests.submission import Item, RunRef
from tests.checker import check
from tests.permits.conftest import executor_of
from tests.post_review.conftest import UNDO, WINDOW, flag_problem, fresh, mark_fine, report_step, review_of
from tests.runs.conftest import KEY
from tests.web import database_url


def deliveries(approval: Approval) -> list[tuple[str, dict]]:
    rows = approval.deliveries.filter(channel="webhook").order_by("created_at")
    return [(row.topic, row.payload["data"]) for row in rows if not row.topic.startswith("request.decided")]


# --- A veto


def test_a_veto_ends_the_run_undoes_it_and_cancels_what_waits(vetoable, propose_in_run, course, alice, refunds):
    course.step("before", undo=UNDO)
    executor = executor_of(vetoable, course.api)
    assert executor.consume().status_code == 200
    report_step(course, vetoable, "note")
    waiting = propose_in_run("refund")
    flag_problem(vetoable, by=alice)

    assert course.status("note") == course.status("before") == "undoing"
    assert [one["step"] for one in course.read()["to_undo"]] == ["note", "before"]
    assert (fresh(waiting).status, course.read()["stopped"]) == ("cancelled", True)
    event = vetoable.events.get(kind="vetoed")
    assert (event.user, event.facts["why"], "permit" in event.facts) == (alice, "veto", False)
    assert review_of(vetoable).finding == "flagged"


def test_a_veto_takes_back_a_permit_that_nobody_used(vetoable, course, alice):
    executor = executor_of(vetoable, course.api)
    flag_problem(vetoable, by=alice)

    assert executor.consume().json()["code"] in ("vetoed", "run_stopped")
    after = fresh(vetoable)
    assert (after.status, after.verdict, after.outcome.reported_by) == ("skipped", "approve", alice)
    assert vetoable.events.get(kind="vetoed").facts["permit"] == "taken back"


def test_an_objection_alone_takes_its_permit_back_and_stops_nothing(optimistic, course, alice):
    executor = executor_of(optimistic, course.api)
    flag_problem(optimistic, by=alice)

    assert (executor.consume().status_code, executor.consume().json()["code"]) == (409, "vetoed")
    assert course.read()["stopped"] is False


def test_what_the_agent_was_not_told_yet_is_cancelled_and_never_told(optimistic_type, refunds, propose, alice, bob):
    args = {"order": "1", "amount": 5, "currency": "EUR"}
    items = (Item(id="a", action="label", args=args), Item(id="b", action="refund", args=args))
    label = propose(items=items, run=RunRef(KEY))
    other = label.request.approvals.get(item="b")
    assert (label.status, label.request.status) == ("released", "pending")
    flag_problem(label, by=alice)
    decide(card_version_of(load(other.pk)), by=bob, verdict="approve")

    assert (fresh(label).status, fresh(label).verdict) == ("cancelled", "")
    assert '"permit":null' not in fresh(label).request.answer.split('"id":"b"')[0]
    assert "eyJ" not in fresh(label).request.answer.split('"id":"b"')[0]


def test_the_agent_is_told_of_a_veto_and_of_an_objection(vetoable, optimistic_type, propose_in_run, alice):
    from approvals.models import Endpoint

    Endpoint.objects.create(agent=vetoable.agent, url="https://agent.example.com/hook", secret="s")
    labelled = propose_in_run("label", key="other")
    flag_problem(vetoable, by=alice)
    flag_problem(labelled, by=alice)

    payload = {"request": str(vetoable.request_id), "item": vetoable.item, "run": KEY, "stopped": True}
    assert deliveries(vetoable) == [("request.vetoed", payload)]
    assert [(topic, data["stopped"]) for topic, data in deliveries(labelled)] == [("request.flagged", False)]


def test_a_request_that_was_vetoed_says_so_to_its_agent(vetoable, api, alice):
    flag_problem(vetoable, by=alice)
    [item] = api.get(f"requests/{vetoable.request_id}").json()["items"]

    assert (item["runs_before_review"]["finding"], item["outcome"]) == ("flagged", "skipped")


def test_after_the_window_nobody_stops_it_and_the_clock_says_so(vetoable, alice):
    with times.at(vetoable.created_at + WINDOW):
        with pytest.raises(AlreadyReviewed, match="over"):
            flag_problem(vetoable, by=alice)
        assert clock.sweep().lapsed == 1
        assert clock.sweep().lapsed == 0

    assert (review_of(vetoable).finding, fresh(vetoable).status) == ("lapsed", "released")
    event = vetoable.events.get(kind="reviewed")
    assert (event.actor, event.facts) == ("clock", {"why": "veto", "finding": "lapsed"})


def test_the_window_does_not_lapse_before_its_time(vetoable):
    clock.sweep()

    assert review_of(vetoable).finding == "open"
    assert clock.next_moment() == review_of(vetoable).until


def test_fine_within_the_window_ends_it(vetoable, alice, course):
    mark_fine(vetoable, by=alice)
    with times.at(vetoable.created_at + WINDOW):
        assert clock.sweep().lapsed == 0

    assert (review_of(vetoable).finding, review_of(vetoable).by) == ("ok", alice)
    assert executor_of(vetoable, course.api).consume().status_code == 200


# --- A run that is reviewed as a whole


def test_objecting_asks_for_that_step_alone_to_be_undone(optimistic, propose_in_run, course, alice):
    second = propose_in_run("label", order="2")
    for approval, key in ((optimistic, "one"), (second, "two")):
        assert executor_of(approval, course.api).consume().status_code == 200
        report_step(course, approval, key)
    flag_problem(second, by=alice)

    assert (course.status("one"), course.status("two")) == ("done", "undoing")
    assert [one["step"] for one in course.read()["to_undo"]] == ["two"]
    assert [one["step"] for one in course.read()["compensate"]] == ["two", "one"]
    assert second.events.get(kind="reviewed").facts == {"why": "review", "finding": "flagged", "undo": "asked"}


def test_several_are_undone_newest_first(optimistic, propose_in_run, course, alice):
    second = propose_in_run("label", order="2")
    for approval, key in ((optimistic, "one"), (second, "two")):
        executor_of(approval, course.api).consume()
        report_step(course, approval, key)
    flag_problem(optimistic, second, by=alice)

    assert [one["step"] for one in course.read()["to_undo"]] == ["two", "one"]


def test_what_was_under_way_is_undone_as_soon_as_it_has_ended(optimistic, course, alice):
    executor_of(optimistic, course.api).consume()
    report_step(course, optimistic, "label", status="started")
    flag_problem(optimistic, by=alice)
    course.step("label", status="done")

    assert course.status("label") == "undoing"


def test_what_undoes_nothing_is_objected_to_all_the_same(optimistic, course, alice):
    executor_of(optimistic, course.api).consume()
    report_step(course, optimistic, "label", undo=None)
    flag_problem(optimistic, by=alice)

    assert (course.status("label"), review_of(optimistic).finding) == ("done", "flagged")


# --- Samples, silence


@pytest.fixture
def sampled(action_type, propose):
    action_type("tag", strategy="never", reversibility="reversible", sample="1.000")
    return propose(action="tag", run=RunRef(KEY))


def test_an_objection_to_a_sample_opens_an_incident_and_asks_for_the_undo_where_wanted(sampled, course, alice):
    executor_of(sampled, course.api).consume()
    report_step(course, sampled, "tag")
    flag_problem(sampled, by=alice, undo=False, severity="low")

    assert course.status("tag") == "done"
    incident = Incident.objects.get()
    assert (incident.opened_by, incident.text, incident.severity) == (alice, "wrong customer", "low")


def test_an_objection_to_a_sample_undoes_it_unless_told_otherwise(sampled, course, alice):
    executor_of(sampled, course.api).consume()
    report_step(course, sampled, "tag")
    flag_problem(sampled, by=alice)

    assert course.status("tag") == "undoing"
    assert Incident.objects.count() == 0


def test_what_runs_by_silence_and_is_to_be_flagged_has_a_look(action_type, propose):
    action_type("tag", reversibility="reversible", on_timeout="proceed")
    action_type("note", reversibility="reversible", on_timeout="approve")
    proceeds, runs = propose(action="tag", run=RunRef(KEY)), propose(action="note")
    with times.at(proceeds.expires_at):
        clock.sweep()
    with times.at(runs.expires_at):
        clock.sweep()

    assert [fresh(one).source for one in (proceeds, runs)] == ["timeout", "timeout"]
    assert [(one.pk, one.why, one.run.key) for one in PostReview.objects.all()] == [(proceeds.pk, "silence", KEY)]


def test_a_look_that_cannot_be_written_lets_nothing_run_by_silence(action_type, propose, monkeypatch):
    action_type("tag", reversibility="reversible", on_timeout="proceed")
    approval = propose(action="tag")

    def broken(*_: object, **__: object) -> None:
        from django.db import DatabaseError

        raise DatabaseError

    monkeypatch.setattr("approvals.execution.post_review_queue._made", broken)
    with times.at(approval.expires_at):
        clock.sweep()

    assert fresh(approval).status == "pending"


# --- Who, and how often


@pytest.mark.parametrize("who", ["mallory", "olga", "mia", "otto", "ada", "root", "oscar"])
def test_only_who_could_have_decided_it_says_what_was_found(vetoable, who, request):
    person = request.getfixturevalue(who)
    for say in (mark_fine, flag_problem):
        with pytest.raises(NotAllowed):
            say(vetoable, by=person)

    assert review_of(vetoable).finding == "open"


def test_somebody_of_a_lower_tier_does_not(veto_type, propose_in_run, alice, bob):
    big = propose_in_run("note", amount=6000)
    with pytest.raises(NotAllowed):
        mark_fine(big, by=alice)

    assert mark_fine(big, by=bob)


def test_a_set_in_which_one_is_not_yours_is_refused_as_a_whole(vetoable, propose_in_run, alice):
    big = propose_in_run("note", amount=6000)
    with pytest.raises(NotAllowed):
        mark_fine(vetoable, big, by=alice)

    assert review_of(vetoable).finding == "open"


def test_an_objection_says_why(vetoable, alice):
    with pytest.raises(BadVerdict):
        flag_problem(vetoable, by=alice, note="  ")
    with pytest.raises(BadVerdict):
        flag_problem(vetoable, by=alice, note="x" * 5000)

    assert review_of(vetoable).finding == "open"


def test_who_comes_second_reads_who_was_first(vetoable, alice, bob):
    mark_fine(vetoable, by=alice)
    with pytest.raises(AlreadyReviewed, match="Alice"):
        flag_problem(vetoable, by=bob)


def test_of_a_set_those_are_found_that_nobody_had_looked_at(vetoable, propose_in_run, alice, bob):
    second = propose_in_run("note", order="2")
    mark_fine(vetoable, by=bob)

    assert [one.pk for one in mark_fine(vetoable, second, by=alice)] == [second.pk]
    assert vetoable.events.filter(kind="reviewed").count() == second.events.filter(kind="reviewed").count() == 1


def test_looks_are_no_approvals(vetoable, alice, bob):
    before = Approval.objects.filter(source="human").count()
    mark_fine(vetoable, by=alice)

    assert Approval.objects.filter(source="human").count() == before == 0
    assert fresh(vetoable).decided_by is None


@pytest.mark.django_db(transaction=True)
def test_the_database_tells_a_story_that_holds_together(vetoable, optimistic_type, propose_in_run, course, alice):
    used, unused = propose_in_run("label", key="b", order="2"), propose_in_run("label", key="b", order="3")
    executor_of(used, course.api).consume()
    flag_problem(used, unused, by=alice)
    flag_problem(vetoable, by=alice)
    run_endings.end_run(used.request.run)

    assert check(database_url()) == []
