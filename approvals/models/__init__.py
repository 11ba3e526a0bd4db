"""The nouns of the product. Rules live in the wings; the database refuses what must never be."""

from approvals.models.approval import Approval, Decision, Note, Pause, Proposal, Vote
from approvals.models.event import Delivery, Event, Seal
from approvals.models.evidence import Autonomy, Incident, Outcome
from approvals.models.people import Absence, Agent, Domain, Membership, Tier, User
from approvals.models.policy import ActionType, Currency, PolicyVersion, Rule, Threshold
from approvals.models.run import Run, Step

__all__ = [
    "Absence",
    "ActionType",
    "Agent",
    "Approval",
    "Autonomy",
    "Currency",
    "Decision",
    "Delivery",
    "Domain",
    "Event",
    "Incident",
    "Membership",
    "Note",
    "Outcome",
    "Pause",
    "PolicyVersion",
    "Proposal",
    "Rule",
    "Run",
    "Seal",
    "Step",
    "Threshold",
    "Tier",
    "User",
    "Vote",
]
