"""The card says which rules matched, in words, which of them decided, and which were overruled."""

import pytest
from django.urls import reverse

from approvals.models import Autonomy, Rule
from approvals.policy import snapshot
from console.card.reasons import reasons_of


@pytest.fixture
def publish_rules(refunds):
    """ruled(name=("review", "value > 100.0")): these rules of refunds, published."""

    def publish(**rules):
        for name, (effect, text, *more) in rules.items():
            facts = more[0] if more else {}
            Rule.objects.create(
                action_type=refunds, name=name, effect=effect, expression=text, message=f"{name} it is.", **facts
            )
        snapshot.publish(by=None, note="rules")

    return publish


def shown_reasons(approval):
    return [
        (one.rule.name, one.rule.decided, one.rule.overruled) if one.rule else one.text for one in reasons_of(approval)
    ]


def test_the_rule_that_decided_comes_first_and_the_beaten_one_says_so(publish_rules, propose):
    publish_rules(
        big=("review", "value > 100.0"), small=("allow", "value < 1000.0"), noted=("flag", 'args.currency == "EUR"')
    )

    assert shown_reasons(propose(amount=420)) == [("big", True, False), ("noted", False, False), ("small", False, True)]


def test_all_that_demand_a_person_decided_together(publish_rules, propose):
    publish_rules(
        big=("review", "value > 100.0"), odd=("review", "args.amount > 5.0"), failed=("flag", "args.order > 5")
    )

    assert [one for one in shown_reasons(propose(amount=420)) if one[1]] == [
        ("big", True, False),
        ("failed", True, False),
        ("odd", True, False),
    ]


def test_a_block_decided_and_the_others_did_not(publish_rules, propose):
    publish_rules(never=("block", "value > 100.0"), big=("review", "true"), small=("allow", "true"))
    approval = propose(amount=420)

    assert approval.route == "reject"
    assert shown_reasons(approval) == [("never", True, False), ("big", False, False), ("small", False, True)]


def test_an_allowing_rule_decided_that_it_passes(publish_rules, propose):
    publish_rules(small=("allow", "value < 1000.0"))
    approval = propose(amount=420)

    assert approval.route == "auto"
    assert shown_reasons(approval) == [("small", True, False)]


def test_what_the_rule_did_not_decide_keeps_its_reason_on_top(publish_rules, propose, robot, refunds):
    publish_rules(small=("allow", "true"))
    Autonomy.objects.create(agent=robot, action_type=refunds, level=1)
    approval = propose(amount=420)

    assert shown_reasons(approval) == [
        "This agent is at level 1 (full human control) for this action.",
        ("small", False, True),
    ]


def test_the_card_shows_condition_effect_and_decision_in_words(publish_rules, propose, as_, alice):
    publish_rules(
        big=("review", 'value > 100.0 && args.currency == "EUR"', {"approvers": 2, "typed": True}),
        small=("allow", "value < 1000.0"),
    )
    page = as_(alice).get(reverse("card:card", args=[propose(amount=420).pk])).content.decode()
    why = " ".join(page[page.index("Why this needs a person") :].split())

    assert "big it is." in why
    decided = why.index("This decided.")
    assert decided < why.index("Rule “big” asks a person, 2 people, a typed value")
    assert "the value is above 100 and currency is EUR" in why
    assert "Rule “small” lets it pass, but something stricter holds: the value is below 1,000" in why
    assert why.count("big it is.") == 1
