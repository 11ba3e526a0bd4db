"""Stages and a typed value on the page: what is said before an approval, what it did, and who sees it afterwards."""

import pytest

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, Domain, Rule, User
from approvals.policy import snapshot
from console.card.cards import Card
from console.inbox import live, rows

HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def legal(db) -> Domain:
    return Domain.objects.create(slug="legal", name="Legal")


@pytest.fixture
def lena(person, tiers, legal) -> User:
    return person("lena", tier=2, domain=legal)


@pytest.fixture
def staged(action_type, legal):
    def make(*stage_specs, typed=False, name="payout"):
        kind = action_type(name, strategy="risk", reversibility="reversible")
        rows = [{"tier": tier, "domain": domain, "approvers": many} for tier, domain, many in stage_specs]
        Rule.objects.create(name="r", action_type=kind, expression="true", stages=rows, typed=typed, message="All.")
        snapshot.publish(by=None, note="staged")

    return make


@pytest.fixture
def payout(staged, propose) -> Approval:
    staged((1, "", 1), (2, "legal", 2), (3, "", 1))
    return propose(action="payout")


def page_of(client, approval, **extra):
    return client.get(f"/approvals/{approval.pk}/", **extra).content.decode()


def send(client, approval, **fields):
    form = {
        "version": approval.version,
        **fields,
    }
    return client.post(f"/approvals/{approval.pk}/decide/", form, **HTMX)


def test_the_card_shows_the_stages_in_order(payout, as_, alice, lena):
    lines = Card(payout, alice).stages
    assert [(one.queue, one.state, one.approvers) for one in lines] == [
        ("Frontline · Commerce", "current", 1),
        ("Specialists · Legal", "ahead", 2),
        ("Senior · Commerce", "ahead", 1),
    ]
    html = page_of(as_(alice), payout)
    assert 'aria-current="step"' in html
    assert "0 of 2 people" in html

    on = decide(card_version_of(payout), by=alice, verdict="approve")
    on = decide(card_version_of(on), by=lena, verdict="approve")
    first, second, third = Card(on, lena).stages
    assert (first.state, first.people) == ("done", ["Alice"])
    assert (second.state, second.people, second.votes) == ("current", ["Lena"], 1)
    assert third.state == "ahead"


def test_what_an_approval_does_is_said_before_it_is_given(payout, as_, alice, lena, person, legal, carol):
    assert "Your approval sends it to Specialists · Legal." in page_of(as_(alice), payout)
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    assert "Your approval is number 1 of 2 in this stage; then it goes to Senior · Commerce." in page_of(as_(lena), on)
    on = decide(card_version_of(on), by=lena, verdict="approve")
    luis = person("luis", tier=2, domain=legal)
    assert "Your approval sends it to Senior · Commerce." in page_of(as_(luis), on)
    on = decide(card_version_of(on), by=luis, verdict="approve")
    assert "This is the last stage: your approval lets it run." in page_of(as_(carol), on)
    assert "Your approval" not in page_of(as_(alice), on)  # it is not hers any more


def test_after_it_the_toast_says_where_it_went_and_the_row_leaves(payout, as_, alice):
    html = send(as_(alice), payout, verdict="approve").content.decode()
    assert "Approved. Now it waits for Specialists · Legal." in html
    assert 'data-gone="Specialists · Legal" data-staged' in html


def test_the_first_reviewer_still_reads_it_and_decides_nothing(payout, as_, alice):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    html = page_of(as_(alice), on)
    assert "You may read this and not decide it." in html
    assert str(on.pk) not in as_(alice).get("/").content.decode()
    title = "Approved stage 1 of 3"
    assert title in html
    assert "tier 1 commerce to tier 2 legal" in html


def test_a_click_on_the_stage_before_is_told_and_decides_nothing(staged, propose, as_, alice, bob):
    staged((1, "", 1), (2, "", 1))
    payout = propose(action="payout")
    decide(card_version_of(payout), by=alice, verdict="approve")
    answer = send(as_(bob), payout, verdict="approve")
    assert answer.status_code == 409
    assert "went on to the next stage" in answer.content.decode()
    assert load(payout.pk).status == "pending"


def test_an_open_card_hears_that_its_stage_was_approved(payout, as_, alice, bob):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    shown = as_(bob).get(f"/approvals/{on.pk}/", {"version": payout.version}, **HTMX).content.decode()
    assert "A colleague approved this stage. Now it waits for Specialists · Legal." in shown


def test_the_row_says_the_stage(payout, alice):
    assert "stage 1 of 3" in rows.render_rows([payout.pk], "en")[0][1]


def test_news_of_it_goes_to_every_queue_that_it_was_in(payout, alice, monkeypatch):
    groups = []
    monkeypatch.setattr(live.push, "send", lambda group, message: groups.append(group))
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    event = on.events.get(kind="staged")
    live.publish_changes([live.audit.AuditedChange(on, event)])
    assert {"inbox.1.commerce", "inbox.2.legal"} <= set(groups)
    assert "inbox.2.commerce" not in groups
    assert live.concerned([on.pk], live.watch_of(alice)) == {on.pk}


def test_a_change_says_that_it_starts_with_the_first_stage_again(payout, as_, alice):
    panel = as_(alice).get(f"/approvals/{payout.pk}/modify/", {"version": payout.version}, **HTMX).content.decode()
    assert "A change starts with the first stage again." in panel


def test_an_escalation_says_that_it_is_of_this_stage_alone(payout, as_, alice, bob):
    html = as_(alice).get(f"/approvals/{payout.pk}/escalate/", {"version": payout.version}, **HTMX).content.decode()
    assert "Only this stage, 1 of 3, goes to a higher tier; the others stay as they are." in html


def test_history_names_the_stage(staged, propose, as_, alice, lena):
    staged((1, "", 1), (2, "legal", 1))
    on = decide(card_version_of(propose(action="payout")), by=alice, verdict="approve")
    decide(card_version_of(on), by=lena, verdict="reject", verdict_input=VerdictInput(message="no"))
    assert "stage 2 of 2" in as_(alice).get("/history/").content.decode()
    assert [one.state for one in Card(load(on.pk), alice).stages] == ["done", "ended"]


def test_a_typed_value_is_asked_without_the_password(staged, propose, as_, alice):
    staged(typed=True)
    transfer = propose(action="payout", amount=777)
    html = page_of(as_(alice), transfer)
    assert "button-typed" in html
    assert "data-typed" in html
    panel = as_(alice).get(f"/approvals/{transfer.pk}/approve/", {"version": transfer.version}, **HTMX).content.decode()
    assert "Approve with a typed value" in panel
    assert 'name="typed"' in panel
    assert 'name="password"' not in panel

    refused = send(as_(alice), transfer, verdict="approve", typed="7")
    assert refused.status_code == 422
    assert "Type 777 exactly as shown." in refused.content.decode()
    assert send(as_(alice), transfer, verdict="approve", typed="777").status_code == 200
    assert load(transfer.pk).verdict == "approve"


def test_modifying_asks_for_the_typed_value_too(staged, propose, as_, alice):
    staged(typed=True)
    transfer = propose(action="payout", amount=777)
    panel = as_(alice).get(f"/approvals/{transfer.pk}/modify/", {"version": transfer.version}, **HTMX).content.decode()
    assert 'name="typed"' in panel
    assert 'name="password"' not in panel


def test_an_alternative_of_what_is_typed_is_not_chosen_with_one_press(staged, propose, as_, alice):
    staged(typed=True)
    other = [{"label": "Half", "args": {"order": "456", "amount": 210, "currency": "EUR"}}]
    transfer = propose(action="payout", alternatives=other)
    assert "Choose this" not in page_of(as_(alice), transfer)
