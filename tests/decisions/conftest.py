"""Refunds that two people approve, and large ones for another tier."""

import pytest

from approvals.models import Rule
from approvals.policy import snapshot
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401


@pytest.fixture
def two_person(refunds):
    refunds.approvers = 2
    refunds.save()
    snapshot.publish(by=None, note="two people")


@pytest.fixture
def large(refunds):
    """Refunds above 1,000 match a rule, and are flagged by it."""
    Rule.objects.create(
        action_type=refunds, name="large", expression="args.amount > 1000.0", effect="review", message="large"
    )
    snapshot.publish(by=None, note="large")
