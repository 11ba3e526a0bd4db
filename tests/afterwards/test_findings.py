"""What a person found on looking afterwards, and what follows from an objection."""

import pytest

from approvals import times
from approvals.models import Approval, Audit, Incident
from approvals.review import clock, decisions, endings
from approvals.review.decisions import seen
from approvals.review.errors import BadVerdict, NotAllowed
from approvals.review.findings import AlreadyFound
from approvals.review.submission import Item, RunRef
from tests.afterwards.conftest import UNDO, WINDOW, fine, fresh, look, object_to, ran
from tests.checker import check
from tests.conftest import database_url
from tests.permits.conftest import executor_of
from tests.runs.conftest import KEY


def deliveries(approval: Approval) -> list[tuple[str, dict]]:
    rows = approval.deliveries.filter(channel="webhook").order_by("created_at")
    return [(row.topic, row.payload["data"]) for row in rows if not row.topic.startswith("request.decided")]


# --- A veto


def test_a_veto_ends_the_run_undoes_it_and_cancels_what_waits(noted, go, course, alice, refunds):
    course.step("before", undo=UNDO)
    executor = executor_of(noted, course.api)
    assert executor.consume().status_code == 200
    ran(course, noted, "note")
    waiting = go("refund")
    object_to(noted, by=alice)

    assert course.status("note") == course.status("before") == "undoing"
    assert [one["step"] for one in course.read()["to_undo"]] == ["note", "before"]
    assert (fresh(waiting).status, course.read()["stopped"]) == ("cancelled", True)
    event = noted.events.get(kind="vetoed")
    assert (event.user, event.facts["why"], "permit" in event.facts) == (alice, "veto", False)
    assert look(noted).finding == "objected"


def test_a_veto_takes_back_a_permit_that_nobody_used(noted, course, alice):
    executor = executor_of(noted, course.api)
    object_to(noted, by=alice)

    assert executor.consume().json()["code"] in ("vetoed", "run_stopped")
    after = fresh(noted)
    assert (after.status, after.verdict, after.outcome.reported_by) == ("skipped", "approve", alice)
    assert noted.events.get(kind="vetoed").facts["permit"] == "taken back"


def test_an_objection_alone_takes_its_permit_back_and_stops_nothing(labelled, course, alice):
    executor = executor_of(labelled, course.api)
    object_to(labelled, by=alice)

    assert (executor.consume().status_code, executor.consume().json()["code"]) == (409, "vetoed")
    assert course.read()["stopped"] is False


def test_what_the_agent_was_not_told_yet_is_cancelled_and_never_told(labelling, refunds, propose, alice, bob):
    args = {"order": "1", "amount": 5, "currency": "EUR"}
    items = (Item(id="a", action="label", args=args), Item(id="b", action="refund", args=args))
    label = propose(items=items, run=RunRef(KEY))
    other = label.pause.approvals.get(item="b")
    assert (label.status, label.pause.status) == ("released", "pending")
    object_to(label, by=alice)
    decisions.decide(seen(decisions.load(other.pk)), by=bob, verdict="approve")

    assert (fresh(label).status, fresh(label).verdict) == ("cancelled", "")
    assert '"permit":null' not in fresh(label).pause.answer.split('"id":"b"')[0]
    assert "eyJ" not in fresh(label).pause.answer.split('"id":"b"')[0]


def test_the_agent_is_told_of_a_veto_and_of_an_objection(noted, labelling, go, alice):
    from approvals.models import Endpoint

    Endpoint.objects.create(agent=noted.agent, url="https://agent.example.com/hook", secret="s")
    labelled = go("label", key="other")
    object_to(noted, by=alice)
    object_to(labelled, by=alice)

    told = {"request": str(noted.pause_id), "item": noted.item, "run": KEY, "stopped": True}
    assert deliveries(noted) == [("request.vetoed", told)]
    assert [(topic, data["stopped"]) for topic, data in deliveries(labelled)] == [("request.objected", False)]


def test_a_request_that_was_vetoed_says_so_to_its_agent(noted, api, alice):
    object_to(noted, by=alice)
    [item] = api.get(f"requests/{noted.pause_id}").json()["items"]

    assert (item["ahead"]["finding"], item["outcome"]) == ("objected", "skipped")


def test_after_the_window_nobody_stops_it_and_the_clock_says_so(noted, alice):
    with times.at(noted.created_at + WINDOW):
        with pytest.raises(AlreadyFound, match="over"):
            object_to(noted, by=alice)
        assert clock.sweep().lapsed == 1
        assert clock.sweep().lapsed == 0

    assert (look(noted).finding, fresh(noted).status) == ("lapsed", "released")
    event = noted.events.get(kind="audited")
    assert (event.actor, event.facts) == ("clock", {"why": "veto", "finding": "lapsed"})


def test_the_window_does_not_lapse_before_its_time(noted):
    clock.sweep()

    assert look(noted).finding == "open"
    assert clock.next_moment() == look(noted).until


def test_fine_within_the_window_ends_it(noted, alice, course):
    fine(noted, by=alice)
    with times.at(noted.created_at + WINDOW):
        assert clock.sweep().lapsed == 0

    assert (look(noted).finding, look(noted).by) == ("fine", alice)
    assert executor_of(noted, course.api).consume().status_code == 200


# --- A run that is reviewed as a whole


def test_objecting_asks_for_that_step_alone_to_be_undone(labelled, go, course, alice):
    second = go("label", order="2")
    for approval, key in ((labelled, "one"), (second, "two")):
        assert executor_of(approval, course.api).consume().status_code == 200
        ran(course, approval, key)
    object_to(second, by=alice)

    assert (course.status("one"), course.status("two")) == ("done", "undoing")
    assert [one["step"] for one in course.read()["to_undo"]] == ["two"]
    assert [one["step"] for one in course.read()["compensate"]] == ["two", "one"]
    assert second.events.get(kind="audited").facts == {"why": "review", "finding": "objected", "undo": "asked"}


def test_several_are_undone_newest_first(labelled, go, course, alice):
    second = go("label", order="2")
    for approval, key in ((labelled, "one"), (second, "two")):
        executor_of(approval, course.api).consume()
        ran(course, approval, key)
    object_to(labelled, second, by=alice)

    assert [one["step"] for one in course.read()["to_undo"]] == ["two", "one"]


def test_what_was_under_way_is_undone_as_soon_as_it_has_ended(labelled, course, alice):
    executor_of(labelled, course.api).consume()
    ran(course, labelled, "label", status="started")
    object_to(labelled, by=alice)
    course.step("label", status="done")

    assert course.status("label") == "undoing"


def test_what_undoes_nothing_is_objected_to_all_the_same(labelled, course, alice):
    executor_of(labelled, course.api).consume()
    ran(course, labelled, "label", undo=None)
    object_to(labelled, by=alice)

    assert (course.status("label"), look(labelled).finding) == ("done", "objected")


# --- Samples, silence


@pytest.fixture
def sampled(action_type, propose):
    action_type("tag", strategy="never", reversibility="reversible", sample="1.000")
    return propose(action="tag", run=RunRef(KEY))


def test_an_objection_to_a_sample_opens_an_incident_and_asks_for_the_undo_where_wanted(sampled, course, alice):
    executor_of(sampled, course.api).consume()
    ran(course, sampled, "tag")
    object_to(sampled, by=alice, undo=False, severity="low")

    assert course.status("tag") == "done"
    incident = Incident.objects.get()
    assert (incident.opened_by, incident.text, incident.severity) == (alice, "wrong customer", "low")


def test_an_objection_to_a_sample_undoes_it_unless_told_otherwise(sampled, course, alice):
    executor_of(sampled, course.api).consume()
    ran(course, sampled, "tag")
    object_to(sampled, by=alice)

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
    assert [(one.pk, one.why, one.run.key) for one in Audit.objects.all()] == [(proceeds.pk, "silence", KEY)]


def test_a_look_that_cannot_be_written_lets_nothing_run_by_silence(action_type, propose, monkeypatch):
    action_type("tag", reversibility="reversible", on_timeout="proceed")
    approval = propose(action="tag")

    def broken(*_: object, **__: object) -> None:
        from django.db import DatabaseError

        raise DatabaseError

    monkeypatch.setattr("approvals.review.audits._made", broken)
    with times.at(approval.expires_at):
        clock.sweep()

    assert fresh(approval).status == "pending"


# --- Who, and how often


@pytest.mark.parametrize("who", ["mallory", "olga", "mia", "otto", "ada", "root", "oscar"])
def test_only_who_could_have_decided_it_says_what_was_found(noted, who, request):
    person = request.getfixturevalue(who)
    for say in (fine, object_to):
        with pytest.raises(NotAllowed):
            say(noted, by=person)

    assert look(noted).finding == "open"


def test_somebody_of_a_lower_tier_does_not(noting, go, alice, bob):
    big = go("note", amount=6000)
    with pytest.raises(NotAllowed):
        fine(big, by=alice)

    assert fine(big, by=bob)


def test_a_set_in_which_one_is_not_yours_is_refused_as_a_whole(noted, go, alice):
    big = go("note", amount=6000)
    with pytest.raises(NotAllowed):
        fine(noted, big, by=alice)

    assert look(noted).finding == "open"


def test_an_objection_says_why(noted, alice):
    with pytest.raises(BadVerdict):
        object_to(noted, by=alice, note="  ")
    with pytest.raises(BadVerdict):
        object_to(noted, by=alice, note="x" * 5000)

    assert look(noted).finding == "open"


def test_who_comes_second_reads_who_was_first(noted, alice, bob):
    fine(noted, by=alice)
    with pytest.raises(AlreadyFound, match="Alice"):
        object_to(noted, by=bob)


def test_of_a_set_those_are_found_that_nobody_had_looked_at(noted, go, alice, bob):
    second = go("note", order="2")
    fine(noted, by=bob)

    assert [one.pk for one in fine(noted, second, by=alice)] == [second.pk]
    assert noted.events.filter(kind="audited").count() == second.events.filter(kind="audited").count() == 1


def test_looks_are_no_approvals(noted, alice, bob):
    before = Approval.objects.filter(source="human").count()
    fine(noted, by=alice)

    assert Approval.objects.filter(source="human").count() == before == 0
    assert fresh(noted).decided_by is None


@pytest.mark.django_db(transaction=True)
def test_the_database_tells_a_story_that_holds_together(noted, labelling, go, course, alice):
    used, unused = go("label", key="b", order="2"), go("label", key="b", order="3")
    executor_of(used, course.api).consume()
    object_to(used, unused, by=alice)
    object_to(noted, by=alice)
    endings.end(used.pause.run)

    assert check(database_url()) == []
