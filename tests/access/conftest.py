"""Everybody, by role."""

import pytest

from approvals.models import User
from tests.access.operations import PEOPLE


@pytest.fixture
def everybody(request) -> dict[str, User | None]:
    return {"anon": None, **{role: request.getfixturevalue(name) for role, name in PEOPLE.items()}}
