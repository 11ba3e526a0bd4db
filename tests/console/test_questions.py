"""Questions: the answer box, by schema or free, and what an answer must be."""

import json

import pytest
from django.urls import reverse

from approvals.decisions.card_version import load
from approvals.models import Domain
from approvals.policy import snapshot
from approvals.policy.authoring import packs
from approvals.requests.submission import Item

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def ask(tiers, propose, alice):
    """Robot asks something, and alice may answer."""
    packs.load("core")
    snapshot.publish(by=None, note="core")
    alice.memberships.update(domain=None)

    def make(prompt="Which size?", **fields):
        return propose(items=(Item(id="q1", item_type="question", prompt=prompt, **fields),))

    return make


@pytest.fixture
def answer(as_, alice):
    def post(approval, **form):
        seen = {"verdict": "answer", "version": approval.version}
        return as_(alice).post(reverse("card:decide", args=[approval.pk]), {**seen, **form}, headers=FRAGMENT)

    return post


def test_the_card_leads_with_the_question_and_says_when_the_guess_is_taken(ask, alice, as_):
    approval = ask("Which size?", best_guess="L")
    page = as_(alice).get(reverse("card:card", args=[approval.pk]), headers=FRAGMENT).content.decode()

    assert "robot asks:" in page
    assert "Which size?" in page[page.index('id="card-title"') : page.index("</h1>")]
    assert "Used at" in page
    assert 'name="answer"' in page


def test_a_free_answer_is_text(ask, answer):
    approval = ask()
    answer(approval, answer="M, as before")

    assert load(approval.pk).decisions.get().answer == "M, as before"


def typed(*entries):
    """What the page sends of the controls that were touched: where, how it is read, the text."""
    return {"edits": "[]", "touched": json.dumps(entries)}


@pytest.mark.parametrize(
    ("schema", "entry", "expected"),
    [
        ({"type": "integer"}, ["~", "integer", "42"], 42),
        ({"type": "number"}, ["~", "number", "1.0"], 1.0),
        ({"type": ["integer", "null"]}, ["~", "integer", "3"], 3),
        ({"type": ["integer", "null"]}, ["~", "null", ""], None),
        ({"type": "boolean"}, ["~", "json", "false"], False),
        ({"type": "string", "format": "date"}, ["~", "text", "2026-11-28"], "2026-11-28"),
        ({"enum": [1, 2, 3]}, ["~", "json", "2"], 2),
        ({"enum": [None, {"a": 1}]}, ["~", "json", '{"a": 1}'], {"a": 1}),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, ["~", "number", "7"], 7),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, ["~", "json", '["b"]'], ["b"]),
        ({"type": "array", "prefixItems": [{"type": "integer"}]}, ["~", "json", "[1, 2]"], [1, 2]),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, ["~", "integer", "5"], 5),
    ],
)
def test_an_answer_has_the_type_of_its_schema(schema, entry, expected, ask, answer):
    approval = ask(response_schema=schema)
    assert answer(approval, **typed()).status_code == 422  # nothing was touched
    assert answer(approval, **typed(entry)).status_code == 200

    given = load(approval.pk).decisions.get().answer
    assert (given, type(given)) == (expected, type(expected))


def test_what_is_no_number_is_said_beside_its_box_and_stays_there(ask, answer):
    page = answer(ask(response_schema={"type": "integer"}), **typed(["~", "integer", "many"]))

    assert page.status_code == 422
    assert "Enter a whole number." in page.content.decode()
    assert 'value="many"' in page.content.decode()


def test_several_fields_are_a_form_and_the_wrong_one_is_named(ask, answer):
    schema = {
        "type": "object",
        "properties": {"size": {"enum": ["S", "M"]}, "count": {"type": "integer", "minimum": 1}},
        "required": ["size", "count"],
    }
    approval = ask(response_schema=schema)
    refused = answer(approval, **typed(["/size", "json", '"S"'], ["/count", "integer", "0"]))
    assert refused.status_code == 422
    assert "Enter 1 or more." in refused.content.decode()
    untouched = answer(approval, **typed()).content.decode()
    assert "Choose one." in untouched
    assert "This field is required." in untouched

    answer(approval, **typed(["/size", "json", '"S"'], ["/count", "integer", "2"]))
    assert load(approval.pk).decisions.get().answer == {"size": "S", "count": 2}


def test_an_empty_answer_is_refused(ask, answer):
    approval = ask()

    assert answer(approval, answer="  ").status_code == 422
    assert load(approval.pk).status == "pending"


def test_questions_belong_to_the_general_domain(ask):
    assert ask().domain == Domain.objects.get(slug="general")


BOX = {"type": "object", "properties": {"size": {"type": "string"}, "count": {"type": "number"}}}


@pytest.mark.parametrize(
    ("schema", "guess"),
    [
        ({}, "\n\nhello\n"),
        ({}, False),
        ({}, 0),
        ({}, {}),
        ({"type": "number"}, 1.0),
        (BOX, {"size": "\n\nL\n", "count": 2}),
        ({"type": "object", "required": ["ok"], "properties": {"ok": {"type": ["boolean", "null"]}}}, {"ok": None}),
        ({"enum": [1, {"a": [1, "1"]}]}, {"a": [1, "1"]}),
    ],
)
def test_one_press_answers_with_the_stored_guess_exactly(schema, guess, ask, answer, alice):
    approval = ask(response_schema=schema, best_guess=guess)
    assert answer(approval, guess="1", answer="not this").status_code == 200

    decision = load(approval.pk).decisions.get()
    assert (decision.verdict, decision.source, decision.user) == ("answer", "human", alice)
    assert repr(decision.answer) == repr(guess)  # 1.0 is no 1, and False no 0


def test_a_guess_that_does_not_fit_is_said_and_not_offered(ask, answer, alice, as_):
    approval = ask(response_schema={"type": "integer"}, best_guess="many")
    page = as_(alice).get(reverse("card:card", args=[approval.pk]), headers=FRAGMENT).content.decode()
    assert "It does not fit the answer the agent asks for" in page
    assert 'name="guess"' not in page

    assert answer(approval, guess="1").status_code == 422
    assert load(approval.pk).status == "pending"


def test_without_a_guess_there_is_none_to_use(ask, answer):
    approval = ask()

    assert answer(approval, guess="1").status_code == 422
    assert load(approval.pk).status == "pending"


def test_a_question_is_skipped_where_that_is_allowed(ask, answer, alice, as_):
    approval = ask()
    page = as_(alice).get(reverse("card:card", args=[approval.pk]), headers=FRAGMENT).content.decode()
    assert "Skip: the agent goes on without an answer." in page
    answer(approval, verdict="skip")

    assert load(approval.pk).verdict == "skip"
    assert (
        'value="skip"'
        not in as_(alice)
        .get(reverse("card:card", args=[ask(allowed=("answer",)).pk]), headers=FRAGMENT)
        .content.decode()
    )


def test_a_part_that_cannot_be_shown_is_shown_as_json_and_the_card_stays(ask, answer, alice, as_, monkeypatch, caplog):
    approval = ask(best_guess={"size": "L\u202e"})
    monkeypatch.setattr("console.card.questions.facts_of", lambda *_: [].pop())
    page = as_(alice).get(reverse("card:card", args=[approval.pk]), headers=FRAGMENT).content.decode()

    assert "This part could not be shown" in page
    assert '&quot;size&quot;: &quot;L<span class="token">U+202E</span>&quot;' in page
    assert "A part of a card could not be shown." in caplog.text
    answer(approval, answer="M")
    assert load(approval.pk).verdict == "answer"
