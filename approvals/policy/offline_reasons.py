"""What is said of what ran by a token while we could not be asked."""

from datetime import datetime

from approvals.policy.reasons import Reason


class RanOffline(Reason):
    at: datetime


class RanBeyondApproval(Reason):
    at: datetime
    by: str


class NotGivenForAction(Reason):
    action: str


class ArgumentsOfAnotherAction(Reason):
    pointer: str
    message: str


class AnotherDigest(Reason):
    pass


class ConditionsNotMet(Reason):
    pass


class NotInForce(Reason):
    at: datetime


class NeverUnasked(Reason):
    pass


class TierOutOfReach(Reason):
    tier: int
    most: int


class NoUsesLeft(Reason):
    most: int
