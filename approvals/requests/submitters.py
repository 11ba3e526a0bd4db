"""How the agents of a set of submissions stand at this moment: paused, their breakers, how far each is trusted."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from approvals.db import prepared
from approvals.policy import certified
from approvals.policy.certified import CERTIFICATES, UNSTATED, Certificates, Version
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.routing_decision import AgentStanding
from approvals.requests.submission import AgentSubmission, Submission

# Whether an agent has a plan or a standing approval in force is one probe of an index each, so that all others pay
# nothing for those that have.
_STANDINGS = f"""
SELECT agent.id, agent.name, agent.paused_at IS NOT NULL,
       EXISTS (SELECT FROM approvals_plannedstep WHERE agent_id = agent.id AND expires_at > %(now)s),
       EXISTS (SELECT FROM approvals_grant WHERE agent_id = agent.id AND revoked_at IS NULL AND expires_at > %(now)s),
       ARRAY (
           SELECT coalesce(breaker.action_type_id, '') FROM approvals_breaker AS breaker
           WHERE breaker.closed_at IS NULL AND (breaker.agent_id = agent.id OR breaker.agent_id IS NULL)
       ),
       {CERTIFICATES},
       trust.action_type_id, trust.newest, trust.agent_model, trust.prompt_version, trust.tool_version,
       trust.level, trust.level_medium, trust.level_high, trust.shadow,
       EXISTS (SELECT FROM approvals_levelevidence WHERE autonomy_id = trust.id AND warned)
FROM approvals_agent AS agent
LEFT JOIN approvals_autonomy AS trust
    ON trust.agent_id = agent.id AND trust.action_type_id = ANY (%(names)s::text[])
    AND (trust.newest OR (trust.agent_model, trust.prompt_version, trust.tool_version) IN (
        SELECT * FROM unnest(%(models)s::text[], %(prompts)s::text[], %(tools)s::text[])))
WHERE agent.id = ANY (%(agents)s::uuid[])
"""  # noqa: S608  # constants only


class Trust(NamedTuple):
    """How far one version of an agent is trusted with one action type."""

    level: int
    level_medium: int | None = None
    level_high: int | None = None
    shadow: bool = False
    warned: bool = False


@dataclass(frozen=True, slots=True)
class Submitter:
    """An agent as routing sees it, at this moment and in no earlier version: its name, its pause, how it is trusted."""

    name: str
    paused: bool
    planned: bool = False
    granted: bool = False
    stopped: bool = False  # the run in which it asks
    halted: bool = False  # everything is
    certificates: Certificates = field(default_factory=dict)
    breakers: frozenset[str] = frozenset()  # action types with an open one; "" for all of them
    trust: dict[tuple[str, Version | None], Trust] = field(default_factory=dict)  # by action type; None: the newest
    version: Version = UNSTATED
    shadowless: bool = False

    def standing(self, kind: TypePolicy) -> AgentStanding:
        """How its version is trusted with this: one that was never seen is trusted as the newest was."""
        trust = self.trust.get((kind.name, self.version)) or self.trust.get((kind.name, None)) or Trust(kind.level)
        return AgentStanding(
            paused=self.paused,
            stopped=self.stopped,
            halted=self.halted,
            level=trust.level,
            level_medium=trust.level_medium,
            level_high=trust.level_high,
            breaker_open=not self.breakers.isdisjoint({kind.name, ""}),
            shadow=trust.shadow and not self.shadowless,
            warned=trust.warned,
            certificates={
                impact: certificate
                for (name, version, impact), certificate in self.certificates.items()
                if name == kind.name and version == self.version
            },
        )

    def stating(self, version: Version) -> "Submitter":
        """The same in the version that it states of itself."""
        return replace(self, version=version)

    def for_reevaluation(self, *, in_hand: bool) -> "Submitter":
        """The same for what waits for people: shadow mode takes none of it, a pause not what a reviewer changes."""
        return replace(self, paused=self.paused and not in_hand, shadowless=True)


def read_submitters(
    agent_submissions: Sequence[AgentSubmission], names: Collection[str], *, now: datetime
) -> dict[UUID, Submitter]:
    """The agents of these submissions, by id, with their rows of these action types. One query."""
    submitters: dict[UUID, Submitter] = {}
    versions = {version_of(agent_submission.submission) for agent_submission in agent_submissions}
    values = {
        "agents": list({agent_submission.agent for agent_submission in agent_submissions}),
        "names": list(names),
        "now": now,
        "models": [version.model for version in versions],
        "prompts": [version.prompt for version in versions],
        "tools": [version.tools for version in versions],
    }
    [rows] = prepared.ask([_STANDINGS], values)
    for pk, name, paused, planned, granted, breakers, certificates, kind, newest, *trust in rows:
        if pk not in submitters:
            held = certified.read(json.loads(certificates or "[]"))
            submitters[pk] = Submitter(name, paused, planned, granted, certificates=held, breakers=frozenset(breakers))
        if kind is not None:
            model, prompt, tools, *levels = trust
            submitters[pk].trust[kind, Version(model, prompt, tools)] = Trust(*levels)
            if newest:
                submitters[pk].trust[kind, None] = Trust(*levels)
    return submitters


def version_of(submission: Submission) -> Version:
    """What the agent states of itself in it."""
    return Version(submission.model, submission.prompt_version, submission.tool_version)
