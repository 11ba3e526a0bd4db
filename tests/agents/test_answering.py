"""People's tools answer a question: exact types, and null is an answer where nothing is none."""

import pytest

from approvals.policy import snapshot
from approvals.policy.authoring import packs

NULLABLE = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": ["boolean", "null"]}}}


@pytest.fixture
def question(api, tiers, alice):
    """Robot asks, and Alice may answer: question(response_schema={…}, best_guess=…)."""
    packs.load("core")
    snapshot.publish(by=None, note="core")
    alice.memberships.update(domain=None)

    def ask(**fields):
        return api.post("requests", {"question": {"prompt": "Which?", **fields}})

    return ask


@pytest.fixture
def decide(token, alice):
    """Decide the first item of a request with Alice's token."""

    def post(request, **fields):
        tools = token(alice)
        [card] = tools.get("inbox").json()["approvals"]
        seen = {"revision": card["revision"], "round": card["round"], "digest": card["digest"]}
        return tools.post(f"inbox/{card['id']}/decide", {**seen, "verdict": "answer", **fields})

    return post


def answer_of(api, request):
    return api.get(f"requests/{request['id']}/decision").json()["items"][0]["answer"]


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({}, None),
        ({}, False),
        ({}, 0),
        ({}, {}),
        ({"type": ["integer", "null"]}, None),
        ({"type": ["integer", "null"]}, 3),
        ({"type": "number"}, 1.5),
        ({"enum": [1, 2, 3]}, 2),
        ({"enum": [None, "x"]}, None),
        (NULLABLE, {"ok": None}),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, []),
    ],
)
def test_any_json_that_the_schema_allows_arrives_as_it_was_given(schema, answer, question, decide, api):
    request = question(response_schema=schema).json()
    assert decide(request, answer=answer).status_code == 200

    arrived = answer_of(api, request)
    assert (arrived, type(arrived)) == (answer, type(answer))


@pytest.mark.parametrize("schema", [{}, {"type": ["integer", "null"]}, {"enum": [None]}, NULLABLE])
def test_no_answer_is_not_null(schema, question, decide, refused, alice):
    request = question(response_schema=schema).json()

    refused(decide(request), 422, "", "/answer")


@pytest.mark.parametrize(
    ("schema", "answer", "pointer"),
    [
        ({"enum": [1, 2, 3]}, "2", "/answer"),
        ({"type": "integer"}, None, "/answer"),
        ({"type": "boolean"}, "true", "/answer"),
        (NULLABLE, {}, "/answer/ok"),
        ({}, "  ", "/answer"),
        (
            {"type": "object", "properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}},
            {"n": "3"},
            "/answer/n",
        ),
    ],
)
def test_what_the_schema_does_not_allow_is_refused_beside_its_field(schema, answer, pointer, question, decide, refused):
    request = question(response_schema=schema).json()

    refused(decide(request, answer=answer), 422, "", pointer)


def test_silence_takes_no_best_guess_that_the_schema_does_not_allow(question, refused):
    wrong = {"response_schema": {"type": "integer"}, "best_guess": "many"}
    request = question(**wrong).json()
    assert request["items"][0]["on_timeout"] == "reject"
    assert question(response_schema={"type": "integer"}, best_guess=3).json()["items"][0]["on_timeout"] == "best_guess"


def test_nor_does_the_agents_wish_make_it(question, api, refused):
    body = {"question": {"prompt": "?", "response_schema": {"type": "integer"}, "best_guess": "many"}}
    question(best_guess="S")

    refused(api.post("requests", {**body, "on_timeout": "best_guess"}), 422, "invalid_request", "/on_timeout")
