"""A gateway that answers as told, and a client of it with a journal of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assent import Assent, AsyncAssent
from assent.testing import FakeGateway


@pytest.fixture
def fake() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def client_of(fake: FakeGateway, tmp_path: Path) -> Iterator[Callable[..., Assent]]:
    """Make another client on the same journal, as a new process would: client_of(patience=…)."""
    made = []

    def make(**options: object) -> Assent:
        options = {"state": tmp_path / "state", "patience": 0.3, **options}
        client = Assent(fake.url, fake.key, transport=fake.transport, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(client_of: Callable[..., Assent]) -> Assent:
    return client_of()


@pytest.fixture
def killed(client_of: Callable[..., Assent]) -> Callable[..., Assent]:
    """Kill the process that a client stands for, and start the next one on the same journal: killed(client)."""

    def kill(client: Assent) -> Assent:
        client.close()  # what kill -9 does to the lock that says a process lives
        return client_of()

    return kill


@pytest.fixture
async def aclient(fake, tmp_path):
    async with AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path, patience=0.3) as client:
        yield client


@pytest.fixture
def pay_into() -> Callable[[list[str]], Callable[..., dict[str, str]]]:
    """The action itself: pay_into(ledger) notes there what it paid."""

    def into(ledger: list[str]) -> Callable[..., dict[str, str]]:
        def pay(order: str, amount: str, currency: str) -> dict[str, str]:
            ledger.append(amount)
            return {"paid": amount}

        return pay

    return into
