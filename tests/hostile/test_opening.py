"""Whatever an agent sends and the API takes, every page that shows it opens, and somebody can be done with it.

An example is a handful of requests at once: what costs time here is the pages, not the making up.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.submissions import GUESSES, OBJECTS, SCHEMAS, TEXT, VALUE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AGAIN = settings(
    derandomize=True,
    max_examples=3,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def asking(schema, guess=None):
    return {"question": {"prompt": "Which?", "response_schema": schema, "best_guess": guess}}


@pytest.fixture
def open_and_decide(open_card, post_form, close_plainly, open_lists):
    """Open all of them, answer each with next to nothing, and have done with it."""

    def work(approvals, **form):
        open_lists()
        for approval in approvals:
            open_card(approval)
            if approval.item_type == "question":
                post_form(approval, "card:decide", verdict="answer", **form)
            approval.refresh_from_db()
            if approval.status == "pending":
                close_plainly(approval)
        open_lists()

    return work


def test_every_schema_of_an_answer(submit, open_and_decide):
    open_and_decide(submit([asking(schema, {"a": [{"b": None}], "cc": "x"}) for schema in SCHEMAS]))


def test_every_best_guess_whatever_its_schema(submit, open_and_decide):
    schemas = ({}, SCHEMAS[0], {"type": "integer"}, {"enum": [1, None]})
    open_and_decide(submit([asking(schema, guess) for schema in schemas for guess in GUESSES]), answer="x")


def eight_of(strategy):
    return st.lists(strategy, min_size=8, max_size=8)


@AGAIN
@given(questions=eight_of(st.tuples(OBJECTS, VALUE)), typed=TEXT)
def test_any_schema_at_all(questions, typed, submit, open_and_decide):
    open_and_decide(submit([asking(schema, guess) for schema, guess in questions]), answer=typed)


PROSE = st.fixed_dictionaries(
    {},
    optional={
        "summary": TEXT,
        "reasoning": TEXT,
        "context": st.dictionaries(TEXT, VALUE, max_size=3),
        "alternatives": st.lists(st.fixed_dictionaries({"label": TEXT, "args": VALUE}), max_size=3),
        "signals": st.dictionaries(st.sampled_from(["stated_confidence", "tool_validity", "mood"]), st.floats(0, 1)),
        "current": VALUE,
        "preconditions": st.dictionaries(TEXT, VALUE, max_size=3),
        "undo": st.fixed_dictionaries({"name": TEXT}, optional={"args": VALUE}),
        "rename_to": st.lists(TEXT, max_size=2, unique=True),
        "remember": st.lists(VALUE, max_size=3),
        "subject": TEXT,
        "labels": st.dictionaries(TEXT, TEXT, max_size=3),
        "run": st.fixed_dictionaries({"id": TEXT}, optional={"name": TEXT, "step": TEXT}),
        "resume": st.dictionaries(TEXT, VALUE, max_size=3),
        "agent": st.fixed_dictionaries({}, optional={"model": TEXT, "prompt_version": TEXT}),
    },
)


@AGAIN
@given(proposed=eight_of(st.tuples(VALUE, PROSE)))
def test_any_arguments_and_any_words_beside_them(proposed, submit, open_and_decide):
    open_and_decide(submit([{"action": "anything", "args": args, **words} for args, words in proposed]))


@AGAIN
@given(planned=eight_of(st.tuples(st.lists(VALUE, min_size=1, max_size=3), VALUE, PROSE)))
def test_any_steps_of_a_plan(planned, submit, open_and_decide):
    bodies = []
    for listed, undo, prose in planned:
        steps = [
            {
                "id": f"s{number}",
                "action": {"name": "anything", "args": args},
                "undo": {"name": "undo it", "args": undo},
            }
            for number, args in enumerate(listed)
        ]
        bodies.append({"plan": {"steps": steps}, **{name: value for name, value in prose.items() if name != "undo"}})
    open_and_decide(submit(bodies))
