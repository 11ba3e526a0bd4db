"""The last step of routing: what happens where a queue is full, or nobody is on call. Pure.

It is entered by what was measured and never because of an error: a queue of which nothing was measured has room.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from approvals.models.overload import Overload
from approvals.models.policy import Gate, Impact, OverloadMode, Reversibility
from approvals.models.states import Route
from approvals.policy import reasons
from approvals.policy.compiled_policy import Policy
from approvals.policy.routing_codes import DEGRADED
from approvals.policy.routing_decision import Routing, Shortage

PASSED = "degraded"  # the reason for which what passed is looked at afterwards

Key: TypeAlias = tuple[int, str]

# Where a queue is full and empty at once, what lets least run holds.
_STRICTEST = (OverloadMode.REJECT, OverloadMode.PASS, OverloadMode.QUEUE)


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue as measured. `back_at`: when who is refused may come again, None where nobody can say."""

    waiting: int = 0
    staffed: bool = True
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


UNLIMITED = Queues()  # nothing was measured: there is room everywhere


def shortages(tier: int, domain: str, policy: Policy, queue: Queue) -> list[Shortage]:
    """What this queue lacks now, what lets least run first. That one waits until somebody comes is no shortage."""
    capacity = policy.tiers[tier].capacity(domain)
    all_shortages = []
    if not queue.staffed and capacity.when_empty != OverloadMode.QUEUE:
        all_shortages.append(
            Shortage(tier, domain, Overload.Why.EMPTY, capacity.when_empty, queue.waiting, back_at=queue.back_at)
        )
    if capacity.limit is not None and queue.waiting >= capacity.limit:
        all_shortages.append(
            Shortage(tier, domain, Overload.Why.FULL, capacity.when_full, queue.waiting, capacity.limit, queue.back_at)
        )
    return sorted(all_shortages, key=lambda shortage: _STRICTEST.index(OverloadMode(shortage.mode)))


def apply_overload(
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
    if lacking.mode == OverloadMode.REJECT:
        return replace(
            routing,
            route=Route.REJECT,
            reason_code=DEGRADED,
            reasons=[
                reasons.RefusedForCapacity(
                    lacking.tier, lacking.domain, lacking.waiting, lacking.limit, lacking.back_at
                ),
                *routing.reasons,
            ],
            shortage=lacking,
        )
    passes = (
        lacking.mode == OverloadMode.PASS
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
    passed = reasons.PassedForCapacity(lacking.tier, lacking.domain, lacking.waiting, lacking.limit)
    return replace(
        routing,
        route=Route.AUTO,
        reason_code=DEGRADED,
        reasons=[passed, *routing.reasons],
        post_review=PASSED,
        shortage=lacking,
    )
