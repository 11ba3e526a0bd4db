"""What a draft that changes flags would have done: what they ask is told, what would have been flagged is not."""

import re

import pytest

from approvals.admin.rehearsals import LEFT_OUT
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from tests.rehearsal.conftest import why_of


def test_a_flag_that_asks_from_now_on_is_rehearsed_as_it_was_recorded(
    staffed_refunds, propose, change_action_type, publish, rehearse_draft
):
    change_action_type(strategy="risk", reversibility="reversible")
    publish()
    first, second = propose(order="1"), propose(order="1", amount=7)
    change_action_type(flags=["frequency"])

    rehearsal_result = rehearse_draft()

    assert not rehearsal_result.left_out
    [moved] = rehearsal_result.moved
    assert (moved.approval_id, moved.kind) == (second.pk, "auto_review") != (first.pk, "auto_review")
    assert why_of(moved).startswith("Flag: Again for the same subject.")


@pytest.mark.parametrize(
    "columns",
    [
        {"usual_times": 9},
        {"frequency_from": 5},
        {"frequency_path": "currency"},
        {"burst_from": 3},
        {"baseline_path": "order"},
    ],
)
def test_what_other_settings_would_have_flagged_is_said_to_be_unknown(
    staffed_refunds, propose, change_action_type, rehearse_draft, columns
):
    propose(), propose(order="2")
    change_action_type(**columns)

    rehearsal_result = rehearse_draft()

    assert (rehearsal_result.examined, rehearsal_result.moved, dict(rehearsal_result.left_out)) == (2, [], {"flags": 2})
    assert "flags are taken as they were recorded" in str(LEFT_OUT["flags"]) % {"count": 2}


def test_the_page_says_it(staffed_refunds, propose, change_action_type, desk):
    propose()
    change_action_type(burst_from=3)
    answer = desk.post("/admin/approvals/policyversion/rehearse/", {"last": 100}, follow=True)
    assert "what the changed settings would have flagged in 1" in answer.content.decode()


def test_answering_repetitions_is_rehearsed_without_a_word_of_them(
    staffed_refunds, alice, propose, change_action_type, rehearse_draft
):
    schema = {"type": "object"}
    change_action_type(schema=schema)
    from approvals.policy import snapshot

    snapshot.publish(by=None, note="open")
    args = {"order": "1", "amount": 5, "currency": "EUR", "why": "the lid is cracked"}
    decide(
        card_version_of(propose(args=args)),
        by=alice,
        verdict="reject",
        verdict_input=VerdictInput(message="No.", reason="policy"),
    )
    again = propose(args={**args, "why": "it broke on its way"})
    change_action_type(rejects_repeats=True)

    [moved] = rehearse_draft().moved

    assert (moved.approval_id, moved.kind) == (again.pk, "review_reject")
    assert "It nearly repeats what a person rejected: the same answer holds." in why_of(moved)
    assert "why" not in why_of(moved).split("`") and not re.search(r"\b20\d\d\b", why_of(moved))
