"""An Assent that answers as it is told, so that the agent's own conduct can be tested at any moment and speed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from assent.testing import FakeGateway

from agents.demo import steps
from agents.demo.home import AgentFolder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def gateway() -> FakeGateway:
    """An Assent that answers as it is told, with permits like the real one's."""
    return FakeGateway("support-agent", longest_hold=1.0)


@pytest.fixture
def url(gateway: FakeGateway) -> Iterator[str]:
    """Where the agent's processes find it."""
    with gateway.served() as url:
        yield url


@dataclass
class AgentProcess:
    """The demo agent as `up` would start it, on a folder of its own."""

    data: Path
    url: str
    supervisors: list[subprocess.Popen] = field(default_factory=list)
    root: Path = ROOT

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
        home = AgentFolder(self.data)
        getattr(steps, name)(home, thread)

    def supervise(self, *options: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents.demo", *options],
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # so that it can be killed with the steps that it has started
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
def agent(start_agent: Callable[..., AgentProcess], url: str) -> AgentProcess:
    return start_agent(url)


@pytest.fixture
def until() -> Callable[..., None]:
    def wait(true: Callable[[], bool], *, seconds: float = 40) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not come to pass in time"
            time.sleep(0.05)

    return wait
