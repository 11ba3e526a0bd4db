"""The store that Assent brings along: made by one server, and found later by another, or broken."""

from pathlib import Path

import pytest

from console import embedded
from console.embedded.paths import DataDirectory
from console.embedded.processes import Process, stop
from console.embedded.valkey import Valkey

GARBAGE = b"REDIS0099 written by nobody"


@pytest.fixture
def home(tmp_path) -> DataDirectory:
    made = DataDirectory(tmp_path / "data")
    made.create()
    return made


def run(valkey: Valkey) -> None:
    """Start it, and stop it again."""
    process = Process(valkey.program(), valkey.home)
    try:
        embedded.start([process], patience=20)
    finally:
        stop([process], patience=10)


def set_aside(home: DataDirectory) -> list[Path]:
    return list(home.data.glob("valkey.unreadable-*"))


def test_what_no_server_can_read_is_set_aside_and_said(home, capsys):
    run(Valkey(home, durable=True))
    [base] = (home.data / "valkey").glob("appendonlydir/*.base.rdb")
    base.write_bytes(GARBAGE)
    run(Valkey(home, durable=True))

    [aside] = set_aside(home)
    assert (aside / "appendonlydir" / base.name).read_bytes() == GARBAGE
    assert f"They are set aside in {aside}" in capsys.readouterr().out


def test_what_can_be_read_stays_where_it_is(home):
    run(Valkey(home, durable=True))
    (home.data / "valkey" / "mark").touch()
    run(Valkey(home, durable=True))

    assert (home.data / "valkey" / "mark").exists()
    assert set_aside(home) == []


def test_the_server_that_made_the_files_is_used_again(home, tmp_path, monkeypatch):
    first = Valkey(home, durable=True)
    run(first)
    other = tmp_path / "bin" / "redis-server"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(other.parent))

    assert Valkey(home, durable=True).program_file == first.program_file
    (home.data / "valkey" / "maker").write_text(str(tmp_path / "gone"))
    assert Valkey(home, durable=True).program_file == str(other)
