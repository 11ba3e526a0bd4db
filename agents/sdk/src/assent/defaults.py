"""The client that the environment describes: ASSENT_URL, ASSENT_KEY, ASSENT_STATE."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from typing import ParamSpec, TypeVar, Unpack

from assent.aio.client import AsyncAssent
from assent.decorators import decorator
from assent.shapes import Describe, GuardOptions, RunOf
from assent.sync.client import Assent

T = TypeVar("T")
P = ParamSpec("P")

_lock = threading.Lock()
_client: Assent | None = None


def client(new: Assent | None = None) -> Assent:
    """The client of this process, made of the environment at its first use, or `new` from now on.

    Raises NotConfigured.
    """
    global _client
    with _lock:
        if new is not None:
            _client = new
        elif _client is None:
            _client = Assent()
        return _client


def async_client() -> AsyncAssent:
    """The same for coroutines: one journal, one count of occurrences. Raises NotConfigured."""
    return client().asynchronous()


@contextlib.contextmanager
def fresh() -> Iterator[None]:
    """Inside, the default client is made of the environment anew; afterwards the old one is back. For tests."""
    global _client
    with _lock:
        before, _client = _client, None
    try:
        yield
    finally:
        with _lock:
            made, _client = _client, before
        if made is not None:
            made.close()


def requires_approval(
    action: str,
    *,
    run: RunOf = None,
    without: Collection[str] = (),
    describe: Describe | None = None,
    **guarding: Unpack[GuardOptions],
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """`Assent.requires_approval` with the client that the environment describes when the function is called.

    `action` is what is proposed, `run` the key of the workflow, or what makes it of a call's arguments. Parameters
    named in `without` are not sent; `describe(arguments)` returns what goes with one call, and may name its "run".
    """
    return decorator(client, action, run, without, describe, guarding)
