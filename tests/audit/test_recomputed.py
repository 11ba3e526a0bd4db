"""Rows are held against their events: whoever changes a row by SQL is found, and the row is named."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from approvals import clock
from approvals.db import times
from approvals.decisions import agent_questions, batches, claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_pause, consume, grants, incidents
from approvals.execution import agent_reports as agents_own
from approvals.execution.grants import GrantRequest
from approvals.execution.recall import recall
from approvals.history import recompute, recorded, seal
from approvals.models import Agent, Approval, Rule
from approvals.policy import snapshot
from approvals.requests import amend
from approvals.requests.submission import Item
from approvals.values.edits import Operation
from tests.tampering import tamper

RELEASED = (
    "UPDATE approvals_approval SET status = 'released', verdict = 'approve', source = 'human', decided_at = now(), "
    "released_at = now(), decided_by_id = (SELECT id FROM approvals_user WHERE username = 'bob') "
    "WHERE status = 'pending'"
)
BOB = "(SELECT id FROM approvals_user WHERE username = 'bob')"


def sweep_at(moment):
    with times.at(moment):
        return clock.sweep()


@pytest.fixture
def history(propose, alice, bob):
    """A refund that waits, and one that Alice approved with words."""
    decide(
        card_version_of(propose(order="1")), by=alice, verdict="approve", verdict_input=VerdictInput(message="Fine.")
    )
    return propose(order="2")


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        (RELEASED, "says released, its events say pending"),
        (
            f"UPDATE approvals_approval SET decided_by_id = {BOB} WHERE status = 'released'",  # noqa: S608
            "decided by bob, its events say alice",
        ),
        (
            "UPDATE approvals_approval SET verdict = 'modify' WHERE status = 'released'",
            "says verdict modify, its events say approve",
        ),
        (
            "UPDATE approvals_approval SET source = 'policy' WHERE status = 'released'",
            "says source policy, its events say human",
        ),
        ("UPDATE approvals_approval SET decided_at = now() WHERE status = 'released'", "says decided at"),
        ("UPDATE approvals_approval SET released_at = NULL WHERE status = 'released'", "says released at nothing"),
        ("UPDATE approvals_approval SET consumed_at = now() WHERE status = 'released'", "says permit used at"),
        ("UPDATE approvals_approval SET tier_id = 3", "says tier 3, its events say 1"),
        ("UPDATE approvals_approval SET round = 2", "says round 2, its events say 1"),
        ("UPDATE approvals_approval SET revision = 2", "says revision 2, its events say 1"),
        ("UPDATE approvals_approval SET digest = 'sha256:0'", "says digest sha256:0, its events say sha256:"),
        ("UPDATE approvals_approval SET subject = 'order:9'", "says subject order:9, its events say order:"),
        (f"UPDATE approvals_decision SET user_id = {BOB}", "the decision on approval"),  # noqa: S608
        ("UPDATE approvals_decision SET verdict = 'reject'", "says verdict reject, its events say approve"),
        ("UPDATE approvals_decision SET message = 'Fine!'", "says other words"),
        ("UPDATE approvals_decision SET answer = '\"yes\"'", "says other words"),
        ("UPDATE approvals_decision SET undone_at = now()", "says undone, its events say standing"),
        ("UPDATE approvals_decision SET round = 2", "is one that no event tells of"),
        ("DELETE FROM approvals_decision", "a decision on approval"),
        (
            'UPDATE approvals_proposal SET args = \'{"order": "2", "amount": 9000, "currency": "EUR"}\'',
            "what its digest",
        ),
        ('UPDATE approvals_proposal SET attachments = \'[{"digest": "sha256:0"}]\'', "what its digest was made of"),
        ("UPDATE approvals_proposal SET digest = 'sha256:0'", "is not the one that its events tell of"),
        ("DELETE FROM approvals_proposal", "the proposal of approval"),
        (
            "UPDATE approvals_approvalrequest SET answer = replace(answer, '\"approve\"', '\"reject\"')"
            " WHERE answer <> ''",
            "its decision document does not say what was decided",
        ),
        (
            "UPDATE approvals_approvalrequest SET answer = replace(answer, 'Fine.', 'Run twice.') WHERE answer <> ''",
            "its decision document does not say what was decided",
        ),
        ("UPDATE approvals_approvalrequest SET answer = '[]' WHERE answer <> ''", "does not say what was decided"),
        ("UPDATE approvals_approvalrequest SET answer = 'gone' WHERE answer <> ''", "does not say what was decided"),
        (
            "UPDATE approvals_approvalrequest SET recalled_answer = replace(answer, '420', '421') WHERE answer <> ''",
            "its decision document does not say what was decided",
        ),
        (
            "UPDATE approvals_approvalrequest SET answer = '{}', status = 'decided', open_items = 0, closed_at = now() "
            "WHERE answer = ''",
            "says decided, its approvals say otherwise",
        ),
        (
            "UPDATE approvals_approvalrequest SET status = 'cancelled' WHERE answer <> ''",
            "does not say what was decided",
        ),
        (
            "UPDATE approvals_policyversion SET snapshot = jsonb_set(snapshot::jsonb, '{rates,USD}', '\"2\"')",
            "policy version 1 is not what was published",
        ),
        ("UPDATE approvals_policyversion SET digest = 'sha256:0'", "policy version 1 is not what was published"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_a_row_that_says_something_else_than_its_events_is_named(sql, complaint, history):
    assert seal.verify().ok
    tamper(sql)

    verification = seal.verify()
    assert not verification.ok
    assert complaint in verification.message
    with pytest.raises(CommandError, match="says|not|no event|missing"):  # noqa: RUF043  # alternatives
        call_command("verify_audit")


@pytest.fixture
def side_rows(propose, robot, alice, bob, carol, action_type):
    """One row of each kind that stands beside an approval: a vote, a note, a question with its answer, and so on."""
    action_type("transfer", approvers=2)
    voted = propose(action="transfer", order="1")
    decide(card_version_of(voted), by=alice, verdict="approve", verdict_input=VerdictInput(message="I looked."))
    claims.comment(voted.pk, by=bob, text="Who is this?")
    agent_questions.answer(agent_questions.ask(voted.pk, by=bob, text="Why twice?"), by=robot, text="It is not.")
    taken = propose(order="2")
    decide(card_version_of(taken), by=alice, verdict="approve")
    used = propose(order="3")
    decide(card_version_of(used), by=alice, verdict="approve")
    sweep_at(times.now() + timedelta(minutes=1))
    recall(
        card_version_of(load(taken.pk)), by=alice, verdict_input=VerdictInput(reason="not_needed", message="No longer.")
    )
    used = load(used.pk)
    jti = used.decisions.get().pk
    permit = json.loads(used.request.answer)["items"][0]["permit"]
    consume.consume(consume.PermitUse(jti, permit, used.digest, "1", "worker-1"), by=robot)
    agents_own.report_outcome(load(used.pk), by=robot, result="succeeded", detail="Paid.", data={"id": 7, "n": 1.5})
    incidents.open_incident(load(used.pk), by=carol, severity="low", text="Twice.")


COPY_VOTE = (
    "INSERT INTO approvals_vote (approval_id, revision, round, stage, user_id, note, created_at) SELECT "  # noqa: S608
    f"approval_id, revision, round, stage, {BOB}, note, created_at FROM approvals_vote"
)


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        (f"UPDATE approvals_vote SET user_id = {BOB}", "the vote on approval"),  # noqa: S608
        ("UPDATE approvals_vote SET note = 'I did not look.'", "the vote on approval"),
        ("UPDATE approvals_vote SET stage = 1", "the vote on approval"),
        ("DELETE FROM approvals_vote", "the vote on approval"),
        (COPY_VOTE, "the vote on approval"),
        ("UPDATE approvals_note SET text = 'I know him.'", "the note on approval"),
        ("UPDATE approvals_note SET created_at = now()", "the note on approval"),
        ("DELETE FROM approvals_note", "the note on approval"),
        ("UPDATE approvals_agentquestion SET text = 'Why?'", "the question on approval"),
        ("UPDATE approvals_agentquestion SET answer = 'It is.'", "the answer on approval"),
        ("UPDATE approvals_agentquestion SET answer = '', answered_at = NULL", "the answer on approval"),
        ("UPDATE approvals_recall SET message = 'Whatever.'", "the recall on approval"),
        (f"UPDATE approvals_recall SET user_id = {BOB}", "the recall on approval"),  # noqa: S608
        ("UPDATE approvals_consumption SET executor = 'worker-2'", "the use on approval"),
        ("UPDATE approvals_consumption SET consumed_at = now()", "the use on approval"),
        ("DELETE FROM approvals_consumption", "the use on approval"),
        ("UPDATE approvals_outcome SET result = 'failed'", "the outcome on approval"),
        ("UPDATE approvals_outcome SET data = '{}'", "the outcome on approval"),
        ("DELETE FROM approvals_outcome", "the outcome on approval"),
        ("UPDATE approvals_incident SET severity = 'critical'", "the incident on approval"),
        ("DELETE FROM approvals_incident", "the incident on approval"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_a_row_beside_an_approval_that_its_events_do_not_tell_of_is_named(sql, complaint, side_rows):
    verification = seal.verify()
    assert verification.ok, verification.message
    tamper(sql)

    verification = seal.verify()
    assert not verification.ok
    assert complaint in verification.message


@pytest.mark.django_db(transaction=True)
def test_one_approval_is_verified_with_its_request_and_no_other(history):
    waits, decided = history, Approval.objects.get(status="released")
    tamper("UPDATE approvals_approvalrequest SET answer = replace(answer, 'Fine.', 'Never.') WHERE answer <> ''")

    assert seal.verify(waits.pk).ok
    verification = seal.verify(decided.pk)
    assert not verification.ok
    assert str(decided.request_id) in verification.message


@pytest.mark.django_db(transaction=True)
def test_an_auditor_reads_the_same_on_the_page(history, otto, as_):
    tamper(RELEASED)
    page = as_(otto).post(reverse("history:verify")).content.decode()

    assert 'data-verified="no"' in page
    assert seal.verify().message in page


def test_every_column_of_an_approval_is_recorded_or_named_as_left_out():
    columns = {field.attname for field in Approval._meta.concrete_fields}
    left_out = {
        *("id", "position", "created_at", "event_seq", "event_head"),  # what it is, and the chain itself
        *("reason_code", "reasons", "assessment", "flagged", "confidence", "value", "impact", "shadowed"),  # weighed
        *("baseline_key", "frequency_key", "similarity_key", "repeats_id", "attempt", "search_words"),  # compared with
        *("agent_model", "prompt_version", "tool_version", "first_opened_at", "viewed"),  # evidence
        *("share", "routed_score", "routed_parts", "routed_impact"),
        *("tiers_visited", "queues_visited", "due_at", "remind_at", "hold", "claimed_by_id", "claim_until"),  # sweeps
        *("snoozed_until", "escalations", "breaches", "alarmed_at"),
    }

    assert columns == recorded.COLUMNS | left_out
    assert not recorded.COLUMNS & left_out


# --- Honest histories


@pytest.mark.django_db(transaction=True)
def test_whatever_happened_honestly_verifies(
    propose, robot, alice, bob, carol, refunds, with_undo, action_type, monkeypatch
):
    monkeypatch.setattr(recompute, "SET", 3)  # several sets
    start = times.now()
    held = [propose(order=f"held-{number}") for number in range(6)]
    decide(
        card_version_of(held[0]),
        by=alice,
        verdict="approve",
        verdict_input=VerdictInput(message="", guidance="Be quick."),
    )
    undo(held[0].pk, by=alice)
    decide(
        card_version_of(load(held[0].pk)),
        by=alice,
        verdict="reject",
        verdict_input=VerdictInput(reason="policy", stop=True),
    )
    edit = VerdictInput(edits=(Operation("replace", "/amount", 99.5),), message="Less.")
    decide(card_version_of(held[1]), by=alice, verdict="modify", verdict_input=edit)
    undo(held[1].pk, by=alice)
    decide(card_version_of(load(held[1].pk)), by=alice, verdict="modify", verdict_input=edit)
    amend.amend(held[2].pk, lambda item: replace(item, args={**item.args, "amount": 6000}), by=robot)
    decide(card_version_of(load(held[2].pk)), by=bob, verdict="approve")
    decide(card_version_of(held[3]), by=alice, verdict="approve")
    agents_own.cancel(held[3].request, by=robot, reason="")
    batches.decide_many([card_version_of(one) for one in held[4:]], by=alice, verdict="approve", attempt=uuid4())
    grants.give(
        GrantRequest(
            agent=robot.pk, action="refund", most=1, tier=1, expires_at=start + timedelta(days=1), conditions=()
        ),
        by=bob,
    )
    propose(order="granted")
    action_type(
        "question",
        schema={},
        value_path="",
        currency_path="",
        subject_path="",
        headline="{prompt}",
        allowed=["answer", "reject"],
    )
    items = tuple(
        Item(id=f"q{number}", item_type="question", prompt="Which?", best_guess={"b": 1e5}) for number in (1, 2)
    )
    question = propose(items=items, timeout=timedelta(hours=1))
    decide(
        card_version_of(question),
        by=alice,
        verdict="answer",
        verdict_input=VerdictInput(answer={"account": 12.0, "ä": [None]}),
    )
    action_type("label", strategy="never", reversibility="reversible")
    passed = propose(action="label", order="3")
    action_type("plan", schema={}, value_path="", currency_path="", subject_path="", headline="{steps}")
    step = {"id": "a", "action": {"name": "label", "args": {"order": "1", "amount": 1.0, "currency": "EUR"}}}
    plan = propose(items=(Item(id="plan", item_type="plan", steps=[step]),))
    claims.claim(plan.pk, by=alice)
    decide(card_version_of(load(plan.pk)), by=alice, verdict="approve")
    sweep_at(start + timedelta(minutes=20))
    recall(card_version_of(load(held[5].pk)), by=alice, verdict_input=VerdictInput(reason="not_needed", message="No."))
    recall(card_version_of(load(passed.pk)), by=alice, verdict_input=VerdictInput(reason="not_needed", message="No."))
    climbed = propose(order="6", timeout=timedelta(days=30))
    claims.escalate(climbed.pk, by=alice, note="Too much for me.")
    claims.comment(climbed.pk, by=bob, text="I look.")
    action_type("transfer", approvers=2)
    voted = propose(action="transfer", order="7", timeout=timedelta(days=30))
    decide(card_version_of(voted), by=alice, verdict="approve", verdict_input=VerdictInput(message="Fine."))
    decide(card_version_of(load(voted.pk)), by=bob, verdict="modify", verdict_input=edit)
    decide(card_version_of(load(voted.pk)), by=alice, verdict="approve")
    waits = propose(order="4", timeout=timedelta(days=1))
    for days in (2, 4, 8):
        sweep_at(start + timedelta(days=days))
    rejected = propose(order="5")
    agent_pause.reject_pending(robot, by=carol, why="All of it.")
    Agent.objects.filter(pk=robot.pk).update(name="renamed")

    statuses = set(Approval.objects.values_list("status", flat=True))
    assert statuses >= {"released", "cancelled", "expired", "recalled"}
    assert (load(waits.pk).status, load(rejected.pk).verdict) == ("expired", "reject")
    verification = seal.verify()
    assert verification.ok, verification.message
    assert "rows" in verification.message


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        (
            "UPDATE approvals_approval SET reasons = replace(reasons::text, 'Too much.', 'Ask again.')::jsonb",
            "says other words",
        ),
        (
            "UPDATE approvals_approvalrequest SET answer = replace(answer, '\"rule_refuses\"', '\"rule_failed\"')",
            "its decision document does not say what was decided",
        ),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_what_policy_refused_for_is_sealed_with_its_decision(sql, complaint, refunds, propose):
    Rule.objects.create(action_type=refunds, name="big", effect="block", expression="true", message="Too much.")
    snapshot.publish(by=None, note="rules")
    refused = propose()
    assert (refused.verdict, refused.source) == ("reject", "policy")
    assert seal.verify().ok

    tamper(sql)
    verification = seal.verify()
    assert not verification.ok and complaint in verification.message
