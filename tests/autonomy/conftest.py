"""Robot with refunds at level 2, and what was seen of it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from approvals.db import times
from approvals.models import ActionType, Agent, Autonomy, LevelEvidence


@pytest.fixture
def autonomy(robot: Agent, refunds: ActionType) -> Autonomy:
    return Autonomy.objects.create(agent=robot, action_type=refunds, level=2)


@pytest.fixture
def evidence(autonomy: Autonomy) -> Callable[..., LevelEvidence]:
    """What was seen of one band: evidence("low", earned=True). A hundred labels without a fault in a month."""

    def make(impact: str = "low", *, of: Autonomy = autonomy, **fields: object) -> LevelEvidence:
        began = times.now() - timedelta(days=30)
        values = {"labels": 100, "wrong": 0, "e": 31.5, "earned": True, "needed": 0, "fewest": 88, **fields}
        return LevelEvidence.objects.create(
            **{"autonomy": of, "impact": impact, "began_at": began, "counts_from": began, **values}
        )

    return make
