"""The tables. Rules live in the other packages; the database refuses what must never be."""

from approvals.models.accounts import AccountEvent
from approvals.models.approval import Approval
from approvals.models.autonomy import Autonomy, Breaker, LevelEvidence
from approvals.models.conversation import AgentQuestion, Attachment, Guidance
from approvals.models.counters import AgentCurve, Curve, Spend
from approvals.models.currency import Currency
from approvals.models.event import AuditEvent, Delivery, Endpoint, LastCheckpoint, Seal, SystemAuditEvent, SystemChain
from approvals.models.evidence import Incident, Outcome
from approvals.models.grant import Grant, PlannedStep
from approvals.models.labels import Certificate, EvidenceCell, Label, LabelCursor, LabelFeed
from approvals.models.notify import Channel, NotificationRecord, SlackAccount, SlackMessage
from approvals.models.overload import Capacity, Overload
from approvals.models.people import Absence, Agent, Domain, DomainTerms, Membership, SecondAdminRequest, Tier, User
from approvals.models.permit import Consumption, SigningKey
from approvals.models.policy import ActionType, PolicyVersion
from approvals.models.post_review import PostReview
from approvals.models.proposal import Proposal
from approvals.models.publishing import PublishRequest, Rehearsal, RoutingChange
from approvals.models.request import ApprovalRequest
from approvals.models.rollup import CalibrationRollup, Rollup, RollupEntry, RollupProgress, WeeklySummary
from approvals.models.rule import Rule, Threshold
from approvals.models.run import Run, Step
from approvals.models.seeded import SeededCase
from approvals.models.stop import Stop
from approvals.models.unsent import UnsentText
from approvals.models.verdict import Attempt, Decision, Note, Recall, Vote

__all__ = [
    "Absence",
    "AccountEvent",
    "ActionType",
    "Agent",
    "AgentCurve",
    "AgentQuestion",
    "Approval",
    "ApprovalRequest",
    "Attachment",
    "Attempt",
    "AuditEvent",
    "Autonomy",
    "Breaker",
    "CalibrationRollup",
    "Capacity",
    "Certificate",
    "Channel",
    "Consumption",
    "Currency",
    "Curve",
    "Decision",
    "Delivery",
    "Domain",
    "DomainTerms",
    "Endpoint",
    "EvidenceCell",
    "Grant",
    "Guidance",
    "Incident",
    "Label",
    "LabelCursor",
    "LabelFeed",
    "LastCheckpoint",
    "LevelEvidence",
    "Membership",
    "Note",
    "NotificationRecord",
    "Outcome",
    "Overload",
    "PlannedStep",
    "PolicyVersion",
    "PostReview",
    "Proposal",
    "PublishRequest",
    "Recall",
    "Rehearsal",
    "Rollup",
    "RollupEntry",
    "RollupProgress",
    "RoutingChange",
    "Rule",
    "Run",
    "Seal",
    "SecondAdminRequest",
    "SeededCase",
    "SigningKey",
    "SlackAccount",
    "SlackMessage",
    "Spend",
    "Step",
    "Stop",
    "SystemAuditEvent",
    "SystemChain",
    "Threshold",
    "Tier",
    "UnsentText",
    "User",
    "Vote",
    "WeeklySummary",
]
