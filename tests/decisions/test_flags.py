"""Flags from history, through intake: a night of alike mails, another attempt at what was rejected, what is stored."""

from dataclasses import replace
from datetime import timedelta

import pytest

from approvals.db import times
from approvals.decisions import decide as decisions
from approvals.decisions.card_version import CardVersion, load
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Agent, Decision
from approvals.policy import snapshot
from approvals.policy.messages import message_of
from approvals.policy.precedent import repeats
from approvals.requests import amend, intake
from approvals.requests.submission import Item, RunRef, Submission
from tests.conftest import flag_names, replace_arguments, sentences_of

MAIL = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "subject": {"type": "string"}, "body": {"type": "string"}},
}
PEOPLE = ["Anna", "Bob", "Chiara", "Dmitri van Dyke", "Eve", "José", "Li Wei", "Maximilian", "Noor", "Zoë Ann Miller"]
BODY = """Dear {name},

your parcel {number} could not be delivered on {day} November. Please tell us when you are at home, or where we may
leave it. After fourteen days it goes back to the sender, and the {amount} EUR of postage are not paid back.

Kind regards
The parcel desk"""


@pytest.fixture
def mails(action_type):
    return action_type(
        "send_mail",
        headline="mail {to}: {subject}",
        schema=MAIL,
        reversibility="reversible",
        strategy="risk",
        flags=["burst"],
        value_path="",
        currency_path="",
        subject_path="to",
        subject_kind="mail",
    )


def mail(number):
    name = PEOPLE[number % len(PEOPLE)]
    body = BODY.format(name=name, number=77_000 + 13 * number, day=number % 30 + 1, amount=f"{number % 40}.50")
    return {
        "to": f"{name.split()[0].lower()}{number}@mail.example",
        "subject": f"Parcel {77_000 + number}",
        "body": body,
    }


def names_of(approval):
    return flag_names(approval.assessment["flags"])


def reject(approval, by, **verdict_input):
    verdict_input = {"message": "The photo shows another lid.", "reason": "not_justified", **verdict_input}
    return decide(approval, by, "reject", **verdict_input)


def decide(approval, by, verdict, **verdict_input):
    seen = CardVersion(approval.pk, approval.revision, approval.round, approval.digest)
    decisions.decide(seen, by=by, verdict=verdict, verdict_input=VerdictInput(**verdict_input))
    return load(approval.pk)


def revised(approval, by, **args):
    """The agent amends the arguments."""
    return amend.amend(approval.pk, lambda item: replace(item, args={**item.args, **args}), by=by)


def test_two_hundred_alike_mails_in_a_night_stop_at_the_tenth(propose, mails):
    evening = times.now() - timedelta(days=1)
    sent = []
    for number in range(200):
        with times.at(evening + number * timedelta(minutes=2, seconds=24)):
            sent.append(propose(action="send_mail", args=mail(number)))

    passed = [one for one in sent if one.route == "auto"]
    assert passed == sent[:9]
    assert not any("burst" in names_of(one) for one in passed)
    tenth = sent[9]
    assert (tenth.route, tenth.status, tenth.reason_code) == ("review", "pending", "high_risk")
    assert sentences_of(tenth.reasons) == ["Flag: 10 alike proposals of Send_mail by robot in 12 hours."]
    assert all(one.route == "review" for one in sent[9:])
    assert len({one.similarity_key for one in sent}) == 1


def test_what_differs_is_sent_all_night(propose, mails):
    texts = [
        "thank you for the question about the size chart; a medium fits up to ninety kilograms",
        "we are sorry that the lid arrived cracked and have sent another one this morning",
        "the invoice is attached, now with the address of the company on it as you asked",
        "this model cannot be repaired at home; please bring it to a workshop that is near",
        "the parcel waits at the post office in the high street until the end of the week",
        "we cannot change an order once it was packed, but it can be sent back for nothing",
        "the discount was for first orders only, and this account has placed several before",
        "yes, the lamp takes any common bulb with a small socket, of up to forty watts",
        "our shop is closed between the years; whatever is ordered then leaves in january",
        "a gift card cannot be paid out, but it never expires and may be given to anybody",
        "the warranty covers the motor for five years and everything else for two of them",
    ]
    evening = times.now() - timedelta(days=1)
    for number, text in enumerate(texts):
        with times.at(evening + number * timedelta(minutes=20)):
            mail_approval = propose(
                action="send_mail", args={**mail(number), "subject": "Re: a question", "body": text}
            )
        assert mail_approval.route == "auto"


def test_a_whole_set_of_alike_mails_stops_at_the_tenth_too(robot, mails):
    items = [
        Submission((Item(id="1", action="send_mail", args=mail(number)),), f"sha256:{number}") for number in range(15)
    ]
    answers = intake.submit(robot, items)
    assert [one.approvals[0].route for one in answers] == ["auto"] * 9 + ["review"] * 6


def test_the_keys_are_stored_and_follow_what_is_revised(propose, action_type, alice, robot):
    action_type("pay", baseline_path="order", frequency_path="currency", allowed=["approve", "modify", "reject"])
    made = propose(action="pay")
    assert (made.baseline_key, made.frequency_key) == ("order:456", "currency:EUR")
    before = made.similarity_key
    amended = revised(made, robot, order="9")
    assert (amended.baseline_key, amended.frequency_key) == ("order:9", "currency:EUR")
    assert amended.similarity_key != before
    modified = decide(
        amended, alice, "modify", edits=replace_arguments({"order": "7", "amount": 40, "currency": "EUR"})
    )
    assert (modified.baseline_key, modified.revision) == ("order:7", 3)
    assert modified.similarity_key not in (before, amended.similarity_key)


# --- Another attempt at what was rejected


@pytest.fixture
def claims(action_type):
    """Refunds that say why: claims(rejects_repeats=True)."""

    def make(**columns):
        schema = {"type": "object", "properties": {"order": {}, "amount": {}, "currency": {}, "reason": {}}}
        return action_type("claim", schema=schema, **columns)

    return make


def claim(reason="the lid is cracked", **changes):
    return {"order": "456", "amount": 50, "currency": "EUR", "reason": reason, **changes}


RUN = RunRef("run-1")


def test_the_third_attempt_is_linked_with_the_second_and_says_what_changed(propose, claims, alice):
    claims()
    first = reject(propose(action="claim", args=claim(), run=RUN), alice)
    second = propose(action="claim", args=claim("the lid broke on its way"), run=RUN)
    assert (second.repeats_id, second.attempt, second.status) == (first.pk, 2, "pending")
    second = reject(second, alice)
    third = propose(action="claim", args=claim("it was the post"), run=RUN)
    assert (third.repeats_id, third.attempt) == (second.pk, 3)
    [flag] = [one for one in third.assessment["flags"] if one["code"] == "near_repeat"]
    day = second.decided_at.date().isoformat()
    assert sentences_of([flag]) == [
        f"Third attempt at what was rejected on {day} (not justified); only `reason` changed"
    ]
    assert "photo" not in str(third.assessment) + str(third.reasons)


def test_a_rejection_counts_once_the_agent_knows_of_it(propose, claims, alice, with_undo):
    claims()
    held = reject(propose(action="claim", args=claim()), alice)
    assert held.status == "held"
    assert propose(action="claim", args=claim("please think again")).repeats_id is None


def test_another_order_or_agent_is_no_repetition(propose, claims, alice):
    claims()
    reject(propose(action="claim", args=claim()), alice)
    assert propose(action="claim", args=claim(order="457")).repeats_id is None
    assert propose(action="claim", args=claim("a b"), agent=Agent.objects.create(name="other")).repeats_id is None


def test_what_policy_refused_for_what_it_was_counts_and_a_low_score_or_a_pause_does_not(propose, claims, robot):
    kind = claims(strategy="confidence", auto_threshold=1, review_threshold=1)
    low = propose(action="claim", args=claim(), signals={"stated_confidence": 0.1})
    assert (low.route, low.reason_code) == ("reject", "low_confidence")
    robot.paused_at = times.now()
    robot.save()
    assert propose(action="claim", args=claim()).reason_code == "policy_violation"
    robot.paused_at = None
    robot.save()
    assert propose(action="claim", args=claim("think again")).repeats_id is None

    kind.rules.create(name="none", expression="true", effect="block", message="Not today.")
    kind.strategy = "always"
    kind.save()
    snapshot.publish(by=None, note="blocked")
    blocked = propose(action="claim", args=claim("and again"))
    kind.rules.all().delete()
    snapshot.publish(by=None, note="open")
    again = propose(action="claim", args=claim("once more then"))
    assert (again.repeats_id, again.attempt) == (blocked.pk, 2)


def test_the_answer_to_a_repetition_is_the_earlier_one_in_its_own_words(propose, claims, alice):
    claims(rejects_repeats=True)
    first = reject(propose(action="claim", args=claim()), alice)
    again = propose(action="claim", args=claim("the lid broke on its way"))
    assert (again.status, again.verdict, again.source) == ("released", "reject", "policy")
    assert (again.repeats_id, again.reason_code) == (first.pk, "policy_violation")
    decision = Decision.objects.get(approval=again)
    assert decision.message == "The photo shows another lid."
    message = message_of(again, decision)
    assert message.endswith("the same answer holds. It was said then: “The photo shows another lid.”")
    assert not any("photo" in reason for reason in sentences_of(again.reasons))
    # However often: it is always the person's word that answers, and the attempts are counted.
    third = propose(action="claim", args=claim("it was the post"))
    assert (third.status, third.repeats_id, third.attempt) == ("released", first.pk, 3)


@pytest.mark.parametrize(
    ("verdict_input", "changes"),
    [
        ({}, {"amount": 40}),
        ({"reason": "unclear"}, {}),
        ({"guidance": "Name the invoice."}, {}),
        ({}, {"reason": "7 b"}),
    ],
)
def test_what_may_be_what_was_asked_for_goes_to_a_person_again(propose, claims, alice, verdict_input, changes):
    claims(rejects_repeats=True)
    reject(propose(action="claim", args=claim()), alice, **verdict_input)
    again = propose(action="claim", args=claim(**{"reason": "the lid broke on its way", **changes}))
    assert (again.status, again.attempt) == ("pending", 2)


def test_after_a_person_approved_an_attempt_the_rejections_before_it_are_done_with(propose, claims, alice):
    kind = claims()
    reject(propose(action="claim", args=claim()), alice)
    second = propose(action="claim", args=claim("the lid broke on its way"))
    decide(second, alice, "approve")
    kind.rejects_repeats = True
    kind.save()
    snapshot.publish(by=None, note="answers")
    third = propose(action="claim", args=claim("it was the post"))
    assert (third.status, third.repeats_id) == ("pending", None)


def test_a_run_gets_no_further_and_another_run_is_not_held_to_it(propose, claims, alice):
    claims(most_attempts=3)
    for number in range(3):
        tried = propose(action="claim", args=claim(f"attempt {number}", amount=50 - number), run=RUN)
        assert (tried.status, tried.attempt) == ("pending", number + 1)
        reject(tried, alice)
    fourth = propose(action="claim", args=claim("please, one more time", amount=40), run=RUN)
    assert (fourth.status, fourth.verdict, fourth.attempt) == ("released", "reject", 4)
    assert sentences_of(fourth.reasons) == ["The run gets no further with this: 3 attempts were rejected."]
    fifth = propose(action="claim", args=claim("please, one more time", amount=40), run=RUN)
    assert sentences_of(fifth.reasons) == ["The run gets no further with this: 4 attempts were rejected."]
    elsewhere = propose(action="claim", args=claim("please, one more time", amount=40), run=RunRef("run-2"))
    assert (elsewhere.status, elsewhere.attempt) == ("pending", 6)


def test_attempts_of_a_run_are_found_below_many_rejections_of_other_runs(propose, claims, alice, monkeypatch):
    claims(most_attempts=1)
    monkeypatch.setattr(repeats, "REJECTIONS", 2)
    reject(propose(action="claim", args=claim(), run=RUN), alice)
    for order in ("1", "2", "3"):
        reject(propose(action="claim", args=claim(order=order), run=RunRef(f"run-{order}")), alice)
    assert propose(action="claim", args=claim("once more then"), run=RUN).verdict == "reject"


def test_refusals_of_policy_push_no_persons_rejection_out_of_sight(propose, claims, alice, monkeypatch):
    kind = claims(rejects_repeats=True)
    monkeypatch.setattr(repeats, "REJECTIONS", 2)
    first = reject(propose(action="claim", args=claim()), alice)
    kind.rules.create(name="none", expression='args.order != "456"', effect="block", message="Not today.")
    snapshot.publish(by=None, note="blocked")
    for order in ("1", "2", "3", "4"):
        assert propose(action="claim", args=claim(order=order)).source == "policy"
    assert propose(action="claim", args=claim("the lid broke on its way")).repeats_id == first.pk


def test_a_reviewers_own_change_is_never_refused_as_a_repetition(propose, claims, alice):
    claims(rejects_repeats=True, most_attempts=1)
    reject(propose(action="claim", args=claim(), run=RUN), alice)
    other = propose(action="claim", args=claim("the lid broke", order="457"), run=RUN)
    modified = decide(
        other, alice, "modify", edits=replace_arguments(claim("the lid broke on its way", order="457", amount=40))
    )
    assert modified.verdict == "modify"


def test_an_amendment_into_what_was_rejected_is_refused_like_a_new_one(propose, claims, alice, robot):
    claims(rejects_repeats=True)
    first = reject(propose(action="claim", args=claim()), alice)
    other = propose(action="claim", args=claim(amount=900))
    amended = revised(other, robot, **claim("as it was"))
    assert (amended.status, amended.verdict, amended.repeats_id) == ("released", "reject", first.pk)
    assert "photo" in Decision.objects.get(approval=amended).message
