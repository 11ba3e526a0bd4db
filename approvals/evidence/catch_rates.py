"""How many of the faults people catch at the least, by action type: one catch rate for each way in which they look."""

from approvals.evidence.guarantees import CatchRate


def of(action_type: str) -> list[CatchRate]:
    """The catch rates of an action type, of which the lowest holds; empty without seeded cases."""
    return []
