"""An Assent that answers as it is told, so that the agent's own conduct can be tested at any moment and speed."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agents.demo import steps
from agents.demo.home import Home

ROOT = Path(__file__).resolve().parents[2]
ANSWERED = {"source": "human", "message": None, "stop": False}


@dataclass
class Wire:
    """What the agent asked, what it is told, what it reported."""

    url: str = ""
    asked: dict[str, dict] = field(default_factory=dict)  # by idempotency key
    told: dict[str, dict] = field(default_factory=dict)  # by request
    reported: list[tuple[str, dict]] = field(default_factory=list)
    automatic: Callable[[dict], dict] | None = None

    def submit(self, body: dict) -> dict:
        request = self.asked.setdefault(body["idempotency_key"], body)
        request.setdefault("id", f"request-{len(self.asked)}")
        if self.automatic and request["id"] not in self.told:
            self.tell(request, **self.automatic(request))
        return {"id": request["id"], "status": "pending"}

    def tell(self, request: dict, *, status: str = "decided", **verdict) -> None:
        (item,) = request["items"]
        told = {"id": item["id"], "status": status, "action": item["action"], **ANSWERED, **verdict}
        self.told[request["id"]] = {"request": request["id"], "status": status, "items": [told]}

    def only(self) -> dict:
        (request,) = self.asked.values()
        return request


def handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, document: dict) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["Authorization"] != "Bearer asn_test":
                self.answer(401, {})
            elif self.path.endswith("/outcome"):
                wire.reported.append((self.path.split("/")[4], body))
                self.answer(200, {})
            else:
                self.answer(201, wire.submit(body))

        def do_GET(self) -> None:
            request = self.path.split("/")[4]
            for _ in range(20 if self.path.endswith("wait=25") else 1):
                if request in wire.told:
                    break
                time.sleep(0.05)
            self.answer(200 if request in wire.told else 202, wire.told.get(request, {"status": "pending"}))

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(wire))
    server.daemon_threads = True
    wire.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield wire
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class AgentProcess:
    """The demo agent as `up` would start it, on a folder of its own."""

    data: Path
    url: str
    supervisors: list[subprocess.Popen] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "ASSENT_URL": self.url, "ASSENT_DATA": str(self.data), "PYTHONPATH": str(ROOT)}

    def step(self, name: str, thread: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "agents.demo", name, thread],
            cwd=ROOT,
            env=self.environment(),
            check=True,
            timeout=60,
        )

    def here(self, name: str, thread: str) -> None:
        """The same in this process: where the processes are not the point, their start is most of the time."""
        home = Home(self.data)
        getattr(steps, name)(home, thread)

    def supervise(self, *options: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents.demo", *options],
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
        )
        self.supervisors.append(process)
        return process

    def case(self, thread: str) -> dict:
        try:
            return json.loads((self.data / "demo" / "cases" / f"{thread}.json").read_text())
        except FileNotFoundError:
            return {"stage": ""}

    def letters(self) -> list[Path]:
        return sorted((self.data / "demo" / "mail").glob("*.eml"))


@pytest.fixture
def start_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AgentProcess]]:
    started: list[AgentProcess] = []

    def start(url: str, key: str = "asn_test") -> AgentProcess:
        (tmp_path / "demo.json").write_text(json.dumps({"agents": [{"name": "support-agent", "key": key}]}))
        monkeypatch.setenv("ASSENT_URL", url)
        agent = AgentProcess(tmp_path, url)
        started.append(agent)
        return agent

    yield start
    for agent in started:
        for process in agent.supervisors:
            process.terminate()
            process.wait(timeout=10)


@pytest.fixture
def agent(start_agent: Callable[..., AgentProcess], wire: Wire) -> AgentProcess:
    return start_agent(wire.url)


@pytest.fixture
def until() -> Callable[..., None]:
    def wait(true: Callable[[], bool], *, seconds: float = 40) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not come to pass in time"
            time.sleep(0.05)

    return wait
