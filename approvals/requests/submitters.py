"""Who submits, as routing sees it at this moment: what is in force at once and stands in no version of policy."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from approvals.db import prepared
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.routing_decision import AgentStanding

# Whether an agent has a plan or a standing approval in force is one probe of an index each, so that all others pay
# nothing for those that have.
_STANDINGS = """
SELECT agent.id, agent.name, agent.paused_at IS NOT NULL, trust.action_type_id, trust.level, trust.breaker_open,
       trust.shadow,
       EXISTS (SELECT FROM approvals_plannedstep WHERE agent_id = agent.id AND expires_at > %(now)s),
       EXISTS (SELECT FROM approvals_grant WHERE agent_id = agent.id AND revoked_at IS NULL AND expires_at > %(now)s)
FROM approvals_agent AS agent
LEFT JOIN approvals_autonomy AS trust ON trust.agent_id = agent.id AND trust.action_type_id = ANY (%(names)s::text[])
WHERE agent.id = ANY (%(agents)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Submitter:
    """An agent as routing sees it, at this moment and in no earlier version: its name, its pause, how it is trusted."""

    name: str
    paused: bool
    planned: bool = False
    granted: bool = False
    stopped: bool = False  # the run in which it asks
    halted: bool = False  # everything is
    trust: dict[str, tuple[int, bool, bool]] = field(default_factory=dict)  # by action type: level, breaker, shadow

    def standing(self, kind: TypePolicy) -> AgentStanding:
        level, breaker_open, shadow = self.trust.get(kind.name, (kind.level, False, False))
        return AgentStanding(
            paused=self.paused,
            stopped=self.stopped,
            halted=self.halted,
            level=level,
            breaker_open=breaker_open,
            shadow=shadow,
        )

    def for_reevaluation(self, *, in_hand: bool) -> "Submitter":
        """The same for what waits for people: shadow mode takes none of it, a pause not what a reviewer changes."""
        trust = {name: (level, breaker_open, False) for name, (level, breaker_open, _) in self.trust.items()}
        return replace(self, paused=self.paused and not in_hand, trust=trust)


def read_submitters(agents: Collection[UUID], names: Collection[str], *, now: datetime) -> dict[UUID, Submitter]:
    """Who submits, with how each is trusted with these action types: one round trip."""
    submitters: dict[UUID, Submitter] = {}
    [rows] = prepared.ask([_STANDINGS], {"agents": list(agents), "names": list(names), "now": now})
    for pk, name, paused, kind, level, breaker_open, shadow, planned, granted in rows:
        submitter = submitters.setdefault(pk, Submitter(name, paused, planned, granted))
        if kind is not None:
            submitter.trust[kind] = (level, breaker_open, shadow)
    return submitters
