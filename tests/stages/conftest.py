"""A payout in two stages, commerce and then legal, and the people of both."""

import pytest

from approvals.models import Approval, Domain, Rule, User
from approvals.policy import snapshot


@pytest.fixture
def legal(db) -> Domain:
    return Domain.objects.create(slug="legal", name="Legal")


@pytest.fixture
def lena(person, tiers, legal) -> User:
    """Reviews legal in tier 2."""
    return person("lena", tier=2, domain=legal)


@pytest.fixture
def luis(person, tiers, legal) -> User:
    """Reviews legal in tier 2, too."""
    return person("luis", tier=2, domain=legal)


@pytest.fixture
def lotte(person, tiers, legal) -> User:
    """Reviews legal in tier 1."""
    return person("lotte", tier=1, domain=legal)


@pytest.fixture
def staged(action_type, legal):
    """staged([(1, ""), (2, "legal", 2)], when="args.amount > 100.0"): payouts that a rule leads through stages."""

    def make(stage_specs=((1, ""), (2, "legal")), *, name="payout", when="args.amount > 100.0", typed=False, **fields):
        kind = action_type(name, **{"strategy": "risk", "reversibility": "reversible", **fields})
        rows = [{"tier": tier, "domain": domain, "approvers": [*many, 1][0]} for tier, domain, *many in stage_specs]
        Rule.objects.create(
            name="staged", action_type=kind, expression=when, stages=rows, typed=typed, message="Large payouts."
        )
        snapshot.publish(by=None, note="staged")
        return kind

    return make


@pytest.fixture
def payout(staged, propose) -> Approval:
    """Of 420 EUR: tier 1 of commerce, then tier 2 of legal."""
    staged()
    return propose(action="payout")
