"""The workflow: plan, ask, then act or stop, then report.

The order is the safety. Nothing before `ask` touches the world, `ask` does nothing but ask, and `act` uses the
arguments of the decision, never those of the draft.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agents.demo import cases, mail
from agents.demo.home import Home
from agents.demo.wire import Assent, Refused

PAYMENTS_DESK = "payments@northwind.example"


class State(TypedDict, total=False):
    """What a case knows. `decision` is the answer to the question asked, as Assent gave it."""

    number: int
    draft: dict[str, Any]
    decision: dict[str, Any]
    result: str  # succeeded | failed, for the outcome; empty when nothing was to be done
    end: str  # sent | rejected | skipped | expired | withdrawn | failed
    reason: str


@dataclass(frozen=True, slots=True)
class Hands:
    """What a process lends the workflow; none of it is written to the checkpoints."""

    home: Home
    assent: Assent
    thread: str
    request: str = ""
    item: str = ""


Graph = CompiledStateGraph[State, Hands, State, State]


def plan(state: State) -> State:
    """Read the case and decide what would help. A model would stand here."""
    return {"draft": asdict(cases.draft(state["number"]))}


def ask(state: State) -> State:
    """Stop here until somebody has decided. This node runs again from its top when the case is resumed."""
    return {"decision": interrupt({"action": state["draft"]["action"], "args": state["draft"]["args"]})}


def turn(state: State) -> str:
    """Only a decision that lets it run leads to `act`; whatever else it says leads to `stop`."""
    decision = state["decision"]
    runs = decision.get("status") == "decided" and decision.get("verdict") in {"approve", "modify"}
    return "act" if runs else "stop"


def act(state: State, runtime: Runtime[Hands]) -> State:
    """Do what was approved, with the approved arguments."""
    hands = runtime.context
    decision, draft = state["decision"], state["draft"]
    action = decision["action"]
    proposed = {"name": draft["action"], "args": draft["args"]}
    if action["name"] != proposed["name"] or (decision["verdict"] == "approve" and action != proposed):
        return {"result": "failed", "end": "failed", "reason": "What was approved is not what was proposed."}
    try:
        to, subject, body = letter(action["name"], action["args"])
        mail.send(
            hands.home.smtp_port, message_id=message_id(hands.thread, decision), to=to, subject=subject, body=body
        )
    except (KeyError, ValueError) as error:
        return {"result": "failed", "end": "failed", "reason": f"The mail could not be written: {error}"}
    return {"result": "succeeded", "end": "sent", "reason": f"Mail to {to}: {subject}"}


def stop(state: State) -> State:
    """Send nothing, and remember why. Silence is not a refusal, and is not called one."""
    decision = state["decision"]
    status, message = decision.get("status"), decision.get("message")
    if status == "expired":
        return {"end": "expired", "reason": "Nobody decided before the deadline."}
    if status == "cancelled":
        return {"end": "withdrawn", "reason": "The question was withdrawn."}
    said = f": {message}" if message else "."
    if decision.get("verdict") == "skip":
        return {"end": "skipped", "reason": f"A reviewer said to leave this step out{said}"}
    who = "Policy" if decision.get("source") == "policy" else "A reviewer"
    return {"end": "rejected", "reason": f"{who} refused it{said}"}


def report(state: State, runtime: Runtime[Hands]) -> State:
    """Tell Assent what came of it, so that the card shows it. Nothing ran: nothing to tell."""
    hands = runtime.context
    if not state.get("result"):
        return {}
    try:
        hands.assent.report(hands.request, hands.item, state["result"], state["reason"])
    except Refused as refusal:  # the mail is out all the same; the case must not be run again for a report
        return {"reason": f"{state['reason']} (Assent did not take the report: {refusal})"}
    return {}


def letter(action: str, args: dict[str, Any]) -> tuple[str, str, str]:
    """Recipient, subject and text. A refund is an order to the payments desk; a mail is itself."""
    if action == "refund":
        subject = f"Refund {args['amount']} {args['currency']} for order {args['order']}"
        lines = [f"{name}: {value}" for name, value in args.items()]
        return PAYMENTS_DESK, subject, "\n".join(["Please pay back:", "", *lines, "", "Approved in Assent."])
    return str(args["to"]), str(args["subject"]), str(args["body"])


def message_id(thread: str, decision: dict[str, Any]) -> str:
    """The same for every attempt at this decision, another for any other."""
    exact = json.dumps(decision, sort_keys=True).encode()
    return f"{thread}-{hashlib.sha256(exact).hexdigest()[:12]}"


@contextlib.contextmanager
def opened(home: Home) -> Iterator[Graph]:
    """The workflow on the checkpoints of `home`."""
    with contextlib.closing(sqlite3.connect(home.checkpoints, check_same_thread=False, timeout=30)) as connection:
        built = StateGraph(State, context_schema=Hands)
        built.add_node("plan", plan)
        built.add_node("ask", ask)
        built.add_node("act", act)
        built.add_node("stop", stop)
        built.add_node("report", report)
        built.add_edge(START, "plan")
        built.add_edge("plan", "ask")
        built.add_conditional_edges("ask", turn, ["act", "stop"])
        built.add_edge("act", "report")
        built.add_edge("stop", "report")
        built.add_edge("report", END)
        yield built.compile(checkpointer=SqliteSaver(connection))
