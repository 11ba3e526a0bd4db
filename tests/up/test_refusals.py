"""`manage.py up` says what is wrong, and installs what is pinned."""

import os
import re
import runpy
import socket
import sys
from contextlib import suppress
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from console.embedded import DataDirectory, Servers
from console.startup import bootstrap, up
from console.startup.terminal import Refused
from tests.up.command import ROOT, refused_by_up


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
