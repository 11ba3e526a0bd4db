"""The agent revises what waits: taken, valued and routed again, and never to ask less of people than before."""

from datetime import timedelta

import pytest

from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import OutOfDate
from approvals.models import AuditEvent, Decision, Rule
from approvals.policy import messages, reasons, snapshot
from approvals.requests.amend import NotAmendable, amend
from approvals.requests.submission import Item
from tests.checker import check
from tests.conftest import replace_arguments, sentences_of
from tests.web import database_url


def item_path(approval, verb="amend"):
    return f"requests/{approval.request_id}/items/{approval.item}/{verb}"


def args(amount, order="456"):
    return {"order": order, "amount": amount, "currency": "EUR"}


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_an_amendment_is_a_new_revision_and_what_it_does_not_name_stays(propose, api):
    refund = propose(summary="two cables", reasoning="both broken")
    response = api.post(item_path(refund), {"args": args(300), "summary": "one cable"})

    assert response.status_code == 200
    [item] = response.json()["items"]
    after = load(refund.pk)
    assert (item["revision"], item["status"], item["action_digest"]) == (2, "pending", after.digest)
    assert after.digest != refund.digest
    assert (after.proposal.args, after.proposal.summary, after.proposal.reasoning) == (
        args(300),
        "one cable",
        "both broken",
    )
    assert (after.value, after.proposal.headline) == (300, "refund 300 EUR to order 456")
    event = refund.events.get(kind="amended")
    assert (event.actor, event.facts["edited"], event.facts["parts"]) == ("agent:robot", ["/amount"], ["summary"])
    assert check(database_url()) == []


def test_a_verdict_on_the_old_revision_is_refused(refund, alice, api):
    on_alices_screen = card_version_of(refund)
    api.post(item_path(refund), {"args": args(4000)})

    with pytest.raises(OutOfDate):
        decide(on_alices_screen, by=alice, verdict="approve")
    assert load(refund.pk).status == "pending"
    assert decide(card_version_of(load(refund.pk)), by=alice, verdict="approve").proposal.args == args(4000)


def test_an_amendment_that_changes_nothing_is_the_revision_there_is(refund, api):
    assert api.post(item_path(refund), {"args": args(420)}).json()["items"][0]["revision"] == 1
    api.post(item_path(refund), {"args": args(300)})
    again = api.post(item_path(refund), {"args": args(300)})  # its answer was lost

    assert again.json()["items"][0]["revision"] == 2
    assert refund.events.filter(kind="amended").count() == 1


def test_a_larger_amount_goes_to_the_tier_it_needs_and_a_smaller_one_does_not_come_back(refund, alice, bob, api):
    claims.claim(refund.pk, by=alice)
    raised = api.post(item_path(refund), {"args": args(6000)}).json()["items"][0]
    after = load(refund.pk)
    assert raised["tier"] == 2
    assert after.tiers_visited == [1, 2]
    assert after.claimed_by is None
    assert after.expires_at == refund.expires_at
    assert after.due_at <= after.expires_at

    assert api.post(item_path(refund), {"args": args(10)}).json()["items"][0]["tier"] == 2
    decide(card_version_of(load(refund.pk)), by=bob, verdict="approve")


def test_no_deadline_moves_and_who_is_reading_it_keeps_it(refund, alice, api):
    claimed = claims.claim(refund.pk, by=alice)
    api.post(item_path(refund), {"args": args(300)})

    after = load(refund.pk)
    assert (after.due_at, after.expires_at) == (claimed.due_at, claimed.expires_at)
    assert (after.claimed_by, after.claim_until) == (alice, claimed.claim_until)


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_the_votes_are_void(refunds, propose, alice, bob, api):
    refunds.approvers = 2
    refunds.save()
    snapshot.publish(by=None, note="two people")
    refund = propose()
    decide(card_version_of(refund), by=alice, verdict="approve")
    api.post(item_path(refund), {"args": args(300)})

    assert load(refund.pk).votes == 0
    assert decide(card_version_of(load(refund.pk)), by=bob, verdict="approve").status == "pending"
    assert decide(card_version_of(load(refund.pk)), by=alice, verdict="approve").status == "released"
    assert check(database_url()) == []


def test_it_is_of_what_the_agent_proposed_and_not_of_a_reviewers_changes(refunds, propose, alice, api):
    refunds.approvers = 2
    refunds.save()
    snapshot.publish(by=None, note="two people")
    refund = propose()
    decide(
        card_version_of(refund),
        by=alice,
        verdict="modify",
        verdict_input=VerdictInput(edits=replace_arguments(args(100))),
    )
    api.post(item_path(refund), {"summary": "as I said"})

    after = load(refund.pk)
    assert (after.revision, after.proposal.args, after.proposal.author) == (3, args(420), None)


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_what_policy_refuses_now_ends_there(refunds, propose, api):
    Rule.objects.create(
        action_type=refunds, name="never-13", expression="args.amount == 13.0", effect="block", message="unlucky"
    )
    snapshot.publish(by=None, note="block")
    refund = propose()
    response = api.post(item_path(refund), {"args": args(13.0)})

    assert response.status_code == 200
    assert response.json()["decision"]["items"][0]["verdict"] == "reject"
    after = load(refund.pk)
    assert (after.status, after.source, after.verdict) == ("released", "policy", "reject")
    assert Decision.objects.get(approval=refund).revision == 2
    assert [event.kind for event in refund.events.order_by("seq")] == ["submitted", "amended", "released"]
    assert check(database_url()) == []


def test_what_would_pass_now_still_waits_for_who_was_asked(refunds, propose, api):
    refunds.strategy = "risk"
    refunds.save()
    Rule.objects.create(
        action_type=refunds, name="large", expression="args.amount > 100.0", effect="review", message="large"
    )
    snapshot.publish(by=None, note="risk")
    assert propose(amount=50.0).status == "released"
    refund = propose(amount=420.0)
    api.post(item_path(refund), {"args": args(50.0, order="457")})

    after = load(refund.pk)
    assert (after.status, after.route, after.tier_id) == ("pending", "review", 1)
    assert sentences_of(after.reasons) == [
        messages.sentence(reasons.AskedBeforeChange()),
        *sentences_of(refund.reasons),
    ]


def test_silence_approves_no_arguments_that_came_later(refunds, propose, robot):
    refunds.reversibility, refunds.gate, refunds.on_timeout = "reversible", "soft", "approve"
    refunds.save()
    snapshot.publish(by=None, note="soft")
    reworded, amended = propose(order="1"), propose(order="2")
    assert reworded.on_timeout == amended.on_timeout == "approve"
    amend(reworded.pk, lambda item: Item(**{**_fields(item), "summary": "the same, said better"}), by=robot)
    amend(amended.pk, lambda item: Item(**{**_fields(item), "args": args(4999, order="2")}), by=robot)

    assert load(reworded.pk).on_timeout == "approve"
    assert load(amended.pk).on_timeout == "reject"
    with times.at(amended.expires_at + timedelta(seconds=1)):
        clock.sweep()
    assert load(reworded.pk).verdict == "approve"
    assert load(amended.pk).status == "expired"


def _fields(item):
    return {name: getattr(item, name) for name in Item.__dataclass_fields__}


def test_what_did_not_parse_can_be_mended_and_then_approved(propose, alice, api):
    refund = propose(args='{"order": "456", "amount": 4', parsed=False)
    assert "approve" not in refund.allowed
    api.post(item_path(refund), {"args": args(420)})

    after = load(refund.pk)
    assert "approve" in after.allowed
    assert decide(card_version_of(after), by=alice, verdict="approve").status == "released"


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_whom_it_concerns_follows_the_arguments_unless_the_agent_said_it(propose, api):
    derived, stated = propose(), propose(subject="customer:981")
    for approval in (derived, stated):
        api.post(item_path(approval), {"args": args(420, order="789")})

    assert (load(derived.pk).subject, load(stated.pk).subject) == ("order:789", "customer:981")
    assert check(database_url()) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"args": {"order": "456"}}, "/args"),
        ({"args": args("lots")}, "/args/amount"),
        ({"status": "released"}, ""),
        ({"tier": 1}, ""),
        ({"signals": {"stated_confidence": 1.7}}, "/signals/stated_confidence"),
        ({"alternatives": [{"label": "less", "args": {}}]}, "/alternatives/0/args"),
        ({"attachments": ["01900000-0000-7000-8000-000000000000"]}, "/attachments/0"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(body, pointer, refund, api):
    response = api.post(item_path(refund), body)

    assert response.status_code == 422
    assert any(error["pointer"].startswith(pointer) for error in response.json()["errors"])
    assert load(refund.pk).revision == 1


def test_what_is_held_or_settled_is_no_longer_the_agents(with_undo, propose, alice, api):
    refund = propose()
    decide(card_version_of(refund), by=alice, verdict="approve")
    held = api.post(item_path(refund), {"args": args(300)})

    assert (held.status_code, held.json()["code"]) == (409, "no_longer_pending")
    assert "approve" not in held.content.decode().lower()  # the verdict is not the agent's to know yet
    undo(refund.pk, by=alice)
    assert api.post(item_path(refund), {"args": args(300)}).status_code == 200
    decide(card_version_of(load(refund.pk)), by=alice, verdict="reject", verdict_input=VerdictInput(message="no"))
    with times.at(times.now() + timedelta(seconds=10)):
        clock.sweep()
    assert api.post(item_path(refund), {"args": args(420)}).status_code == 409


def test_after_its_end_it_is_not_revised(refund, robot):
    with times.at(refund.expires_at), pytest.raises(NotAmendable):
        amend(refund.pk, lambda item: item, by=robot)


def test_another_agents_request_is_not_there(refund, stranger, api):
    assert stranger.post(item_path(refund), {"summary": "mine now"}).status_code == 404
    assert api.post(f"requests/{refund.request_id}/items/other/amend", {"summary": "?"}).status_code == 404
    assert not AuditEvent.objects.filter(kind="amended").exists()


def test_a_question_has_no_arguments_to_amend(action_type, api, propose):
    action_type("question", reversibility="reversible", gate="clarify", schema={}, allowed=["answer", "reject"])
    question = propose(items=(Item(id="q", item_type="question", prompt="Which account?", summary="two match"),))
    assert api.post(item_path(question), {"args": {"account": 1}}).status_code == 422
    assert api.post(item_path(question), {"summary": "three match"}).status_code == 200
    assert load(question.pk).proposal.prompt == "Which account?"


def test_undoing_a_verdict_goes_back_to_the_amendment(with_undo, propose, alice, api):
    refund = propose()
    api.post(item_path(refund), {"args": args(300)})
    decide(
        card_version_of(load(refund.pk)),
        by=alice,
        verdict="modify",
        verdict_input=VerdictInput(edits=replace_arguments(args(200))),
    )
    undo(refund.pk, by=alice)

    after = load(refund.pk)
    assert (after.revision, after.proposal.args) == (2, args(300))
