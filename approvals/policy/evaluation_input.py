"""What policy looks at: one proposal, and what the past says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from approvals.models.verdict import RejectionReason
from approvals.policy import messages
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.precedent.comparison_keys import Keys
from approvals.policy.precedent.curves import ScoreCurve
from approvals.policy.rules.expressions import Facts
from approvals.values.characters import plain
from approvals.values.schema import Json, pick

_NAMED = 3  # changed paths that a sentence about a repeat lists


@dataclass(frozen=True, slots=True)
class EvaluationInput:
    """One proposal as policy looks at it. `value` is in base currency; `stated` are the agent's own signals.

    `run` is the agent's own id of its workflow, `run_name` what it calls it, `run_step` where in it it stands.
    `approval_id` names the approval when it is routed again, so that it is not its own duplicate. `parsed` False: the
    arguments are whatever text the model produced. `beside` is what else a person looks at: files, present state,
    preconditions. `in_hand`: people have had it before, since a reviewer changed it or one approved it, so it is no
    attempt of the agent's.
    """

    type: TypePolicy
    agent_id: UUID
    agent_name: str
    args: Json
    digest: str
    now: datetime
    parsed: bool = True
    subject: str = ""
    value: Decimal | None = None
    stated: Mapping[str, float] = field(default_factory=dict)
    summary: str = ""
    context: Json = None
    run: str = ""
    run_name: str = ""
    run_step: str = ""
    approval_id: UUID | None = None
    beside: Json = None
    in_hand: bool = False
    undoable: bool = False  # the agent names what undoes it

    @property
    def currency(self) -> str:
        """As the arguments name it, not yet known to have a rate."""
        currency = pick(self.args, self.type.currency_path) if self.type.currency_path else None
        return currency if isinstance(currency, str) else ""

    @property
    def unchecked(self) -> bool:
        """The arguments did not parse, so they could not be held against the schema that there is."""
        return not self.parsed and bool(self.type.schema)

    @property
    def unvalued(self) -> bool:
        """The arguments hold something as value, and it could not be brought into base currency."""
        path = self.type.value_path
        return self.value is None and bool(path) and pick(self.args, path) is not None

    def facts(self, signals: Mapping[str, float], past: "RunPast | None" = None) -> Facts:
        """What rules see of it; `past` is what its run did before."""
        return Facts(
            args=self.args,
            value=self.value,
            currency=self.currency,
            agent=self.agent_name,
            action=self.type.name,
            signals=signals,
            context={} if self.context is None else self.context,
            run=run_facts(self.run, self.run_name, self.run_step, past or RunPast()),
            now=self.now,
        )


@dataclass(frozen=True, slots=True)
class SameDigest:
    """The latest pending, released or executed approval with the same digest; `id` None: earlier in the same set."""

    id: UUID | None
    status: str
    at: datetime | None = None  # when it was proposed


@dataclass(frozen=True, slots=True)
class Repeat:
    """Which rejected approval is proposed once more, and what is different. `attempt` is the number of this one.

    `tries` were rejected in the same run. `settled`: a person's rejection speaks of this one, too. `message` is what
    that person wrote: content, and not stored with the assessment.
    """

    id: UUID
    day: date
    by_person: bool
    reason: str
    attempt: int
    tries: int
    changed: tuple[str, ...]
    settled: bool
    message: str = ""

    def as_json(self) -> dict[str, Json]:
        return {
            "id": str(self.id),
            "day": self.day.isoformat(),
            "by_person": self.by_person,
            "reason": self.reason,
            "attempt": self.attempt,
            "tries": self.tries,
            "changed": list(self.changed),
            "settled": self.settled,
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Repeat":
        """As `as_json` stored it."""
        fields = {**stored, "id": UUID(stored["id"]), "day": date.fromisoformat(stored["day"])}
        return cls(**{**fields, "changed": tuple(stored["changed"])})

    @property
    def facts(self) -> dict[str, str]:
        """What a sentence about it names."""
        shown = [f"`{plain(path.removeprefix('/'))[:60]}`" for path in self.changed[:_NAMED]]
        only = messages.ONLY_CHANGED.format(paths=", ".join(shown)) if shown else messages.NOTHING_CHANGED
        # What a person wrote beside the reason that was picked is content, and not said here.
        label = str(RejectionReason(self.reason).label) if self.reason in RejectionReason else ""
        reason = label[:1].lower() + label[1:]
        return {"day": self.day.isoformat(), "why": f" ({reason})" if reason else "", "changed": only}


@dataclass(frozen=True, slots=True)
class RunPast:
    """What was proposed in the question's run before it; all nothing outside a run.

    Counts reach to checkpoints.RUN_LOOK_BACK; where no decision of a person lies within it, none is known of.
    """

    proposed: int = 0
    rejected: int = 0  # by people or policy
    steps: int = 0  # since a person last decided in it
    since: timedelta = timedelta(0)  # how long ago that was, or the run began


@dataclass(frozen=True, slots=True)
class History:
    """Our past of one question, not counting itself. Counts are of the same agent and action type unless said.

    `keys` are the question's own. `spent` is what was let run in the action type's window, of the agent or of the run
    as the type says, in base currency.
    """

    proposed: int = 0  # at most LOOK_BACK
    decided: int = 0  # by people, or found at fault by them afterwards; at most DECISIONS
    approved: int = 0  # of the decided: unchanged, and nobody found fault with it
    amounts: tuple[Decimal, ...] = ()  # base currency, of approved ones, newest first; of any agent where keyed
    recent: int = 0  # within BURST
    same_template: int = 0  # within the type's window
    same_subject: int = 0  # what is counted has the same key, any agent, within the type's window, not refused
    twin: SameDigest | None = None
    repeat: Repeat | None = None
    keys: Keys = field(default_factory=Keys, compare=False)
    run: RunPast = field(default_factory=RunPast)
    spent: Decimal = Decimal(0)
    curve: ScoreCurve | None = None  # what people made of earlier scores of this action type, and of this agent's


def run_facts(key: str, name: str, step: str, past: RunPast) -> dict[str, Json]:
    """What rules see of a run as `run`; outside of one it is all nothing."""
    return {
        "key": key,
        "name": name,
        "step": step,
        "proposed": past.proposed,
        "rejected": past.rejected,
        "steps": past.steps,
        "minutes": past.since // timedelta(minutes=1),
    }
