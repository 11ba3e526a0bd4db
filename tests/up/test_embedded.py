"""The embedded servers keep what was written and listen on private sockets alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from console.embedded import Servers, guise
from console.embedded.processes import identity
from console.startup.terminal import Refused
from tests.up.command import ROOT, until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")


root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root has to become somebody else")


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
