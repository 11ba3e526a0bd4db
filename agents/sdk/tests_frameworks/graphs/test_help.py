"""What the help shows of LangChain, and of a graph that stops before a node, can be pasted."""

import re
from pathlib import Path

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

import assent.langgraph
from assent.langgraph import Threads

REFUND = {"name": "refund", "args": {"order": "456", "amount": "420.00"}, "id": "call_1"}
HELP = (Path(__file__).resolve().parents[4] / "templates" / "help" / "frameworks.md").read_text()


class Scripted(GenericFakeChatModel):
    """A model that says what is written down."""

    def bind_tools(self, tools, **options):
        return self


def snippet(heading: str) -> str:
    """The first block of a section that the help's own test leaves to this one."""
    block = re.search(rf"^## {heading}\n.*?^```python skip\n(.*?)^```", HELP, re.MULTILINE | re.DOTALL)
    return block[1]


def test_langchain(fake, client):
    @tool
    def refund(order: str, amount: str) -> str:
        """Pay money back."""
        return f"paid {amount}"

    fake.approve()
    model = Scripted(messages=iter([AIMessage("", tool_calls=[REFUND]), AIMessage("done")]))
    names = {"create_agent": create_agent, "HumanInTheLoopMiddleware": HumanInTheLoopMiddleware, "model": model}
    names |= {"refund": refund, "saver": InMemorySaver()}
    code = snippet("LangChain").replace("threads.follow()", 'threads.follow("0", count=1)')
    exec(compile(code, "frameworks.md", "exec"), names)  # noqa: S102 - our own help
    fake.assert_ran("refund", amount="420.00")
    fake.assert_reported("succeeded")


def test_a_graph_that_stops_before_a_node(fake, client):
    sent = []
    built = StateGraph(dict)
    names = {"Threads": Threads, "assent": assent, "mail": lambda to, body: sent.append((to, body))}
    built.add_node("send", lambda state: names["send"](state))
    built.add_edge(START, "send")
    names["graph"] = built.compile(checkpointer=InMemorySaver(), interrupt_before=["send"])
    exec(compile(snippet("LangGraph"), "frameworks.md", "exec"), names)  # noqa: S102 - our own help
    fake.approve()
    config = {"configurable": {"thread_id": "mail-1"}}
    names["threads"].invoke({"to": "a@example.com", "draft": "hello"}, config)
    names["threads"].resume(config)
    assert sent == [("a@example.com", "hello")]
