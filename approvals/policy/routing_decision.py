"""What policy answers to a proposal, and what it answers by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from approvals.models.policy import Impact
from approvals.policy import reasons
from approvals.policy.assessed import Assessment
from approvals.policy.certified import Certified
from approvals.policy.compiled_policy import Stage, TypePolicy
from approvals.policy.pre_approvals import ApprovedStep, StandingApproval
from approvals.policy.reasons import Reason
from approvals.policy.stages import Stages
from approvals.policy.worth import Worth
from approvals.values.characters import plain
from approvals.values.schema import Json, headline


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a queue is in its degraded mode, and what that mode is (an OverloadMode)."""

    tier: int
    domain: str
    why: str
    mode: str
    waiting: int = 0
    limit: int | None = None
    back_at: datetime | None = None

    def as_json(self) -> dict[str, Json]:
        return {
            "tier": self.tier,
            "domain": self.domain,
            "why": self.why,
            "mode": self.mode,
            "waiting": self.waiting,
            "limit": self.limit,
            "back_at": self.back_at.isoformat() if self.back_at else None,
        }


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """What is in force at once and never versioned: is the agent paused, its level for this action, the breaker.

    `stopped` is its run, `halted` everything there is. `level` is that of each band of value that has none of its own.
    `warned`: it looks worse than it may, so more of what passes is looked at. `certificates` are those in force for
    what it states of itself, by impact.
    """

    paused: bool = False
    stopped: bool = False
    halted: bool = False
    level: int = 1
    breaker_open: bool = False
    shadow: bool = False
    level_medium: int | None = None
    level_high: int | None = None
    warned: bool = False
    certificates: Mapping[str, Certified] = field(default_factory=dict)

    def level_in(self, impact: str) -> int:
        """The level that holds in this band of value."""
        own = {Impact.MEDIUM.value: self.level_medium, Impact.HIGH.value: self.level_high}.get(impact)
        return self.level if own is None else own


@dataclass(frozen=True, slots=True)
class Routing:
    """Who decides, and how.

    `approvable` False: no verdict may run these arguments as they are. `strict` True: silence must never let it run,
    whatever the action type says of its deadline, because something other than its own strategy asks for a person.
    `step` or `grant` is what it passes by where a person approved it beforehand; whoever stores it takes that use.
    `stages` approve one after the other (empty: all of them in one). `typed`: who approves types a value.
    `post_review`: why what passes is looked at afterwards (a PostReview.Why), or empty. `shadowed`: what would have
    been asked. `domain` is whose people decide, or decide first; empty for the action type's own. `shortage`: what its
    queue lacked, where that refused it or let it pass.
    """

    route: str
    gate: str
    tier: int
    approvers: int
    reason_code: str
    reasons: list[Reason] = field(default_factory=list)
    approvable: bool = True
    strict: bool = False
    step: ApprovedStep | None = None
    grant: StandingApproval | None = None
    stages: tuple[Stage, ...] = ()
    typed: bool = False
    post_review: str = ""
    shadowed: Mapping[str, Json] | None = None
    domain: str = ""
    quoted_message: str = ""  # of an earlier rejection, for the agent alone: a person's words are in no reason
    shortage: Shortage | None = None
    in_population: bool = False  # but for score, level and strategy policy would let it pass
    certified: Certified | None = None  # by what it passes below the declared threshold

    @property
    def covered(self) -> bool:
        return self.step is not None or self.grant is not None

    def required_stages(self, domain: str) -> Stages:
        """Who is asked, in order; `domain` is the action type's own."""
        return self.stages or (Stage(self.tier, self.domain or domain, self.approvers),)

    def asking(self, new_stages: Stages) -> "Routing":
        """The same, asking these one after the other."""
        first = new_stages[0]
        several = new_stages if len(new_stages) > 1 else ()
        return replace(self, tier=first.tier, domain=first.domain, approvers=first.approvers, stages=several)


@dataclass(frozen=True, slots=True)
class EvaluatedStep:
    """One step as the agent sent it (`id`, `action`, `depends_on`, `undo`) with what policy says of it.

    `digest` is the one that intake will compute for the agent's later item.
    """

    sent: Mapping[str, Json]
    type: TypePolicy
    worth: Worth
    subject: str
    digest: str
    assessment: Assessment
    routing: Routing

    @property
    def title(self) -> str:
        return f"{self.type.name} ({plain(str(self.sent.get('id', '')))[:60]})"

    @property
    def domain(self) -> str:
        """Whose people it asks, or asks first."""
        return self.routing.domain or self.type.domain

    def as_json(self) -> dict[str, Json]:
        """What is stored beside the step, and shown."""
        assessment = self.assessment.as_json()
        action = self.sent.get("action")
        args = action.get("args") if isinstance(action, Mapping) else None
        return {
            "id": str(self.sent.get("id", "")),
            "action": self.type.name,
            "headline": headline(self.type.headline, args),
            "digest": self.digest,
            "subject": self.subject,
            "value": None if self.worth.value is None else str(self.worth.value),
            "domain": self.domain,
            "reversibility": self.type.reversibility,
            "route": self.routing.route,
            "gate": self.routing.gate,
            "tier": self.routing.tier,
            "approvers": self.routing.approvers,
            "stages": [stage.as_json() for stage in self.routing.stages],
            "typed": self.routing.typed,
            "reason_code": self.routing.reason_code,
            "reasons": reasons.as_json(self.routing.reasons),
            "flags": assessment["flags"],
            "rules": assessment["rules"],
            "impact": assessment["impact"],
        }
