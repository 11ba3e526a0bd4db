"""Another attempt at what was rejected: what is near, what a rejection settles, and what routing makes of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.models.policy import Verdict
from approvals.models.verdict import RejectionReason
from approvals.policy import messages
from approvals.policy.assessment import assess
from approvals.policy.evaluation_input import EvaluationInput, History, Repeat, SameDigest
from approvals.policy.pre_approvals import PreApproval
from approvals.policy.precedent import repeats
from approvals.policy.precedent.flags import flags_of
from approvals.policy.precedent.repeats import Rejected, repeat_of
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from approvals.values.edits import changed_paths, compared
from tests.conftest import sentences_of

WHEN = datetime(2026, 11, 19, 9, 0, tzinfo=UTC)
ARGS = {"order": "456", "amount": 50, "reason": "the lid is cracked"}


def rejected(args=ARGS, **changes):
    facts = {
        "id": UUID(int=1),
        "at": WHEN,
        "by_person": True,
        "attempt": 1,
        "run": "run-1",
        "digest": "sha256:1",
        "subject": "order:456",
        "value": Decimal(50),
        "beside": [[], None, {}],
        "reason": "not_justified",
        "message": "The photo shows another lid.",
        "guided": False,
        "overruled_at": None,
        **changes,
    }
    return Rejected(args=args, **facts)


@pytest.fixture
def attempt(make_question):
    """attempt(reason="…"): the question of a refund of order 456, with these arguments changed."""

    def make(type=None, args=None, **changes):
        facts = {name: changes.pop(name) for name in list(changes) if name in EvaluationInput.__dataclass_fields__}
        given = args if args is not None else {**ARGS, **changes}
        return make_question(
            type, **{"args": given, "subject": "order:456", "beside": [[], None, {}], "run": "run-1", **facts}
        )

    return make


def test_only_the_reason_was_changed(attempt):
    repeat = repeat_of(attempt(reason="the lid is very cracked"), [rejected(attempt=2)], None)
    assert (repeat.id, repeat.attempt, repeat.changed, repeat.settled) == (UUID(int=1), 3, ("/reason",), True)


def test_the_flag_says_which_attempt_at_what_and_what_changed_and_none_of_a_persons_words(attempt):
    question = attempt(reason="the lid is very cracked")
    past = History(proposed=1, repeat=repeat_of(question, [rejected(attempt=2)], None))
    [flag] = [one for one in flags_of(question, past) if one.name == "near_repeat"]
    assert (
        messages.sentence(flag)
        == "Third attempt at what was rejected on 2026-11-19 (not justified); only `reason` changed"
    )
    assert (flag.approval, flag.attempt, flag.changed) == (UUID(int=1), 3, ("/reason",))


def test_nothing_changed_and_policy_refused_have_their_words(attempt):
    past = History(proposed=1, repeat=repeat_of(attempt(), [rejected(by_person=False, reason="")], None))
    [flag] = [one for one in flags_of(attempt(), past) if one.name == "near_repeat"]
    assert messages.sentence(flag) == "Second attempt at what policy refused on 2026-11-19; nothing changed"


@pytest.mark.parametrize("reason", RejectionReason)
def test_every_reason_of_the_pick_list_has_words(attempt, reason):
    past = History(proposed=1, repeat=repeat_of(attempt(), [rejected(reason=reason.value)], None))
    [flag] = [one for one in flags_of(attempt(), past) if one.name == "near_repeat"]
    assert f"({str(reason.label)[:1].lower()}{str(reason.label)[1:]})" in messages.sentence(flag)


@pytest.mark.parametrize(
    ("changes", "near"),
    [
        ({"amount": 40}, True),
        ({"reason": "it fell"}, True),
        ({"subject": "order:457", "order": "457"}, False),
        ({"subject": ""}, False),
        ({"note": "please", "urgent": True, "tone": "kind", "more": 1}, False),
        ({"reason": "a b", "note": "c d"}, True),
        ({"amount": 1, "reason": "a b", "note": "c d"}, False),
        ({"args": {"order": "1", "amount": 1, "reason": "a b"}}, False),
        ({"args": {"customer": "Ann"}}, False),
        ({"args": "{broken", "parsed": False}, False),
        ({"in_hand": True}, False),
    ],
)
def test_near_is_the_same_subject_and_few_leaves(attempt, changes, near):
    assert bool(repeat_of(attempt(**changes), [rejected()], None)) is near


@pytest.mark.parametrize("run", ["", "run-2"])
@pytest.mark.parametrize(
    ("before", "after", "near"),
    [
        ({"to": "ann@mail.example"}, {"to": "bob@mail.example"}, False),
        ({"account": "DE12"}, {"account": "DE13"}, False),
        ({"to": ["ann"]}, {"to": ["ann", "bob"]}, False),
        ({}, {"to": "bob@mail.example"}, False),
        ({"size": 5}, {"size": 6}, True),
        ({"text": "come at nine"}, {"text": "come at ten"}, True),
        ({"level": "high"}, {"level": "low"}, True),
        ({"level": "high"}, {}, True),
    ],
)
def test_in_another_run_another_name_is_another_matter(attempt, kind, run, before, after, near):
    type = kind(schema={"properties": {"level": {"enum": ["high", "low"]}}})
    question = attempt(type, args={**ARGS, **after}, run=run)
    assert bool(repeat_of(question, [rejected({**ARGS, **before})], None)) is near
    assert repeat_of(replace(question, run="run-1"), [rejected({**ARGS, **before})], None)


@pytest.mark.parametrize(
    ("changes", "earlier", "settled"),
    [
        ({}, {}, True),
        ({"reason": "the lid broke on the way"}, {}, True),
        ({"reason": None}, {}, True),
        ({"note": "please be quick"}, {}, True),
        # What may be exactly what was asked for.
        ({"amount": 40, "value": Decimal(40)}, {}, False),
        ({"value": Decimal(40)}, {}, False),
        ({"reason": "refund 40 of it"}, {}, False),
        ({"reason": "write to ann@mail.example then"}, {}, False),
        ({"account": "DE12"}, {}, False),
        ({"reason": "fraud"}, {}, False),
        ({"urgent": True}, {}, False),
        ({"level": "as soon as possible"}, {}, False),
        ({"order": "4 5 6"}, {}, False),
        ({"beside": [[{"id": "photo"}], None, {}]}, {}, False),
        ({"beside": [[], {"stock": 5}, {}]}, {}, False),
        ({"beside": [[], None, {"stock": 5}]}, {}, False),
        # What a person asked to see again, and what no person said.
        ({}, {"reason": "unclear"}, False),
        ({}, {"guided": True}, False),
        ({}, {"by_person": False}, False),
    ],
)
def test_a_rejection_settles_only_what_differs_in_wording(attempt, kind, changes, earlier, settled):
    type = kind(schema={"properties": {"level": {"type": "string", "enum": ["as soon as possible"]}}})
    assert repeat_of(attempt(type, **changes), [rejected(**earlier)], None).settled is settled


def test_a_person_of_the_same_run_is_named_before_policy_and_before_another_run(attempt):
    past = [
        rejected(id=UUID(int=4), by_person=False, attempt=4),
        rejected(id=UUID(int=3), run="run-2", attempt=3),
        rejected(id=UUID(int=2), attempt=2),
        rejected(id=UUID(int=1)),
    ]
    repeat = repeat_of(attempt(), past, None)
    assert (repeat.id, repeat.attempt, repeat.tries) == (UUID(int=2), 5, 3)


def test_what_was_approved_in_the_meantime_is_no_attempt_at_what_was_rejected_before(attempt):
    later = WHEN + timedelta(hours=1)
    assert repeat_of(attempt(), [rejected(overruled_at=later)], None) is None
    assert repeat_of(attempt(), [rejected()], SameDigest(UUID(int=9), "executed", later)) is None
    assert repeat_of(attempt(), [rejected()], SameDigest(UUID(int=9), "pending", later))
    assert repeat_of(attempt(), [rejected()], SameDigest(UUID(int=9), "executed", WHEN - timedelta(hours=1)))
    again = rejected(id=UUID(int=2), at=later + timedelta(hours=1))
    assert repeat_of(attempt(), [again, rejected(overruled_at=later)], None).id == again.id


leaf = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6)
arguments = st.dictionaries(
    st.text("abc/~", min_size=1, max_size=3), leaf | st.dictionaries(st.text("xy", max_size=2), leaf, max_size=3)
)


@given(arguments, arguments)
def test_comparing_is_symmetric_and_counts_every_leaf(before, after):
    there, same = compared(before, after)
    back, as_many = compared(after, before)
    assert same == as_many
    assert [(path, was, becomes) for path, becomes, was in back] == there
    assert [path for path, *_ in there] == changed_paths(before, after)
    assert compared(before, before)[0] == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # `attempt` only builds
@given(arguments, arguments)
def test_a_near_repeat_shares_more_than_it_changes_and_settles_no_change_of_a_number(attempt, before, after):
    repeat = repeat_of(attempt(args=after), [rejected(before)], None)
    edits, same = compared(before, after)
    if repeat is None:
        assert edits
        return
    assert len(repeat.changed) == len(edits) <= min(repeats.CHANGED, same + 1)
    assert not edits or same
    if repeat.settled:
        assert all(isinstance(one, str | None) for _, *sides in edits for side in sides for one in side)


# --- Routing


@pytest.fixture
def routed(policy, attempt, kind):
    """routed(rejects_repeats=True): how an attempt at what was rejected is routed under this action type."""

    def make(question=None, *, cover=None, level=2, past=None, **of_type):
        question = question or attempt(kind(strategy="always", **of_type), reason="the lid is very cracked")
        history = History(proposed=1, repeat=repeat_of(question, past or [rejected()], None))
        standing = AgentStanding(level=level)
        return route(question, assess(question, history), policy, standing, *([cover] if cover else []))

    return make


def test_a_repetition_only_informs_unless_the_type_says_more(routed):
    assert routed().reason_code == "fixed"
    assert routed(flags=("near_repeat",)).reason_code == "high_risk"


@pytest.mark.parametrize("level", [1, 2])
def test_the_earlier_rejection_answers_where_the_type_says_so(routed, level):
    routing = routed(rejects_repeats=True, level=level)
    assert (routing.route, routing.reason_code) == ("reject", "policy_violation")
    repeat_reason = (
        "It nearly repeats what a person rejected on 2026-11-19 (not justified), and only `reason` changed: "
    )
    assert sentences_of(routing.reasons) == [repeat_reason + "the same answer holds."]
    assert routing.quoted_message == "The photo shows another lid."


def test_an_answer_never_overrides_what_a_person_gave_beforehand(routed, attempt, kind):
    for cover in (PreApproval(grants=(_RepeatCase(),)), PreApproval(step=_RepeatCase())):
        assert routed(cover=cover, rejects_repeats=True, most_attempts=1).route != "reject"


class _RepeatCase:
    tier, by, at, plan, number, step = 3, "Mia", WHEN, "plan", 1, "pay"


def test_a_lower_amount_is_asked_about_and_counts_as_an_attempt(routed, attempt, kind):
    type = kind(strategy="always", rejects_repeats=True)
    assert routed(attempt(type, amount=40, value=Decimal(40))).route == "review"
    type = kind(strategy="always", most_attempts=1)
    assert routed(attempt(type, amount=40, value=Decimal(40))).route == "reject"


def test_a_run_gets_no_further_after_so_many_attempts(routed):
    two = [rejected(id=UUID(int=2), attempt=2), rejected()]
    assert routed(past=two, most_attempts=3).route == "review"
    three = [rejected(id=UUID(int=3), attempt=3), *two]
    routing = routed(past=three, most_attempts=3)
    assert routing.route == "reject"
    assert sentences_of(routing.reasons) == ["The run gets no further with this: 3 attempts were rejected."]
    elsewhere = [replace(one, run="run-2") for one in three]
    assert routed(past=elsewhere, most_attempts=3).route == "review"


def test_what_is_stored_of_a_repeat_comes_back_without_a_persons_words(attempt):
    repeat = repeat_of(attempt(), [rejected()], None)
    assert Repeat.of(repeat.as_json()) == replace(repeat, message="")
    assert repeat.message not in str(repeat.as_json())


def test_paths_that_an_agent_named_are_shown_plainly_and_short(attempt):
    question = attempt(args={**ARGS, "a\u202eb" + "x" * 200: "some words"})
    past = History(proposed=1, repeat=repeat_of(question, [rejected()], None))
    [flag] = [one for one in flags_of(question, past) if one.name == "near_repeat"]
    sentence = messages.sentence(flag)
    assert "\u202e" not in sentence and len(sentence) < 200
    assert Verdict.REJECT not in sentence.split()
