"""What a rehearsal says of approvals that its reader may not open: no content."""

from approvals.policy.reasons import Reason


class ActionTypeUnknown(Reason):
    pass


class ArgumentsUnfit(Reason):
    fields: tuple[str, ...]


class ValueRaisesTier(Reason):
    below: int
    tier: int


class CurrencyWithoutRate(Reason):
    pass


class RepeatsRejected(Reason):
    pass


class FlagIsUp(Reason):
    flag: str
