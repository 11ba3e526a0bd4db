"""Which share of proposals a person looks at, and which of what passed: nobody steers the draw, anybody can repeat it.

The draw is made of the approval's id, which is ours, and a secret of the installation: an agent that knows the id can
tell nothing from it, and it is not told, so it cannot propose again until it is not drawn.
"""

import hmac
from decimal import Decimal
from uuid import UUID

from approvals.models.states import Route
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.routing_decision import AgentStanding, Routing

# Of what passes at level 4, autonomy with audit, or by a certificate, however little the action type asks for.
FLOOR = Decimal("0.05")
WARNED_TIMES = 4  # as much is drawn while an agent looks worse than it may
_LABEL = b"assent.sample:"


def share(routing: Routing, type: TypePolicy, standing: AgentStanding) -> Decimal | None:
    """The probability with which a person looks at it, fixed before its label; None outside of the population.

    The population is what policy would let pass but for score, level and strategy. What is refused is outside, too:
    it never runs, and nobody sees it. What people decide, or look at afterwards each time, has a share of 1.
    """
    if not routing.in_population or routing.route == Route.REJECT:
        return None
    if routing.route == Route.REVIEW or routing.post_review:
        return Decimal(1)
    return drawn_share(routing, type, standing)


def drawn_share(routing: Routing, type: TypePolicy, standing: AgentStanding) -> Decimal:
    """Which share of proposals routed like this is drawn, 0 to 1: nothing of what people decide or have approved."""
    if routing.route != Route.AUTO or routing.covered or routing.post_review:
        return Decimal(0)
    watched = standing.level >= 4 or routing.certified is not None or standing.warned
    share = max(type.sample, FLOOR) if watched else type.sample
    return min(share * WARNED_TIMES, Decimal(1)) if standing.warned else share


def is_drawn(pk: UUID, share: Decimal, secret: str) -> bool:
    """Whether the approval of this id is among them: the first 64 bits of HMAC-SHA-256, as a share of all there are."""
    position = int.from_bytes(hmac.digest(secret.encode(), _LABEL + pk.bytes, "sha256")[:8], "big")
    return position < share * 2**64
