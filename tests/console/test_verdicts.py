"""Deciding on the page: one POST, what follows it, and what it refuses."""

from uuid import uuid4

import pytest
from django.urls import reverse

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Approval, Decision
from tests.conftest import PASSWORD

FRAGMENT = {"HX-Request": "true"}


def form_of(approval, verdict="approve", **more) -> dict[str, object]:
    return {
        "verdict": verdict,
        "version": approval.version,
        **more,
    }


@pytest.fixture
def send(as_, alice):
    """Alice's browser posts to an address of the approval."""

    def post(approval, name="decide", user=alice, query="", **form):
        sent = {"version": approval.version, **form}
        return as_(user).post(reverse(f"card:{name}", args=[approval.pk]) + query, sent, headers=FRAGMENT)

    return post


def test_u18_one_click_approves_and_the_row_comes_back_grey(refund, send):
    page = send(refund, **form_of(refund, viewed=4200)).content.decode()

    settled = load(refund.pk)
    assert (settled.verdict, settled.decided_by.username) == ("approve", "alice")
    assert settled.viewed.total_seconds() == 4.2
    assert "data-row-update" in page
    assert "Approved. Released to the agent." in page


@pytest.mark.parametrize("name", ["decide", "escalate", "modify"])
def test_a_press_that_arrives_twice_is_told_what_it_did_the_first_time(name, with_undo, propose, send, bob):
    """Its answer was lost, and it was sent again: nobody else was first, though the version may be another by then."""
    refund = propose()
    edit = {"mode": "form", "edits": "[]", "touched": '[["/amount", "number", "200"]]'}
    form = form_of(refund, attempt=str(uuid4()), **(edit if name == "modify" else {}))
    first, again = send(refund, name, **form), send(refund, name, **form)
    page = again.content.decode()

    assert (first.status_code, again.status_code) == (200, 200)
    assert f'data-card="{refund.pk}"' in page and "data-toast" in page
    assert "notice-warn" not in page
    assert refund.events.filter(kind__in=["decided", "escalated"]).count() == 1


def test_u36_the_next_card_of_the_same_filter_follows(propose, send):
    first, other, following = propose(order="abc-1"), propose(order="xyz-1"), propose(order="abc-2")
    response = send(first, query="?q=order+abc", **form_of(first))

    assert f'data-card="{following.pk}"' in response.content.decode()
    assert response["HX-Push-Url"] == reverse("card:card", args=[following.pk]) + "?q=order+abc"
    assert load(other.pk).status == "pending"


def test_u36_with_shift_one_stays(propose, send):
    first, _other = propose(order="1"), propose(order="2")
    page = send(first, **form_of(first, stay="1")).content.decode()

    assert f'data-card="{first.pk}"' in page


def test_what_a_colleague_reads_is_not_served_next(propose, carol, send, as_):
    first, claimed, free = propose(order="1"), propose(order="2"), propose(order="3")
    as_(carol).post(reverse("card:claim", args=[claimed.pk]), {"version": claimed.version})

    assert f'data-card="{free.pk}"' in send(first, **form_of(first)).content.decode()


def test_u37_the_toast_offers_undo_while_the_verdict_is_held(with_undo, propose, send):
    approval = propose()
    page = send(approval, **form_of(approval)).content.decode()
    assert "data-toast" in page
    assert reverse("card:undo", args=[approval.pk]) in page

    send(approval, "undo")
    assert load(approval.pk).status == "pending"


def test_u37_after_the_release_undo_says_when_it_went(refund, send):
    send(refund, **form_of(refund))
    response = send(refund, "undo")

    assert response.status_code in (403, 409)
    assert "released to the agent at" in response.content.decode()


def test_u18_the_second_of_two_is_told_who_was_first(refund, carol, send):
    decide(card_version_of(refund), by=carol, verdict="approve")
    response = send(refund, **form_of(refund, "reject", reason="policy"))

    assert response.status_code == 409
    assert "Carol approved this" in response.content.decode()
    assert Decision.objects.count() == 1


def test_u40_a_verdict_on_an_older_revision_shows_the_new_one(refund, send):
    Approval.objects.filter(pk=refund.pk).update(revision=2)
    response = send(refund, **form_of(refund))

    assert response.status_code == 409
    assert "The agent revised this (v2)" in response.content.decode()


@pytest.mark.parametrize("fields", [{}, {"message": "   "}, {"reason": "other"}])
def test_u31_a_rejection_without_a_reason_is_refused_beside_the_field(fields, refund, send):
    response = send(refund, **form_of(refund, "reject", **fields))

    assert response.status_code == 422
    assert response["HX-Retarget"] == "#actions"
    assert 'aria-invalid="true"' in response.content.decode()
    assert load(refund.pk).status == "pending"


def test_u31_a_reason_of_the_list_is_enough(refund, send):
    send(refund, **form_of(refund, "reject", reason="duplicate", message=""))

    assert load(refund.pk).decisions.get().reason == "duplicate"


def test_a_reason_of_a_megabyte_is_refused(refund, send):
    assert send(refund, **form_of(refund, "reject", message="x" * 1_000_000)).status_code == 422
    assert load(refund.pk).status == "pending"


def test_u35_a_manual_gate_asks_to_type_the_value_and_the_password(action_type, propose, carol, send):
    action_type("wipe", gate="manual", reversibility="irreversible", tier_id=3)
    approval = propose(action="wipe")
    form = form_of(approval)

    refused = send(approval, user=carol, **form)
    assert refused.status_code == 422
    assert "Give your password again" in refused.content.decode()
    assert send(approval, user=carol, **form, typed="420", password="wrong").status_code == 422
    assert send(approval, user=carol, **form, typed="421", password=PASSWORD).status_code == 422
    assert load(approval.pk).status == "pending"

    page = send(approval, user=carol, **form, typed="420", password=PASSWORD)
    assert page.status_code == 200
    assert load(approval.pk).verdict == "approve"


def test_a_refused_password_is_not_sent_back(action_type, propose, carol, send):
    action_type("wipe", gate="manual", reversibility="irreversible", tier_id=3)
    approval = propose(action="wipe")
    page = send(approval, user=carol, **form_of(approval), typed="1", password="my secret").content.decode()

    assert "my secret" not in page


def test_u33_an_escalation_takes_its_note_along(refund, alice, bob, send):
    send(refund, "escalate", note="Please look at the receipt.")

    moved = load(refund.pk)
    assert moved.tier_id == 2
    assert moved.notes.get().text == "Please look at the receipt."


def test_without_script_a_verdict_leads_back_to_the_card(refund, alice, as_):
    response = as_(alice).post(reverse("card:decide", args=[refund.pk]), form_of(refund), follow=True)

    assert response.redirect_chain[-1][0] == reverse("card:card", args=[refund.pk])
    assert "Approved. Released to the agent." in response.content.decode()


def test_two_people_are_needed_where_policy_says_so(action_type, propose, alice, carol, send):
    action_type("payout", approvers=2)
    approval = propose(action="payout")
    page = send(approval, **form_of(approval)).content.decode()
    assert "1 of 2 approvals" in page
    assert load(approval.pk).status == "pending"

    send(approval, user=carol, **form_of(load(approval.pk)))
    assert load(approval.pk).verdict == "approve"
