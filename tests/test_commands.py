"""The commands an administrator types."""

import pytest
from django.core.management import CommandError, call_command

from approvals.models import ActionType, PolicyVersion
from approvals.policy import snapshot
from approvals.policy.authoring import packs


def output_of(capsys, *command: str) -> str:
    call_command(*command)
    return capsys.readouterr().out


def test_packs_are_listed_with_their_action_types(db, capsys):
    listed = output_of(capsys, "packs")

    assert {line.split(":")[0] for line in listed.splitlines()} == set(packs.names())
    assert "deploy_production" in listed
    assert not ActionType.objects.exists()


def test_loading_a_pack_publishes_it_once(db, capsys):
    assert "v1" in output_of(capsys, "packs", "commerce")
    assert "v1" in output_of(capsys, "packs", "commerce")
    assert "refund" in snapshot.current().types
    assert PolicyVersion.objects.count() == 1


def test_a_pack_that_is_not_there_is_named_and_nothing_is_loaded(db):
    with pytest.raises(CommandError, match="no pack gardening"):
        call_command("packs", "commerce", "gardening")

    assert not ActionType.objects.exists()


def test_verifying_says_ok_or_names_the_first_bad_row(refund, capsys, settings, tmp_path):
    settings.ASSENT_CHECKPOINT_FILE = tmp_path / "checkpoints.jsonl"

    assert "OK: 2 events" in output_of(capsys, "verify_audit")  # the proposal, and the policy that was published
    type(refund).objects.filter(pk=refund.pk).update(event_head=bytes(32))
    with pytest.raises(CommandError, match=str(refund.pk)):
        call_command("verify_audit")


def test_one_turn_of_the_clock_seals_and_leaves_a_checkpoint(refund, capsys, settings, tmp_path):
    settings.ASSENT_CHECKPOINT_FILE = tmp_path / "checkpoints.jsonl"
    call_command("clock", "--once")

    assert tmp_path.joinpath("checkpoints.jsonl").read_text().count("\n") == 1
    assert "not sealed" not in output_of(capsys, "verify_audit")
