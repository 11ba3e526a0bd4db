"""Rules that matched."""

from approvals.policy.assessed import RuleMatch
from approvals.policy.routing_decision import AgentStanding

TWO = AgentStanding(level=2)


def match(effect="review", **changes):
    return RuleMatch(**{"name": "big", "effect": effect, "tier": None, "approvers": 1, "message": "Big.", **changes})
