"""`manage.py up`: everything that Assent is, started by one command and stopped by Ctrl+C.

It runs without Django, so that the parent of all processes stays small and the settings are read by children only,
once the servers that they name are there.
"""

import argparse
import errno
import http.client
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from console import embedded
from console.embedded.paths import DataDirectory
from console.embedded.postgres import Postgres
from console.embedded.processes import Process, Program, end_orphans, stop
from console.embedded.valkey import Valkey
from console.startup.supervisor import Supervisor
from console.startup.terminal import Refused, phase, phase_began, phase_took, say

ROOT = Path(__file__).resolve().parents[2]
MANAGE = (sys.executable, str(ROOT / "manage.py"))
HOST = "127.0.0.1"
AGENT_NEEDS = ("langgraph", "aiosmtpd")
READY_WITHIN = 90.0
STOPPED_WITHIN = 9.0
ANSWER_WITHIN = 5.0  # a web process that is asked by the supervisor
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# 1,000 waiting agents need a file each.
OPEN_FILES = 65_536


class StopRequested(BaseException):
    """Somebody asked Assent to stop; not an Exception, so that nothing on the way takes it for a failure."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py up", description="Install and start everything.")
    add_arguments(parser)
    return parser.parse_args(argv)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8000, help="where the console listens (default: 8000)")
    parser.add_argument("--data", type=Path, default=ROOT / ".assent", help="data directory (default: .assent)")
    parser.add_argument("--no-demo", action="store_true", help="neither demo people and requests nor the demo agent")
    parser.add_argument("--processes", type=int, default=1, help="number of web processes (default: 1)")


def run(options: argparse.Namespace) -> int:
    """Start everything, keep it running until SIGINT or SIGTERM, stop it; returns the exit code. Raises Refused."""
    home = DataDirectory(options.data)
    home.create()
    home.lock()
    supervisor = Supervisor()
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
            signal.signal(number, _stop)
    try:
        with closing(listen(options.port)) as listener:
            _start(options, home, listener, supervisor)
            supervisor.run()
    except StopRequested:
        say("\nStopping …")
        return 0
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop(patience=STOPPED_WITHIN)
        home.run_file.unlink(missing_ok=True)
        home.unlock()
        if sys.exc_info()[0] is None:
            say("Stopped.")
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise StopRequested


def _start(options: argparse.Namespace, home: DataDirectory, listener: socket.socket, supervisor: Supervisor) -> None:
    url = f"http://{HOST}:{options.port}"
    say(f"Assent in {home.data}")
    allow_open_files()
    if end_orphans(home):
        say("  The last run was killed; what it had left running is stopped.")
    home.rotate_logs()
    home.run_file.unlink(missing_ok=True)
    home.keep_secret()
    _start_servers(home, supervisor)

    environment = {
        "ASSENT_DATA": str(home.data),
        "ASSENT_URL": url,
        "ASSENT_BASE_URL": url,
        "ASSENT_DEMO": "no" if options.no_demo else "yes",
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # a heap for each thread would cost more memory than it saves time
    }
    prepare(home, environment)

    with phase("web, worker, beat, clock" + (", agent" if runs_demo_agent(options) else "")):
        for group in services(options, home, environment, listener.fileno()):
            processes = [Process(program, home) for program in group]
            supervisor.add(processes)
            for process in processes:
                process.start()
        until_answered(options.port, supervisor)
    if not options.no_demo and not runs_demo_agent(options):
        say(f"  The demo agent is left out: it needs {' and '.join(AGENT_NEEDS)}.")
    say(f"\nAssent is ready at {url}")
    if not options.no_demo:
        show_people(home)
    say(f"\nLogs are in {home.data / 'log'}. Ctrl+C stops everything.")


def _start_servers(home: DataDirectory, supervisor: Supervisor) -> None:
    """The embedded servers, except those that the environment replaces; and where the other ones are."""
    servers: list[Postgres | Valkey] = []
    urls = {}
    # Redis first: it starts while the database is made.
    if not os.environ.get("REDIS_URL"):
        servers.append(Valkey(home, durable=True))
        urls["redis_url"] = servers[-1].url
    if not os.environ.get("DATABASE_URL"):
        servers.append(Postgres(home, durable=True))
        urls["database_url"] = servers[-1].url
    if servers:
        with phase(" and ".join(server.label for server in servers)):
            processes = [Process(server.program(), home) for server in servers]
            supervisor.add(processes)
            embedded.start(processes)
    # Passwords of servers that are not ours stay in the environment.
    home.write_private("run.json", json.dumps(urls))


def listen(port: int) -> socket.socket:
    """The socket that all web processes share. Raises Refused when the port cannot be had."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            problem = f"Port {port} is taken by another program"
        else:
            problem = f"Port {port} cannot be used ({getattr(error, 'strerror', None) or 'it must be 0 to 65535'})"
        raise Refused(f"{problem}. Choose another one: manage.py up --port {free_port(port)}") from None
    return listener


def free_port(taken: int) -> int:
    """A port to suggest: the first free one above the taken one."""
    for port in range(max(taken, 1024) + 1, max(taken, 1024) + 50):
        with suppress(OSError, OverflowError), socket.socket() as candidate:
            candidate.bind((HOST, port))
            return port
    return 8080


def allow_open_files() -> None:
    """Raise the soft limit of open files, which the children inherit, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < limit:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def prepare(home: DataDirectory, environment: dict[str, str]) -> None:
    """Bring database, static files and demo up to date, in one child that names its phases. Raises Refused."""
    reading, writing = os.pipe()
    command = [*MANAGE, "prepare", "--phases", str(writing)]
    process = Process(Program("prepare", command, env=environment, fds=[writing]), home)
    name, start = "database", time.monotonic()
    phase_began(name)
    try:
        with open(reading) as phases:
            process.start()
            os.close(writing)
            # Each line names the phase that begins and so ends the one before.
            for line in phases:
                phase_took(name, time.monotonic() - start)
                name, start = line.strip(), time.monotonic()
                phase_began(name)
        process.wait(patience=5)
    finally:
        stop([process], patience=5)
    if process.child is None or process.child.returncode != 0:
        say()
        raise Refused(
            f'The phase "{name}" failed ({process.how_it_ended()}). {home.log("prepare")} ends with:\n'
            f"{home.last_lines('prepare')}"
        )
    phase_took(name, time.monotonic() - start)


def services(
    options: argparse.Namespace, home: DataDirectory, environment: dict[str, str], listener: int
) -> Iterator[list[Program]]:
    """What runs beside the servers, in groups: the last group is the first to stop."""
    python = sys.executable
    celery = [python, "-m", "celery", "-A", "console"]
    worker = [*celery, "worker", "--pool=threads", "--concurrency=4", "--loglevel=WARNING"]
    worker += ["--without-gossip", "--without-mingle"]
    beat = [*celery, "beat", f"--schedule={home.data / 'beat'}", "--pidfile=", "--loglevel=WARNING"]

    yield [Program("clock", [*MANAGE, "clock"], env=environment)]
    yield [Program("worker", worker, env=environment), Program("beat", beat, env=environment)]
    yield [
        web("web" if options.processes == 1 else f"web-{number}", home, environment, listener)
        for number in range(1, options.processes + 1)
    ]
    if runs_demo_agent(options):
        yield [Program("agent", [python, "-m", "agents.demo"], env=environment)]


def web(name: str, home: DataDirectory, environment: dict[str, str], listener: int) -> Program:
    """A web process: on the socket that all share, and on one of its own, where the supervisor asks it alone."""
    own = home.sockets / f"{name}.sock"
    argv = [sys.executable, "-m", "daphne", "--fd", str(listener), "-u", str(own), "--verbosity", "0"]
    return Program(
        name,
        [*argv, "console.asgi:application"],
        env=environment,
        fds=[listener],
        before=lambda: own.unlink(missing_ok=True),
        answers=lambda: web_answers(own),
    )


def web_answers(own: Path) -> bool:
    """Whether a web process says anything over HTTP in time."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_WITHIN)
            client.connect(str(own))
            client.sendall(b"GET /health/live HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            return client.recv(5) == b"HTTP/"
    except OSError:
        return False


def runs_demo_agent(options: argparse.Namespace) -> bool:
    """Whether the demo agent runs; the server does not need it nor its packages."""
    return not options.no_demo and all(find_spec(package) for package in AGENT_NEEDS)


def until_answered(port: int, supervisor: Supervisor) -> None:
    """Wait until the console says over HTTP that it is ready and every process runs. Raises Refused."""
    deadline = time.monotonic() + READY_WITHIN
    answer = "no answer"
    while True:
        for watched in supervisor.watched:
            if watched.deaths >= 3:
                refuse(watched.process, f"stops again and again ({watched.process.how_it_ended()})")
        answer = health(port)
        if answer == "200" and supervisor.all_run():
            return
        if time.monotonic() > deadline:
            web = next(watched.process for watched in supervisor.watched if watched.process.name.startswith("web"))
            refuse(web, f"did not become ready within {READY_WITHIN:.0f} s (/health/ready: {answer})")
        supervisor.check()
        time.sleep(0.1)


def refuse(process: Process, problem: str) -> None:
    home, name = process.home, process.name
    raise Refused(f"{name} {problem}. {home.log(name)} ends with:\n{home.last_lines(name)}")


def health(port: int) -> str:
    """The status of /health/ready, with what it says when it is not 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=3)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        body = response.read(300).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "200" if response.status == 200 else f"{response.status} {body}"


def show_people(home: DataDirectory) -> None:
    """Whom to log in as; the same, with tokens and agent keys, is in demo.json."""
    try:
        people = json.loads((home.data / "demo.json").read_text())["people"]
    except (OSError, ValueError, KeyError):
        return
    say()
    rows = [
        ("Log in as", "Password", "Role"),
        *((person["username"], person["password"], person["role"]) for person in people),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, password, role in rows:
        say(f"  {name:<{widths[0]}}   {password:<{widths[1]}}   {role}")
    say(f"  Their tokens and the agents' keys: {home.data / 'demo.json'}")
