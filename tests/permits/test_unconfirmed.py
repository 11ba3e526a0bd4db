"""Used, and nobody says what came of it: shown, alarmed once, closed by a person, and never run again by itself."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse

from approvals import times
from approvals.models import Channel, Delivery, Event, Outcome, User
from approvals.review import access, clock, decisions, deliveries, unconfirmed
from approvals.review.errors import BadVerdict, NotAllowed
from approvals.review.unconfirmed import AlreadyConfirmed, confirm
from tests.saying import says


@pytest.fixture
def later():
    """Eleven minutes on."""
    with times.at(times.now() + timedelta(minutes=11)):
        yield


@pytest.fixture
def silent(bought, later_after_use):
    """Used eleven minutes ago; its executor never said what came of it."""
    return bought


@pytest.fixture
def later_after_use(bought):
    bought.consume(executor="payments-1")
    with times.at(times.now() + timedelta(minutes=11)):
        yield


def test_ten_minutes_are_given_to_the_executor(bought, alice):
    bought.consume()
    with times.at(times.now() + timedelta(minutes=9)):
        assert not access.unconfirmed_of(alice).exists()
        assert clock.sweep().alarmed == 0
        assert "confirm" not in access.actions_for(bought.fresh(), alice)


def test_an_outcome_in_time_leaves_nothing_to_ask(bought, alice, later):
    bought.consume()
    bought.report()

    assert not access.unconfirmed_of(alice).exists()
    assert clock.sweep().alarmed == 0


def test_it_is_alarmed_once_and_managers_are_told(silent, mia, person):
    person("max", is_manager=True, is_active=False)
    Channel.objects.create(user=person("quiet", is_manager=True), service="mail", active=False)
    assert clock.sweep().alarmed == 1
    assert clock.sweep().alarmed == 0

    [event] = silent.approval.events.filter(kind=Event.Kind.ALARMED)
    assert event.actor == "clock"
    [letter] = Delivery.objects.filter(topic=unconfirmed.ALARM)
    assert letter.user == mia
    deliveries.attempt(str(letter.pk))
    [sent] = mail.outbox
    assert sent.to == ["mia@example.com"] and "never confirmed" in sent.subject
    assert reverse("approval", args=[silent.approval.pk]) in sent.body
    assert not says(sent.body, "420") and not says(sent.body, "456")  # no arguments leave the house


def test_no_letter_for_what_was_confirmed_meanwhile(silent, mia):
    clock.sweep()
    silent.report()
    deliveries.attempt(str(Delivery.objects.get(topic=unconfirmed.ALARM).pk))

    assert not mail.outbox


def test_the_header_counts_and_the_page_and_the_history_list_it(silent, propose, alice, mallory, as_):
    page = as_(alice).get(reverse("unconfirmed")).content.decode()
    card = reverse("approval", args=[silent.approval.pk])
    assert card in page and 'class="count count-warn">1<' in page
    assert card in as_(alice).get(reverse("history"), {"status": "unconfirmed"}).content.decode()
    other = as_(mallory).get(reverse("unconfirmed")).content.decode()
    assert card not in other and "count-warn" not in other


def test_the_card_says_so_and_asks(silent, alice, otto, as_):
    address = reverse("approval", args=[silent.approval.pk])
    page = as_(alice).get(address).content.decode()
    assert 'data-permit="silent"' in page and "never confirmed" in page and "payments-1" in page
    assert reverse("confirm", args=[silent.approval.pk]) in page
    page = as_(otto).get(address).content.decode()  # an auditor reads it, and closes nothing
    assert 'data-permit="silent"' in page and reverse("confirm", args=[silent.approval.pk]) not in page


def test_a_person_closes_it_with_how_they_know(silent, alice, as_):
    form = {"version": silent.fresh().version, "ran": "yes", "note": "It is in the ledger."}
    answer = as_(alice).post(reverse("confirm", args=[silent.approval.pk]), form, follow=True)

    assert answer.status_code == 200
    approval = silent.fresh()
    assert (approval.status, approval.outcome.result) == ("executed", "succeeded")
    assert (approval.outcome.reported_by, approval.outcome.detail) == (alice, "It is in the ledger.")
    assert approval.events.get(kind=Event.Kind.OUTCOME).user == alice
    assert "said Alice" in answer.content.decode()


def test_it_did_not_run_is_a_word_as_well(silent, mia):
    assert confirm(silent.approval.pk, by=mia, ran=False, note="Not in the ledger.").status == "skipped"


@pytest.mark.parametrize("form", [{"ran": "yes", "note": " "}, {"ran": "maybe", "note": "x"}, {"note": "x"}, {}])
def test_half_a_word_closes_nothing(form, silent, alice, as_):
    form = {"version": silent.fresh().version, **form}
    answer = as_(alice).post(reverse("confirm", args=[silent.approval.pk]), form)

    assert answer.status_code == 422
    assert silent.fresh().status == "released" and not Outcome.objects.exists()


def test_who_operates_the_agent_closes_nothing_of_it(silent, olga, robot):
    olga.is_manager = True
    olga.save()

    with pytest.raises(NotAllowed):
        confirm(silent.approval.pk, by=User.objects.get(pk=olga.pk), ran=True, note="Trust me.")


def test_a_note_of_spaces_is_none(silent, alice):
    with pytest.raises(BadVerdict):
        confirm(silent.approval.pk, by=alice, ran=True, note="  ")


def test_two_people_who_close_it_at_once_do_not_contradict_each_other(silent, alice, mia):
    confirm(silent.approval.pk, by=alice, ran=True, note="Ledger.")

    with pytest.raises(AlreadyConfirmed):
        confirm(silent.approval.pk, by=mia, ran=False, note="No.")


def test_the_agents_late_word_may_agree_and_not_contradict(silent, alice, refused):
    confirm(silent.approval.pk, by=alice, ran=True, note="Ledger.")

    assert silent.report("succeeded", detail="late").status_code == 200
    refused(silent.report("failed"), 409, "contradiction")
    assert Outcome.objects.get().detail == "Ledger."


def test_no_attempt_gets_another_yes_whatever_people_say(silent, alice, refused):
    refused(silent.consume("second"), 409, "permit_consumed")
    confirm(silent.approval.pk, by=alice, ran=False, note="Not in the ledger.")

    refused(silent.consume(), 409, "permit_consumed")
    refused(silent.consume("second"), 409, "permit_consumed")


# --- What the card says otherwise


def state_on_card(client, approval) -> str:
    page = client.get(reverse("approval", args=[approval.pk])).content.decode()
    return page.partition('data-permit="')[2].partition('"')[0]


def test_the_card_tells_how_the_permit_stands(bought, alice, as_):
    page = as_(alice)
    assert state_on_card(page, bought.approval) == "issued"
    with times.at(times.now() + timedelta(hours=25)):
        assert state_on_card(page, bought.approval) == "over"
    bought.consume()
    assert state_on_card(page, bought.approval) == "used"
    bought.report()
    assert state_on_card(page, bought.approval) == "done"


def test_what_ran_without_its_permit_is_said(bought, alice, as_):
    bought.report()

    assert state_on_card(as_(alice), bought.approval) == "unused"
    assert bought.approval.events.get(kind=Event.Kind.OUTCOME).facts == {"result": "succeeded", "permit": "not used"}


def test_what_did_not_run_needed_no_permit(bought, alice, as_):
    bought.report("skipped")

    assert state_on_card(as_(alice), bought.approval) == ""
    assert bought.approval.events.get(kind=Event.Kind.OUTCOME).facts == {"result": "skipped"}


def test_what_is_rejected_or_pending_has_no_permit(refund, propose, alice, as_):
    assert state_on_card(as_(alice), refund) == ""
    decisions.decide(decisions.seen(refund), by=alice, verdict="reject", words=decisions.Words(reason="policy"))
    assert state_on_card(as_(alice), refund) == ""


def test_who_sees_no_content_reads_no_executors_words(silent, root, as_):
    page = as_(root).get(reverse("approval", args=[silent.approval.pk])).content.decode()

    assert 'data-permit="silent"' in page and "payments-1" not in page


# --- What came back


def test_the_card_of_what_came_back_leads_with_what_changed_alone(approved, alice, bob, as_):
    was = {"order_status": "delivered", "version": 7}
    bought = approved(preconditions=was, summary="The customer asked nicely.")
    bought.consume(preconditions={**was, "order_status": "returned"})
    new = bought.approval.returned_as
    page = as_(alice).get(reverse("approval", args=[new.pk])).content.decode()

    assert "You approved this, and then the world moved." in page
    lead, folded = page.split("card-rest", 1)
    lead = lead[lead.index('id="moved"') :]
    assert "order_status" in lead.replace("<wbr>", "") and "delivered" in lead and "returned" in lead
    assert "version" not in lead and "The customer asked nicely." not in lead
    assert "The customer asked nicely." in folded
    assert "Alice approved this, and then" in as_(bob).get(reverse("approval", args=[new.pk])).content.decode()
    old = as_(alice).get(reverse("approval", args=[bought.approval.pk])).content.decode()
    assert 'data-permit="returned"' in old and reverse("approval", args=[new.pk]) in old


def test_its_row_names_whose_it_was(approved, alice, as_):
    bought = approved(preconditions={"open": True})
    bought.consume(preconditions={"open": False})
    page = as_(alice).get(reverse("inbox")).content.decode()

    assert f'data-claimant="{alice.pk}"' in page
    assert "Returned to Alice" in page and 'data-who="Returned to you"' in page  # the page says "you"
