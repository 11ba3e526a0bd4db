"""The controls of any schema at all: they are made, drawn, and give back nothing that nobody gave."""

import json

import pytest
from django.template.loader import render_to_string
from hypothesis import given, settings

from approvals.decisions.verdict_input import NoAnswer
from approvals.values import schema
from console.card.answer_form import AnswerInProgress
from console.controls.build import all_controls
from tests.hostile.submissions import OBJECTS, SCHEMAS, TEXT, VALUE

OFTEN = settings(derandomize=True, max_examples=150, deadline=None, database=None)


def render(answer: AnswerInProgress) -> str:
    return render_to_string("_controls.html", {"draft": answer.draft, "keyed": answer.keyed})


def exercise(node, text):
    """Draw it; touch nothing; type the same text into each control; and press what can be pressed."""
    fresh = AnswerInProgress(node)
    render(fresh)
    assert fresh.value is NoAnswer.NOTHING
    assert AnswerInProgress(node, {"edits": "[]", "touched": "[]"}).value is NoAnswer.NOTHING
    for control in list(all_controls(fresh.control))[:12]:
        for reading in ("text", "number", "json", "null", "absent"):
            typed = json.dumps([[control.at, reading, text, "name"][: 4 if control.named else 3]])
            answer = AnswerInProgress(node, {"edits": "[]", "touched": typed})
            render(answer)
            answer.put([schema.Fault("/answer", "x"), schema.Fault("/answer/a/0", "y", "type")])
        for act in ("add", "remove", "null"):
            render(AnswerInProgress(node, {"edits": "[]", "touched": "[]", "act": act, "act_at": control.at}))


@pytest.mark.parametrize("number", range(len(SCHEMAS)))
def test_every_schema(number):
    exercise(SCHEMAS[number], "1")


@OFTEN
@given(node=OBJECTS, text=TEXT)
def test_any_schema(node, text):
    exercise(node, text)


@OFTEN
@given(node=OBJECTS, edits=VALUE, typed=VALUE)
def test_whatever_is_posted(node, edits, typed):
    answer = AnswerInProgress(
        node, {"edits": json.dumps(edits), "touched": json.dumps(typed), "act": "add", "act_at": "~"}
    )
    render(answer)
    assert answer.value is NoAnswer.NOTHING or answer.draft.edits
