"""The nouns of the product. Rules live in the wings; the database refuses what must never be."""

from approvals.models.afterwards import Audit
from approvals.models.approval import Approval, Pause
from approvals.models.counters import Curve, Spend
from approvals.models.event import Delivery, Endpoint, Event, Seal
from approvals.models.evidence import Autonomy, Incident, Outcome
from approvals.models.grant import Grant, PlannedStep
from approvals.models.people import Absence, Agent, Domain, Membership, Tier, User
from approvals.models.permit import Consumption, SigningKey
from approvals.models.policy import ActionType, Capacity, Currency, PolicyVersion, Rule, Threshold
from approvals.models.proposal import Proposal
from approvals.models.publishing import Movement, PublishRequest, Rehearsal
from approvals.models.run import Run, Step
from approvals.models.scarcity import Degraded
from approvals.models.talk import Attachment, Guidance, Inquiry
from approvals.models.telling import Channel, SlackAccount, SlackMessage
from approvals.models.verdict import Decision, Note, Vote

__all__ = [
    "Absence",
    "ActionType",
    "Agent",
    "Approval",
    "Attachment",
    "Audit",
    "Autonomy",
    "Capacity",
    "Channel",
    "Consumption",
    "Currency",
    "Curve",
    "Decision",
    "Degraded",
    "Delivery",
    "Domain",
    "Endpoint",
    "Event",
    "Grant",
    "Guidance",
    "Incident",
    "Inquiry",
    "Membership",
    "Movement",
    "Note",
    "Outcome",
    "Pause",
    "PlannedStep",
    "PolicyVersion",
    "Proposal",
    "PublishRequest",
    "Rehearsal",
    "Rule",
    "Run",
    "Seal",
    "SigningKey",
    "SlackAccount",
    "SlackMessage",
    "Spend",
    "Step",
    "Threshold",
    "Tier",
    "User",
    "Vote",
]
