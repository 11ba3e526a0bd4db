"""What becomes of what would wait where there is no room, or nobody: the last step of routing. Pure.

It is entered by what was measured and never because of an error: a queue of which nothing was measured has room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from approvals.models.approval import Route
from approvals.models.policy import Gate, Impact, Reversibility, Scarcity
from approvals.models.scarcity import Degraded
from approvals.policy import words
from approvals.policy.codes import DEGRADED
from approvals.policy.schema import Json
from approvals.policy.snapshot import Policy

if TYPE_CHECKING:
    from approvals.policy.routing import Routing

PASSED = "degraded"  # the reason for which what passed is looked at afterwards

Key: TypeAlias = tuple[int, str]

# Where a queue is full and empty at once, what lets least run holds.
_STRICTEST = (Scarcity.REJECT, Scarcity.PASS, Scarcity.QUEUE)


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue as measured. `back_at`: when who is refused may come again, None where nobody can say."""

    waiting: int = 0
    manned: bool = True
    back_at: datetime | None = None


class Queues:
    """The queues that policy limits, by tier and domain; what is routed into one is counted along."""

    def __init__(self, measured: Mapping[Key, Queue] | None = None) -> None:
        self._measured = dict(measured or {})

    def of(self, tier: int, domain: str) -> Queue | None:
        return self._measured.get((tier, domain))

    def take(self, tier: int, domain: str) -> None:
        """One more waits there."""
        queue = self._measured.get((tier, domain))
        if queue is not None:
            self._measured[tier, domain] = replace(queue, waiting=queue.waiting + 1)


ROOM = Queues()  # nothing was measured: there is room everywhere


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a queue is in its degraded mode, and what that mode is (a Scarcity)."""

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


def shortages(tier: int, domain: str, policy: Policy, queue: Queue) -> list[Shortage]:
    """What this queue lacks now, what lets least run first. That one waits until somebody comes is no shortage."""
    capacity = policy.tiers[tier].capacity(domain)
    found = []
    if not queue.manned and capacity.when_empty != Scarcity.QUEUE:
        found.append(
            Shortage(tier, domain, Degraded.Why.EMPTY, capacity.when_empty, queue.waiting, back_at=queue.back_at)
        )
    if capacity.limit is not None and queue.waiting >= capacity.limit:
        found.append(
            Shortage(tier, domain, Degraded.Why.FULL, capacity.when_full, queue.waiting, capacity.limit, queue.back_at)
        )
    return sorted(found, key=lambda one: _STRICTEST.index(Scarcity(one.mode)))


def settled(
    routing: Routing,
    *,
    domain: str,
    reversibility: str,
    impact: str,
    policy: Policy,
    queues: Queues,
    action: bool = True,
) -> Routing:
    """The routing of what would wait, where its queue is full or has nobody on duty: refused, passed, or as it was.

    Only an action passes (a question has no answer by that, nor has a plan been read by anybody), and only where its
    own strategy alone asks one person, of something reversible and of the lowest impact. What is strict is refused,
    too.
    """
    domain = routing.domain or domain
    queue = queues.of(routing.tier, domain)
    if routing.route != Route.REVIEW or queue is None:
        return routing
    lacking = next(iter(shortages(routing.tier, domain, policy, queue)), None)
    if lacking is None:
        return routing
    if lacking.mode == Scarcity.REJECT:
        return replace(
            routing,
            route=Route.REJECT,
            reason_code=DEGRADED,
            reasons=[words.REFUSED.format(why=_said(lacking), when=_when(lacking)), *routing.reasons],
            scarcity=lacking,
        )
    passes = (
        lacking.mode == Scarcity.PASS
        and action
        and not routing.strict
        and routing.approvable
        and routing.approvers == 1
        and not routing.stages
        and not routing.typed
        and routing.gate not in (Gate.MANUAL, Gate.CLARIFY)
        and reversibility == Reversibility.REVERSIBLE
        and impact == Impact.LOW
    )
    if not passes:
        return routing
    said = [words.UNASKED.format(why=_said(lacking)), *routing.reasons]
    return replace(routing, route=Route.AUTO, reason_code=DEGRADED, reasons=said, audit=PASSED, scarcity=lacking)


def _said(lacking: Shortage) -> str:
    words_of = words.QUEUE_FULL if lacking.why == Degraded.Why.FULL else words.QUEUE_EMPTY
    return words_of.format(tier=lacking.tier, domain=lacking.domain, waiting=lacking.waiting, limit=lacking.limit)


def _when(lacking: Shortage) -> str:
    return words.COME_AFTER.format(at=f"{lacking.back_at:%Y-%m-%d %H:%M} UTC") if lacking.back_at else words.COME_LATER
