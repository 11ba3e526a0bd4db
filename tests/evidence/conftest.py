import pytest

from tests.evidence.builders import HistoryBuilder, history_builder


@pytest.fixture
def past(tiers, commerce) -> HistoryBuilder:
    return history_builder(tiers, commerce)


@pytest.fixture
def reviewers(alice, bob):
    return [alice, bob]
