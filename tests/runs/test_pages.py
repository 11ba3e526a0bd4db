"""Where a run stands, for people: the list, the line of its steps, the card's one line, and what a rejection undoes."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from playwright.sync_api import expect

from approvals.db import times
from approvals.decisions import guidance
from approvals.execution import run_endings, steps
from approvals.models import PlannedStep, Run, Step
from approvals.requests.submission import Item
from console.runs.run_page import RunEntry
from console.runs.run_page import RunPage as Page
from tests.runs.conftest import KEY, RELEASE, backdate


def queries(read: Callable[[], object]) -> int:
    """How many a second reading takes: the first one also warms what a process remembers."""
    read()
    with CaptureQueriesContext(connection) as captured_queries:
        read()
    return len(captured_queries)


def entries(run: Run, user) -> list[tuple[str, str]]:
    return [(one.state, one.title) for one in Page(run, user).entries]


def page(browser, run: Run, **query: str) -> str:
    response = browser.get(reverse("runs:run", args=[run.pk]), query)
    assert response.status_code == 200
    return response.content.decode()


def test_the_line_holds_what_was_done_what_waits_and_what_comes_next(reserved, propose_in_run, give_verdict, alice):
    plan = give_verdict("approve", propose_in_run(order="0"))
    Step.objects.filter(key="plan").update(approval=plan)
    waiting = propose_in_run(order="2")
    PlannedStep.objects.create(
        plan=propose_in_run(order="3"),
        agent=reserved.row.agent,
        step="send",
        position=0,
        action={"name": "send", "args": {"to": "ana"}},
        digest="sha256:x",
        expires_at=times.now() + timedelta(hours=1),
    )
    course = Page(reserved.row, alice)

    assert [(one.state, one.key, one.undo) for one in course.entries[:2]] == [
        ("done", "plan", ""),
        ("done", "reserve", "release: reservation R-7"),
    ]
    assert course.waiting[0].approval == waiting
    assert [one.key for one in course.undoable] == ["reserve"]


def test_what_a_plan_says_comes_next_stands_at_the_end(robot, propose_in_run, give_verdict, alice, action_type):
    action_type("plan", allowed=["approve", "reject"], schema={}, value_path="", currency_path="", subject_path="")
    planned = [
        {"id": "one", "action": {"name": "refund", "args": {"order": "1", "amount": 5, "currency": "EUR"}}},
        {"id": "two", "action": {"name": "refund", "args": {"order": "2", "amount": 6, "currency": "EUR"}}},
    ]
    plan = propose_in_run(items=(Item(id="plan", item_type="plan", steps=planned),))
    give_verdict("approve", plan)
    propose_in_run(order="1", amount=5)
    run = Run.objects.get()

    assert entries(run, alice)[-1] == ("next", "refund 6 EUR to order 2")
    assert [state for state, _ in entries(run, alice)].count("next") == 1


@pytest.mark.parametrize(("verdict", "state"), [("approve", "approved"), ("reject", "rejected")])
def test_what_was_asked_and_no_step_tells_of_stands_in_the_line(verdict, state, propose_in_run, give_verdict, alice):
    give_verdict(verdict, propose_in_run())

    assert entries(Run.objects.get(), alice) == [(state, "refund 420 EUR to order 456")]


def test_what_somebody_may_not_read_is_not_in_their_line(course, propose_in_run, give_verdict, alice, bob):
    above = give_verdict("approve", propose_in_run(amount=6000, order="secret-1"), by=bob)
    course.step("pay", request=str(above.request_id), item=above.item, undo={"name": "charge_back"})
    propose_in_run(order="plain")
    propose_in_run(amount=7000, order="secret-2")

    assert entries(course.row, alice) == [
        ("done", "A step that was asked in another queue"),
        ("waiting", "refund 420 EUR to order plain"),
    ]
    [hidden, _] = Page(course.row, alice).entries
    assert (hidden.key, hidden.undo, hidden.approval) == ("", "", None)
    assert "secret-2" in str(entries(course.row, bob))


def test_advice_about_what_somebody_may_not_read_is_not_shown(propose_in_run, give_verdict, alice, bob):
    above = propose_in_run(amount=6000)
    propose_in_run()
    run = Run.objects.get()
    guidance.give(run.pk, by=bob, text="about the large one", approval_id=above.pk)
    guidance.give(run.pk, by=alice, text="about all of it")

    assert [one.text for one in Page(run, alice).advice] == ["about all of it"]
    assert len(Page(run, bob).advice) == 2


def test_the_agents_words_are_text_and_nothing_else(course, propose_in_run, alice, as_):
    course.step("<b>bold</b>", run_name="<script>alert(1)</script>\u202e", undo={"name": "<img src=x>", "args": {}})
    for _ in range(3):
        course.undo("<b>bold<%2Fb>", "failed", detail="{{ 7 }} <i>no</i>")
    approval = propose_in_run()
    shown = page(as_(alice), course.row)

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown and "<script>alert" not in shown
    assert "<b>bold" not in shown and "<img src=x" not in shown and "<i>no" not in shown and "{{ 7 }}" in shown
    assert "\u202e" not in shown
    card = as_(alice).get(reverse("card:card", args=[approval.pk])).content.decode()
    assert "<b>bold" not in card and "&amp;lt;" not in card


def test_an_open_page_is_answered_only_when_there_is_news(reserved, propose_in_run, give_verdict, alice, as_):
    approval = propose_in_run()
    browser, address = as_(alice), reverse("runs:run", args=[reserved.row.pk])
    seen = re.search(r"\?seen=(\w+)", page(browser, reserved.row))[1]
    again = browser.get(address, {"seen": seen}, headers={"HX-Request": "true"})
    assert again.status_code == 204

    give_verdict("reject", approval)
    news = browser.get(address, {"seen": seen}, headers={"HX-Request": "true"})
    assert news.status_code == 200
    assert "To be undone" in news.content.decode() and "<html" not in news.content.decode()


def test_a_page_whose_person_may_no_longer_see_it_reloads_as_a_whole(reserved, propose_in_run, alice, as_):
    propose_in_run()
    browser = as_(alice)
    alice.memberships.all().delete()
    answer = browser.get(reverse("runs:run", args=[reserved.row.pk]), {"seen": "x"}, headers={"HX-Request": "true"})

    assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")
    assert browser.get(reverse("runs:run", args=[reserved.row.pk])).status_code == 404


def test_advice_reaches_the_agent(reserved, propose_in_run, alice, as_):
    propose_in_run()
    answer = as_(alice).post(reverse("runs:guide", args=[reserved.row.pk]), {"guidance": "mind the stock"})

    assert answer.status_code == 302
    [advice] = reserved.api.get(f"runs/{KEY}/guidance").json()["guidance"]
    assert (advice["text"], advice["from"]) == ("mind the stock", "Alice")
    assert "read by the agent" in page(as_(alice), reserved.row)


def test_empty_advice_is_refused_beside_the_field(reserved, propose_in_run, alice, as_):
    propose_in_run()
    answer = as_(alice).post(reverse("runs:guide", args=[reserved.row.pk]), {"guidance": "  "})

    assert answer.status_code == 422
    assert 'aria-describedby="guidance-error"' in answer.content.decode()


def test_a_stuck_undo_has_a_banner_a_count_and_an_end_by_hand(reserved, propose_in_run, give_verdict, alice, mia, as_):
    give_verdict("reject", propose_in_run())
    for _ in range(3):
        reserved.undo("reserve", "failed", detail="the shop is closed")
    browser, step = as_(alice), Step.objects.get(key="reserve")
    shown = page(browser, reserved.row)
    assert "1 step could not be undone" in shown and "the shop is closed" in shown
    assert 'title="To be undone, and not undone">1</span>' in shown

    close_url = reverse("runs:close", args=[reserved.row.pk, step.pk])
    assert browser.post(close_url, {"note": " "}).status_code == 422
    assert Step.objects.get(pk=step.pk).status == "stuck"
    assert browser.post(close_url, {"note": "called them"}).status_code == 302
    shown = page(browser, reserved.row)
    assert "could not be undone" not in shown and "called them" in shown
    assert "To be undone, and not undone" not in shown
    assert browser.post(close_url, {"note": "again"}).status_code == 403


def test_a_step_is_closed_only_through_its_own_run(reserved, propose_in_run, give_verdict, alice, as_):
    give_verdict("reject", propose_in_run())
    backdate(reserved, timedelta(minutes=11))
    other = propose_in_run(key="another").request.run
    close_url = reverse("runs:close", args=[other.pk, Step.objects.get(key="reserve").pk])

    assert as_(alice).post(close_url, {"note": "x"}).status_code == 404


# --- The list


def test_the_list_says_where_each_stands_and_filters_by_it(
    course, api, propose_in_run, give_verdict, alice, as_, robot
):
    propose_in_run(key="waits")
    give_verdict("approve", propose_in_run(key="runs"))
    give_verdict("reject", propose_in_run(key="is stopped"), stop=True)
    course.step("reserve", undo=RELEASE)
    give_verdict("reject", propose_in_run())
    for key in ("sticks", "was undone", "quiet"):
        of = type(course)(api, key.replace(" ", "%20"))
        of.step("reserve", undo=RELEASE)
        give_verdict("reject" if key != "quiet" else "approve", propose_in_run(key=key))
        for _ in range(3 if key == "sticks" else 0):
            of.undo("reserve", "failed")
        if key == "was undone":
            of.undo("reserve")
    long_ago = times.now() - timedelta(hours=3)
    quiet = Run.objects.get(key="quiet")
    Run.objects.filter(pk=quiet.pk).update(created_at=long_ago)
    quiet.steps.update(started_at=long_ago, done_at=long_ago)
    quiet.requests.update(created_at=long_ago, closed_at=long_ago)
    expected = {
        "stuck": "sticks",
        "undoing": KEY,
        "stopped": "is stopped",
        "waiting": "waits",
        "undone": "was undone",
        "running": "runs",
        "over": "quiet",
    }
    Run.objects.update(name="")
    for state, key in expected.items():
        answer = as_(alice).get(reverse("runs:runs"), {"state": state})
        assert [str(run) for run, _ in answer.context["runs"]] == [key], state
    assert len(as_(alice).get(reverse("runs:runs"), {"agent": robot.name}).context["runs"]) == len(expected)
    assert [str(run) for run, _ in as_(alice).get(reverse("runs:runs"), {"q": "STICK"}).context["runs"]] == ["sticks"]


def test_the_list_is_read_page_by_page_in_constant_queries(robot, mia, as_):
    def make(number: int) -> None:
        steps.record(steps.run_of(robot, f"run-{number:02}"), steps.StepReport("one", fields={"undo": RELEASE}))

    browser = as_(mia)
    make(0)
    few = queries(lambda: browser.get(reverse("runs:runs")))
    for number in range(1, 60):
        make(number)
    assert queries(lambda: browser.get(reverse("runs:runs"))) == few
    first = browser.get(reverse("runs:runs"))
    more = re.search(r'hx-get="\?([^"]+)"', first.content.decode())[1].replace("&amp;", "&")
    second = browser.get(f"{reverse('runs:runs')}?{more}", headers={"HX-Request": "true"})

    keys = [str(run) for run, _ in [*first.context["runs"], *second.context["runs"]]]
    assert keys == [f"run-{number:02}" for number in reversed(range(60))]
    assert "<html" not in second.content.decode()


def test_the_page_of_a_long_run_is_read_in_constant_queries(reserved, propose_in_run, give_verdict, alice, as_):
    def make(*numbers: int) -> None:
        for number in numbers:
            approval = give_verdict("approve", propose_in_run(order=str(number)))
            named = {"request": str(approval.request_id), "item": approval.item}
            reserved.step(f"pay-{number}", undo={"name": "charge_back"}, **named)
            reserved.step(f"free-{number}", undo={"name": "let_go"})
        give_verdict("reject", propose_in_run())
        Step.objects.filter(status="undoing").update(status="stuck")

    browser = as_(alice)
    make(0)
    few = queries(lambda: page(browser, reserved.row))
    make(*range(1, 12))
    assert queries(lambda: page(browser, reserved.row)) == few


def test_the_agent_of_a_run_leads_to_its_page_for_whoever_may_pause_it(reserved, propose_in_run, mia, alice, as_):
    propose_in_run()
    link = reverse("agent:agent", args=[reserved.row.agent_id])

    assert link in page(as_(mia), reserved.row)
    assert link not in page(as_(alice), reserved.row)


# --- On a card


def test_a_card_says_in_one_line_where_it_stands_in_its_run(reserved, propose_in_run, alice, as_):
    approval = propose_in_run()
    card = as_(alice).get(reverse("card:card", args=[approval.pk])).content.decode()
    line = re.search(r'<p class="run-line".*?</p>', card, re.S)[0]

    words_shown = " ".join(re.sub(r"<[^>]+>", "", line).split())
    assert words_shown == f"Step 3 of “{reserved.row}” · done: plan, reserve · can be undone: reserve"
    assert reverse("runs:run", args=[reserved.row.pk]) in line


def test_a_card_outside_a_run_says_nothing_of_one(refund, alice, as_):
    assert "run-line" not in as_(alice).get(reverse("card:card", args=[refund.pk])).content.decode()
    assert (
        "undoes"
        not in as_(alice).get(reverse("card:reject", args=[refund.pk]), {"version": refund.version}).content.decode()
    )


def test_the_form_of_a_rejection_says_what_it_will_undo(reserved, propose_in_run, alice, as_):
    approval = propose_in_run()
    form = as_(alice).get(reverse("card:reject", args=[approval.pk]), {"version": approval.version}).content.decode()
    assert "asked to undo" in form and "release: reservation R-7" in form
    assert "Stop the whole run" in form

    approval = propose_in_run(key="another")
    other = as_(alice).get(reverse("card:reject", args=[approval.pk]), {"version": approval.version}).content.decode()
    assert "a rejection undoes nothing" in other


def test_what_waits_in_a_run_that_has_ended_says_so(reserved, propose_in_run, alice, as_):
    approval, card = propose_in_run(), "its agent may no longer wait for this"
    assert card not in as_(alice).get(reverse("card:card", args=[approval.pk])).content.decode()
    run_endings.end_run(reserved.row)

    assert card in as_(alice).get(reverse("card:card", args=[approval.pk])).content.decode()


def test_a_rejection_by_the_form_undoes_and_stops(reserved, propose_in_run, alice, as_):
    other, approval = propose_in_run(order="2"), propose_in_run()
    form = {"verdict": "reject", "reason": "policy", "stop": "1", "version": approval.version}
    as_(alice).post(reverse("card:decide", args=[approval.pk]), form)

    assert reserved.status("reserve") == "undoing"
    card = as_(alice).get(reverse("card:card", args=[other.pk])).content.decode()
    assert "Ended with its whole run" in card and "the run was stopped" in card
    assert "stopped" in page(as_(alice), reserved.row).lower()


def test_an_entry_of_every_state_has_words_and_a_mark():
    from console.runs.run_page import LABELS

    for state in LABELS:
        assert RunEntry(state, "x", None).label and RunEntry(state, "x", None).icon


def test_who_operates_the_agent_sees_all_its_runs_and_advises_none(reserved, olga, alice, as_):
    assert "Nothing was done" not in page(as_(olga), reserved.row)
    assert as_(olga).post(reverse("runs:guide", args=[reserved.row.pk]), {"guidance": "go on"}).status_code == 403
    assert (
        as_(alice).get(reverse("runs:run", args=[reserved.row.pk])).status_code == 404
    )  # nothing of it was asked of her


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_hears_of_an_undo_and_keeps_what_is_being_typed(
    web, reserved, propose_in_run, give_verdict, alice, sign_in
):
    give_verdict("reject", propose_in_run())
    for _ in range(3):
        reserved.undo("reserve", "failed", detail="away")
    window = sign_in(alice)
    window.goto(reverse("runs:run", args=[reserved.row.pk]))
    window.get_by_text("Close by hand").click()
    window.get_by_label("What did you do instead?").fill("half a sente")
    reserved.undo("reserve", "failed", detail="still away")
    expect(window.locator(".course-error")).to_contain_text("still away")
    expect(window.get_by_label("What did you do instead?")).to_have_value("half a sente")

    reserved.undo("reserve")
    expect(window.locator(".course [data-state=undone]")).to_be_visible(timeout=8_000)


@pytest.mark.browser
@pytest.mark.slow
def test_on_a_phone_the_list_still_says_where_each_stands(web, reserved, propose_in_run, give_verdict, alice, sign_in):
    give_verdict("reject", propose_in_run())
    window = sign_in(alice, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    window.goto(reverse("runs:runs"))

    expect(window.get_by_text("To be undone", exact=True).last).to_be_in_viewport()
    assert window.evaluate("document.documentElement.scrollWidth") <= 390
