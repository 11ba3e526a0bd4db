"""Pydantic AI's deferred tools: decided by people, run by the permit, found again by the next process."""

from decimal import Decimal

import pytest
from pydantic_ai import (
    Agent,
    DeferredToolRequests,
    DeferredToolResults,
    ModelResponse,
    RunContext,
    TextPart,
    ToolCallPart,
)
from pydantic_ai.models.function import FunctionModel

from assent import StillPending
from assent.pydantic_ai import decide, permitted


@pytest.fixture
def agent(client):
    """An agent that refunds once, and then repeats what the tool answered."""

    def script(messages, info):
        last = messages[-1].parts[-1]
        if last.part_kind == "tool-return":
            return ModelResponse(parts=[TextPart(str(last.content))])
        return ModelResponse(parts=[ToolCallPart("refund", {"order": "456", "amount": "420.00"}, "call_1")])

    agent = Agent(FunctionModel(script), output_type=[str, DeferredToolRequests])
    agent.ledger = []

    @agent.tool(requires_approval=True)
    @permitted
    def refund(ctx: RunContext, order: str, amount: Decimal) -> str:
        if amount == 13:
            raise ConnectionError("the bank is closed")
        agent.ledger.append(amount)
        return f"paid {amount}"

    return agent


async def answered(agent, **deciding):
    question = await agent.run("Refund order 456.")
    assert isinstance(question.output, DeferredToolRequests)
    answers = decide(question.output, thread="case-456", **deciding)
    return (await agent.run(message_history=question.all_messages(), deferred_tool_results=answers)).output


async def test_what_a_reviewer_made_of_it_runs_with_the_tools_own_types(fake, agent):
    fake.modify("refund", {"amount": "200.00"})
    assert await answered(agent) == "paid 200.00"
    assert agent.ledger == [Decimal("200.00")]
    fake.assert_reported("succeeded")
    assert fake.asked_items[0].item == "call_1"


async def test_a_no_reaches_the_model_with_the_reason_and_what_to_do(fake, agent):
    fake.reject("offer an exchange")
    answer = await answered(agent)
    assert "offer an exchange" in answer and "go another way" in answer
    assert agent.ledger == []


async def test_silence_is_told_as_silence(fake, agent):
    fake.expire()
    assert "no rejection" in await answered(agent)


async def test_a_tool_that_fails_is_reported_as_failed(fake, agent):
    fake.modify("refund", {"amount": "13"})
    with pytest.raises(ConnectionError):
        await answered(agent)
    fake.assert_reported("failed")


async def test_who_gave_up_waiting_finds_the_same_request(fake, agent):
    fake.hold()
    with pytest.raises(StillPending):
        await answered(agent, wait_s=0.01)
    fake.approve()
    assert await answered(agent) == "paid 420.00"
    fake.assert_asked("refund", times=1)


async def test_a_decision_that_comes_twice_runs_once(fake, agent):
    fake.approve()
    assert [await answered(agent) for _ in range(2)] == ["paid 420.00"] * 2
    assert agent.ledger == [Decimal("420.00")]


async def test_what_somebody_else_approved_does_not_run(fake, agent):
    question = await agent.run("Refund order 456.")
    yes = DeferredToolResults(approvals={"call_1": True})
    output = (await agent.run(message_history=question.all_messages(), deferred_tool_results=yes)).output
    assert "Nobody was asked about this call" in output
    assert agent.ledger == []


async def test_coroutine_functions_too(fake, agent):
    paid = []

    async def later(ctx: RunContext, order: str, amount: Decimal) -> str:
        paid.append(amount)
        return "paid later"

    agent._function_toolset.tools.clear()
    agent.tool(requires_approval=True, name="refund")(permitted(later))
    fake.approve()
    assert await answered(agent) == "paid later"
    assert paid == [Decimal("420.00")]
