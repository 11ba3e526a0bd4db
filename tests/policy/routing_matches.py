"""Rules that matched, and a flag."""

from datetime import timedelta

from approvals.policy.assessed import RuleMatch
from approvals.policy.flag_reasons import Burst
from approvals.policy.routing_decision import AgentStanding

BURST = Burst(12, timedelta(minutes=10), "Refund", "robot")
TWO = AgentStanding(level=2)


def match(effect="review", **changes):
    return RuleMatch(**{"name": "big", "effect": effect, "tier": None, "approvers": 1, "message": "Big.", **changes})
