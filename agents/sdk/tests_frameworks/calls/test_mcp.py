"""Tools of an MCP server: asked first, and a client's model reads why not and what to do next."""

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer

from assent.mcp import gated


@pytest.fixture
def server(client):
    server = MCPServer("shop")
    server.ledger = []

    @server.tool()
    @gated("refund", wait_s=0.01)
    def refund(order: str, amount: str) -> str:
        """Pay money back."""
        server.ledger.append(amount)
        return f"paid {amount}"

    @server.tool()
    @gated("refund")
    async def refund_later(order: str, amount: str) -> str:
        """Pay money back."""
        return f"paid {amount} later"

    return server


async def call(server, tool="refund"):
    async with Client(server) as client:
        answer = await client.call_tool(tool, {"order": "456", "amount": "420.00"})
        return answer.is_error, answer.content[0].text


@pytest.mark.parametrize(("tool", "paid"), [("refund", "paid 200.00"), ("refund_later", "paid 200.00 later")])
async def test_what_was_approved_is_what_runs(fake, server, tool, paid):
    fake.modify("refund", {"amount": "200.00"})
    assert await call(server, tool) == (False, paid)
    fake.assert_reported("succeeded")


@pytest.mark.parametrize("tool", ["refund", "refund_later"])
async def test_a_no_is_read_with_its_reason_and_what_to_do(fake, server, tool):
    fake.reject("offer an exchange")
    failed, text = await call(server, tool)
    assert failed and "offer an exchange" in text and "go another way" in text
    assert server.ledger == []


async def test_before_the_client_gives_up_it_is_told_to_ask_again(fake, server):
    fake.hold()
    failed, text = await call(server)
    assert failed and "Ask again with exactly the same call" in text
    fake.approve()
    assert await call(server) == (False, "paid 420.00")
    fake.assert_asked("refund", times=1)
    assert server.ledger == ["420.00"]
