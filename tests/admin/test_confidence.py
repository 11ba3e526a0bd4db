"""Confidence, checkpoints and shadow mode in the form: said beside the field, and refused with the mend."""

from decimal import Decimal

import pytest

from approvals.models import ActionType, Autonomy
from approvals.policy import snapshot
from approvals.policy.authoring import packs
from approvals.policy.authoring import versions as drafts
from approvals.policy.precedent.signals import WEIGHTS

TYPE = "/admin/approvals/actiontype/{}/change/"


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    return as_(admin)


def test_six_weights_stand_beside_each_other_with_their_defaults(desk):
    page = desk.get(TYPE.format("refund")).content.decode()
    for label, default in (("Action precedent", "0.25"), ("Stated confidence", "0.15"), ("Impact", "0.20")):
        assert f'placeholder="{default}" aria-label="{label}"' in page
    assert page.count('name="weights_') == 6


def test_only_what_differs_is_stored_and_zero_silences(desk, save, refunds):
    assert save(desk, TYPE.format("refund"), weights_stated_confidence="0", weights_precedent="0.5").status_code == 302
    refunds.refresh_from_db()
    assert refunds.weights == {"stated_confidence": 0, "precedent": 0.5}
    assert save(desk, TYPE.format("refund")).status_code == 302
    refunds.refresh_from_db()
    assert refunds.weights == {"stated_confidence": 0, "precedent": 0.5}


def test_weights_that_weigh_nothing_or_too_much_are_refused(desk, save, refused):
    zero = {f"weights_{name}": "0" for name in WEIGHTS}
    assert "At least one weight must be above 0" in refused(save(desk, TYPE.format("refund"), **zero))
    assert "less than or equal to 1" in refused(save(desk, TYPE.format("refund"), weights_retrieval_relevance="1.5"))


@pytest.mark.parametrize(("preset", "bands"), [("balanced", ("0.85", "0.6")), ("lenient", ("0.85", "0.3"))])
def test_a_preset_sets_both_bands(desk, save, preset, bands, refunds):
    ActionType.objects.filter(pk="refund").update(auto_threshold="0.95", review_threshold="0.90")
    assert save(desk, TYPE.format("refund"), preset=preset).status_code == 302
    row = drafts.draft().snapshot["types"]["refund"]
    assert (row["auto_threshold"], row["review_threshold"]) == bands


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"every_steps": "201"}, "From every step (1) to every 200"),
        ({"every_steps": "0"}, "From every step (1) to every 200"),
        ({"every_time": "00:00:00"}, "From a second to 31 days"),
        ({"every_time": "32 00:00:00"}, "From a second to 31 days"),
        ({"spend_window": "32 00:00:00"}, "give a window between 1 h and 31 days"),
        ({"spend_window": "00:30:00"}, "give a window between 1 h and 31 days"),
        ({"spend_limit": "0"}, "A limit is above 0"),
        ({"spend_limit": "100", "value_path": "", "currency_path": ""}, "name the argument that holds the value first"),
        ({"shadow": "on", "gate": "manual"}, "A manual gate always asks a person; choose another gate"),
        (
            {"shadow": "on", "reversibility": "irreversible", "strategy": "always", "gate": "hard"},
            "shadow mode is for the other actions",
        ),
    ],
)
def test_a_wrong_checkpoint_names_its_mend(desk, save, refused, fields, mend):
    assert mend in refused(save(desk, TYPE.format("refund"), **fields))
    assert not drafts.draft().differs


def test_checkpoints_are_saved_as_a_draft(desk, save):
    fields = {"every_steps": "10", "every_time": "00:30:00", "spend_limit": "1000", "spend_of": "run"}
    assert save(desk, TYPE.format("refund"), **fields).status_code == 302
    row = drafts.draft().snapshot["types"]["refund"]
    assert (row["every_steps"], row["every_time"], row["spend_limit"], row["spend_of"]) == (10, 1800, "1000", "run")


# --- Shadow mode of one agent


def test_turning_shadow_on_is_signed_by_a_manager(as_, admin, robot, refunds, save, refused):
    pair = Autonomy.objects.create(agent=robot, action_type=refunds, level=2)
    page = f"/admin/approvals/autonomy/{pair.pk}/change/"
    assert "a manager signs it" in refused(save(as_(admin), page, shadow="on"))

    admin.is_manager = True
    admin.save()
    assert save(as_(admin), page, shadow="on").status_code == 302
    pair.refresh_from_db()
    assert pair.shadow

    admin.is_manager = False
    admin.save()
    assert save(as_(admin), page, shadow="").status_code == 302  # less trust is any admin's to set
    pair.refresh_from_db()
    assert not pair.shadow


def test_not_even_a_manager_turns_it_on_for_what_cannot_be_undone(as_, admin, robot, action_type, save, refused):
    wire = action_type("wire", reversibility="irreversible")
    pair = Autonomy.objects.create(agent=robot, action_type=wire, level=2)
    admin.is_manager = True
    admin.save()
    answer = save(as_(admin), f"/admin/approvals/autonomy/{pair.pk}/change/", shadow="on")
    assert "shadow mode is for the other actions" in refused(answer)


def test_commerce_ships_what_the_design_says(db):
    packs.load("commerce")
    snapshot.publish(by=None, note="commerce")
    types = snapshot.current().types
    assert types["acknowledge_order"].auto_threshold == Decimal("0.70")
    assert types["refund"].auto_threshold == Decimal("0.95")
