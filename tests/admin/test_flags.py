"""What is unusual, as the admin sets it: a count that history never reaches or a path that is not there is refused."""

import pytest
from django.db import IntegrityError, transaction

from approvals.models import ActionType
from approvals.policy import checks, versions
from approvals.policy.history import LOOK_BACK
from approvals.policy.repeats import REJECTIONS
from approvals.policy.rows import snapshot_of_tables

TYPE = "/admin/approvals/actiontype/{}/change/"


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    return as_(admin)


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"usual_path": "ordr"}, "did you mean “order”"),
        ({"frequency_path": "ordr"}, "did you mean “order”"),
        ({"usual_path": "order", "value_path": "", "currency_path": ""}, "A usual value needs a value"),
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
    fields = {"flags": ["near_repeat"], "answers_repeats": "on", "most_attempts": "3", "usual_path": "order"}
    assert save(desk, TYPE.format("refund"), **fields).status_code == 302
    said = [str(change) for change in versions.draft().changes]
    assert "Refund: flags that ask a person nothing → Nearly repeats what was rejected" in said
    assert "Refund: answer repetitions with the earlier rejection no → yes" in said
    assert "Refund: attempts in a run nothing → 3" in said
    assert "Refund: usual value by nothing → order" in said


def test_a_file_is_held_to_the_same(desk):
    snapshot = snapshot_of_tables()
    snapshot["types"]["refund"] |= {"burst_from": 1000, "frequency_path": "ordr"}
    assert {fault.pointer for fault in checks.faults(snapshot)} == {
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
