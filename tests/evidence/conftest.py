import pytest

from tests.evidence.builders import Past, build


@pytest.fixture
def past(tiers, commerce) -> Past:
    return build(tiers, commerce)


@pytest.fixture
def reviewers(alice, bob):
    return [alice, bob]
