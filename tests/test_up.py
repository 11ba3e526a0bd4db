"""One command starts everything, says what is wrong, stops cleanly and recovers from being killed."""

import json
import os
import re
import runpy
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import distribution, requires
from pathlib import Path

import psycopg
import pytest
from packaging.requirements import Requirement

from console.embedded import DataDirectory, Servers, guise
from console.embedded.processes import Process, Program, end_orphans, identity
from console.startup import bootstrap, up
from console.startup.supervisor import Supervisor
from console.startup.terminal import Refused

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory with a short path that everybody may reach, as one in a home directory would be."""
    with tempfile.TemporaryDirectory(prefix="up-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "data"


@pytest.fixture
def home(data: Path) -> DataDirectory:
    home = DataDirectory(data)
    home.create()
    return home


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """That of a newcomer: without what the test run itself has set."""
    ours = ("ASSENT_", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def refused_by_up(*arguments: str, **variables: str) -> str:
    """What `up` says when it does not start."""
    command = [*MANAGE, "up", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment() | variables, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


# --- What is wrong is said


def test_a_taken_port_is_named_with_one_that_is_free(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refusal = refused_by_up("--port", str(port), "--data", str(data))
    assert f"Port {port} is taken" in refusal
    suggested = int(re.search(r"--port (\d+)", refusal)[1])
    up.listen(suggested).close()


def test_a_port_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Refused, match="Port 70000 cannot be used"):
        up.listen(70000)


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refusal = refused_by_up("--data", str(tmp_path / "file" / "data"))
    assert f"{tmp_path}/file/data is not writable" in refusal
    assert "--data DIRECTORY" in refusal


def test_a_second_up_on_the_same_directory_is_refused(home: DataDirectory, port: int) -> None:
    home.lock()
    try:
        refusal = refused_by_up("--port", str(port), "--data", str(home.data))
    finally:
        home.unlock()
    assert f"already runs on {home.data} (process {os.getpid()})" in refusal


def test_an_old_python_is_told_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"^Assent needs Python 3\.11 or newer"):
        runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")


def test_a_server_that_does_not_start_is_shown_with_the_end_of_its_log(data: Path) -> None:
    with Servers(data, durable=False):
        pass
    (data / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(Refused, match=r"postgres does not start(.|\n)*not compatible"), Servers(data, durable=False):
        pass


# --- Packages


@pytest.mark.parametrize("extras", [{"dependencies"}, {"dependencies", "demo"}, {"dependencies", "demo", "test"}])
def test_the_pins_of_a_set_are_complete(extras: set[str]) -> None:
    pins = {bootstrap.normalised_name(pin) for pin in bootstrap.pins_for(extras)}
    missing = set()
    for name in pins:
        with suppress(ModuleNotFoundError):  # pinned for another platform
            distribution(name)
            for text in requires(name) or ():
                requirement = Requirement(text)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    missing |= {bootstrap.normalised_name(requirement.name)} - pins
    assert not missing


def test_only_the_tests_need_the_tools_of_the_tests() -> None:
    pins = [bootstrap.normalised_name(pin) for pin in bootstrap.pins_for({"dependencies", "demo"})]
    assert "django" in pins and "langgraph" in pins
    assert "pytest" not in pins


# --- The embedded servers


def test_servers_keep_what_was_written_when_postgres_is_killed(data: Path) -> None:
    with Servers(data) as servers:
        with psycopg.connect(servers.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        postgres = next(process for process in servers.processes if process.name == "postgres")
        postgres.child.kill()
        postgres.child.wait()
    with Servers(data) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_servers_listen_on_private_sockets_only(data: Path) -> None:
    with Servers(data, durable=False) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        assert stat.S_IMODE(servers.home.sockets.stat().st_mode) == 0o700
        assert servers.redis_url.startswith("unix:///")


def test_a_long_data_path_puts_the_sockets_where_their_path_fits(data: Path) -> None:
    with Servers(data / ("long" * 30), durable=False) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert not servers.home.sockets.is_relative_to(data)


@linux_only
def test_servers_end_with_a_killed_parent_and_start_again(data: Path) -> None:
    parent = f"""
import pathlib, time
from console.embedded import Servers
with Servers(pathlib.Path({str(data)!r})) as servers:
    print(*[process.child.pid for process in servers.processes], flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:
        pids = [int(pid) for pid in running.stdout.readline().split()]
        running.kill()
    with Servers(data) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    until(lambda: not any(identity(pid) for pid in pids))


@root_only
def test_root_uses_an_account_without_privileges_where_namespaces_are_blocked(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guise, "works", lambda *_: False)
    for _ in range(2):
        with Servers(data, durable=False) as servers, psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert (data / "postgres").stat().st_uid == guise.ordinary_account().pw_uid


@root_only
def test_root_is_told_what_to_do_where_no_account_reaches_the_data(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guise, "works", lambda *_: False)
    data.parent.chmod(0o700)
    with pytest.raises(Refused, match="Run this as an ordinary user"), Servers(data):
        pass


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


# --- The whole command


class Running:
    """`manage.py up` in a process of its own."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.url, self.port = data, f"http://127.0.0.1:{port}", port
        self.log_file = data.parent / "said"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [*MANAGE, "up", "--no-demo", "--data", str(data), "--port", str(port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(),
            )

    def until_ready(self) -> None:
        until(lambda: self.process.poll() is not None or "Assent is ready" in self.log_file.read_text(), 90)
        assert self.log_file.read_text().count(f"Assent is ready at {self.url}\n") == 1, self.log_file.read_text()

    def healthy(self) -> bool:
        return up.health(self.port) == "200"

    def pid(self, name: str) -> int:
        return int((self.data / "pids" / f"{name}.pid").read_text().split()[0])

    def pids(self) -> dict[str, str]:
        """The number of each child, by its name, with the time of its start."""
        files = (self.data / "pids").glob("*.pid")
        return {file.stem: file.read_text() for file in files}


@pytest.fixture
def running(data: Path, port: int) -> Iterator[Running]:
    running = Running(data, port)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(15)


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
