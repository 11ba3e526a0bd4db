"""Checkpoints outside the database hold: what was cut off there, or in the database, is found and said."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.urls import reverse

from approvals.db import times
from approvals.history import seal, witness
from approvals.models import LastCheckpoint
from console.management.commands.clock import Running


@pytest.fixture
def checkpoint_file(settings, tmp_path):
    settings.ASSENT_CHECKPOINT_FILE = tmp_path / "checkpoints.jsonl"
    return settings.ASSENT_CHECKPOINT_FILE


@pytest.fixture
def three_checkpoints(checkpoint_file, propose):
    """Three checkpoints, each of one more refund."""
    for number in range(3):
        propose(order=str(number))
        seal.seal(now=times.now())
        witness.checkpoint(checkpoint_file, now=times.now())
    return checkpoint_file


def verification_message(outside) -> str:
    verification = seal.verify(checkpoints=outside)
    assert not verification.ok
    return verification.message


def checkpoints_in(outside) -> list[dict[str, object]]:
    return [json.loads(line) for line in outside.read_text().splitlines()]


def test_the_database_keeps_the_last_ones_number_and_hash_and_verifying_says_them(three_checkpoints):
    last = LastCheckpoint.objects.get()
    verification = seal.verify(checkpoints=three_checkpoints)

    assert verification.ok, verification.message
    assert (last.number, [mark["number"] for mark in checkpoints_in(three_checkpoints)]) == (3, [1, 2, 3])
    assert (
        f"Last checkpoint: 3, {checkpoints_in(three_checkpoints)[-1]['at']}, hash {last.hash}" in verification.message
    )
    assert "only a copy kept elsewhere would show it" in verification.message


def test_before_the_first_checkpoint_it_is_said_that_there_is_none(refund, checkpoint_file):
    verification = seal.verify(checkpoints=checkpoint_file)

    assert verification.ok
    assert "There is no checkpoint outside the database yet" in verification.message


def test_a_file_that_is_gone_fails(three_checkpoints):
    three_checkpoints.unlink()
    assert "is missing, the database knows of 3 checkpoints" in verification_message(three_checkpoints)


def test_a_file_that_was_emptied_fails(three_checkpoints):
    three_checkpoints.write_text("")
    assert "is empty, the database knows of 3 checkpoints" in verification_message(three_checkpoints)


def test_a_file_that_was_shortened_fails_and_goes_on_failing(three_checkpoints):
    three_checkpoints.write_text("\n".join(three_checkpoints.read_text().splitlines()[:2]) + "\n")
    assert "was shortened: it ends with 2, and there were 3" in verification_message(three_checkpoints)

    witness.checkpoint(three_checkpoints, now=times.now())
    assert "checkpoint 3 is missing" in verification_message(three_checkpoints)


def test_a_line_taken_out_of_the_middle_fails(three_checkpoints):
    first, _, last = three_checkpoints.read_text().splitlines()
    three_checkpoints.write_text(f"{first}\n{last}\n")
    assert "checkpoint 2 is missing" in verification_message(three_checkpoints)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [('"seal": ', '"seal": 1', "is not signed by this installation"), ("{", "[", "is no checkpoint")],
)
def test_a_line_that_was_rewritten_fails(before, after, complaint, three_checkpoints):
    three_checkpoints.write_text(three_checkpoints.read_text().replace(before, after))
    assert complaint in verification_message(three_checkpoints)


def test_another_last_line_than_the_database_knows_of_fails(three_checkpoints):
    LastCheckpoint.objects.update(hash="0" * 64)
    assert "checkpoint 3 in" in verification_message(three_checkpoints)


def test_a_database_that_was_set_back_fails(three_checkpoints):
    LastCheckpoint.objects.all().delete()
    assert "the database knows of 0 checkpoints" in verification_message(three_checkpoints)


def test_a_checkpoint_whose_writer_died_before_the_commit_is_not_missed(three_checkpoints):
    first = LastCheckpoint.objects.values("number", "hash").get()
    witness.checkpoint(three_checkpoints, now=times.now())
    LastCheckpoint.objects.update(**first)
    assert seal.verify(checkpoints=three_checkpoints).ok

    assert witness.checkpoint(three_checkpoints, now=times.now()).number == 5
    assert seal.verify(checkpoints=three_checkpoints).ok


def test_file_and_database_cut_back_alike_are_told_by_a_copy_alone(checkpoint_file, refund):
    seal.seal(now=times.now())
    first = witness.checkpoint(checkpoint_file, now=times.now())
    copy = witness.checkpoint(checkpoint_file, now=times.now())
    checkpoint_file.write_text(first.line + "\n")
    LastCheckpoint.objects.update(number=1, hash=first.hash)
    verification = seal.verify(checkpoints=checkpoint_file)

    assert verification.ok
    assert "Last checkpoint: 1," in verification.message  # and whoever keeps the copy has number 2
    assert copy.hash not in verification.message


def test_a_rotated_secret_breaks_nothing(three_checkpoints, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    witness.checkpoint(three_checkpoints, now=times.now())
    assert seal.verify(checkpoints=three_checkpoints).ok

    settings.SECRET_KEY_FALLBACKS = []
    assert "the old one belongs into SECRET_KEY_FALLBACKS" in verification_message(three_checkpoints)


def test_an_auditor_reads_on_the_page_what_the_command_says(three_checkpoints, otto, as_):
    assert (
        seal.verify(checkpoints=three_checkpoints).message in as_(otto).post(reverse("history:verify")).content.decode()
    )
    three_checkpoints.unlink()

    assert "is missing, the database knows of 3" in as_(otto).post(reverse("history:verify")).content.decode()


def test_the_clock_writes_one_when_it_starts_and_one_when_it_stops(checkpoint_file, refund, monkeypatch):
    running = Running(once=False)
    running.bells = SimpleNamespace(start=lambda: None, stop=lambda patience: None, clock_turned=lambda: None)
    turn = running.turn

    def only_once() -> float:
        turn()
        assert len(checkpoints_in(checkpoint_file)) == 1
        running.stopping = True
        return 0.0

    monkeypatch.setattr(running, "turn", only_once)
    running.run()

    assert [mark["number"] for mark in checkpoints_in(checkpoint_file)] == [1, 2]


def test_the_clock_writes_one_every_hour_by_the_wall_clock(checkpoint_file, refund, settings):
    settings.ASSENT_CHECKPOINT_SECONDS = 3600
    running = Running(once=False)
    for hour, minute in ((10, 5), (10, 59), (11, 0), (11, 1), (14, 30)):
        running.seal(datetime(2026, 3, 1, hour, minute, tzinfo=UTC))

    assert [str(mark["at"])[11:16] for mark in checkpoints_in(checkpoint_file)] == ["10:05", "11:00", "14:30"]


def test_a_file_that_cannot_be_written_stops_no_clock(checkpoint_file, refund):
    checkpoint_file.mkdir()
    Running(once=False).seal(times.now())

    assert "cannot be read" in verification_message(checkpoint_file)
