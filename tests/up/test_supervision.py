"""Orphans are ended, and what dies or hangs is started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.embedded import DataDirectory
from console.embedded.processes import Process, Program, end_orphans, identity
from console.startup import up
from console.startup.supervisor import Supervisor
from tests.up.command import until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


# --- Orphans and supervision


def test_an_orphan_is_ended_and_a_stranger_with_an_old_number_is_not(home: DataDirectory) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as orphan, subprocess.Popen(SLEEP) as stranger:
        home.pid_file("orphan").write_text(f"{orphan.pid} {int(signal.SIGTERM)} {identity(orphan.pid)}")
        home.pid_file("stranger").write_text(f"{stranger.pid} {int(signal.SIGTERM)} another-time")
        assert end_orphans(home) == 1
        assert orphan.wait(5) == -signal.SIGTERM
        assert stranger.poll() is None
        stranger.kill()
    assert not home.pid_files()


def test_a_process_that_dies_is_started_again_and_a_line_says_so(
    home: DataDirectory, capsys: pytest.CaptureFixture
) -> None:
    process = Process(Program("worker", SLEEP), home)
    process.start()
    supervisor = Supervisor()
    supervisor.add([process])
    first = process.child
    first.kill()
    first.wait()
    supervisor.check()
    assert "worker stopped by itself (killed by SIGKILL)" in capsys.readouterr().out
    assert not supervisor.all_run()

    def runs_again() -> bool:
        supervisor.check()
        return supervisor.all_run()

    until(runs_again)
    assert process.child.pid != first.pid
    supervisor.stop(patience=5)
    assert not process.alive()


# Answers each connection on the socket that it is given.
ANSWERS = """
import socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    while True:
        listener.accept()[0].sendall(b"HTTP/1.0 200 OK")
"""


def test_a_web_process_that_hangs_is_ended_and_started_again(
    home: DataDirectory, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.startup.supervisor.PROBE_EVERY", 0.05)
    monkeypatch.setattr(up, "ANSWER_WITHIN", 0.3)
    own = home.sockets / "web.sock"
    program = Program(
        "web",
        [sys.executable, "-c", ANSWERS, str(own)],
        before=lambda: own.unlink(missing_ok=True),
        answers=lambda: up.web_answers(own),
    )
    process = Process(program, home)
    process.start()
    supervisor = Supervisor()
    supervisor.add([process])
    first = process.child

    def checked(holds: Callable[[], bool]) -> bool:
        supervisor.check()
        return holds()

    [watched] = supervisor.watched
    until(lambda: checked(lambda: watched.probe.answered))
    assert process.child is first  # while it answers it is left alone
    os.kill(first.pid, signal.SIGSTOP)
    until(lambda: checked(lambda: process.child is not first))
    until(lambda: checked(lambda: watched.probe.answered))
    assert "web answers nothing any more and is ended." in capsys.readouterr().out
    supervisor.stop(patience=5)


def test_groups_stop_last_to_first_and_who_does_not_listen_is_killed(home: DataDirectory) -> None:
    order = home.data / "order"
    polite = f"""
import pathlib, signal, sys, time
def leave(*_):
    with open({str(order)!r}, "a") as file: file.write(sys.argv[1] + " ")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
pathlib.Path(sys.argv[2]).touch()
time.sleep(600)
"""
    deaf = polite.replace("signal.signal(signal.SIGTERM, leave)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    supervisor = Supervisor()
    for name, text in (("server", polite), ("clock", polite), ("deaf", deaf), ("web", polite)):
        started = home.data / f"{name}.started"
        process = Process(Program(name, [sys.executable, "-c", text, name, str(started)]), home)
        process.start()
        supervisor.add([process])
        until(started.exists)
    processes = [watched.process for watched in supervisor.watched]
    supervisor.stop(patience=4)
    assert order.read_text().split() == ["web", "clock", "server"]
    assert not any(process.alive() for process in processes)
    assert not home.pid_files()


def test_a_log_that_grew_too_long_is_moved_aside(home: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.embedded.processes.LOG_LIMIT", 10)
    home.log("web").write_text("a long line of a log\n")
    Process(Program("web", SLEEP), home).bound_log()
    assert home.log("web").read_text() == ""
    assert Path(f"{home.log('web')}.1").read_text() == "a long line of a log\n"
