"""The card: the decision first, computed from what will run; the agent's words apart; why a person; what happened."""

from datetime import timedelta

import pytest
from django.urls import reverse

from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict
from approvals.models import ActionType
from approvals.policy import snapshot
from approvals.requests.submission import Item
from console.card.facts import facts_of
from tests.conftest import REFUND

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def card(as_, alice):
    """The card's markup as alice sees it."""

    def show(approval, user=alice) -> str:
        return as_(user).get(reverse("card:card", args=[approval.pk]), headers=FRAGMENT).content.decode()

    return show


def test_u20_the_first_line_is_computed_from_the_arguments(propose, card):
    page = card(propose(amount=420, summary="please pay 9 EUR"))
    title = page[page.index('id="card-title"') : page.index("</h1>")]

    assert "robot wants to" in title
    assert "refund 420\u00a0EUR to order 456" in title


def test_u20_then_come_the_deadline_and_what_silence_means(propose, card):
    page = card(propose(timeout=timedelta(hours=2)))

    assert "Escalates to Specialists at" in page
    assert "If nobody decides, nothing runs." in page
    assert page.index("Escalates to") < page.index("What will run") < page.index("Why this needs a person")


def test_u21_the_agents_words_stand_in_their_own_box_below_the_facts(propose, card):
    page = card(propose(summary="Trust me", reasoning="Because I say so"))

    assert page.index("What will run") < page.index("Agent says, not verified") < page.index("Trust me")
    assert page.index("Trust me") < page.index("Because I say so")


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '"><form hx-post="/x" hx-trigger="load">',
        "{% url 'inbox' %}{{ request.user }}",
        "![](https://evil.example/a.png)",
        '<a href="javascript:alert(1)">x</a>',
    ],
)
def test_u25_nothing_the_agent_writes_becomes_markup(attack, propose, card):
    page = card(propose(order=attack, summary=attack, reasoning=attack, context={attack: attack}))

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert 'hx-trigger="load">' not in page.replace(' hx-target="#card-claim"', "")
    assert "evil.example/a.png)" in page or "evil" not in attack
    assert "javascript:alert" not in page or "&lt;a href=" in page


def test_u24_hidden_characters_are_visible_tokens_with_a_warning(propose, card):
    page = card(propose(order="45\u202e6", summary="zero\u200bwidth"))

    assert '<span class="token">U+202E</span>' in page
    assert "changes the reading direction" in page
    assert '<span class="token">U+200B</span>' in page


def test_the_labels_of_the_request_stand_among_what_the_agent_gives(propose, card):
    page = card(propose(labels={"env": "prod", "ticket": "<b>T-7</b>"}))
    given = page[page.index("Context from the agent (unverified)") :]
    assert "env" in given and "prod" in given and "&lt;b&gt;T-7&lt;/b&gt;" in given


def test_who_may_pause_the_agent_finds_the_way_from_the_card(propose, alice, carol, as_):
    approval = propose()
    agent_url = reverse("agent:agent", args=[approval.agent_id])
    for user, finds in ((alice, False), (carol, True)):
        page = as_(user).get(reverse("card:card", args=[approval.pk])).content.decode()
        assert (agent_url in page) == finds


def test_u22_what_changes_is_shown_before_and_after_with_the_unchanged_folded(propose, card):
    page = card(propose(current={"amount": 0, "currency": "EUR", "state": "open"}))
    diff = page[page.index("What changes") : page.index("What will run")]

    assert "data-changed" in diff
    assert "2 unchanged fields" in diff


def test_u22_a_long_value_is_cut_only_with_an_explicit_control(propose, card):
    page = card(propose(order="x" * 900))

    assert "+500 characters" in page
    assert "x" * 500 in page


def test_u27_flags_stand_with_their_numbers(propose, card):
    for n in range(4):
        propose(order="456", amount=1 + n)
    page = card(propose(order="456", amount=77))

    assert 'class="flag"' in page


def test_u28_similar_decisions_are_listed(propose, alice, card):
    past = propose(order="old")
    decide(card_version_of(past), by=alice, verdict="approve")

    page = card(propose(order="new"))
    assert reverse("card:card", args=[past.pk]) in page[page.index("Similar") :]


def test_u29_the_policy_of_the_version_it_arrived_under_is_on_the_card(refunds, propose, card):
    ActionType.objects.filter(pk="refund").update(policy_text="Only with a receipt.")
    snapshot.publish(by=None, note="text")
    approval = propose()
    ActionType.objects.filter(pk="refund").update(policy_text="Another rule.")
    snapshot.publish(by=None, note="text again")
    page = card(approval)

    assert "Only with a receipt." in page
    assert "Another rule." not in page
    assert "Composite" in page


def test_a_draft_of_its_action_type_changes_nothing_of_what_waits(refund, alice, card, as_):
    """Neither what a field is called and how it is shown, nor whether a rejection needs a reason."""
    as_it_is = card(refund)
    drafted = {**REFUND, "properties": {**REFUND["properties"], "order": {"type": "string", "title": "Drafted"}}}
    ActionType.objects.filter(pk="refund").update(
        schema=drafted, reason_required=False, policy_text="A drafted text.", tier_id=3
    )
    page = card(refund)

    assert "Drafted" not in page
    assert "A drafted text." not in page
    assert ("Drafted" in as_it_is, page.count("Order")) == (False, as_it_is.count("Order"))
    with pytest.raises(BadVerdict):
        decide(card_version_of(refund), by=alice, verdict="reject")
    response = as_(alice).get(reverse("card:reject", args=[refund.pk]), {"version": refund.version}, headers=FRAGMENT)
    assert response.context["required"]


def test_u33_escalating_shows_who_gets_it_before_it_happens(refund, alice, bob, as_):
    page = (
        as_(alice)
        .get(reverse("card:escalate", args=[refund.pk]), {"version": refund.version}, headers=FRAGMENT)
        .content.decode()
    )

    assert "Specialists" in page
    assert "Bob" in page
    assert claims.load(refund.pk).tier_id == 1


def test_u39_a_link_to_something_settled_says_by_whom(refund, alice, carol, card):
    decide(card_version_of(refund), by=carol, verdict="reject", verdict_input=VerdictInput(reason="duplicate"))
    page = card(refund)

    assert "Rejected by Carol" in page
    assert 'name="verdict"' not in page


def test_u40_a_card_that_was_open_says_that_it_changed(refund, alice, carol, as_):
    decide(card_version_of(refund), by=carol, verdict="approve")
    address = reverse("card:card", args=[refund.pk])
    page = as_(alice).get(address, {"version": refund.version}, headers=FRAGMENT).content.decode()

    assert "Carol approved this" in page


def test_u16_a_colleagues_claim_locks_the_verdicts_until_it_is_taken_over(refund, alice, carol, as_, card):
    claims.claim(refund.pk, by=carol)
    page = card(refund)
    assert "Carol is reviewing" in page
    assert 'value="approve"' not in page

    form = {"version": refund.version, "take_over": "1"}
    taken = as_(alice).post(reverse("card:claim", args=[refund.pk]), form, headers=FRAGMENT)
    assert 'value="approve"' in taken.content.decode()
    assert claims.load(refund.pk).claimed_by == alice


def test_opening_by_get_claims_nothing(refund, card):
    card(refund)

    assert claims.load(refund.pk).claimed_by is None


def test_opening_the_next_card_returns_the_one_before(propose, alice, as_):
    first, second = propose(order="1"), propose(order="2")
    client = as_(alice)
    client.post(reverse("card:claim", args=[first.pk]), {"version": first.version})
    client.post(reverse("card:release", args=[first.pk]), headers=FRAGMENT)
    client.post(reverse("card:claim", args=[second.pk]), {"version": second.version})

    assert claims.load(first.pk).claimed_by is None
    assert claims.load(second.pk).claimed_by == alice


def test_u59_the_timeline_names_actor_and_hash_and_says_what_is_not_sealed(refund, alice, card):
    claims.comment(refund.pk, by=alice, text="Called the customer.")
    page = card(refund)
    line = page[page.index('id="timeline"') :]

    assert "Submitted" in line
    assert "Called the customer." in line
    assert "not sealed yet" in line
    assert refund.digest in page


def test_what_the_model_did_not_form_is_shown_as_it_is_and_cannot_be_approved(robot, propose, card):
    broken = propose(items=(Item(id="call_1", action="refund", args='{"order": 4', parsed=False),))
    page = card(broken)

    assert "did not parse" in page
    assert "{&quot;order&quot;: 4" in page
    assert 'value="approve"' not in page


def test_an_owner_is_told_that_a_colleague_decides(refund, olga, card):
    assert "You operate this agent" in card(refund, olga)


def test_a_command_below_five_thousand_line_breaks_stands_in_view():
    [fact] = facts_of({"body": "Dear Ana," + "\n" * 5000 + "and pay Mallory"[:100]})
    text = "".join(part for part, _ in [*fact.value.head, *fact.value.rest])

    assert "line breaks" in text
    assert text.count("\n") < 10


def test_facts_stand_in_the_order_of_the_schema():
    schema = {"type": "object", "properties": {"c": {"type": "integer"}, "a": {"type": "integer"}}}
    assert [fact.path for fact in facts_of({"a": 1, "b": 2, "c": 3}, schema)] == ["c", "a", "b"]
