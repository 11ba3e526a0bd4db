"""What the help shows of these frameworks can be pasted."""

import asyncio
import re
from decimal import Decimal
from pathlib import Path

from mcp import Client
from mcp.server.mcpserver import MCPServer
from pydantic_ai import Agent, DeferredToolRequests, ModelResponse, RunContext, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

HELP = (Path(__file__).resolve().parents[4] / "templates" / "help" / "frameworks.md").read_text()


def snippet(heading: str) -> str:
    """The first block under a heading of the help; the body of a tool, `...` there, pays."""
    block = re.search(rf"^## {heading}\n.*?^```python skip\n(.*?)^```", HELP, re.MULTILINE | re.DOTALL)
    return block[1].replace("-> str: ...", '-> str: return f"paid {amount}"')


def test_pydantic_ai(fake, client):
    def script(messages, info):
        last = messages[-1].parts[-1]
        if last.part_kind == "tool-return":
            return ModelResponse(parts=[TextPart(str(last.content))])
        return ModelResponse(parts=[ToolCallPart("refund", {"order": "456", "amount": "420.00"}, "call_1")])

    fake.modify("refund", {"amount": "200.00"})
    agent = Agent(FunctionModel(script), output_type=[str, DeferredToolRequests])
    names = {"agent": agent, "RunContext": RunContext, "Decimal": Decimal, "DeferredToolRequests": DeferredToolRequests}
    with asyncio.Runner() as runner:  # the framework makes a loop where there is none, and leaves it open
        asyncio.set_event_loop(runner.get_loop())
        exec(compile(snippet("Pydantic AI"), "frameworks.md", "exec"), names)  # noqa: S102 - our own help
    assert names["result"].output == "paid 200.00"


async def test_mcp(fake, client):
    fake.modify("refund", {"amount": "200.00"})
    server = MCPServer("shop")
    exec(compile(snippet("MCP servers"), "frameworks.md", "exec"), {"server": server})  # noqa: S102 - our own help
    async with Client(server) as asking:
        answer = await asking.call_tool("refund", {"order": "456", "amount": "420.00"})
    assert answer.content[0].text == "paid 200.00"
