"""A data directory and a free port."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.embedded import DataDirectory
from tests.up.command import Running


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


@pytest.fixture
def running(data: Path, port: int) -> Iterator[Running]:
    running = Running(data, port)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(15)
