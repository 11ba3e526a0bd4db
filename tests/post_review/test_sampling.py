"""Of what passes by policy alone a share is looked at afterwards; nobody steers which."""

from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest

from approvals.db.ids import new_id
from approvals.execution import post_review_queue
from approvals.models import Approval, Autonomy, PostReview
from approvals.policy import messages, sampling
from approvals.policy.routing_decision import AgentStanding, Routing
from approvals.policy.sampling import FLOOR, drawn_share, is_drawn
from approvals.policy.snapshot import current
from tests.post_review.conftest import flag_problem, mark_fine, review_of

SHARE = Decimal("0.1")


def test_the_same_approval_is_always_drawn_or_never():
    ids = [new_id() for _ in range(200)]

    assert [is_drawn(one, SHARE, "s") for one in ids] == [is_drawn(one, SHARE, "s") for one in ids]


def test_one_in_ten_is_drawn_whatever_the_order_in_which_they_come():
    # Ids made one after the other differ in their last bits alone. Of 20,000 the share is 0.1 ± 0.0085 (4 sigma).
    ids = [UUID(int=(0x0190 << 112) + number) for number in range(20_000)]
    drawn = [is_drawn(one, SHARE, "s") for one in ids]

    assert abs(sum(drawn) / len(drawn) - 0.1) < 0.0085
    # And drawn ones follow each other no more often than chance has it: 200 ± 57 of 20,000.
    assert abs(sum(a and b for a, b in pairwise(drawn)) - 200) < 57


def test_nothing_of_a_share_of_nothing_and_all_of_all():
    ids = [new_id() for _ in range(500)]

    assert not any(is_drawn(one, Decimal(0), "s") for one in ids)
    assert all(is_drawn(one, Decimal(1), "s") for one in ids)


def test_who_knows_the_id_and_not_the_secret_knows_nothing():
    ids = [UUID(int=number) for number in range(2000)]
    here, there = ([is_drawn(one, Decimal("0.5"), secret) for one in ids] for secret in ("a", "b"))
    alike = sum(a == b for a, b in zip(here, there, strict=True))

    assert abs(alike - 1000) < 90  # 4 sigma of independent coins


@pytest.fixture
def sampled_type(action_type):
    """An action that never asks, of which all is looked at."""
    return action_type("tag", strategy="never", reversibility="reversible", sample="1.000")


def test_what_is_drawn_runs_at_once_and_has_a_look_waiting(sampled_type, propose):
    tag = propose(action="tag")
    row = review_of(tag)

    assert (tag.status, tag.route, tag.source) == ("released", "auto", "policy")
    assert (row.why, row.until, row.run, row.tier_id, row.domain_id) == ("sampled", None, None, 1, "commerce")


def test_the_agent_is_not_told_so_that_it_cannot_propose_until_it_is_not_drawn(sampled_type, api, request_body):
    body = api.post("requests", request_body(action="tag")).content.decode()

    assert PostReview.objects.count() == 1
    assert "sample" not in body
    assert Approval.objects.get().reason_code == "passed"


def test_without_a_share_nothing_is_looked_at(action_type, propose):
    action_type("tag", strategy="never", reversibility="reversible")
    for number in range(20):
        propose(action="tag", order=str(number))

    assert PostReview.objects.count() == 0


def test_of_level_four_at_least_one_in_twenty(action_type):
    action_type("tag", reversibility="reversible", sample="0.010")
    kind, passing = current().types["tag"], Routing("auto", "hard", 1, 1, "passed")

    assert drawn_share(passing, kind, AgentStanding(level=4)) == FLOOR == Decimal("0.05")
    assert drawn_share(passing, kind, AgentStanding(level=3)) == Decimal("0.010")


def test_at_level_four_some_are_drawn_though_the_action_type_asks_for_none(action_type, propose, robot, monkeypatch):
    monkeypatch.setattr(sampling, "FLOOR", Decimal(1))
    tags = action_type("tag", reversibility="reversible")
    Autonomy.objects.create(agent=robot, action_type=tags, level=4)

    assert review_of(propose(action="tag", amount=4)).why == "sampled"


def test_what_people_decide_or_have_approved_is_not_drawn(action_type, sampled_type):
    kind = current().types["tag"]
    for routing in (
        Routing("review", "hard", 1, 1, "fixed"),
        Routing("reject", "hard", 1, 1, "low_confidence"),
        Routing("auto", "hard", 1, 1, "covered", grant=object()),
        Routing("auto", "hard", 1, 1, "degraded", post_review="degraded"),
    ):
        assert drawn_share(routing, kind, AgentStanding(level=4)) == 0


def test_what_waits_and_what_is_refused_has_no_look(action_type, propose):
    action_type("wire", sample="1.000")
    propose(action="wire")

    assert PostReview.objects.count() == 0


def test_what_the_route_wants_looked_at_is_whoever_says_it(sampled_type, propose, monkeypatch):
    monkeypatch.setattr(post_review_queue, "why_of", lambda case: "degraded")

    assert review_of(propose(action="tag")).why == "degraded"


def precedent(approval):
    [note] = [signal["note"] for signal in approval.assessment["signals"] if signal["name"] == "precedent"]
    return messages.sentences([note])[0]


def test_an_objection_to_a_sample_counts_against_the_agent(sampled_type, propose, alice):
    tags = [propose(action="tag", order=str(number)) for number in range(3)]
    assert precedent(tags[-1]).startswith("no decisions by people yet")
    mark_fine(tags[0], by=alice)
    assert precedent(propose(action="tag", order="4")).startswith("no decisions by people yet")
    flag_problem(tags[1], by=alice)
    assert precedent(propose(action="tag", order="5")) == "0 of the last 1 approved unchanged by people"
    flag_problem(tags[2], by=alice, severity="high")
    assert precedent(propose(action="tag", order="6")) == "0 of the last 2 approved unchanged by people"
