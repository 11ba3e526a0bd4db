"""A gateway that answers as told, and a client of it, for tests against the real frameworks."""

import pytest

from assent import Assent, defaults
from assent.testing import FakeGateway


@pytest.fixture
def fake():
    return FakeGateway()


@pytest.fixture
def client_of(fake, tmp_path):
    """Make another client, on a machine of its own with machine="…"."""
    made = []

    def make(machine: str = "here") -> Assent:
        made.append(Assent(fake.url, fake.key, transport=fake.transport, state=tmp_path / machine, patience=0.3))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(client_of):
    with defaults.fresh():
        yield defaults.client(client_of())
