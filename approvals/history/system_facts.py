"""What events say that concern no approval, where others read it back: a class for each kind, as in `facts`."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Self, dataclass_transform
from uuid import UUID

from approvals.history.chains import Actor, record
from approvals.models import SystemAuditEvent
from approvals.values import stored
from approvals.values.schema import Json

Kind = SystemAuditEvent.Kind
BY_KIND: dict[str, type["SystemFacts"]] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True)
class SystemFacts:
    """What a system event says. What is None is not stored."""

    kind: ClassVar[Kind]

    def __init_subclass__(cls, kind: Kind) -> None:
        dataclass(frozen=True, kw_only=True)(cls)
        cls.kind = kind
        BY_KIND[str(kind.value)] = cls

    @classmethod
    def of_event(cls, event: SystemAuditEvent) -> Self:
        """What an event of this kind keeps."""
        return stored.read(cls, event.detail)

    def as_json(self) -> dict[str, Json]:
        """As the event keeps them."""
        return stored.fields_json(self)  # type: ignore[arg-type]  # every class below is a dataclass

    def record(self, *, by: Actor, subject: str) -> None:
        """Write the event, last in the transaction of its change."""
        record(self.kind, by=by, subject=subject, detail=self.as_json())


class LevelRaised(SystemFacts, kind=Kind.LEVEL_RAISED):
    """Signed on these numbers: of the `labels` since the level began so many were `wrong`, and E is against `bar`.

    `careful`: nothing measured how well people read.
    """

    version: str
    impact: str
    from_level: int
    to_level: int
    labels: int
    wrong: int
    e: float
    bar: float
    delta: float
    careful: bool


class LevelLowered(SystemFacts, kind=Kind.LEVEL_LOWERED):
    """By an alarm with these numbers, by an incident, or by a person's hand. `impact` None: in every band."""

    version: str
    from_level: int
    to_level: int
    cause: str
    impact: str | None = None
    labels: int | None = None
    wrong: int | None = None
    incident: UUID | None = None


class BreakerOpened(SystemFacts, kind=Kind.BREAKER_OPENED):
    """It closes after a trial: of so many considered decisions at most `trial_wrong` are."""

    breaker: UUID
    cause: str
    trial_decisions: int
    trial_wrong: int
    why: str | None = None


class TrialDeclared(SystemFacts, kind=Kind.TRIAL_DECLARED):
    breaker: UUID
    trial_decisions: int
    trial_wrong: int


class BreakerClosed(SystemFacts, kind=Kind.BREAKER_CLOSED):
    """After a trial with these numbers."""

    breaker: UUID
    decisions: int
    wrong: int


class IncidentClosed(SystemFacts, kind=Kind.INCIDENT_CLOSED):
    incident: UUID
    approval: UUID
    severity: str


class CertificateOpened(SystemFacts, kind=Kind.CERTIFICATE_OPENED):
    """At or above `threshold` at most `target` of a cell's proposals are wrong, by so many labels.

    `bar` is the share that was refuted, `advisory` one that assumes careful readers and opens no gate.
    """

    version: str
    impact: str
    threshold: Decimal
    target: Decimal
    delta: Decimal
    labels: int
    bar: float
    advisory: bool
    term: int


class CertificateEnded(SystemFacts, kind=Kind.CERTIFICATE_ENDED):
    """What ended it, by the names of `TermEnd`."""

    version: str
    impact: str
    threshold: Decimal
    advisory: bool
    term: int
    ended_by: str


def facts_of_system_event(event: SystemAuditEvent) -> SystemFacts:
    """What an event keeps, as the class of its kind."""
    return BY_KIND[event.kind].of_event(event)
