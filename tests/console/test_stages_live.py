"""On open pages: what a stage approved leaves the one list, and arrives in the other."""

import pytest

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import Domain, Rule
from approvals.policy import snapshot
from tests.console.test_live import frame_of, in_database, opened, static  # noqa: F401  # a fixture that runs by itself

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def legal(db):
    return Domain.objects.create(slug="legal", name="Legal")


@pytest.fixture
def lena(person, tiers, legal):
    return person("lena", tier=2, domain=legal)


@pytest.fixture
def staged_type(action_type, legal):
    kind = action_type("payout", strategy="risk", reversibility="reversible")
    stages = [{"tier": 1, "domain": "", "approvers": 1}, {"tier": 2, "domain": "legal", "approvers": 1}]
    Rule.objects.create(name="r", action_type=kind, expression="true", stages=stages, message="All.")
    snapshot.publish(by=None, note="stages")


async def test_an_approved_stage_leaves_one_list_and_arrives_in_the_other(staged_type, propose, alice, lena):
    payout = await in_database(propose, action="payout")
    async with opened(alice) as first, opened(lena) as second:
        await in_database(decide, card_version_of(payout), by=alice, verdict="approve")
        [left] = (await frame_of(first))["rows"]
        [came] = (await frame_of(second))["rows"]

    assert (left["gone"], left["stage"], left["tier_name"]) == (True, 1, "Specialists · Legal")
    assert (came["gone"], came["queue"], came["status"]) == (False, "2.legal", "pending")
    assert "stage 2 of 2" in came["html"]
    assert left["html"] == came["html"]
