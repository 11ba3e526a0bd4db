"""Whether a proposal was wrong: which are in the population, what is a label, when and in which order it enters."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.evidence import labels
from approvals.execution import incidents, post_review
from approvals.execution.post_review import FindingInput
from approvals.history import seal
from approvals.models import Approval, EvidenceCell, Label, LabelFeed, User
from approvals.policy import snapshot
from tests.concurrency import together
from tests.conftest import replace_arguments

READ = VerdictInput(viewed=timedelta(seconds=30))
NO = VerdictInput(reason="other", message="no")
WEEK = timedelta(days=7)


def judge(approval: Approval, verdict: str, *, by: User, verdict_input: VerdictInput | None = None) -> None:
    given = verdict_input or (NO if verdict == "reject" else READ)
    decide(card_version_of(approval), by=by, verdict=verdict, verdict_input=given)


@pytest.fixture
def sweep() -> Callable[..., int]:
    """Make labels: sweep() of what was found wrong, sweep(later=WEEK) of what has had its time."""

    def make(*, later: timedelta = timedelta(0)) -> int:
        now = times.now()
        seal.seal(now=now)
        with ExitStack() as stack:
            if later:
                stack.enter_context(times.at(now + later))
            return labels.enter_labels()

    return make


def labels_so_far() -> list[tuple[bool | None, bool]]:
    """What the labels say, in the order of entering: wrong, missing."""
    return list(Label.objects.order_by("number").values_list("wrong", "missing"))


def test_what_always_asks_has_a_share_of_one_and_keeps_what_it_was_proposed_as(propose):
    approval = propose()

    assert approval.share == 1
    assert (approval.routed_score, approval.routed_impact) == (approval.confidence, "medium")


def test_what_passes_has_the_share_that_it_was_drawn_with(action_type, propose):
    action_type("tag", strategy="never", reversibility="reversible", sample="0.200")
    approvals = [propose(action="tag", order=str(number)) for number in range(60)]

    assert {approval.share for approval in approvals} == {Decimal("0.200")}
    assert 0 < sum(hasattr(approval, "post_review") for approval in approvals) < 60


def test_what_is_approved_without_its_being_read_is_missing_and_what_is_rejected_is_wrong_however_quick(
    propose, alice, sweep
):
    read, glanced, rejected, silent = (propose(order=str(number)) for number in range(4))
    judge(read, "approve", by=alice)
    judge(glanced, "approve", by=alice, verdict_input=VerdictInput(viewed=timedelta(seconds=1)))
    judge(rejected, "reject", by=alice)

    assert sweep() == 1, "the rejected one enters at once"
    assert labels_so_far() == [(True, False)]
    assert sweep(later=WEEK) == 3
    assert labels_so_far() == [(True, False), (False, False), (True, True), (True, True)]
    assert [label.approval_id for label in Label.objects.order_by("number")] == [
        one.pk for one in (rejected, read, glanced, silent)
    ]
    assert EvidenceCell.objects.count() == 1


def test_a_batch_is_no_sign_that_anybody_read_it(propose, alice, sweep):
    approval = propose()
    judge(
        approval,
        "approve",
        by=alice,
        verdict_input=VerdictInput(viewed=timedelta(seconds=30), surface="batch"),
    )
    sweep(later=WEEK)

    assert labels_so_far() == [(True, True)]


@pytest.mark.parametrize(("material", "wrong"), [([], True), (["amount"], True), (["order"], False)])
def test_a_change_is_wrong_where_it_is_in_an_argument_that_counts(refunds, propose, alice, sweep, material, wrong):
    refunds.material = material
    refunds.save()
    snapshot.publish(by=None, note="what counts")
    approval = propose(amount=40)
    edits = replace_arguments({"order": "456", "amount": 30, "currency": "EUR"})
    judge(approval, "modify", by=alice, verdict_input=VerdictInput(edits=edits, viewed=timedelta(seconds=30)))
    sweep(later=WEEK)

    assert labels_so_far() == [(wrong, False)]
    label = Label.objects.get()
    assert (label.score, label.cell.impact) == (approval.confidence, "low"), "of the proposal, not of the change"


def test_the_drawn_are_labelled_by_what_was_found_and_the_others_have_a_share_and_no_word(
    action_type, propose, alice, sweep
):
    action_type("tag", strategy="never", reversibility="reversible", sample="0.500")
    approvals = [propose(action="tag", order=str(number)) for number in range(30)]
    drawn = [approval for approval in approvals if hasattr(approval, "post_review")]
    look = post_review.record_finding
    look([drawn[0].pk], by=alice, finding="ok")
    look([drawn[1].pk], by=alice, finding="flagged", finding_input=FindingInput("wrong customer"))
    look([drawn[2].pk, drawn[3].pk], by=alice, finding="ok")
    sweep(later=WEEK)

    judged = {label.approval_id: (label.wrong, label.missing) for label in Label.objects.all()}
    assert [judged[one.pk] for one in drawn[:5]] == [
        (False, False),
        (True, False),
        (True, True),  # together with another one
        (True, True),
        (True, True),  # not looked at
    ]
    assert {judged[one.pk] for one in approvals if one not in drawn} == {(None, False)}
    assert Label.objects.count() == 30


def test_an_incident_within_the_horizon_says_that_it_was_wrong_and_a_later_one_says_nothing(propose, alice, sweep):
    early, late = propose(order="1"), propose(order="2")
    for approval in (early, late):
        judge(approval, "approve", by=alice)
    sweep()
    early, late = (Approval.objects.get(pk=one.pk) for one in (early, late))
    incidents.open_incident(early, by=alice, severity="high", text="paid twice")
    assert sweep() == 1
    sweep(later=WEEK)
    incidents.open_incident(late, by=alice, severity="high", text="paid twice")

    assert sweep(later=WEEK) == 0
    assert labels_so_far() == [(True, False), (False, False)]


def test_a_missing_label_is_settled_by_a_verdict_that_comes_after_all(refunds, propose, alice, sweep):
    refunds.horizon = timedelta(minutes=1)
    refunds.save()
    snapshot.publish(by=None, note="a minute")
    right, wrong = propose(order="1"), propose(order="2")
    sweep(later=timedelta(minutes=2))
    assert labels_so_far() == [(True, True), (True, True)]
    judge(right, "approve", by=alice)
    judge(wrong, "reject", by=alice)

    assert sweep() == 2
    assert labels_so_far() == [(False, True), (True, True)]
    assert sorted(Label.objects.values_list("settled", flat=True)) == [3, 4]
    assert sweep() == 0


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_enter_each_label_once(propose, alice):
    LabelFeed.objects.create(id=1)
    for number in range(20):
        approval = propose(order=str(number))
        judge(approval, "approve" if number % 2 else "reject", by=alice)
    now = times.now()
    seal.seal(now=now)

    def later() -> int:
        with times.at(now + WEEK):
            return labels.enter_labels()

    counts = [together(later, later, later) for _ in range(3)]

    assert sum(sum(count) for count in counts) == 20, counts
    numbers = sorted(Label.objects.values_list("number", flat=True))
    assert numbers == list(range(1, 21))
    assert EvidenceCell.objects.count() == 1


def test_versions_and_impacts_are_cells_of_their_own(propose, sweep):
    for fields in ({"amount": 40}, {"amount": 400}, {"amount": 400, "model": "m-2"}):
        propose(**fields)
    sweep(later=WEEK)

    assert sorted(EvidenceCell.objects.values_list("impact", "agent_model")) == [
        ("low", ""),
        ("medium", ""),
        ("medium", "m-2"),
    ]
