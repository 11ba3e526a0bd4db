"""The page of what is looked at afterwards: what it shows to whom, and what is said on it."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.db import times
from approvals.execution import run_endings
from approvals.models import Approval, Incident, PostReview
from tests.permits.conftest import executor_of
from tests.post_review.conftest import WINDOW, flag_problem, fresh, mark_fine, report_step, review_of
from tests.runs.conftest import KEY

HTMX = {"HX-Request": "true"}


@pytest.fixture
def sampling(action_type):
    return action_type("tag", strategy="never", reversibility="reversible", sample="1.000")


def page(client) -> str:
    return client.get(reverse("post_review:post_review")).content.decode()


def post_finding(client, *approvals: Approval, finding: str = "ok", **data: object):
    form = {"pick": [str(one.pk) for one in approvals], "finding": finding, **data}
    return client.post(reverse("post_review:find"), form)


def test_each_reason_has_its_part_in_the_order_of_hurry(vetoable, optimistic, sampling, propose, alice, as_):
    propose(action="tag")
    run_endings.end_run(optimistic.request.run)
    PostReview.objects.create(
        approval=propose(action="refund"), why="silence", tier_id=1, domain_id="commerce", opened_at=times.now()
    )
    PostReview.objects.create(
        approval=propose(action="refund", order="2"), why="degraded", tier_id=1, domain_id="commerce",
        opened_at=times.now(),
    )  # fmt: skip
    titles = re.findall(r'<h2 id="looks-[a-z]+">\s*([^<]+?)\s+<', page(as_(alice)))

    assert titles == [
        "Can still be stopped",
        "Runs to review",
        "Passed while nobody could be asked",
        "Ran because nobody answered",
        "Samples",
    ]


def test_a_run_is_shown_as_a_whole_with_every_undo_and_what_became_of_it(
    optimistic, propose_in_run, course, alice, as_
):
    second = propose_in_run("label", order="2")
    executor_of(optimistic, course.api).consume()
    report_step(course, optimistic, "label")
    run_endings.end_run(optimistic.request.run)
    html = page(as_(alice))

    assert html.count('class="looks-group-head"') == 1
    assert "Order 4711" in html and "All 2 fine" in html
    assert "undone by</span> unlabel" in html or "unlabel: label L-1" in html
    assert "nothing undoes it" in html
    assert "Not begun yet" in html
    assert str(second.pk) in html


def test_a_run_that_goes_on_stands_apart_and_is_not_counted(optimistic, alice, as_):
    html = page(as_(alice))

    assert "Runs that go on" in html and "Runs to review" not in html
    assert '<span class="count" id="nav-looks"></span>' in html


def test_the_navigation_counts_what_is_this_persons_to_look_at(vetoable, alice, olga, mallory, mia, as_):
    for person, count in ((alice, "1"), (mia, "1"), (olga, ""), (mallory, "")):
        assert f'<span class="count" id="nav-looks">{count}</span>' in page(as_(person)), person


def test_with_nothing_to_look_at_it_says_what_would_be_here(alice, as_):
    assert "Nothing to look at" in page(as_(alice))


def test_who_only_sees_has_nothing_to_press(vetoable, mia, otto, olga, as_):
    for person in (mia, otto, olga):
        html = page(as_(person))
        assert str(vetoable.pk) in html
        assert "data-fine" not in html


def test_who_reviews_something_else_sees_nothing(vetoable, mallory, ada, root, as_):
    for person in (mallory, ada, root):
        assert str(vetoable.pk) not in page(as_(person))


def test_who_could_decide_it_recalls_it_from_there_with_a_reason_and_nobody_else(
    sampling, propose_in_run, alice, bob, as_, request
):
    approval = propose_in_run("tag")
    others = {name: request.getfixturevalue(name) for name in ("mia", "otto", "olga")}
    recall_url = reverse("card:recall", args=[approval.pk])

    def card(person) -> str:
        [link] = re.findall(rf'class="row-link" href="([^"]*{approval.pk}[^"]*)"', page(as_(person)))
        return as_(person).get(link).content.decode()

    def take_back(person, **form: str) -> int:
        shown = {"version": fresh(approval).version}
        return as_(person).post(recall_url, {**shown, **form}, headers=HTMX).status_code

    for person in others.values():
        assert recall_url not in card(person)
        assert take_back(person, reason="changed") == 403
    assert (recall_url in card(alice), recall_url in card(bob)) == (True, True)
    assert take_back(alice) == 422
    assert fresh(approval).status == "released"

    assert take_back(alice, reason="changed", message="She called.") == 200
    assert fresh(approval).status == "recalled"
    assert (review_of(approval).finding, review_of(approval).by) == ("recalled", alice)
    assert str(approval.pk) not in page(as_(bob))


def test_one_press_finds_a_whole_run_fine_and_each_has_its_event(optimistic, propose_in_run, alice, as_):
    second = propose_in_run("label", order="2")
    run_endings.end_run(optimistic.request.run)
    assert post_finding(as_(alice), optimistic, second).status_code == 302

    assert {review_of(one).finding for one in (optimistic, second)} == {"ok"}
    assert [one.events.filter(kind="reviewed").count() for one in (optimistic, second)] == [1, 1]


def test_stopping_on_the_page_ends_the_run(vetoable, course, alice, as_):
    assert post_finding(as_(alice), vetoable, finding="flagged", note="wrong order").status_code == 302

    assert course.read()["stopped"] is True
    assert review_of(vetoable).note == "wrong order"


def test_an_objection_without_words_keeps_the_form_open_and_says_so(vetoable, alice, as_):
    answer = post_finding(as_(alice), vetoable, finding="flagged", note="  ")

    assert answer.status_code == 422
    assert "Say what is wrong" in answer.content.decode()
    assert re.search(rf'id="object-{vetoable.pk}" open', answer.content.decode())


def test_who_comes_too_late_reads_why(vetoable, alice, bob, as_):
    mark_fine(vetoable, by=alice)
    answer = post_finding(as_(bob), vetoable)

    assert (answer.status_code, "Alice looked at this" in answer.content.decode()) == (409, True)


def test_after_the_window_it_is_gone_from_the_page(vetoable, alice, as_):
    with times.at(vetoable.created_at + WINDOW):
        assert str(vetoable.pk) not in page(as_(alice))
        assert post_finding(as_(alice), vetoable, finding="flagged", note="late").status_code == 409


def test_the_undo_of_a_sample_is_the_persons_choice_and_so_is_an_incident(sampling, propose_in_run, course, alice, as_):
    first, two = propose_in_run("tag"), propose_in_run("tag", order="2")
    for number, approval in enumerate((first, two)):
        executor_of(approval, course.api).consume()
        report_step(course, approval, f"tag-{number}")
    post_finding(as_(alice), first, finding="flagged", note="hm", severity="high")
    post_finding(as_(alice), two, finding="flagged", note="hm", undo="on", severity="worst")

    assert (course.status("tag-0"), course.status("tag-1")) == ("done", "undoing")
    assert [(row.approval_id, row.severity) for row in Incident.objects.all()] == [(first.pk, "high")]


@pytest.mark.parametrize("pick", ["", "nonsense", "0192f3a1-0000-7000-8000-000000000000"])
def test_what_is_not_there_is_refused(vetoable, alice, as_, pick):
    answer = as_(alice).post(reverse("post_review:find"), {"pick": pick, "finding": "ok"})

    assert answer.status_code == 403
    assert review_of(vetoable).finding == "open"


def test_another_word_than_fine_or_objected_is_refused(vetoable, alice, as_):
    assert post_finding(as_(alice), vetoable, finding="lapsed").status_code == 422
    assert review_of(vetoable).finding == "open"


def test_no_link_finds_anything(vetoable, alice, as_):
    assert as_(alice).get(reverse("post_review:find"), {"pick": vetoable.pk, "finding": "ok"}).status_code == 405


def test_an_open_page_is_answered_only_when_there_is_something_new(vetoable, propose_in_run, alice, as_):
    client = as_(alice)
    version = re.search(r"seen=([0-9a-f]{16})", page(client))[1]
    assert client.get(reverse("post_review:post_review"), {"seen": version}, headers=HTMX).status_code == 204

    propose_in_run("note", order="2")
    answer = client.get(reverse("post_review:post_review"), {"seen": version}, headers=HTMX)
    assert answer.status_code == 200
    assert b'id="nav-looks" hx-swap-oob="true">2</span>' in answer.content


def test_the_agents_words_do_nothing_on_it(optimistic_type, propose_in_run, alice, as_):
    propose_in_run("label", order="<script>alert(1)</script>\u202e", undo={"name": "<img src=x>", "args": {"a": "<b>"}})
    html = page(as_(alice))

    assert "<script>alert" not in html and "<img src=x" not in html and "\u202e" not in html


def test_twenty_rows_cost_no_more_queries_than_one(optimistic_type, veto_type, propose_in_run, alice, as_):
    client = as_(alice)
    propose_in_run("label")
    page(client)  # what is remembered for the next one is not counted
    with CaptureQueriesContext(connection) as few:
        page(client)
    for number in range(20):
        propose_in_run("label", order=str(number), key=f"run-{number % 4}")
    with CaptureQueriesContext(connection) as many:
        page(client)

    assert len(many) == len(few)


def test_the_card_says_that_it_is_looked_at_and_what_was_found(vetoable, alice, as_):
    client = as_(alice)
    address = reverse("card:card", args=[vetoable.pk])
    assert "Goes on unless stopped" in client.get(address).content.decode()

    flag_problem(vetoable, by=alice, note="wrong customer")
    html = client.get(address).content.decode()
    assert "Problem flagged" in html and "wrong customer" in html
    assert "Stopped by a veto" in html and "its permit was taken back" in html


def test_a_tool_reads_the_same(vetoable, alice):
    from agents import keys
    from tests.agents.conftest import Api

    mark_fine(vetoable, by=alice, note="ok")
    audit = Api(keys.issue(user=alice, name="tool")[1]).get(f"inbox/{vetoable.pk}").json()["post_review"]

    assert (audit["why"], audit["finding"], audit["by"], audit["note"]) == ("veto", "ok", alice.name, "ok")


def test_the_runs_page_says_that_it_has_ended(optimistic, alice, as_):
    run_endings.end_run(optimistic.request.run)

    assert "Ended" in as_(alice).get(reverse("runs:runs")).content.decode()
    assert fresh(optimistic).request.run.key == KEY
