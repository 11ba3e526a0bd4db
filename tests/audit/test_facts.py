"""Each kind of audit event has its facts, its line in the history, and what its agent hears of it."""

import ast
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest

from agents.schemas import COMPONENTS
from approvals.history.facts import BY_KIND, FEED_NAMES, FLAGGED, RELEASED, Expired, Facts
from approvals.models import AuditEvent
from approvals.values import stored
from console.card.timeline import details_of

ROOT = Path(__file__).resolve().parents[2]
KINDS = [str(kind.value) for kind in AuditEvent.Kind]
PLAIN = {str: "word", int: 2, bool: True, UUID: UUID(int=7), datetime: datetime(2026, 11, 21, 9, 30, tzinfo=UTC)}
# What agents must not hear of their own requests: who reviews, votes or looks, and what may still be taken back.
PRIVATE = {"surface", "in_place_of", "votes", "of", "edited", "held", "why", "finding", "taken_from", "post_review"}


def full(kind: str) -> Facts:
    """An event's facts with every one of them."""
    facts = BY_KIND[kind]
    return facts(**{name: value_of(hint) for name, hint in stored.hints_of(facts).items()})


def value_of(hint: Any) -> Any:
    if hint in PLAIN:
        return PLAIN[hint]
    if hint == tuple[str, ...]:
        return ("/amount",)
    return value_of(next(choice for choice in get_args(hint) if choice is not type(None)))


def test_the_table_has_every_kind_and_no_other():
    assert set(BY_KIND) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_facts_are_stored_by_their_fields_and_read_as_they_were(kind):
    facts = full(kind)
    kept = json.loads(json.dumps(facts.as_json()))
    assert set(kept) == set(stored.hints_of(type(facts)))
    assert stored.read(BY_KIND[kind], kept) == facts


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_line(kind):
    assert details_of.dispatch(BY_KIND[kind]) is not details_of.dispatch(object)
    assert all(isinstance(part, str) for part in details_of(full(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_agent_hears_is_decided_for_each_kind_and_documented(kind):
    facts = BY_KIND[kind]
    assert (kind in FEED_NAMES) == (facts.feed is not None)
    assert set(facts.feed or ()) <= stored.hints_of(facts).keys() - PRIVATE
    if facts.feed is not None:
        name, heard = full(kind).for_agent()
        properties = COMPONENTS["AgentEvent"]["properties"]
        assert isinstance(properties, dict)
        assert set(heard) <= properties.keys()
        assert name in properties["type"]["enum"]


def test_whatever_settles_an_item_is_released_to_its_agent():
    assert FEED_NAMES["decided"] == FEED_NAMES["released"] == RELEASED
    assert Expired(silence="reject").for_agent() == ("expired", {"silence": "reject"})
    name, heard = Expired(silence="approve", verdict="approve").for_agent()
    assert (name, heard["source"]) == (RELEASED, "timeout")
    assert FEED_NAMES["reviewed"] == FLAGGED
    assert not {"voted", "modified", "claimed", "commented", "undone"} & set(FEED_NAMES)


def test_nobody_writes_an_event_but_with_the_class_of_its_kind():
    """A move takes no dictionary of facts, and the kind is the class's own."""
    for path in (ROOT / "approvals").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("audit.Move", "Move"):
                assert not isinstance(node.args[1], ast.Dict | ast.Attribute), (path, node.lineno)
                assert "facts" not in {keyword.arg for keyword in node.keywords}, (path, node.lineno)
