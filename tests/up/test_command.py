"""The whole command: everything runs, and a signal stops everything."""

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from console.embedded import DataDirectory
from console.embedded.processes import identity
from console.startup import up
from tests.up.command import Running, refused_by_up, until


@pytest.mark.slow
def test_up_runs_everything_and_a_signal_stops_everything(running: Running) -> None:
    running.until_ready()
    assert running.healthy()
    assert running.pids().keys() == {"postgres", "valkey", "clock", "worker", "beat", "web"}
    assert json.loads((running.data / "run.json").read_text()).keys() == {"database_url", "redis_url"}
    for private in ("run.json", "secret_key"):
        assert stat.S_IMODE((running.data / private).stat().st_mode) == 0o600

    children = running.pids().values()
    began = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(15) == 0
    assert time.monotonic() - began < 12
    assert "Traceback" not in running.log_file.read_text()
    assert not (running.data / "run.json").exists()
    assert not any(identity(int(child.split()[0])) for child in children)


@pytest.mark.slow
def test_each_web_process_answers_on_a_socket_of_its_own(running: Running) -> None:
    running.until_ready()
    home = DataDirectory(running.data)
    home.create()  # it is there: this finds its sockets
    own = home.sockets / "web.sock"
    assert up.web_answers(own)
    os.kill(running.pid("web"), signal.SIGSTOP)
    assert not up.web_answers(own)
    os.kill(running.pid("web"), signal.SIGCONT)
    until(lambda: up.web_answers(own))


@pytest.mark.slow
def test_up_recovers_from_killed_children_and_from_being_killed(running: Running) -> None:
    running.until_ready()
    before = running.pids()
    for name in ("web", "postgres"):
        os.kill(running.pid(name), signal.SIGKILL)
    until(lambda: all(running.pids()[name] != before[name] for name in ("web", "postgres")))
    until(running.healthy, 40)

    running.process.kill()
    running.process.wait()
    again = Running(running.data, running.port)
    try:
        again.until_ready()
        assert again.healthy()
    finally:
        again.process.terminate()
        assert again.process.wait(15) == 0


@pytest.mark.slow
def test_a_database_out_of_reach_is_said_and_its_password_is_not(data: Path, port: int) -> None:
    refusal = refused_by_up(
        "--no-demo", "--data", str(data), "--port", str(port), DATABASE_URL="postgresql://me:hush-hush@127.0.0.1:1/none"
    )
    assert 'The phase "database" failed' in refusal
    assert "hush-hush" not in refusal
