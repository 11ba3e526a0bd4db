"""What a signal of confidence is made of."""

from approvals.policy.reasons import Reason


class StatedByAgent(Reason):
    pass


class Precedent(Reason):
    """So many of the last `decided` were approved unchanged by people."""

    approved: int
    decided: int


class Alignment(Reason):
    """How many rules matched, and how many flags are up."""

    rules: int
    flags: int
    parsed: bool


class Harm(Reason):
    reversibility: str
    impact: str
