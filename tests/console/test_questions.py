"""Questions: the answer box, by schema or free, and what an answer must be."""

import pytest
from django.urls import reverse

from approvals.models import Domain
from approvals.policy import packs, snapshot
from approvals.review.decisions import load
from approvals.review.submission import Item

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def ask(tiers, propose, alice):
    """Robot asks something, and alice may answer."""
    packs.load("core")
    snapshot.publish(by=None, note="core")
    alice.memberships.update(domain=None)

    def make(prompt="Which size?", **fields):
        return propose(items=(Item(id="q1", subject="question", prompt=prompt, **fields),))

    return make


@pytest.fixture
def answer(as_, alice):
    def post(approval, **form):
        seen = {"verdict": "answer", "revision": 1, "round": 1, "digest": approval.digest}
        return as_(alice).post(reverse("decide", args=[approval.pk]), {**seen, **form}, headers=FRAGMENT)

    return post


def test_the_card_leads_with_the_question_and_says_when_the_guess_is_taken(ask, alice, as_):
    approval = ask("Which size?", best_guess="L")
    page = as_(alice).get(reverse("approval", args=[approval.pk]), headers=FRAGMENT).content.decode()

    assert "robot asks:" in page
    assert "Which size?" in page[page.index('id="card-title"') : page.index("</h1>")]
    assert "Taken at" in page
    assert 'name="answer"' in page


def test_a_free_answer_is_text(ask, answer):
    approval = ask()
    answer(approval, answer="M, as before")

    assert load(approval.pk).decisions.get().answer == "M, as before"


def test_an_answer_has_the_type_of_its_schema(ask, answer):
    approval = ask(response_schema={"type": "integer"})
    assert answer(approval, answer="many").status_code == 422

    answer(approval, answer="42")
    assert load(approval.pk).decisions.get().answer == 42


def test_several_fields_are_a_form_and_the_wrong_one_is_named(ask, answer):
    schema = {
        "type": "object",
        "properties": {"size": {"enum": ["S", "M"]}, "count": {"type": "integer", "minimum": 1}},
        "required": ["size", "count"],
    }
    approval = ask(response_schema=schema)
    refused = answer(approval, **{"answer/size": '"S"', "answer/count": "0"})
    assert refused.status_code == 422
    assert 'id="f-answer-count-error"' in refused.content.decode()

    answer(approval, **{"answer/size": '"S"', "answer/count": "2"})
    assert load(approval.pk).decisions.get().answer == {"size": "S", "count": 2}


def test_an_empty_answer_is_refused(ask, answer):
    approval = ask()

    assert answer(approval, answer="  ").status_code == 422
    assert load(approval.pk).status == "pending"


def test_questions_belong_to_the_general_domain(ask):
    assert ask().domain == Domain.objects.get(slug="general")
