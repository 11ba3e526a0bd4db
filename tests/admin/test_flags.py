"""What is unusual, as the admin sets it: a count that history never reaches or a path that is not there is refused."""

import pytest
from django.db import IntegrityError, transaction

from approvals.models import ActionType
from approvals.policy.authoring import validation, versions
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.policy.precedent.reader import LOOK_BACK
from approvals.policy.precedent.repeats import REJECTIONS

TYPE = "/admin/approvals/actiontype/{}/change/"


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    return as_(admin)


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"baseline_path": "ordr"}, "did you mean “order”"),
        ({"frequency_path": "ordr"}, "did you mean “order”"),
        ({"baseline_path": "order", "value_path": "", "currency_path": ""}, "A usual value needs a value"),
        ({"usual_times": "0.5"}, "1"),
        ({"frequency_from": "1"}, "2"),
        ({"frequency_from": "401"}, "From 2 to 400: history counts no further."),
        ({"burst_from": "1"}, "2"),
        ({"burst_from": "401"}, "From 2 to 400: history counts no further."),
        ({"most_attempts": "31"}, "From 1 to 30: history counts no further."),
        ({"frequency_window": "0"}, "More than nothing and at most 366 days."),
        ({"frequency_window": "400 00:00:00"}, "at most 366 days"),
        ({"burst_window": "0"}, "More than nothing and at most 31 days."),
        ({"burst_window": "32 00:00:00"}, "at most 31 days"),
    ],
)
def test_what_could_never_be_told_is_refused_beside_its_field(desk, save, refused, fields, mend):
    complaint = refused(save(desk, TYPE.format("refund"), **fields))
    assert mend in complaint and "onstraint" not in complaint


def test_the_flag_of_a_repetition_can_be_made_to_ask_and_its_settings_are_told_in_words(desk, save):
    fields = {"flags": ["near_repeat"], "rejects_repeats": "on", "most_attempts": "3", "baseline_path": "order"}
    assert save(desk, TYPE.format("refund"), **fields).status_code == 302
    changes = [str(change) for change in versions.draft().changes]
    assert "Refund: flags that ask a person nothing → Nearly repeats what was rejected" in changes
    assert "Refund: answer repetitions with the earlier rejection no → yes" in changes
    assert "Refund: attempts in a run nothing → 3" in changes
    assert "Refund: usual value by nothing → order" in changes


def test_a_file_is_held_to_the_same(desk):
    snapshot = snapshot_of_tables()
    snapshot["types"]["refund"] |= {"burst_from": 1000, "frequency_path": "ordr"}
    assert {fault.pointer for fault in validation.faults(snapshot)} == {
        "/types/refund/burst_from",
        "/types/refund/frequency_path",
    }


@pytest.mark.parametrize(
    "columns",
    [
        {"usual_times": "0.5"},
        {"frequency_from": 1},
        {"frequency_from": LOOK_BACK + 1},
        {"burst_from": 1},
        {"burst_from": LOOK_BACK + 1},
        {"most_attempts": 0},
        {"most_attempts": REJECTIONS + 1},
        {"frequency_window": "0"},
        {"burst_window": "0"},
    ],
)
def test_the_database_refuses_it_too(refunds, columns):
    with pytest.raises(IntegrityError), transaction.atomic():
        ActionType.objects.filter(pk="refund").update(**columns)
