"""A value against the tiers' ceilings, at the cent, after conversion. The value that is compared is the one shown."""

from decimal import Decimal

import pytest

from approvals.models import Currency, Tier
from approvals.policy import snapshot


@pytest.mark.parametrize(
    ("amount", "currency", "value", "tier"),
    [
        (5000, "EUR", "5000.00", 1),
        (5000.004, "EUR", "5000.00", 1),  # what people read is 5,000.00
        (5000.005, "EUR", "5000.01", 2),
        (5000.01, "EUR", "5000.01", 2),
        (50_000, "EUR", "50000.00", 2),
        (50_000.01, "EUR", "50000.01", 3),
        (5555.55, "USD", "5000.00", 1),  # 4,999.995 at 0.9
        (5555.56, "USD", "5000.00", 1),  # 5,000.004
        (5555.57, "USD", "5000.01", 2),
        (4166.66, "GBP", "4999.99", 1),  # at 1.2
        (4166.67, "GBP", "5000.00", 1),
        (4166.68, "GBP", "5000.02", 2),
    ],
)
def test_a_value_at_the_ceiling_stays_and_a_cent_above_it_climbs(propose, amount, currency, value, tier):
    refund = propose(amount=amount, currency=currency)

    assert (refund.value, refund.tier_id) == (Decimal(value), tier)


def test_a_currency_without_a_rate_goes_to_the_highest_tier(propose, refunds):
    Currency.objects.filter(code="GBP").delete()
    snapshot.publish(by=None, note="no pounds")

    refund = propose(amount=1, currency="GBP")
    assert (refund.value, refund.tier_id, refund.reason_code) == (None, 3, "high_risk")


def test_rates_and_ceilings_are_those_of_the_version_an_approval_arrived_under(propose, refunds):
    before = propose(amount=5000, currency="USD")
    Currency.objects.filter(code="USD").update(rate="1.1")
    Tier.objects.filter(pk=1).update(ceiling=5400)
    snapshot.publish(by=None, note="a dearer dollar")
    after = propose(amount=5000, currency="USD", order="2")

    before.refresh_from_db()
    assert (before.value, before.tier_id) == (Decimal("4500.00"), 1)
    assert (after.value, after.tier_id) == (Decimal("5500.00"), 2)
