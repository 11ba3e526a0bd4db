"""What an agent hears by its event stream, and what it does not."""

from datetime import datetime, timedelta

import pytest

from agents import keys
from agents.schemas import COMPONENTS
from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.execution import agent_reports as agents_own
from approvals.models import Agent, Approval
from approvals.values.schema import Validator
from tests.events.stream import in_database, seal_now

pytestmark = pytest.mark.django_db(transaction=True)


SHAPE = Validator({"$ref": "#/components/schemas/AgentEvent", "components": {"schemas": COMPONENTS}})


# --- What is told


async def test_from_now_on_an_agent_hears_what_happens_to_its_requests(listen, propose, refund, alice, bob):
    await in_database(seal_now)
    stream = await listen()
    await in_database(claims.escalate, refund.pk, by=alice)
    second = await in_database(propose)
    await in_database(decide, card_version_of(second), by=alice, verdict="approve")
    await in_database(seal_now)
    await stream.until(lambda: len(stream.received_events) >= 3)

    escalated, submitted, released = stream.received_events
    assert (escalated["type"], escalated["request"], escalated["to_tier"]) == ("escalated", str(refund.request_id), 2)
    assert (submitted["type"], submitted["item"], submitted["digest"]) == ("submitted", "call_1", second.digest)
    assert (released["type"], released["verdict"], released["source"]) == ("released", "approve", "human")
    assert stream.numbers == sorted(stream.numbers)


async def test_everything_that_is_told_has_the_published_shape_and_no_arguments(listen, propose, alice, robot):
    approval = await in_database(propose, order="MRS-SMITH", summary="the customer said")
    await in_database(decide, card_version_of(approval), by=alice, verdict="approve")
    await in_database(agents_own.report_outcome, approval, by=robot, result="succeeded", detail="done for MRS-SMITH")
    await in_database(agents_own.cancel, (await in_database(propose)).request, by=robot, reason="my own reason")
    await in_database(seal_now)
    stream = await listen("after=0")
    await stream.until(lambda: len(stream.received_events) == 5)

    assert [told["type"] for told in stream.received_events] == [
        "submitted",
        "released",
        "outcome",
        "submitted",
        "cancelled",
    ]
    assert not [fault for told in stream.received_events for fault in SHAPE.check(told)]
    assert b"SMITH" not in stream.raw and b"customer" not in stream.raw and b"alice" not in stream.raw


async def test_what_reviewers_do_among_themselves_is_not_told(listen, refund, propose, alice):
    await in_database(claims.claim, refund.pk, by=alice)
    await in_database(claims.comment, refund.pk, by=alice, text="hm")
    after = await in_database(propose)
    await in_database(seal_now)
    stream = await listen("after=0")
    await stream.until(
        lambda: stream.received_events and stream.received_events[-1]["request"] == str(after.request_id)
    )

    assert [told["type"] for told in stream.received_events] == ["submitted", "submitted"]


async def test_a_held_verdict_is_told_when_it_is_released_and_never_when_it_is_taken_back(
    listen, with_undo, propose, alice
):
    first, other = await in_database(propose), await in_database(propose)
    for approval in (first, other):
        await in_database(decide, card_version_of(approval), by=alice, verdict="approve")
    await in_database(undo, other.pk, by=alice)
    after = await in_database(propose)
    await in_database(seal_now)
    stream = await listen("after=0")
    await stream.until(
        lambda: stream.received_events and stream.received_events[-1]["request"] == str(after.request_id)
    )
    assert [told["type"] for told in stream.received_events] == ["submitted"] * 3

    await in_database(Approval.objects.filter(pk=first.pk).update, hold_until="2026-01-01T00:00:00Z")
    await in_database(clock.sweep)
    await in_database(seal_now)
    await stream.until(lambda: len(stream.received_events) == 4)
    assert (stream.received_events[3]["type"], stream.received_events[3]["request"]) == (
        "released",
        str(first.request_id),
    )


def swept_at(moment: datetime) -> None:
    with times.at(moment):
        clock.sweep()


async def test_silence_is_told_as_silence(listen, propose, action_type):
    soft = {"gate": "soft", "on_timeout": "approve", "reversibility": "reversible"}
    await in_database(action_type, "note", expires_after=timedelta(seconds=1), **soft)
    passes = await in_database(propose, action="note")
    ends = await in_database(propose, timeout=timedelta(seconds=1))
    await in_database(swept_at, ends.expires_at + timedelta(seconds=1))
    await in_database(seal_now)
    stream = await listen("after=0")
    await stream.until(lambda: len(stream.received_events) == 4)

    by_request = {told["request"]: told for told in stream.received_events[2:]}
    proceeded, expired = by_request[str(passes.request_id)], by_request[str(ends.request_id)]
    assert (proceeded["type"], proceeded["verdict"], proceeded["source"]) == ("released", "approve", "timeout")
    assert (expired["type"], "verdict" in expired) == ("expired", False)


async def test_only_the_types_that_are_wished_for(listen, propose, alice):
    approval = await in_database(propose)
    await in_database(decide, card_version_of(approval), by=alice, verdict="approve")
    await in_database(seal_now)
    stream = await listen("after=0&types=released,expired")
    await stream.until(lambda: stream.received_events)

    assert [told["type"] for told in stream.received_events] == ["released"]


async def test_another_agents_events_are_not_told(listen, propose, refund):
    stranger = await in_database(Agent.objects.create, name="stranger")
    _, other = await in_database(keys.issue, agent=stranger)
    stream = await listen("after=0", secret=other)
    await in_database(propose)
    await in_database(seal_now)
    own = await in_database(propose, agent=stranger)
    await in_database(seal_now)
    await stream.until(lambda: stream.received_events)  # the other's came before it

    assert [told["request"] for told in stream.received_events] == [str(own.request_id)]
