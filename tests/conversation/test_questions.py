"""A reviewer asks, the agent answers, and nobody's deadline waits for it (U-32)."""

import threading
import time
from datetime import timedelta

import httpx
import pytest

from agents import keys, wait
from approvals.db import times
from approvals.decisions import agent_questions, claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NoLongerPending, NotAllowed
from approvals.models import AgentQuestion, Delivery, Endpoint
from approvals.requests.submission import Item
from tests.checker import check
from tests.web import database_url


def test_u32_the_agent_reads_the_question_where_it_waits(refund, alice, api):
    question = agent_questions.ask(refund.pk, by=alice, text="  Which order was it?  ")
    expected = {"id": str(question.pk), "item": "call_1", "text": "Which order was it?", "from": "Alice"}

    waiting = api.get(f"requests/{refund.request_id}/decision")
    assert waiting.status_code == 202
    [item] = waiting.json()["questions"]
    assert {name: item[name] for name in expected} == expected
    assert api.get(f"requests/{refund.request_id}").json()["questions"] == [item]
    after = load(refund.pk)
    assert (after.status, after.due_at, after.expires_at) == ("pending", refund.due_at, refund.expires_at)


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_u32_the_answer_stands_on_the_card_and_is_no_question_any_more(refund, alice, api):
    question = agent_questions.ask(refund.pk, by=alice, text="Which order?")
    answered = api.post(f"questions/{question.pk}/answer", {"answer": "Order 456, see the photo"})

    assert answered.status_code == 200
    assert answered.json()["answer"] == "Order 456, see the photo"
    assert "questions" not in api.get(f"requests/{refund.request_id}").json()
    kinds = list(refund.events.order_by("seq").values_list("kind", "actor"))
    assert kinds[1:] == [("asked", "user:alice"), ("answered", "agent:robot")]
    assert not refund.events.filter(facts__icontains="photo").exists()  # texts live in rows of their own
    assert check(database_url()) == []


def test_the_first_answer_stands(refund, alice, api):
    question = agent_questions.ask(refund.pk, by=alice, text="Which order?")
    first = api.post(f"questions/{question.pk}/answer", {"answer": "456"})
    again = api.post(f"questions/{question.pk}/answer", {"answer": "456"})
    other = api.post(f"questions/{question.pk}/answer", {"answer": "457"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert (other.status_code, other.json()["code"]) == (409, "contradiction")
    assert AgentQuestion.objects.get().answer == "456"
    assert refund.events.filter(kind="answered").count() == 1


def test_a_question_is_told_as_news_once(refund, robot, alice):
    agent_questions.ask(refund.pk, by=alice, text="Which order?")

    assert wait.read_decision(refund.request_id, robot.pk).has_questions
    later = wait.read_decision(refund.request_id, robot.pk)
    assert not later.has_questions
    assert b"Which order?" in later.body  # and stays there until it is answered
    agent_questions.ask(refund.pk, by=alice, text="And why?")
    assert wait.read_decision(refund.request_id, robot.pk).has_questions


def test_a_question_about_what_is_settled_is_not_put_to_the_agent_any_more(propose, alice, api):
    fields = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}
    first = propose(items=(Item(id="a", **fields), Item(id="b", **fields)))
    agent_questions.ask(first.pk, by=alice, text="Which order?")
    decide(card_version_of(first), by=alice, verdict="reject", verdict_input=VerdictInput(message="no"))

    waiting = api.get(f"requests/{first.request_id}/decision")
    assert waiting.status_code == 202
    assert "questions" not in waiting.json()


def test_the_agents_webhook_hears_of_it_and_carries_no_words(refund, robot, alice):
    Endpoint.objects.create(agent=robot, url="https://robot.example/hook", secret="s")
    question = agent_questions.ask(refund.pk, by=alice, text="Which order?")

    news = Delivery.objects.get(topic="question.asked")
    assert news.payload["data"]["question"] == str(question.pk)
    assert "Which order" not in str(news.payload)


def test_who_sees_it_in_their_queue_asks_and_nobody_else(refund, request):
    asks = {}
    for name in ("alice", "bob", "carol", "olga", "mallory", "mia", "otto", "ada", "root", "oscar"):
        try:
            agent_questions.ask(refund.pk, by=request.getfixturevalue(name), text="?")
            asks[name] = True
        except NotAllowed:
            asks[name] = False

    assert {name for name, may in asks.items() if may} == {"alice", "bob", "carol", "olga"}


def test_who_was_asked_before_the_escalation_may_still_ask(refund, alice, bob):
    claims.escalate(refund.pk, by=alice)
    assert agent_questions.ask(refund.pk, by=alice, text="Did you know him?").seq == 3


def test_nobody_asks_about_what_is_settled_or_over(refund, propose, alice):
    decide(card_version_of(refund), by=alice, verdict="approve")
    with pytest.raises(NoLongerPending):
        agent_questions.ask(refund.pk, by=alice, text="Which order?")
    other = propose(order="457")
    with times.at(other.expires_at + timedelta(seconds=1)), pytest.raises(NoLongerPending):
        agent_questions.ask(other.pk, by=alice, text="Which order?")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4001])
def test_a_question_has_words_and_not_too_many(text, refund, alice):
    with pytest.raises(BadVerdict):
        agent_questions.ask(refund.pk, by=alice, text=text)
    assert not AgentQuestion.objects.exists()


def test_an_agent_is_not_buried_in_questions(refund, alice):
    for number in range(agent_questions.MOST):
        agent_questions.ask(refund.pk, by=alice, text=f"question {number}?")
    with pytest.raises(BadVerdict):
        agent_questions.ask(refund.pk, by=alice, text="one more?")


@pytest.mark.parametrize(
    "body", [{}, {"answer": ""}, {"answer": 4}, {"answer": "x" * 4001}, {"answer": "a", "by": "x"}]
)
def test_a_bad_answer_is_no_answer(body, refund, alice, api):
    question = agent_questions.ask(refund.pk, by=alice, text="Which order?")

    assert api.post(f"questions/{question.pk}/answer", body).status_code == 422
    assert AgentQuestion.objects.get().answered_at is None


def test_another_agents_question_is_not_there(refund, alice, stranger):
    question = agent_questions.ask(refund.pk, by=alice, text="Which order?")

    assert stranger.post(f"questions/{question.pk}/answer", {"answer": "456"}).status_code == 404
    assert AgentQuestion.objects.get().answered_at is None


@pytest.mark.django_db(transaction=True)
def test_u32_an_agent_that_waits_is_woken_by_the_question(web, refund, robot, alice):
    key = keys.issue(agent=robot, name="waits")[1]
    decision_url = f"{web.url}/api/v1/requests/{refund.request_id}/decision"
    waiting: list[httpx.Response] = []

    def wait_for_it() -> None:
        headers = {"Authorization": f"Bearer {key}"}
        waiting.append(httpx.get(decision_url, params={"wait": 30}, headers=headers, timeout=40))

    agent = threading.Thread(target=wait_for_it)
    agent.start()
    time.sleep(1)  # waits for nothing: from outside nobody sees that it waits
    begun = time.monotonic()
    agent_questions.ask(refund.pk, by=alice, text="Which order?")
    agent.join()

    assert time.monotonic() - begun < 20  # and not when its patience ends
    assert waiting[0].status_code == 202
    assert [one["text"] for one in waiting[0].json()["questions"]] == ["Which order?"]
