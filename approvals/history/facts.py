"""What each kind of audit event says: the one table of its facts, their types, and which of them the agent hears.

Facts are digests and small facts, never arguments or texts. A class for each kind; what is None is not stored. `feed`
names the facts that the agent's event stream carries, None: its agent does not hear of it at all (who reads, votes or
comments among the reviewers, and what they may take back, does not concern it). The history line of each is made in
`console.card.timeline`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self, dataclass_transform
from uuid import UUID

from approvals.models.event import AuditEvent
from approvals.models.states import Source
from approvals.values import stored
from approvals.values.schema import Json

Kind = AuditEvent.Kind
RELEASED = "released"  # whatever settles an item so that its agent may read it
FLAGGED = "flagged"  # that somebody looked and found it OK is not told

BY_KIND: dict[str, type["Facts"]] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Facts:
    """What an event says. `name` is what the event stream calls it."""

    kind: ClassVar[AuditEvent.Kind]
    feed: ClassVar[tuple[str, ...] | None] = None
    name: ClassVar[str]

    def __init_subclass__(cls, kind: AuditEvent.Kind | None = None, name: str = "", feed: str | None = None) -> None:
        dataclass(frozen=True, kw_only=True)(cls)
        if kind is not None:
            cls.kind, cls.name = kind, name or str(kind.value)
            cls.feed = None if feed is None else tuple(feed.split())
            BY_KIND[str(kind.value)] = cls

    @classmethod
    def of_event(cls, event: AuditEvent) -> Self:
        """What an event of this kind keeps."""
        return stored.read(cls, event.facts)

    def as_json(self) -> dict[str, Json]:
        """As the event keeps them."""
        return stored.fields_json(self)  # type: ignore[arg-type]  # every class below is a dataclass

    def for_agent(self) -> tuple[str, dict[str, Json]]:
        """The name and the facts that the agent's event stream carries."""
        facts = self.as_json()
        return self.name, {name: facts[name] for name in self.feed or () if name in facts}


def facts_of(event: AuditEvent) -> Facts:
    """What an event keeps, as the class of its kind."""
    return BY_KIND[event.kind].of_event(event)


# --- Arriving, and as it changes


class Submitted(Facts, kind=Kind.SUBMITTED, feed="digest revision route tier"):
    digest: str
    revision: int
    route: str
    reason: str  # the routing's code
    tier: int
    policy: int
    returned_from: UUID | None = None


class StageChange(Facts):
    """Who is asked now: the tiers from and to, and the fields where they differ."""

    from_tier: int | None = None
    to_tier: int | None = None
    from_domain: str | None = None
    to_domain: str | None = None
    due_at: datetime | None = None


class Amended(StageChange, kind=Kind.AMENDED, feed="revision digest from_tier to_tier to_domain due_at"):
    """`edited` are pointers into the arguments, `parts` the other parts of the proposal that changed."""

    revision: int
    digest: str
    edited: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


# --- In a reviewer's hands


class Claimed(Facts, kind=Kind.CLAIMED):
    """`taken_from` names who held it before."""

    extended: bool | None = None
    taken_from: str | None = None


class Unclaimed(Facts, kind=Kind.UNCLAIMED):
    idle: bool | None = None


class Snoozed(Facts, kind=Kind.SNOOZED):
    """Set aside `until`, or that time is `over`."""

    until: datetime | None = None
    over: bool | None = None


class Commented(Facts, kind=Kind.COMMENTED):
    pass


class QuestionAsked(Facts, kind=Kind.ASKED, feed="question"):
    question: UUID


class QuestionAnswered(Facts, kind=Kind.ANSWERED, feed="question"):
    question: UUID


class Guided(Facts, kind=Kind.GUIDED, feed="guidance run"):
    guidance: UUID
    run: str


class Escalated(StageChange, kind=Kind.ESCALATED, feed="from_tier to_tier to_domain due_at expires_at"):
    """`expires_at`: silence gave it a new end."""

    expires_at: datetime | None = None


class Overdue(Facts, kind=Kind.OVERDUE):
    tier: int


# --- Verdicts


class Counted(StageChange):
    """One approval among several. `in_place_of` is the username of who was away, `stage` counts from 1."""

    votes: int
    of: int
    revision: int
    digest: str
    stage: int | None = None
    stages: int | None = None
    edited: tuple[str, ...] | None = None
    in_place_of: str | None = None


class Voted(Counted, kind=Kind.VOTED):
    pass


class Modified(Counted, kind=Kind.MODIFIED):
    pass


class Staged(Counted, kind=Kind.STAGED, feed="stage stages revision digest from_tier to_tier to_domain due_at"):
    pass


class ByPerson(Facts):
    """What settles an item: by a person, unless it says by what."""

    def for_agent(self) -> tuple[str, dict[str, Json]]:
        name, facts = super().for_agent()
        return name, {"source": Source.HUMAN.value, **facts}


class Decided(ByPerson, kind=Kind.DECIDED, name=RELEASED, feed="verdict tier revision digest stage stages"):
    """A person's verdict. `everything`: with all else that the agent has pending."""

    verdict: str
    surface: str
    tier: int | None = None
    revision: int | None = None
    digest: str | None = None
    stage: int | None = None
    stages: int | None = None
    in_place_of: str | None = None
    reason: str | None = None
    alternative: str | None = None
    edited: tuple[str, ...] | None = None
    stop: bool | None = None
    everything: bool | None = None


class Undone(StageChange, kind=Kind.UNDONE):
    verdict: str
    round: int


class Released(ByPerson, kind=Kind.RELEASED, feed="source verdict step grant"):
    """`plan` and `step`, or `grant`: by what it passed. `post_review`: why it is looked at afterwards."""

    verdict: str
    source: str | None = None
    plan: UUID | None = None
    step: int | None = None
    grant: UUID | None = None
    post_review: str | None = None


class Expired(Facts, kind=Kind.EXPIRED, feed="silence verdict"):
    """What silence meant; `verdict` is what it stood for. `stopped`: while everything is, it lets nothing run."""

    silence: str
    verdict: str | None = None
    stopped: bool | None = None

    def for_agent(self) -> tuple[str, dict[str, Json]]:
        name, facts = super().for_agent()
        return (RELEASED, {**facts, "source": Source.TIMEOUT.value}) if self.verdict else (name, facts)


class Recalled(Facts, kind=Kind.RECALLED, feed="reason source tier"):
    """A recall's reason is for the agent. `with_plan`: it went with the plan that it was a step of."""

    reason: str
    tier: int
    source: str
    surface: str
    in_place_of: str | None = None
    with_plan: UUID | None = None


# --- Ended before it ran


class Ended(Facts):
    """`held` is the verdict that was held and went with it."""

    held: str | None = None


class Cancelled(Ended, kind=Kind.CANCELLED, feed=""):
    """By its agent, which may say why."""

    reason: str | None = None


class Stopped(Ended, kind=Kind.STOPPED, feed="run"):
    run: str


class Superseded(Facts, kind=Kind.SUPERSEDED, feed=""):
    pass


# --- Running, and what came of it


class Consumed(Facts, kind=Kind.CONSUMED, feed="jti digest"):
    jti: UUID
    digest: str


class Alarmed(Facts, kind=Kind.ALARMED):
    pass


class Reported(Facts, kind=Kind.OUTCOME, feed="result permit"):
    """`permit` "not used": it is said to have run without."""

    result: str
    permit: str | None = None


class Returned(Facts, kind=Kind.RETURNED, feed="moved"):
    """The names of the preconditions that no longer hold."""

    moved: tuple[str, ...]


class Reversed(Facts, kind=Kind.REVERSED, feed="step"):
    step: str | None = None


class Undo(Facts):
    step: str
    attempts: int


class Stuck(Undo, kind=Kind.STUCK, feed="step"):
    pass


class Closed(Undo, kind=Kind.CLOSED, feed="step"):
    pass


class Granted(Facts, kind=Kind.GRANTED, feed="grant"):
    """A standing approval given for `most` times `until`, or `revoked`."""

    grant: UUID
    most: int | None = None
    until: datetime | None = None
    revoked: bool | None = None


class IncidentOpened(Facts, kind=Kind.INCIDENT, feed="incident severity"):
    """`recalled`: it ran though it had been. `offline`: it ran unasked."""

    incident: UUID
    severity: str
    recalled: bool | None = None
    offline: bool | None = None


class DeliveryFailed(Facts, kind=Kind.DELIVERY):
    """A notification by this service did not reach that person."""

    by: str
    to: str


# --- Post-reviews


class PostReviewed(Facts):
    """`permit` "taken back": nobody had used it. `undo` "asked": what ran is to be undone."""

    why: str
    finding: str
    permit: str | None = None
    undo: str | None = None


class Reviewed(PostReviewed, kind=Kind.REVIEWED, name=FLAGGED, feed="permit undo"):
    pass


class Vetoed(PostReviewed, kind=Kind.VETOED, feed="permit undo"):
    pass


class Disclosed(Facts, kind=Kind.DISCLOSED):
    """It was a test case that the house put in, and no agent proposed it: its fault, "" for none, and the outcome."""

    case: UUID
    fault: str
    outcome: str


# The kinds of which agents hear, and what their event stream calls them.
FEED_NAMES = {kind: facts.name for kind, facts in BY_KIND.items() if facts.feed is not None}
