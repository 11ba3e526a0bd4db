"""The nouns of the product. Rules live in the wings; the database refuses what must never be."""

from approvals.models.accounts import AccountEvent
from approvals.models.afterwards import Audit
from approvals.models.approval import Approval, Pause
from approvals.models.counters import AgentCurve, Curve, Spend
from approvals.models.event import Delivery, Endpoint, Event, LastCheckpoint, Seal, SystemChain, SystemEvent
from approvals.models.evidence import Autonomy, Incident, Outcome
from approvals.models.grant import Grant, PlannedStep
from approvals.models.people import Absence, Agent, Domain, DomainTerms, Membership, PeopleRequest, Tier, User
from approvals.models.permit import Consumption, SigningKey
from approvals.models.policy import ActionType, Capacity, Currency, PolicyVersion, Rule, Threshold
from approvals.models.proposal import Proposal
from approvals.models.publishing import Movement, PublishRequest, Rehearsal
from approvals.models.run import Run, Step
from approvals.models.scarcity import Degraded
from approvals.models.stop import Stop
from approvals.models.talk import Attachment, Guidance, Inquiry
from approvals.models.telling import Channel, Heard, SlackAccount, SlackMessage
from approvals.models.unsent import UnsentText
from approvals.models.verdict import Attempt, Decision, Note, Recall, Vote

__all__ = [
    "Absence",
    "AccountEvent",
    "ActionType",
    "Agent",
    "AgentCurve",
    "Approval",
    "Attachment",
    "Attempt",
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
    "DomainTerms",
    "Endpoint",
    "Event",
    "Grant",
    "Guidance",
    "Heard",
    "Incident",
    "Inquiry",
    "LastCheckpoint",
    "Membership",
    "Movement",
    "Note",
    "Outcome",
    "Pause",
    "PeopleRequest",
    "PlannedStep",
    "PolicyVersion",
    "Proposal",
    "PublishRequest",
    "Recall",
    "Rehearsal",
    "Rule",
    "Run",
    "Seal",
    "SigningKey",
    "SlackAccount",
    "SlackMessage",
    "Spend",
    "Step",
    "Stop",
    "SystemChain",
    "SystemEvent",
    "Threshold",
    "Tier",
    "UnsentText",
    "User",
    "Vote",
]
