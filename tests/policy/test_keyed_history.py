"""What history says of a key: whose usual value, what is counted, what is alike. And that it is bounded."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.models import Agent
from approvals.policy import history
from approvals.policy.assess import gather
from approvals.policy.flags import flags_of
from approvals.policy.keys import keys_of

DAY = timedelta(days=1)
ARGS = {"order": "456", "amount": 50, "department": "ops"}


@pytest.fixture
def asked(published, ask):
    """asked(usual_path="department"): a refund, with its action type changed so far."""

    def make(args=None, about="", value=50, **of_type):
        kind = replace(published.policy.types["refund"], **of_type)
        return ask(kind, agent_id=published.robot.pk, args=args or ARGS, about=about, value=Decimal(value))

    return make


def flag(question, name):
    (past,) = gather([question])
    return next((one for one in flags_of(question, past) if one.name == name), None)


def test_the_usual_value_is_of_the_key_whoever_proposed(asked, happened):
    other = Agent.objects.create(name="other")
    happened("refund", value="120.00", usual_key="department:ops", times=3)
    happened("refund", value="120.00", usual_key="department:ops", times=2, agent=other)
    happened("refund", value="9.00", usual_key="department:sales", times=9)
    happened("refund", value="9.00", usual_key="department:ops", verdict="reject")
    said = flag(asked(value=372, usual_path="department"), "unusual_amount")
    assert said.text == "3.1 times the usual value for department ops of 120.00 (median of the last 5 approved)"
    assert said.data == {"ratio": 3.1, "usual": "120.00", "count": 5, "key": "department:ops"}


def test_without_the_argument_the_agents_own_usual_value_holds(asked, happened):
    happened("refund", value="10.00", times=5)
    bare = {"order": "456", "amount": 50}
    said = flag(asked(bare, value=50, usual_path="department"), "unusual_amount")
    assert said.text == "5.0 times the usual value of 10.00 (median of the last 5 approved)"


@pytest.mark.parametrize(("times", "raised"), [("5.00", False), ("4.99", True)])
def test_how_many_times_the_usual_is_unusual_is_the_types_to_say(asked, happened, times, raised):
    happened("refund", value="10.00", times=5)
    assert bool(flag(asked(value="49.90", usual_times=Decimal(times)), "unusual_amount")) is raised


def test_what_is_counted_and_within_which_time_is_the_types_to_say(asked, happened):
    happened("refund", count_key="department:ops", about="order:1", ago=2 * DAY)
    happened("refund", count_key="department:ops", about="order:2", ago=20 * DAY)
    happened("refund", count_key="order:456", about="order:456", times=5)
    facts = {"frequency_path": "department", "about": "order:456"}
    assert flag(asked(**facts), "frequency").text.startswith("2nd time for department:ops in 7 days: ")
    month = flag(asked(**facts, frequency_window=30 * DAY), "frequency")
    assert month.text.startswith("3rd time for department:ops in 30 days: ")
    assert flag(asked(**facts, frequency_from=3), "frequency") is None
    assert flag(asked(**facts, frequency_from=3, frequency_window=30 * DAY), "frequency")


def test_alike_ones_are_of_the_same_agent_and_counted_whatever_became_of_them(asked, happened):
    like = keys_of(asked().type, ARGS, "").likeness
    hours = timedelta(hours=11)
    happened("refund", likeness=like, times=7, ago=hours)
    happened("refund", likeness=like, verdict="reject", ago=hours)
    happened("refund", likeness=like, verdict="", status="cancelled", ago=hours)
    happened("refund", likeness=like, ago=timedelta(hours=13))
    happened("refund", likeness="0" * 64, times=3, ago=hours)
    happened("refund", likeness=like, agent=Agent.objects.create(name="other"), ago=hours)
    said = flag(asked(), "burst")
    assert said.text == f"10 alike proposals of {asked().type.title} by robot in 12 hours"
    assert said.data == {"alike": 10, "hours": 12}
    assert flag(asked(burst_from=11), "burst") is None
    assert flag(asked(burst_window=timedelta(hours=1)), "burst") is None
    assert flag(asked({"order": "457", "amount": 50}), "burst") is None


def test_ten_in_ten_minutes_are_a_burst_though_none_is_like_another(asked, happened):
    happened("refund", times=9, ago=timedelta(minutes=5))
    assert flag(asked(), "burst").text.endswith("in 10 minutes")
    assert flag(asked(burst_from=11), "burst") is None


def test_a_set_is_folded_by_its_keys_too(asked):
    facts = {"frequency_path": "department", "burst_from": 3}
    questions = [asked({**ARGS, "amount": amount}, **facts) for amount in (1, 2, 3)]
    other = asked({**ARGS, "department": "sales"}, **facts)
    pasts = gather([questions[0], other, *questions[1:]])
    assert [past.about for past in pasts] == [0, 0, 1, 2]
    assert [past.alike for past in pasts] == [0, 0, 1, 2]
    assert any(one.name == "burst" for one in flags_of(questions[2], pasts[-1]))


def test_of_a_hot_key_a_bounded_number_is_looked_at_and_the_text_says_so(asked, happened, monkeypatch):
    monkeypatch.setattr(history, "LOOK_BACK", 4)
    like = keys_of(asked().type, ARGS, "").likeness
    happened("refund", count_key="department:ops", likeness=like, times=9, ago=timedelta(hours=2))
    question = asked(frequency_path="department", burst_from=3)
    assert flag(question, "frequency").text.startswith("More than 4 times for department:ops in 7 days: ")
    assert flag(question, "burst").text.startswith("More than 4 alike proposals of ")


def test_refused_ones_hide_nothing_of_a_key(asked, happened, monkeypatch):
    monkeypatch.setattr(history, "LOOK_BACK", 4)
    monkeypatch.setattr(history, "AMOUNTS", 4)
    question = asked(value=50, usual_path="department", frequency_path="department")
    keyed = {"digest": question.digest, "count_key": "department:ops", "usual_key": "department:ops"}
    twin = happened("refund", value="10.00", ago=2 * DAY, **keyed)
    happened("refund", value="10.00", ago=3 * DAY, **{**keyed, "digest": "sha256:2"})
    happened("refund", value="9000.00", verdict="reject", source="policy", times=9, **keyed)
    happened("refund", value="9000.00", verdict="", status="expired", times=9, **keyed)
    (past,) = gather([question])
    assert (past.twin.id, past.about, past.amounts) == (twin.pk, 2, (Decimal("10.00"),) * 2)


@pytest.mark.parametrize("verdict", ["approve", "modify"])
@pytest.mark.parametrize("status", ["held", "released", "executed"])
def test_what_was_approved_or_modified_is_a_twin_from_its_hold_on(asked, happened, now, verdict, status):
    question = asked()
    hold = {"released_at": None, "hold_until": now} if status == "held" else {}
    made = happened("refund", digest=question.digest, verdict=verdict, status=status, **hold)
    assert gather([question])[0].twin.id == made.pk


def test_one_message_asks_for_everything_at_once(asked, django_assert_num_queries):
    facts = {"usual_path": "department", "frequency_path": "department", "most_attempts": 3}
    question = replace(asked(**facts), run="run-1")
    with django_assert_num_queries(1):
        gather([question] * 3)


def test_an_agent_does_not_learn_of_a_held_verdict_from_a_flag(asked, happened, now):
    question = asked()
    happened("refund", digest=question.digest, status="held", released_at=None, hold_until=now)
    assert "is pending already" in flag(question, "duplicate").text
