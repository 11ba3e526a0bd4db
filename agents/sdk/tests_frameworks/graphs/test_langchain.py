"""LangChain's agents behind HumanInTheLoopMiddleware: asked, resumed, and run by the permit, in both of its modes."""

import asyncio

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from assent.errors import PermitRefused
from assent.langchain import Permits
from assent.langgraph import Threads

CONFIG = {"configurable": {"thread_id": "case-7"}}
BOTH = pytest.mark.parametrize("mode", ["batched", "per_call"])


class Scripted(GenericFakeChatModel):
    """A model that says what is written down."""

    def bind_tools(self, tools, **options):
        return self


def call(number: int, **args):
    return {"name": "refund", "args": {"order": "456", "amount": "420.00", **args}, "id": f"call_{number}"}


@pytest.fixture
def agent_of(client):
    """An agent that calls refund as scripted: agent_of("batched", [call(1)]). Its ledger says what was paid."""

    def make(mode, calls, *, allowed=("approve", "edit", "reject", "respond"), more=()):
        ledger = []

        @tool
        def refund(order: str, amount: str) -> str:
            """Pay money back."""
            if amount == "13.00":
                raise ConnectionError("the bank is closed")
            ledger.append(f"{order}: {amount}")
            return f"paid {amount}"

        asking = HumanInTheLoopMiddleware(
            interrupt_on={"refund": {"allowed_decisions": list(allowed)}}, interrupt_mode=mode
        )
        model = Scripted(messages=iter([AIMessage("", tool_calls=calls), *more, AIMessage("done")]))
        agent = create_agent(model, [refund], middleware=[asking, Permits("refund")], checkpointer=InMemorySaver())
        agent.ledger = ledger
        return agent

    return make


def run(agent):
    """From the question to the end; returns what the tools answered to the model."""
    threads = Threads(agent)
    threads.invoke({"messages": [("user", "refund 456")]}, CONFIG)
    threads.resume(CONFIG)
    return [message for message in agent.get_state(CONFIG).values["messages"] if isinstance(message, ToolMessage)]


@BOTH
def test_the_tool_runs_by_its_permit(fake, agent_of, mode):
    fake.approve()
    agent = agent_of(mode, [call(1)])
    assert [answer.content for answer in run(agent)] == ["paid 420.00"]
    assert agent.ledger == ["456: 420.00"]
    assert fake.asked_items[0].item == "call_1"
    assert fake.asked_items[0].sent["allowed"] == ["approve", "modify", "reject", "answer"]
    fake.assert_ran("refund", amount="420.00")
    fake.assert_reported("succeeded")


@BOTH
def test_what_a_reviewer_changed_is_what_runs(fake, agent_of, mode):
    fake.modify("refund", {"amount": "200.00"})
    agent = agent_of(mode, [call(1)])
    assert "paid 200.00" in run(agent)[0].content
    assert agent.ledger == ["456: 200.00"]
    fake.assert_reported("succeeded")


@BOTH
def test_a_no_reaches_the_model_with_the_reason_and_what_to_do(fake, agent_of, mode):
    fake.reject("offer an exchange")
    agent = agent_of(mode, [call(1)])
    [answer] = run(agent)
    assert "offer an exchange" in answer.content and "go another way" in answer.content
    assert agent.ledger == []


@BOTH
def test_silence_is_told_as_silence(fake, agent_of, mode):
    fake.expire()
    [answer] = run(agent_of(mode, [call(1)]))
    assert "Nobody decided before the deadline" in answer.content and "no rejection" in answer.content


@BOTH
def test_an_answer_stands_for_the_tools_result(fake, agent_of, mode):
    fake.answer("it was paid yesterday", action="refund")
    agent = agent_of(mode, [call(1)])
    assert [answer.content for answer in run(agent)] == ["it was paid yesterday"]
    assert agent.ledger == []


@BOTH
def test_a_tool_that_fails_is_reported_as_failed(fake, agent_of, mode):
    fake.modify("refund", {"amount": "13.00"})
    agent = agent_of(mode, [call(1)])
    with pytest.raises(ConnectionError):
        run(agent)
    fake.assert_reported("failed")


@BOTH
def test_several_calls_of_one_turn_each_have_their_own_verdict(fake, agent_of, mode):
    fake.reject("not this one", times=1)
    fake.modify("refund", {"amount": "200.00"}, times=1)
    fake.approve()
    agent = agent_of(mode, [call(1), call(2, order="457"), call(3, order="458")])
    answers = {answer.tool_call_id: answer.content for answer in run(agent)}
    assert "not this one" in answers["call_1"]
    assert sorted(agent.ledger) == ["457: 200.00", "458: 420.00"]


@BOTH
def test_the_same_call_twice_in_a_turn_is_two(fake, agent_of, mode):
    fake.approve()
    agent = agent_of(mode, [call(1), call(2)])
    run(agent)
    assert agent.ledger == ["456: 420.00"] * 2
    fake.assert_ran("refund", times=2)


@BOTH
def test_a_decision_that_the_middleware_does_not_allow_never_reaches_it(fake, agent_of, mode):
    """A wrong shape wedges a thread for good; this one stays as it is, and another answer still works."""
    fake.modify("refund", {"amount": "200.00"})
    agent = agent_of(mode, [call(1)], allowed=("approve", "reject"))
    before = None
    with pytest.raises(PermitRefused, match="could not digest"):
        run(agent)
    before = agent.get_state(CONFIG)
    assert len(before.interrupts) == 1
    assert agent.ledger == []
    right = {"type": "reject", "message": "no"}
    agent.invoke(Command(resume=right if mode == "per_call" else {"decisions": [right]}), CONFIG)
    assert agent.get_state(CONFIG).next == ()


@BOTH
def test_a_thread_that_somebody_else_resumed_runs_nothing_without_a_permit(fake, agent_of, mode):
    fake.hold()
    agent = agent_of(mode, [call(1)])
    Threads(agent).invoke({"messages": [("user", "refund 456")]}, CONFIG)
    yes = {"type": "approve"}
    agent.invoke(Command(resume=yes if mode == "per_call" else {"decisions": [yes]}), CONFIG)
    [answer] = [one for one in agent.get_state(CONFIG).values["messages"] if isinstance(one, ToolMessage)]
    assert answer.status == "error" and "Nobody was asked about this call" in answer.content
    assert agent.ledger == []


def test_coroutines_use_the_permit_too(fake, agent_of):
    fake.hold()
    agent = agent_of("batched", [call(1)])
    threads = Threads(agent)
    threads.invoke({"messages": [("user", "refund 456")]}, CONFIG)
    fake.approve()
    [request] = threads.ask(CONFIG)
    answer = Command(resume={"decisions": [{"type": "approve"}]}, update={"assent_requests": {"call_1": request.id}})
    asyncio.run(agent.ainvoke(answer, CONFIG))
    assert agent.ledger == ["456: 420.00"]
    fake.assert_reported("succeeded")


def test_it_says_what_it_gates_and_what_it_cannot_see():
    @tool
    def refund(order: str) -> str:
        """Pay money back."""

    @tool
    def search(text: str) -> str:
        """Look it up."""

    assert Permits("refund", "renamed").check_coverage([refund, search, {"type": "web_search"}]) == {
        "gated": ["refund"],
        "ungated": ["search"],
        "refused": ["renamed", "web_search"],
    }
