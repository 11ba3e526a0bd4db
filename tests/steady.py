"""A pytest plugin: no test depends on the order of the others, on how busy the machine is, or on what they left behind.

`--shuffle SEED` puts files, and the tests in each, in another order; `--shuffle new` takes a seed and says it.
Whoever leaves a database connection, a thread or a process behind fails for it, and not some later test.
"""

import os
import random
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import thread as executors
from inspect import iscoroutinefunction
from pathlib import Path
from weakref import WeakKeyDictionary

import psutil
import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from tests.fork_server import warm

PATIENCE = 10.0  # seconds in which what a test ended must be gone


# --- Order


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--list-failed", metavar="FILE", help="write there which tests failed, a line each")
    parser.addoption("--shuffle", metavar="SEED", help="run in the order of this seed; `new` for one of its own")


def pytest_configure(config: pytest.Config) -> None:
    handed = getattr(config, "workerinput", {}).get("shuffle")
    if config.option.shuffle == "new":
        config.option.shuffle = handed or str(secrets.randbelow(1_000_000))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Of several processes the first takes the seed: the others are started with its words, and would each take one."""
    node.workerinput["shuffle"] = node.config.option.shuffle


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.option.shuffle
    return f"order: --shuffle {seed}" if seed else "order: as collected"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seed = terminalreporter.config.option.shuffle
    if seed:
        terminalreporter.write_line(f"The order was --shuffle {seed}")
    file = terminalreporter.config.option.list_failed
    if file and not (os.environ.get("ASSENT_NO_SKIPS") and terminalreporter.stats.get("skipped")):
        ended = [*terminalreporter.stats.get("failed", ()), *terminalreporter.stats.get("error", ())]
        Path(file).write_text("".join(f"{name}\n" for name in dict.fromkeys(report.nodeid for report in ended)))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files stay together: some share a browser."""
    if not config.option.shuffle:
        return
    dice = random.Random(config.option.shuffle)  # noqa: S311
    files: dict[object, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = list(files.values())
    dice.shuffle(order)
    for tests in order:
        dice.shuffle(tests)
        # A browser has an event loop for the rest of its file, and beside it runs no other.
        tests.sort(key=lambda test: not iscoroutinefunction(getattr(test, "function", None)))
    items[:] = [item for tests in order for item in tests]


# --- Time


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef, request: pytest.FixtureRequest) -> Iterator[None]:
    """Making the database takes no test's time away: whichever comes first would answer for all migrations."""
    if fixturedef.argname != "django_db_setup":
        return (yield)
    item = request._pyfuncitem
    hooks = item.config.pluginmanager.hook
    hooks.pytest_timeout_cancel_timer(item=item)
    try:
        return (yield)
    finally:
        from pytest_timeout import _get_item_settings

        settings = _get_item_settings(item)
        if settings.timeout:
            hooks.pytest_timeout_set_timer(item=item, settings=settings)


# --- What is left behind


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    item.stash[_BEFORE] = _Leftovers()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After all fixtures have ended. Processes are looked at when a file ends: reading them all takes its time."""
    result = yield
    before = item.stash[_BEFORE]
    end = time.monotonic() + PATIENCE
    while (left := before.exceeded()) and time.monotonic() < end:
        time.sleep(0.05)
    if nextitem is None or nextitem.path != item.path:
        while (running := _children() - _known) and time.monotonic() < end:
            time.sleep(0.05)
        left += [f"a process: {' '.join(process.cmdline())[:200]}" for process in running if process.is_running()]
        _known.update(running)
    if left:
        pytest.fail("The test left behind " + "; ".join(left), pytrace=False)
    return result


class _Leftovers:
    """The connections and threads that there are."""

    def __init__(self) -> None:
        self.connections = _connections()
        self.threads = set(threading.enumerate())

    def exceeded(self) -> list[str]:
        """What there is more by now, in words."""
        more = _connections() - self.connections
        threads = [thread.name for thread in threading.enumerate() if thread not in self.threads and _own(thread)]
        return [
            *([f"{more} database connection(s) of a thread that did not close it{_openers()}"] if more > 0 else []),
            *(f"the thread {name}" for name in threads),
        ]


_BEFORE = pytest.StashKey[_Leftovers]()


def _connections() -> int:
    """How many connections of the pool are in use, but for the main thread's and those of executors, which keep theirs.

    The main thread has several where tests with and without an event loop take turns: Django gives each its own.
    """
    from django.db.backends.postgresql.base import DatabaseWrapper

    pools = list(DatabaseWrapper._connection_pools.values())
    stats = [pool.get_stats() for pool in pools if not pool.closed]
    used = sum(one["pool_size"] - one["pool_available"] for one in stats)
    kept = [wrapper for wrapper, (keeps, _) in list(_opened.items()) if keeps and wrapper.connection is not None]
    return max(0, used - len(kept))


# Whether who opened it keeps it, and where it came from.
_opened: "WeakKeyDictionary[BaseDatabaseWrapper, tuple[bool, list[str]]]" = WeakKeyDictionary()


def _note_opener(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Where an open connection came from: told of the one that is left behind."""
    frames = [frame for frame, _line in traceback.walk_stack(sys._getframe(1))]
    thread = threading.current_thread()
    keeps = thread is threading.main_thread() or any(frame.f_code is executors._worker.__code__ for frame in frames)
    # By hand: what reads the lines of the source as well takes a millisecond, and there are thousands.
    _opened[connection] = (
        keeps,
        [f"{one.f_code.co_name} ({one.f_code.co_filename}:{one.f_lineno})" for one in frames[:30]],
    )


def _openers() -> str:
    open_ones = [places for wrapper, (_, places) in list(_opened.items()) if wrapper.connection is not None]
    return "".join("\n  opened by " + " < ".join(places) for places in open_ones)


def _own(thread: threading.Thread) -> bool:
    """Whether a test started it: executors and pools keep theirs, and daemons end with the process."""
    return not thread.daemon and getattr(thread, "_target", None) is not executors._worker


def _children() -> set[psutil.Process]:
    children = {process for process in psutil.Process().children() if process.status() != psutil.STATUS_ZOMBIE}
    return {process for process in children if not warm.owns(process)}  # that one serves the whole run


_known: set[psutil.Process] = set()


def pytest_sessionstart(session: pytest.Session) -> None:
    connection_created.connect(_note_opener)
    _known.update(_children())  # the servers of the whole run
