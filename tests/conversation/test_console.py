"""The words on the card: asking, answers, advice, harm, and what the agent revised while somebody was reading."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse

from approvals import clock
from approvals.db import times
from approvals.decisions import agent_questions, claims
from approvals.decisions import snooze as snoozing
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import agent_reports as agents_own
from approvals.execution.incidents import open_incident
from approvals.models import AgentQuestion, Guidance, Incident
from approvals.requests.amend import amend

HTMX = {"HTTP_HX_REQUEST": "true"}


def shown(client, approval, **query):
    return client.get(reverse("card:card", args=[approval.pk]), query, **HTMX).content.decode()


def posted(client, name, approval, **form):
    seen_ = {"version": approval.version}
    return client.post(reverse(f"card:{name}", args=[approval.pk]), {**seen_, **form}, **HTMX)


# --- U-32


def test_u32_a_question_is_asked_on_the_card_and_the_deadline_goes_on(refund, alice, as_):
    client = as_(alice)
    assert 'data-key="q"' in shown(client, refund)
    panel = client.get(reverse("card:ask", args=[refund.pk]), {"version": refund.version}, **HTMX).content.decode()
    assert "The deadline goes on" in panel
    page = posted(client, "ask", refund, text="Which order?").content.decode()

    assert "Which order?" in page
    assert "The agent has not read it yet." in page
    assert AgentQuestion.objects.get().user == alice


def test_u32_the_answer_stands_in_the_agents_own_box(refund, robot, alice, as_):
    question = agent_questions.ask(refund.pk, by=alice, text="Which order?")
    agent_questions.answer(question, by=robot, text="456 <img src=x> \u202egnp.exe")
    thread = as_(alice).get(reverse("card:thread", args=[refund.pk]), {"version": refund.version}).content.decode()

    box = thread[thread.index('<div class="says">') :]
    assert "Agent says, not verified" in box
    assert "456 &lt;img src=x&gt;" in box
    assert "U+202E" in box
    assert "<img" not in thread


def test_u32_the_answer_brings_the_request_to_the_top_of_who_asked(propose, robot, alice, bob, as_):
    urgent = propose(order="1", timeout=timedelta(minutes=5))
    asked_about = propose(order="2")
    inquiry = agent_questions.ask(asked_about.pk, by=alice, text="Which order?")

    def listed(user):
        return [one.pk for one in as_(user).get(reverse("inbox:inbox")).context["page"].approvals]

    assert listed(alice) == listed(bob) == [urgent.pk, asked_about.pk]
    agent_questions.answer(inquiry, by=robot, text="456")
    assert listed(alice) == [asked_about.pk, urgent.pk]
    assert listed(bob) == [urgent.pk, asked_about.pk]
    page = as_(alice).get(reverse("inbox:inbox")).content.decode()
    assert f'data-answered="{alice.pk} "' in page
    decide(card_version_of(load(asked_about.pk)), by=alice, verdict="approve")
    assert listed(alice) == [urgent.pk]


def test_u32_an_empty_question_is_refused_beside_its_field(refund, alice, as_):
    response = posted(as_(alice), "ask", refund, text="   ")

    assert response.status_code == 422
    assert "Write something first." in response.content.decode()


# --- Guidance


def test_advice_goes_with_the_verdict(refund_in_run, alice, as_):
    refund = refund_in_run()
    for panel in ("reject", "guide", "modify"):
        response = as_(alice).get(reverse(f"card:{panel}", args=[refund.pk]), {"version": refund.version}, **HTMX)
        assert 'name="guidance"' in response.content.decode()
    posted(as_(alice), "decide", refund, verdict="approve", guidance="ask for a photo next time")

    assert load(refund.pk).status == "released"
    assert Guidance.objects.get().text == "ask for a photo next time"


def test_advice_goes_without_a_verdict(refund_in_run, alice, as_):
    refund = refund_in_run()
    page = posted(as_(alice), "guide", refund, guidance="be brief").content.decode()

    assert load(refund.pk).status == "pending"
    assert "be brief" in page
    assert "not read yet" in page


def test_a_request_without_a_run_has_nobody_to_send_it_to_but_with_the_verdict(refund, alice, as_):
    panel = (
        as_(alice).get(reverse("card:guide", args=[refund.pk]), {"version": refund.version}, **HTMX).content.decode()
    )
    assert "Approve with this" in panel
    assert "Send now" not in panel
    assert posted(as_(alice), "guide", refund, guidance="be brief").status_code == 403


# --- Incidents


def test_harm_is_reported_on_the_card_and_stays_on_it(refund, alice, mia, as_):
    decide(card_version_of(refund), by=alice, verdict="approve")
    assert "Report harm" in shown(as_(mia), load(refund.pk))
    assert posted(as_(mia), "incident", refund, severity="high", text="").status_code == 422
    page = posted(as_(mia), "incident", refund, severity="high", text="paid twice").content.decode()

    assert Incident.objects.get().opened_by == mia
    assert "Incident, High" in page
    assert "paid twice" in page


def test_an_agents_own_words_do_not_stand_in_the_consoles_red_box(refund, robot, alice, mia, as_):
    decide(card_version_of(refund), by=alice, verdict="approve")
    agents_own.report_outcome(refund, by=robot, result="succeeded")
    open_incident(load(refund.pk), by=robot, severity="high", text="Everything must be approved at once!")
    open_incident(load(refund.pk), by=mia, severity="high", text="Paid twice.")
    page = shown(as_(mia), load(refund.pk))
    boxes = dict(re.findall(r'<li class="(notice[^"]*)">.*?</b>\s+(.*?)\s+<span', page, re.DOTALL))

    assert boxes == {"notice": "Everything must be approved at once!", "notice notice-danger": "Paid twice."}


# --- U-40


def test_u40_what_was_revised_while_open_locks_until_it_is_read_again(refund, robot, alice, as_):
    client = as_(alice)
    amend(refund.pk, lambda item: _with(item, amount=300), by=robot)
    page = shown(client, refund, version=refund.version)

    assert "The agent revised this (v2)" in page
    assert "Revised: what changed in version 2" in page
    assert 'name="verdict" value="approve"' not in page
    assert "I have read version 2" in page
    assert 'name="verdict" value="approve"' in shown(client, load(refund.pk), version=load(refund.pk).version)


def test_u40_a_verdict_on_the_old_revision_shows_the_new_one_and_locks(refund, robot, alice, as_):
    amend(refund.pk, lambda item: _with(item, amount=300), by=robot)
    response = posted(as_(alice), "decide", refund, verdict="approve")
    page = response.content.decode()

    assert response.status_code == 409
    assert "The agent revised this (v2)" in page
    assert 'name="verdict" value="approve"' not in page
    assert load(refund.pk).status == "pending"


def test_u40_the_card_says_what_changed_beside_the_arguments(refund, robot, alice, as_):
    amend(refund.pk, lambda item: _with(item, summary="one cable, not two"), by=robot)

    assert "What would run is the same. Changed: summary." in shown(as_(alice), refund)


def _with(item, **changes):
    if "amount" in changes:
        return replace(item, args={**item.args, "amount": changes["amount"]})
    return replace(item, **changes)


# --- U-17


def test_u17_the_card_knows_when_the_claim_ends_and_one_key_extends_it(refund, alice, bob, as_):
    client = as_(alice)
    with times.at(times.now() - timedelta(seconds=30)):
        first = claims.claim(refund.pk, by=alice)
    page = shown(client, refund)
    assert "data-claim-ends" in page
    assert 'data-key="y"' in page
    client.post(reverse("card:claim", args=[refund.pk]), {"version": refund.version}, **HTMX)

    assert load(refund.pk).claim_until > first.claim_until
    assert "data-claim-ends" not in shown(as_(bob), refund)


# --- U-34


def test_u34_no_time_after_the_deadline_less_a_margin_is_offered(propose, alice, as_):
    soon, later = propose(order="1", timeout=timedelta(minutes=6)), propose(order="2", timeout=timedelta(hours=8))
    client = as_(alice)

    assert (
        "too near"
        in client.get(reverse("card:snooze", args=[soon.pk]), {"version": soon.version}, **HTMX).content.decode()
    )
    offered = client.get(reverse("card:snooze", args=[later.pk]), {"version": later.version}, **HTMX).context["choices"]
    ends = min(later.due_at, later.expires_at)
    assert offered
    assert all(at <= ends - snoozing.MARGIN for at, _ in offered)
    with pytest.raises(BadVerdict):
        snoozing.snooze(later.pk, by=alice, until=ends - timedelta(minutes=1))


def test_u34_what_is_set_aside_leaves_the_list_and_comes_back(propose, alice, as_):
    refund = propose(timeout=timedelta(hours=8))
    client = as_(alice)
    until = times.now() + timedelta(minutes=5)
    response = posted(client, "snooze", refund, until=until.isoformat())
    assert response.status_code == 200

    def listed(**query):
        return [one.pk for one in client.get(reverse("inbox:inbox"), query).context["page"].approvals]

    assert listed() == []
    assert listed(mine="snoozed") == [refund.pk]
    after = load(refund.pk)
    assert (after.due_at, after.expires_at, after.status) == (refund.due_at, refund.expires_at, "pending")
    with times.at(until + timedelta(seconds=1)):
        assert clock.sweep().woken == 1
    assert listed() == [refund.pk]
    assert [event.facts.get("over") for event in refund.events.filter(kind="snoozed").order_by("seq")] == [None, True]


def test_u34_what_the_agent_revises_comes_back_at_once(propose, robot, alice):
    refund = propose(timeout=timedelta(hours=8))
    snoozing.snooze(refund.pk, by=alice, until=times.now() + timedelta(minutes=5))
    amend(refund.pk, lambda item: _with(item, amount=300), by=robot)

    assert load(refund.pk).snoozed_until is None


def test_u34_who_may_not_decide_may_not_set_it_aside(propose, request):
    refund = propose(amount=6000, timeout=timedelta(hours=8))
    for name in ("alice", "olga", "mallory", "mia", "otto", "ada", "root", "oscar"):
        with pytest.raises(NotAllowed):
            snoozing.snooze(refund.pk, by=request.getfixturevalue(name), until=times.now() + timedelta(minutes=5))
    claims.claim(refund.pk, by=request.getfixturevalue("bob"))
    with pytest.raises(NotAllowed):  # who is reading it keeps it
        snoozing.snooze(refund.pk, by=request.getfixturevalue("carol"), until=times.now() + timedelta(minutes=5))


@pytest.mark.parametrize("until", ["", "tomorrow", "2020-01-01T00:00:00Z", "2199-01-01T00:00:00", "2026-13-40T00:00Z"])
def test_u34_a_moment_that_cannot_be_is_refused(until, refund, alice, as_):
    assert posted(as_(alice), "snooze", refund, until=until).status_code == 422
    assert load(refund.pk).snoozed_until is None


def test_the_timeline_names_what_was_said(refund_in_run, robot, alice, as_):
    refund = refund_in_run()
    question = agent_questions.ask(refund.pk, by=alice, text="Which order?")
    agent_questions.answer(question, by=robot, text="456")
    decide(card_version_of(load(refund.pk)), by=alice, verdict="reject", verdict_input=VerdictInput(message="no"))
    page = shown(as_(alice), refund)

    for title in ("Question to the agent", "Answer of the agent", "Rejected"):
        assert title in page
