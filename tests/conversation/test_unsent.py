"""Unsent text: what is kept of what a person typed, for how long, and for whom."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse

from approvals import clock
from approvals.db import times
from approvals.decisions import unsent_text
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.unsent_text import FormKey
from approvals.execution import agent_reports as agent_side
from approvals.models import AuditEvent, UnsentText


def typed(approval, by, text="too much", *, slot="reject", tab="t", turn=1, version="1", instead_of=""):
    form = FormKey(slot, version, approval_id=approval.pk)
    return unsent_text.keep(form, {"message": [text]}, by=by, tab=tab, turn=turn, instead_of=instead_of)


def texts_of(user, approval):
    return [
        (text["slot"], text["fields"]["message"]) for text in unsent_text.unsent_texts_of(user, approval_id=approval.pk)
    ]


def post(client, user, approval, fields, **more):
    body = {"approval": str(approval.pk), "slot": "reject", "version": "1", "tab": "t", "turn": 1, **more}
    body = {"person": str(user.pk), **body, "fields": fields}
    return client.post(reverse("card:unsent"), json.dumps(body, ensure_ascii=False), content_type="application/json")


def test_only_its_author_reads_it_and_it_stands_in_no_history(refund, alice, carol, as_):
    post(as_(alice), alice, refund, {"message": ["a word for the agent alone"]})

    mine = as_(alice).get(reverse("card:unsent"), {"approval": refund.pk}).json()
    theirs = as_(carol).get(reverse("card:unsent"), {"approval": refund.pk}).json()
    assert mine["texts"][0]["fields"] == {"message": ["a word for the agent alone"]}
    assert mine["approvals"] == [str(refund.pk)]
    assert theirs["texts"] == theirs["approvals"] == []
    assert "a word" not in str(list(AuditEvent.objects.values()))


def test_a_typed_confirmation_a_password_and_what_ties_a_form_to_its_card_are_never_kept(refund, alice, as_):
    secrets = ("typed", "password", "password2", "login", "csrfmiddlewaretoken", "version", "digest", "attempt")
    post(as_(alice), alice, refund, {**{name: ["secret"] for name in secrets}, "guidance": ["be brief"]})

    assert UnsentText.objects.get().fields == {"guidance": ["be brief"]}


def test_what_one_person_typed_is_not_stored_as_another_who_signed_in_meanwhile(refund, alice, carol, as_):
    assert post(as_(carol), alice, refund, {"message": ["mine"]}).status_code == 409
    assert not UnsentText.objects.exists()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"tab": 1}', b"\xff", b'{"tab":"t","turn":1,"fields":{"a":"b"}}', b"[" * 100_000]
)
def test_what_no_page_sends_is_refused(body, alice, as_):
    assert as_(alice).post(reverse("card:unsent"), body, content_type="application/json").status_code == 400


def test_it_is_bounded_in_size_and_in_number(refund, alice, as_, monkeypatch):
    assert post(as_(alice), alice, refund, {"message": ["x" * unsent_text.LONGEST]}).status_code == 413
    assert post(as_(alice), alice, refund, {"message": ["\N{DROMEDARY CAMEL}" * 190_000]}).status_code == 200

    monkeypatch.setattr(unsent_text, "MOST", 3)
    for number in range(5):
        typed(refund, alice, f"text {number}", slot=f"slot {number}")
    assert [text["slot"] for text in unsent_text.unsent_texts_of(alice, approval_id=refund.pk)] == [
        "slot 4",
        "slot 3",
        "slot 2",
    ]


def test_what_no_database_holds_is_left_out_of_it(refund, alice):
    assert typed(refund, alice, "a\0b\ud800c").fields == {"message": ["ab?c"]}


def test_a_late_message_of_a_tab_overwrites_nothing_and_another_tab_neither(refund, alice):
    typed(refund, alice, "second", turn=2)
    typed(refund, alice, "first", turn=1)
    typed(refund, alice, "elsewhere", tab="other")

    assert texts_of(alice, refund) == [("reject", ["elsewhere"]), ("reject", ["second"])]


def test_a_tab_that_goes_on_with_anothers_text_replaces_it_unless_it_changed_meanwhile(refund, alice):
    before = typed(refund, alice, "begun", tab="before")
    typed(refund, alice, "begun and ended", tab="after", instead_of=f"{before.pk}:1")
    assert texts_of(alice, refund) == [("reject", ["begun and ended"])]

    before = typed(refund, alice, "begun", tab="before", turn=1)
    typed(refund, alice, "begun, and more", tab="before", turn=2)
    typed(refund, alice, "begun otherwise", tab="third", instead_of=f"{before.pk}:1")
    assert ("reject", ["begun, and more"]) in texts_of(alice, refund)


def test_an_emptied_form_is_kept_no_more(refund, alice):
    typed(refund, alice, "hm", turn=1)
    typed(refund, alice, "", turn=2)

    assert texts_of(alice, refund) == []


@pytest.mark.parametrize("end", ["decided", "expired", "cancelled"])
def test_it_goes_when_the_card_is_settled_by_whomever_and_a_comment_can_still_be_sent(end, propose, alice, carol):
    approval = propose(timeout=timedelta(hours=1))
    typed(approval, alice)
    typed(approval, alice, "for colleagues", slot="comment")
    if end == "decided":
        decide(card_version_of(approval), by=carol, verdict="approve")
    elif end == "expired":
        with times.at(times.now() + timedelta(hours=9)):
            clock.sweep()
            clock.sweep()
            clock.sweep()
    else:
        agent_side.cancel(approval.request, by=approval.agent)

    assert load(approval.pk).status not in ("pending", "held")
    assert texts_of(alice, approval) == [("comment", ["for colleagues"])]
    with pytest.raises(unsent_text.Ended):
        typed(approval, alice)


def test_while_a_verdict_is_held_it_stays_for_an_undo(with_undo, propose, alice, as_):
    approval = propose()
    typed(approval, alice, "not this")
    sent = {"slots": ["reject"], "version": "1", "approval": str(approval.pk), "tab": "t"}
    form = {"version": approval.version}
    form = {**form, "verdict": "reject", "message": "not this", "unsent": json.dumps(sent)}
    assert as_(alice).post(reverse("card:decide", args=[approval.pk]), form).status_code < 400
    assert load(approval.pk).status == "held"
    assert texts_of(alice, approval) == [("reject", ["not this"])]

    undo(approval.pk, by=alice)
    assert texts_of(alice, approval) == [("reject", ["not this"])]
    decide(card_version_of(load(approval.pk)), by=alice, verdict="approve")
    with times.at(times.now() + timedelta(seconds=6)):
        clock.sweep()
    assert texts_of(alice, approval) == []


def test_a_form_that_was_sent_leaves_nothing_and_one_that_was_refused_does(refund, alice, as_):
    typed(refund, alice, "for all of you", slot="comment")
    sent = json.dumps({"slots": ["comment"], "version": "1", "approval": str(refund.pk), "tab": "t"})
    send = as_(alice).post
    form = {"version": refund.version, "unsent": sent}
    send(reverse("card:comment", args=[refund.pk]), {**form, "text": ""})
    kept = texts_of(alice, refund)
    send(reverse("card:comment", args=[refund.pk]), {**form, "text": "for all of you"})

    assert kept == [("comment", ["for all of you"])]
    assert texts_of(alice, refund) == []


@pytest.mark.parametrize("given", ["", "{}", "[]", '{"slots": [1]}', '{"slots": ["x"], "approval": "none"}'])
def test_a_form_that_says_nonsense_of_it_is_taken_all_the_same(given, refund, alice, as_):
    form = {"version": refund.version, "text": "hm", "unsent": given}
    response = as_(alice).post(reverse("card:comment", args=[refund.pk]), form)

    assert response.status_code < 400
    assert refund.notes.count() == 1


def test_after_seven_days_it_is_gone_and_with_its_author_at_once(refund, alice, person):
    other = person("other")
    typed(refund, alice)
    typed(refund, other)
    other.delete()
    assert UnsentText.objects.count() == 1
    UnsentText.objects.update(typed_at=times.now() - timedelta(days=7, seconds=1))
    clock.sweep()

    assert not UnsentText.objects.exists()


def test_no_admin_has_a_page_for_it(admin_client):
    assert admin_client.get("/admin/approvals/unsenttext/").status_code == 404
