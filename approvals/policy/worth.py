"""What a proposal is worth in base currency."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from approvals.policy.compiled_policy import Policy, TypePolicy
from approvals.values.schema import Json, pick

_CENT = Decimal("0.01")
_LARGEST = Decimal(10) ** 18  # what the column of values holds
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class Worth:
    """A value in base currency, cents rounded half up; None where there is none, or none that could be told."""

    value: Decimal | None = None
    unknown_currency: bool = False
    unreadable: bool = False


def worth(type: TypePolicy, args: Json, policy: Policy) -> Worth:
    """What the arguments are worth in base currency, by the action type's paths and the policy's rates.

    Without a currency path the value is in base currency already. A currency that is missing, or has no rate, is
    unknown; so is a value that is there and is not a number.
    """
    if not type.value_path:
        return Worth()
    amount = pick(args, type.value_path)
    if amount is None:
        return Worth()
    number = _decimal(amount)
    if number is None:
        return Worth(unreadable=True)
    rate: Decimal | None = Decimal(1)
    if type.currency_path:
        currency = pick(args, type.currency_path)
        rate = policy.rates.get(currency.strip().upper()) if isinstance(currency, str) else None
    if rate is None:
        return Worth(unknown_currency=True)
    value = number * rate
    if abs(value) >= _LARGEST:
        return Worth(unreadable=True)
    return Worth(value.quantize(_CENT, rounding=ROUND_HALF_UP))


def _decimal(amount: Json) -> Decimal | None:
    if isinstance(amount, bool) or not isinstance(amount, int | float | str) or len(str(amount)) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(str(amount).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and number.adjusted() < _LARGEST.adjusted() else None
