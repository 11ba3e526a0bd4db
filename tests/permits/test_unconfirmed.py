"""Used, and nobody says what came of it: shown, alarmed once, closed by a person, and never run again by itself."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import unconfirmed
from approvals.execution.unconfirmed import AlreadyConfirmed, confirm
from approvals.models import Approval, AuditEvent, Channel, Delivery, Outcome, User
from approvals.notify import letters
from approvals.people import access
from tests.text_search import mentions


@pytest.fixture
def eleven_minutes_later():
    """Eleven minutes on."""
    with times.at(times.now() + timedelta(minutes=11)):
        yield


@pytest.fixture
def unreported(executor, later_after_use):
    """Used eleven minutes ago; its executor never said what came of it."""
    return executor


@pytest.fixture
def later_after_use(executor):
    executor.consume(executor="payments-1")
    with times.at(times.now() + timedelta(minutes=11)):
        yield


def test_ten_minutes_are_given_to_the_executor(executor, alice):
    executor.consume()
    with times.at(times.now() + timedelta(minutes=9)):
        assert not access.unconfirmed_of(alice).exists()
        assert clock.sweep().alarmed == 0
        assert "confirm" not in access.actions_for(executor.fresh(), alice)


def test_an_outcome_in_time_leaves_nothing_to_ask(executor, alice, eleven_minutes_later):
    executor.consume()
    executor.report()

    assert not access.unconfirmed_of(alice).exists()
    assert clock.sweep().alarmed == 0


def test_it_is_alarmed_once_and_managers_are_told(unreported, mia, person):
    person("max", is_manager=True, is_active=False)
    Channel.objects.create(user=person("quiet", is_manager=True), service="mail", active=False)
    assert clock.sweep().alarmed == 1
    assert clock.sweep().alarmed == 0

    [event] = unreported.approval.events.filter(kind=AuditEvent.Kind.ALARMED)
    assert event.actor == "clock"
    [letter] = Delivery.objects.filter(topic=unconfirmed.ALARM)
    assert letter.user == mia
    letters.deliver(str(letter.pk))
    [sent] = mail.outbox
    assert sent.to == ["mia@example.com"] and "never confirmed" in sent.subject
    assert reverse("card:card", args=[unreported.approval.pk]) in sent.body
    assert not mentions(sent.body, "420") and not mentions(sent.body, "456")  # no arguments leave the house


def test_no_letter_for_what_was_confirmed_meanwhile(unreported, mia):
    clock.sweep()
    unreported.report()
    letters.deliver(str(Delivery.objects.get(topic=unconfirmed.ALARM).pk))

    assert not mail.outbox


def test_the_header_counts_and_the_page_and_the_history_list_it(unreported, propose, alice, mallory, as_):
    page = as_(alice).get(reverse("runs:unconfirmed")).content.decode()
    card = reverse("card:card", args=[unreported.approval.pk])
    assert card in page and 'class="count count-warn">1<' in page
    assert card in as_(alice).get(reverse("history:history"), {"status": "unconfirmed"}).content.decode()
    other = as_(mallory).get(reverse("runs:unconfirmed")).content.decode()
    assert card not in other and "count-warn" not in other


def test_the_card_says_so_and_asks(unreported, alice, otto, as_):
    address = reverse("card:card", args=[unreported.approval.pk])
    page = as_(alice).get(address).content.decode()
    assert 'data-permit="silent"' in page and "never confirmed" in page and "payments-1" in page
    assert reverse("runs:confirm", args=[unreported.approval.pk]) in page
    page = as_(otto).get(address).content.decode()  # an auditor reads it, and closes nothing
    assert 'data-permit="silent"' in page and reverse("runs:confirm", args=[unreported.approval.pk]) not in page


def test_a_person_closes_it_with_how_they_know(unreported, alice, as_):
    form = {"version": unreported.fresh().version, "ran": "yes", "note": "It is in the ledger."}
    answer = as_(alice).post(reverse("runs:confirm", args=[unreported.approval.pk]), form, follow=True)

    assert answer.status_code == 200
    approval = unreported.fresh()
    assert (approval.status, approval.outcome.result) == ("executed", "succeeded")
    assert (approval.outcome.reported_by, approval.outcome.detail) == (alice, "It is in the ledger.")
    assert approval.events.get(kind=AuditEvent.Kind.OUTCOME).user == alice
    assert "said Alice" in answer.content.decode()


def test_it_did_not_run_is_a_word_as_well(unreported, mia):
    assert confirm(unreported.approval.pk, by=mia, ran=False, note="Not in the ledger.").status == "skipped"


@pytest.mark.parametrize("form", [{"ran": "yes", "note": " "}, {"ran": "maybe", "note": "x"}, {"note": "x"}, {}])
def test_half_a_word_closes_nothing(form, unreported, alice, as_):
    form = {"version": unreported.fresh().version, **form}
    answer = as_(alice).post(reverse("runs:confirm", args=[unreported.approval.pk]), form)

    assert answer.status_code == 422
    assert unreported.fresh().status == "released" and not Outcome.objects.exists()


def test_who_operates_the_agent_closes_nothing_of_it(unreported, olga, robot):
    olga.is_manager = True
    olga.save()

    with pytest.raises(NotAllowed):
        confirm(unreported.approval.pk, by=User.objects.get(pk=olga.pk), ran=True, note="Trust me.")


def test_a_note_of_spaces_is_none(unreported, alice):
    with pytest.raises(BadVerdict):
        confirm(unreported.approval.pk, by=alice, ran=True, note="  ")


def test_two_people_who_close_it_at_once_do_not_contradict_each_other(unreported, alice, mia):
    confirm(unreported.approval.pk, by=alice, ran=True, note="Ledger.")

    with pytest.raises(AlreadyConfirmed):
        confirm(unreported.approval.pk, by=mia, ran=False, note="No.")


def test_the_agents_late_word_may_agree_and_not_contradict(unreported, alice, refused):
    confirm(unreported.approval.pk, by=alice, ran=True, note="Ledger.")

    assert unreported.report("succeeded", detail="late").status_code == 200
    refused(unreported.report("failed"), 409, "contradiction")
    assert Outcome.objects.get().detail == "Ledger."


def test_no_attempt_gets_another_yes_whatever_people_say(unreported, alice, refused):
    refused(unreported.consume("second"), 409, "permit_consumed")
    confirm(unreported.approval.pk, by=alice, ran=False, note="Not in the ledger.")

    refused(unreported.consume(), 409, "permit_consumed")
    refused(unreported.consume("second"), 409, "permit_consumed")


# --- What the card says otherwise


def state_on_card(client, approval) -> str:
    page = client.get(reverse("card:card", args=[approval.pk])).content.decode()
    return page.partition('data-permit="')[2].partition('"')[0]


def test_the_card_tells_how_the_permit_stands(executor, alice, as_):
    page = as_(alice)
    assert state_on_card(page, executor.approval) == "issued"
    with times.at(times.now() + timedelta(hours=25)):
        assert state_on_card(page, executor.approval) == "over"
    executor.consume()
    assert state_on_card(page, executor.approval) == "used"
    executor.report()
    assert state_on_card(page, executor.approval) == "done"


def test_what_ran_without_its_permit_is_said(executor, alice, as_):
    executor.report()

    assert state_on_card(as_(alice), executor.approval) == "unused"
    assert executor.approval.events.get(kind=AuditEvent.Kind.OUTCOME).facts == {
        "result": "succeeded",
        "permit": "not used",
    }


def test_what_did_not_run_needed_no_permit(executor, alice, as_):
    executor.report("skipped")

    assert state_on_card(as_(alice), executor.approval) == ""
    assert executor.approval.events.get(kind=AuditEvent.Kind.OUTCOME).facts == {"result": "skipped"}


def test_what_is_rejected_or_pending_has_no_permit(refund, propose, alice, as_):
    assert state_on_card(as_(alice), refund) == ""
    decide(card_version_of(refund), by=alice, verdict="reject", verdict_input=VerdictInput(reason="policy"))
    assert state_on_card(as_(alice), refund) == ""


def test_who_sees_no_content_reads_no_executors_words(unreported, root, as_):
    page = as_(root).get(reverse("card:card", args=[unreported.approval.pk])).content.decode()

    assert 'data-permit="silent"' in page and "payments-1" not in page


# --- What came back


def test_the_card_of_what_came_back_leads_with_what_changed_alone(approved_executor, alice, bob, as_):
    was = {"order_status": "delivered", "version": 7}
    bought = approved_executor(preconditions=was, summary="The customer asked nicely.")
    bought.consume(preconditions={**was, "order_status": "returned"})
    new = Approval.objects.get(returned_from=bought.approval)
    page = as_(alice).get(reverse("card:card", args=[new.pk])).content.decode()

    assert "You approved this, and then the world moved." in page
    lead, folded = page.split("card-rest", 1)
    lead = lead[lead.index('id="moved"') :]
    assert "order_status" in lead.replace("<wbr>", "") and "delivered" in lead and "returned" in lead
    assert "version" not in lead and "The customer asked nicely." not in lead
    assert "The customer asked nicely." in folded
    assert "Alice approved this, and then" in as_(bob).get(reverse("card:card", args=[new.pk])).content.decode()
    old = as_(alice).get(reverse("card:card", args=[bought.approval.pk])).content.decode()
    assert 'data-permit="returned"' in old and reverse("card:card", args=[new.pk]) in old


def test_its_row_names_whose_it_was(approved_executor, alice, as_):
    bought = approved_executor(preconditions={"open": True})
    bought.consume(preconditions={"open": False})
    page = as_(alice).get(reverse("inbox:inbox")).content.decode()

    assert f'data-claimant="{alice.pk}"' in page
    assert "Returned to Alice" in page and 'data-who="Returned to you"' in page  # the page says "you"
