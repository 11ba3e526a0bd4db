"""How many of the seeded faults people catch, by action type."""

from approvals.evidence.guarantees import CatchRate


def of(action_type: str) -> list[CatchRate]:
    """The catch rates that hold for it, at the gate and in post-review; none where no seeded case was decided."""
    return []
