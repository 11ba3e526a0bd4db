"""What history says of a key: whose usual value, what is counted, what is alike. And that it is bounded."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from approvals.db import times
from approvals.models import Agent
from approvals.policy.assessment import read_histories
from approvals.policy.flag_reasons import UnusualAmount
from approvals.policy.messages import sentence
from approvals.policy.precedent import reader
from approvals.policy.precedent.comparison_keys import keys_of
from approvals.policy.precedent.flags import flags_of

DAY = timedelta(days=1)
ARGS = {"order": "456", "amount": 50, "department": "ops"}


@pytest.fixture
def published_question(published, make_question):
    """asked(baseline_path="department"): a refund, with its action type changed so far."""

    def make(args=None, subject="", value=50, **of_type):
        kind = replace(published.policy.types["refund"], **of_type)
        return make_question(
            kind, agent_id=published.robot.pk, args=args or ARGS, subject=subject, value=Decimal(value)
        )

    return make


def template_of(question, agent=None):
    return keys_of(agent or question.agent_id, question.type, ARGS, "").similarity_key


def flag(question, name):
    (past,) = read_histories([question])
    return next((one for one in flags_of(question, past) if one.name == name), None)


def test_the_usual_value_is_of_the_key_whoever_proposed(published_question, past_approval):
    other = Agent.objects.create(name="other")
    past_approval("refund", value="120.00", baseline_key="department:ops", times=3)
    past_approval("refund", value="120.00", baseline_key="department:ops", times=2, agent=other)
    past_approval("refund", value="9.00", baseline_key="department:sales", times=9)
    past_approval("refund", value="9.00", baseline_key="department:ops", verdict="reject")
    raised_flag = flag(published_question(value=372, baseline_path="department"), "unusual_amount")
    assert (
        sentence(raised_flag)
        == "3.1 times the usual value for department ops of 120.00 (median of the last 5 approved)"
    )
    assert raised_flag == UnusualAmount(Decimal("3.1"), Decimal("120.00"), 5, "department:ops")


def test_without_the_argument_the_agents_own_usual_value_holds(published_question, past_approval):
    past_approval("refund", value="10.00", times=5)
    bare = {"order": "456", "amount": 50}
    raised_flag = flag(published_question(bare, value=50, baseline_path="department"), "unusual_amount")
    assert sentence(raised_flag) == "5.0 times the usual value of 10.00 (median of the last 5 approved)"


@pytest.mark.parametrize(("times", "raised"), [("5.00", False), ("4.99", True)])
def test_how_many_times_the_usual_is_unusual_is_the_types_to_say(published_question, past_approval, times, raised):
    past_approval("refund", value="10.00", times=5)
    assert bool(flag(published_question(value="49.90", usual_times=Decimal(times)), "unusual_amount")) is raised


def test_what_is_counted_and_within_which_time_is_the_types_to_say(published_question, past_approval):
    past_approval("refund", frequency_key="department:ops", subject="order:1", ago=2 * DAY)
    past_approval("refund", frequency_key="department:ops", subject="order:2", ago=20 * DAY)
    past_approval("refund", frequency_key="order:456", subject="order:456", times=5)
    facts = {"frequency_path": "department", "subject": "order:456"}
    assert sentence(flag(published_question(**facts), "frequency")).startswith(
        "2nd time for department:ops in 7 days: "
    )
    month = flag(published_question(**facts, frequency_window=30 * DAY), "frequency")
    assert sentence(month).startswith("3rd time for department:ops in 30 days: ")
    assert flag(published_question(**facts, frequency_from=3), "frequency") is None
    assert flag(published_question(**facts, frequency_from=3, frequency_window=30 * DAY), "frequency")


def test_alike_ones_are_of_the_same_agent_and_counted_whatever_became_of_them(published_question, past_approval):
    like = template_of(published_question())
    hours = timedelta(hours=11)
    past_approval("refund", similarity_key=like, times=7, ago=hours)
    past_approval("refund", similarity_key=like, verdict="reject", ago=hours)
    past_approval("refund", similarity_key=like, verdict="", status="cancelled", ago=hours)
    past_approval("refund", similarity_key=like, ago=timedelta(hours=13))
    past_approval("refund", similarity_key="0" * 64, times=3, ago=hours)
    other = Agent.objects.create(name="other")
    past_approval("refund", similarity_key=template_of(published_question(), other.pk), agent=other, ago=hours)
    raised_flag = flag(published_question(), "burst")
    assert sentence(raised_flag) == f"10 alike proposals of {published_question().type.title} by robot in 12 hours"
    assert (raised_flag.count, raised_flag.alike, raised_flag.window) == (10, True, timedelta(hours=12))
    assert flag(published_question(burst_from=11), "burst") is None
    assert flag(published_question(burst_window=timedelta(hours=1)), "burst") is None
    assert flag(published_question({"order": "457", "amount": 50}), "burst") is None


def test_alike_ones_are_looked_for_by_no_index_that_leads_through_all_of_an_agents_proposals(published):
    """An agent that began after the last ANALYZE looks to the planner as if it had none."""
    now = times.now()
    values = {"alike": ["x"], "alike_since": [now], "now": now, "own": [], "look_back": 400}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plans = []
        for change in ("SELECT 1", "DROP INDEX approval_alike"):
            cursor.execute(change)
            cursor.execute(f"EXPLAIN {reader._ALIKE}", values)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
    assert "approval_alike" in plans[0]
    assert "agent_id" not in plans[1] and "approval_proposed" not in plans[1]


def test_ten_in_ten_minutes_are_a_burst_though_none_is_like_another(published_question, past_approval):
    past_approval("refund", times=9, ago=timedelta(minutes=5))
    assert sentence(flag(published_question(), "burst")).endswith("in 10 minutes")
    assert flag(published_question(burst_from=11), "burst") is None


def test_a_set_is_folded_by_its_keys_too(published_question):
    facts = {"frequency_path": "department", "burst_from": 3}
    questions = [published_question({**ARGS, "amount": amount}, **facts) for amount in (1, 2, 3)]
    other = published_question({**ARGS, "department": "sales"}, **facts)
    pasts = read_histories([questions[0], other, *questions[1:]])
    assert [past.same_subject for past in pasts] == [0, 0, 1, 2]
    assert [past.same_template for past in pasts] == [0, 0, 1, 2]
    assert any(one.name == "burst" for one in flags_of(questions[2], pasts[-1]))


def test_of_a_hot_key_a_bounded_number_is_looked_at_and_the_text_says_so(
    published_question, past_approval, monkeypatch
):
    monkeypatch.setattr(reader, "LOOK_BACK", 4)
    like = template_of(published_question())
    past_approval("refund", frequency_key="department:ops", similarity_key=like, times=9, ago=timedelta(hours=2))
    question = published_question(frequency_path="department", burst_from=3)
    assert sentence(flag(question, "frequency")).startswith("More than 4 times for department:ops in 7 days: ")
    assert sentence(flag(question, "burst")).startswith("More than 4 alike proposals of ")


def test_refused_ones_hide_nothing_of_a_key(published_question, past_approval, monkeypatch):
    monkeypatch.setattr(reader, "LOOK_BACK", 4)
    monkeypatch.setattr(reader, "AMOUNTS", 4)
    question = published_question(value=50, baseline_path="department", frequency_path="department")
    keyed = {"digest": question.digest, "frequency_key": "department:ops", "baseline_key": "department:ops"}
    twin = past_approval("refund", value="10.00", ago=2 * DAY, **keyed)
    past_approval("refund", value="10.00", ago=3 * DAY, **{**keyed, "digest": "sha256:2"})
    past_approval("refund", value="9000.00", verdict="reject", source="policy", times=9, **keyed)
    past_approval("refund", value="9000.00", verdict="", status="expired", times=9, **keyed)
    (past,) = read_histories([question])
    assert (past.twin.id, past.same_subject, past.amounts) == (twin.pk, 2, (Decimal("10.00"),) * 2)


@pytest.mark.parametrize("verdict", ["approve", "modify"])
@pytest.mark.parametrize("status", ["held", "released", "executed"])
def test_what_was_approved_or_modified_is_a_twin_from_its_hold_on(
    published_question, past_approval, now, verdict, status
):
    question = published_question()
    hold = {"released_at": None, "hold_until": now} if status == "held" else {}
    made = past_approval("refund", digest=question.digest, verdict=verdict, status=status, **hold)
    assert read_histories([question])[0].twin.id == made.pk


def test_one_message_asks_for_everything_at_once(published_question, django_assert_num_queries):
    facts = {"baseline_path": "department", "frequency_path": "department", "most_attempts": 3}
    question = replace(published_question(**facts), run="run-1")
    with django_assert_num_queries(1):
        read_histories([question] * 3)


def test_an_agent_does_not_learn_of_a_held_verdict_from_a_flag(published_question, past_approval, now):
    question = published_question()
    past_approval("refund", digest=question.digest, status="held", released_at=None, hold_until=now)
    assert "is pending already" in sentence(flag(question, "duplicate"))
