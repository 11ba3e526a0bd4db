"""Recall on the card: who sees it, what the panel says, and what the card shows afterwards."""

import pytest
from django.urls import reverse

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_reports
from approvals.models import Recall
from approvals.requests.submission import RunRef
from tests.recall.conftest import approve, fresh, kinds, plan, propose_step, step, take_back  # noqa: F401

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def card(as_):
    """The card as this person reads it."""
    return lambda approval, user: (
        as_(user).get(reverse("card:card", args=[approval.pk]), headers=FRAGMENT).content.decode()
    )


@pytest.fixture
def recall(as_):
    """Post the panel: recall(approval, user, reason="changed", message="…")."""

    def post(approval, user, **form):
        shown = {"version": approval.version}
        return as_(user).post(reverse("card:recall", args=[approval.pk]), {**shown, **form}, headers=FRAGMENT)

    return post


def test_a_released_unused_card_has_the_button_for_who_may(propose, card, alice, mia, olga):
    approval = propose()
    assert reverse("card:recall", args=[approval.pk]) not in card(approval, alice)
    approve(approval, by=alice)
    assert reverse("card:recall", args=[approval.pk]) in card(approval, alice)
    for person in (mia, olga):
        assert reverse("card:recall", args=[approval.pk]) not in card(approval, person)


def test_the_panel_says_what_it_does_and_carries_the_cards_version(propose, as_, alice):
    approval = propose()
    approve(approval, by=alice)
    panel = (
        as_(alice)
        .get(reverse("card:recall", args=[approval.pk]), {"version": approval.version}, headers=FRAGMENT)
        .content.decode()
    )
    assert "Take back this approval: the agent can no longer run it." in panel
    assert "No longer needed" in panel
    assert approval.digest in panel


def test_recalling_shows_the_card_and_a_toast_that_names_it(propose, recall, alice):
    approval = propose()
    approve(approval, by=alice)
    answer = recall(approval, alice, reason="changed", message="She called.")
    page = answer.content.decode()

    assert (answer.status_code, fresh(approval).status) == (200, "recalled")
    toast = page[page.index("data-toast") :]
    assert "Refund 420\u00a0EUR to order 456" in toast and "Recalled. The agent can no longer run it." in toast
    assert "Recalled by Alice" in page and "The situation changed" in page and "She called." in page
    assert (Recall.objects.get().surface, Recall.objects.get().message) == ("page", "She called.")


def test_without_a_reason_the_panel_comes_back_with_what_was_typed(propose, recall, alice):
    approval = propose()
    approve(approval, by=alice)
    answer = recall(approval, alice, message="She called.")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Choose why this is taken back." in page and "She called." in page
    assert fresh(approval).status == "released"


def test_who_comes_after_the_use_reads_when_and_may_report_harm(executor, recall, alice):
    at = executor.consume().json()["consumed_at"]
    answer = recall(executor.approval, alice, reason="changed")
    page = answer.content.decode()
    assert answer.status_code == 409
    assert f"robot used the permit at {at[11:19]} UTC" in page
    assert reverse("card:incident", args=[executor.approval.pk]) in page
    assert reverse("card:recall", args=[executor.approval.pk]) not in page


def test_a_card_of_another_version_recalls_nothing(propose, as_, alice):
    approval = propose()
    approve(approval, by=alice)
    form = {"version": approval.version.replace("1.", "2.", 1), "reason": "changed"}
    assert as_(alice).post(reverse("card:recall", args=[approval.pk]), form, headers=FRAGMENT).status_code == 409
    assert fresh(approval).status == "released"


def test_of_a_plan_the_panel_counts_what_goes_and_what_stays(plan, propose_step, as_, alice):  # noqa: F811
    given = plan(step("a"), step("b"))
    approve(given, by=alice)
    passed = propose_step(step("a"))
    type(passed).objects.filter(pk=passed.pk).update(consumed_at=times.now())
    page = " ".join(
        as_(alice)
        .get(reverse("card:recall", args=[given.pk]), {"version": given.version}, headers=FRAGMENT)
        .content.decode()
        .split()
    )
    assert "1 step that has not run goes with it." in page
    assert "1 step has run and stays." in page


def test_history_and_run_show_it_as_recalled(propose, as_, alice):
    approval = propose(run=RunRef("run-1", "Order 1"))
    approve(approval, by=alice)
    take_back(approval, by=alice)
    listed = as_(alice).get(reverse("history:history"), {"status": "recalled"}).content.decode()
    assert reverse("card:card", args=[approval.pk]) in listed and "Recalled" in listed
    run = as_(alice).get(reverse("runs:run", args=[fresh(approval).request.run_id])).content.decode()
    assert "Recalled" in run


def test_the_timeline_says_who_why_and_what_was_written(propose, card, alice):
    approval = propose()
    approve(approval, by=alice)
    take_back(approval, by=alice)
    page = card(approval, alice)
    assert "reason: No longer needed" in page
    assert "The customer cancelled." in page


def test_an_outcome_that_came_all_the_same_is_on_the_card(propose, card, robot, alice):
    approval = propose()
    approve(approval, by=alice)
    take_back(approval, by=alice)
    agent_reports.report_outcome(approval, by=robot, result="succeeded")
    page = card(approval, alice)
    assert "It was recalled before its permit was used" in page
    assert "The agent can no longer run it." not in page


@pytest.mark.parametrize(("verdict", "held"), [("reject", "rejection"), ("approve", "approval")])
def test_the_reviewer_reads_that_the_agent_withdrew_what_was_held(verdict, held, with_undo, refund, card, robot, alice):
    verdict_input = VerdictInput(reason="policy") if verdict == "reject" else VerdictInput()
    decide(card_version_of(refund), by=alice, verdict=verdict, verdict_input=verdict_input)
    agent_reports.cancel(refund.request, by=robot)
    page = card(refund, alice)
    assert f"The agent withdrew this while Alice&#x27;s {held} was held." in page
    if verdict == "reject":
        assert "Withdrawn while a rejection was held" in page
