"""The card of another attempt: what was rejected before, with which words, and what is different now."""

import pytest
from django.urls import reverse

from agents.cards import card as api_card
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput

SCHEMA = {"type": "object", "properties": {"order": {}, "amount": {}, "currency": {}, "reason": {}}}


def claim(reason):
    return {"order": "456", "amount": 50, "currency": "EUR", "reason": reason}


@pytest.fixture
def second(propose, action_type, alice):
    """The second attempt at a claim that Alice rejected."""
    action_type("claim", schema=SCHEMA)
    first = propose(action="claim", args=claim("the lid is cracked"))
    verdict_input = VerdictInput(message="The photo shows <b>another</b> lid.", reason="not_justified")
    decide(card_version_of(first), by=alice, verdict="reject", verdict_input=verdict_input)
    return propose(action="claim", args=claim("it broke on its way"))


@pytest.fixture
def page(as_, alice):
    def show(approval, user=alice):
        answer = as_(user).get(reverse("card:card", args=[approval.pk]), headers={"HX-Request": "true"})
        return answer.content.decode()

    return show


def test_it_shows_who_rejected_what_with_which_words_and_what_differs(second, page):
    shown = page(second)
    part = shown[shown.index('id="repeat"') :]
    part = part[: part.index("</section>")]
    assert "Alice rejected nearly the same" in part
    assert reverse("card:card", args=[second.repeats_id]) in part
    assert "<b>Not justified</b>: The photo shows &lt;b&gt;another&lt;/b&gt; lid." in part
    assert part.index("the lid is cracked") < part.index("it broke on its way")
    assert ">456<" not in part
    assert "Second attempt at what was rejected on" in shown


def test_a_first_attempt_shows_nothing_of_the_kind(refund, page):
    assert 'id="repeat"' not in page(refund)


def test_what_did_not_change_is_said(second, propose, page, alice):
    decide(
        card_version_of(load(second.pk)),
        by=alice,
        verdict="reject",
        verdict_input=VerdictInput(message="No.", reason="other"),
    )
    assert "What would run is the same." in page(propose(action="claim", args=claim("it broke on its way")))


def test_who_may_not_read_the_earlier_one_reads_nothing_of_it(second, page, person, tiers, clinical, refund):
    second.repeats.domain = clinical
    second.repeats.save()
    bert = person("bert", tier=1, domain=second.domain)
    shown = page(second, bert)
    assert "the lid is cracked" not in shown and "another" not in shown


def test_a_persons_tool_is_told_what_it_repeats(second, alice):
    card = api_card(second, reader=alice, now=times.now())
    assert (card["attempt"], card["repeats"]) == (2, str(second.repeats_id))
