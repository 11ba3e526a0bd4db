"""What people did with an agent's proposals, as lines of JSON."""

import json
from datetime import timedelta

from asgiref.sync import async_to_sync

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_reports as agents_own
from approvals.requests.submission import Item
from tests.conftest import replace_arguments


def lines(response):
    async def read() -> bytes:
        return b"".join([part async for part in response.streaming_content])

    assert response.status_code == 200
    assert response["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in async_to_sync(read)().splitlines()]


def feedback(calls, **query):
    return lines(calls.get("feedback", **query))


def test_each_line_says_what_was_proposed_what_was_decided_and_what_came_of_it(propose, alice, robot, api, settings):
    approved, changed, refused = propose(order="1"), propose(order="2"), propose(order="3")
    decide(
        card_version_of(approved), by=alice, verdict="approve", verdict_input=VerdictInput(guidance="go on like this")
    )
    agents_own.report_outcome(load(approved.pk), by=robot, result="failed")
    args = {"order": "2", "amount": 100, "currency": "EUR"}
    decide(
        card_version_of(changed),
        by=alice,
        verdict="modify",
        verdict_input=VerdictInput(edits=replace_arguments(args), message="goodwill limit"),
    )
    decide(card_version_of(refused), by=alice, verdict="reject", verdict_input=VerdictInput(reason="duplicate"))
    last, middle, first = feedback(api)

    assert (first["verdict"], first["outcome"], first["edits"]) == ("approve", "failed", [])
    assert first["guidance"] == "go on like this"
    assert first["proposed"] == first["decided"] == {"order": "1", "amount": 420, "currency": "EUR"}
    assert middle["edits"] == [{"path": "/amount", "from": 420, "to": 100}]
    assert (middle["verdict"], middle["decided"], middle["message"]) == ("modify", args, "goodwill limit")
    assert (last["verdict"], last["reason"], last["decided"]) == ("reject", "duplicate", None)
    assert (last["request"], last["item"], last["source"]) == (str(refused.request_id), "call_1", "human")


def test_what_the_agent_may_not_know_yet_is_not_in_it(with_undo, propose, alice, api):
    fields = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}
    held, first_of_two = propose(order="9"), propose(items=(Item(id="a", **fields), Item(id="b", **fields)))
    decide(card_version_of(held), by=alice, verdict="approve")
    decide(card_version_of(first_of_two), by=alice, verdict="approve")
    assert feedback(api) == []
    with times.at(times.now() + timedelta(seconds=6)):
        clock.sweep()

    assert [line["request"] for line in feedback(api)] == [str(held.request_id)]


def test_it_is_narrowed_and_paged(propose, alice, api):
    for number in range(5):
        with times.at(times.now() + timedelta(minutes=number)):
            decide(card_version_of(propose(order=str(number))), by=alice, verdict="approve")
    whole = feedback(api)
    page = api.get("feedback", limit=2)
    address = page["Link"].removeprefix("<").partition(">")[0]
    following = api.client.get(address)

    assert [line["proposed"]["order"] for line in whole] == ["4", "3", "2", "1", "0"]
    assert lines(page) + lines(following) == whole[:4]
    assert "Link" not in api.get("feedback", limit=5)
    assert len(feedback(api, since=whole[2]["decided_at"])) == 3
    assert feedback(api, action="email") == []


def test_bad_questions_are_refused(api):
    for query in ({"limit": 0}, {"limit": 10_001}, {"since": "yesterday"}, {"cursor": "x"}, {"agent": "other"}):
        assert api.get("feedback", **query).status_code == 422


def test_another_agents_decisions_are_not_in_it(propose, alice, stranger):
    decide(card_version_of(propose()), by=alice, verdict="approve")
    assert feedback(stranger) == []
