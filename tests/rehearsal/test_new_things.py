"""What is new in a draft is said whole, so that nobody publishes a rule or a tier that stands there by its name."""

from datetime import time, timedelta

from approvals.models import ActionType, Capacity, Threshold, Tier
from approvals.policy.authoring import versions
from tests.conftest import REFUND


def settings_of(thing: str) -> dict[str, str]:
    [matching_change] = [change for change in versions.draft().changes if change.thing == thing and not change.field]
    return dict(matching_change.says)


def test_a_new_rule_says_when_and_what_then(staffed_refunds, rule):
    rule("value > 250.0", stages=[{"tier": 1, "domain": "", "approvers": 1}, {"tier": 2, "domain": "", "approvers": 2}])

    assert settings_of("Refund, rule “big”") == {
        "when": "the value is above 250",
        "then": "Ask a person",
        "stages": "tier 1, then tier 2 (2 people)",
        "in words": "It is big.",
    }


def test_a_new_tier_says_its_hours_and_what_may_wait(staffed_refunds):
    Tier.objects.create(
        level=4,
        name="Board",
        sla=timedelta(hours=6),
        working=True,
        opens=time(8),
        closes=time(17),
        time_zone="Asia/Tokyo",
    )
    Capacity.objects.create(tier_id=4, limit=20, when_full="reject")

    settings_shown = settings_of("4 · Board")
    assert (settings_shown["answer within"], settings_shown["working hours from"], settings_shown["time zone"]) == (
        "6 h",
        "08:00",
        "Asia/Tokyo",
    )
    assert "undo window" not in settings_shown  # as it would be by itself
    assert "4 · Board, every domain: may wait any number → 20" in map(str, versions.draft().changes)


def test_a_new_action_type_says_its_bands_checkpoints_and_rules(staffed_refunds, commerce, rule):
    order = ActionType.objects.create(
        name="order",
        title="Order",
        headline="order {order}",
        domain=commerce,
        schema=REFUND,
        reversibility="partial",
        strategy="confidence",
        tier_id=1,
        every_steps=10,
        spend_limit=900,
        value_path="amount",
    )
    Threshold.objects.create(action_type=order, impact="high", auto="0.95", review="0.7")
    rule("value > 900.0", type="order", effect="block")

    settings_shown = settings_of("Order")
    assert settings_shown["when a person is asked"] == "By confidence"
    assert settings_shown["a person every so many steps"] == "10"
    assert settings_shown["a person above this spending"] == "900"
    assert settings_shown["High impact"] == "passes from 0.95, a person from 0.7"
    assert settings_shown["rule “big”"] == "the value is above 900: Refuse"
    assert "amount (number)" in settings_shown["JSON Schema of the arguments"]
    assert "passes from" not in settings_shown


def test_what_is_gone_needs_no_more_words(staffed_refunds, publish, rule):
    made = rule("value > 250.0")
    publish()
    made.delete()

    assert settings_of("Refund, rule “big”") == {}
