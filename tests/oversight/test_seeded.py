"""Test cases: made, put in, judged, told of."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_pause
from approvals.history import seal
from approvals.models import Approval, ApprovalRequest, Incident, SeededCase
from approvals.oversight import draws, seeding
from approvals.values.edits import Operation

REJECTED = VerdictInput(reason="wrong_amount", message="No.")


def decided_by(case, person, verdict="reject", given=REJECTED):
    settled = decide(card_version_of(load(case.approval_id)), by=person, verdict=verdict, verdict_input=given)
    case.refresh_from_db()
    return settled


def test_of_what_waits_a_share_is_drawn_and_put_in_a_little_later(past, propose, every_one_draws):
    for number in range(60):
        propose(60, order=f"7{number:04}")

    drawn = SeededCase.objects.all()
    assert 2 <= drawn.count() <= 30
    assert all(draws.SOONEST <= case.due_at - case.beside.created_at <= draws.LATEST for case in drawn)
    assert draws.due() == []
    with times.at(times.now() + draws.LATEST):
        assert draws.due()


def test_nothing_is_drawn_where_the_tier_says_nothing_of_it(past, refund):
    assert not SeededCase.objects.exists()


def test_a_case_waits_as_a_real_one_would(seed, alice):
    case = seed(fault=True)
    approval = load(case.approval_id)

    assert (approval.status, approval.kind, approval.shown_kind) == ("pending", "seeded", "real")
    assert approval.agent == case.beside.agent
    assert approval.agent_model == "claude"
    assert approval.proposal.args != case.source.proposal.args
    assert approval.due_at - approval.created_at == case.beside.due_at - case.beside.created_at
    assert approval.expires_at - approval.created_at == case.beside.expires_at - case.beside.created_at


def test_a_case_is_put_in_once(seed):
    case = seed(fault=False)

    assert seeding.put_in(case.pk) is None
    assert Approval.objects.filter(kind="seeded", seeded_case=case).count() == 1


def test_a_wrong_amount_stands_against_its_own_words(seed):
    case = seed(fault=True, fault_class="amount")
    proposal = load(case.approval_id).proposal

    assert case.field == "/amount"
    assert f"Refund {proposal.args['amount'] / 10:g}" in proposal.summary.replace(".0 ", " ")
    assert proposal.args["order"] in proposal.summary


def test_a_rejected_fault_is_found_and_an_approved_one_missed(seed, alice):
    hit, missed = seed(fault=True), seed(fault=True)
    decided_by(hit, alice)
    decided_by(missed, alice, "approve", VerdictInput())

    assert (hit.outcome, hit.decided_by) == ("found", alice)
    assert missed.outcome == "missed"


def test_a_fault_is_found_by_changing_what_is_wrong_and_by_nothing_else(seed, alice, bob):
    mended, other = seed(fault=True, fault_class="amount"), seed(fault=True, fault_class="amount")
    decided_by(mended, alice, "modify", VerdictInput(edits=(Operation("replace", "/amount", 40),)))
    decided_by(other, bob, "modify", VerdictInput(edits=(Operation("replace", "/order", "51000"),)))

    assert (mended.outcome, other.outcome) == ("found", "missed")


def test_a_clean_case_is_passed_or_a_false_alarm(seed, alice):
    passed, alarm = seed(fault=False), seed(fault=False)
    decided_by(passed, alice, "approve", VerdictInput())
    decided_by(alarm, alice)

    assert (passed.outcome, alarm.outcome) == ("passed", "alarm")


def test_a_case_has_no_undo_window_since_its_reader_is_told(seed, alice, with_undo):
    case = seed(fault=True)
    settled = decided_by(case, alice)

    assert (settled.status, settled.released_at) == ("released", None)


def test_history_says_what_it_was_once_it_is_over(seed, alice, otto):
    case = seed(fault=True)
    assert "disclosed" not in set(load(case.approval_id).events.values_list("kind", flat=True))
    decided_by(case, alice)

    last = load(case.approval_id).events.order_by("seq").last()
    assert (last.kind, last.facts["outcome"]) == ("disclosed", "found")
    seal.seal(now=times.now())
    assert seal.verify().ok


def test_a_fault_that_silence_would_let_run_was_missed(seed, action_type):
    case = seed(fault=True)
    Approval.objects.filter(pk=case.approval_id).update(
        reversibility="reversible", on_timeout="approve", expires_at=times.now() - timedelta(seconds=1)
    )
    clock.sweep()
    case.refresh_from_db()

    assert (load(case.approval_id).status, case.outcome) == ("expired", "missed")


def test_rejecting_all_of_an_agent_ends_its_test_cases_too(seed, mia, robot):
    case = seed(fault=True)
    agent_pause.reject_pending(robot, by=mia, why="It runs wild.")
    case.refresh_from_db()

    assert (load(case.approval_id).status, case.outcome) == ("cancelled", "none")
    assert not Approval.objects.filter(status="pending").exists()


def test_an_incident_comes_back_as_a_case(past, seed):
    Incident.objects.create(approval=past[0], severity="high", text="Paid twice.")

    assert seed(fault=True, fault_class="incident").source == past[0]


@pytest.mark.parametrize("columns", [{"status": "executed"}, {"consumed_at": True}, {"released_at": True}])
def test_the_database_lets_no_case_run_and_releases_none(seed, alice, columns):
    case = seed(fault=False)
    decided_by(case, alice, "approve", VerdictInput())
    now = times.now()

    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=case.approval_id).update(
            **{name: now if value is True else value for name, value in columns.items()}
        )


def test_an_approved_case_has_no_permit_and_its_agent_finds_no_request(seed, alice, robot):
    case = seed(fault=False)
    decided_by(case, alice, "approve", VerdictInput())
    request = ApprovalRequest.objects.get(approvals=case.approval_id)

    assert request.agent != robot
    assert '"permit":null' in request.answer
