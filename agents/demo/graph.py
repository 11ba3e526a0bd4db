"""The workflow: plan, ask, then act or stop.

The order is the safety. Nothing before `ask` touches the world, `ask` does nothing but ask, and `act` runs inside
Assent's guard: only with the permit, once, and with the arguments that were approved, never those of the draft.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from assent import AlreadyRan, Assent, BadRequest, PermitRefused, Unconfirmed
from assent.shapes import SubmissionOptions
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agents.demo import cases, mail
from agents.demo.home import AgentFolder

PAYMENTS_DESK = "payments@northwind.example"
PATIENCE = 2 * 60 * 60  # seconds until nobody's answer is the answer


class GraphState(TypedDict, total=False):
    """What a case knows. `decision` is the answer to the question asked, as Assent gave it."""

    number: int
    draft: dict[str, Any]
    decision: dict[str, Any]
    end: str  # sent | rejected | skipped | expired | withdrawn | failed | unconfirmed
    reason: str


@dataclass(frozen=True, slots=True)
class ProcessContext:
    """What a process lends the workflow; none of it is written to the checkpoints."""

    home: AgentFolder
    assent: Assent
    thread: str
    request: str = ""
    key: str = ""  # of the question, the same in every process
    item: str = ""


Graph = CompiledStateGraph[GraphState, ProcessContext, GraphState, GraphState]


def plan(state: GraphState) -> GraphState:
    """Read the case and decide what would help. A model would stand here."""
    return {"draft": asdict(cases.proposal_of_case(state["number"]))}


def ask(state: GraphState) -> GraphState:
    """Stop here until somebody has decided. This node runs again from its top when the case is resumed."""
    return {"decision": interrupt({"action": state["draft"]["action"], "args": state["draft"]["args"]})}


def next_node(state: GraphState) -> str:
    """Only a decision that lets it run leads to `act`; whatever else it says leads to `stop`."""
    decision = state["decision"]
    runs = decision.get("status") == "decided" and decision.get("verdict") in {"approve", "modify"}
    return "act" if runs else "stop"


def act(state: GraphState, runtime: Runtime[ProcessContext]) -> GraphState:
    """Do what was approved, with the approved arguments, if nobody did it yet."""
    hands, draft = runtime.context, state["draft"]
    about = request_options(cases.proposal_of_case(state["number"]), hands.thread, hands.key, hands.item)
    try:
        # The mailbox first: a permit that is used for a mail that nobody takes is a permit lost.
        with (
            mail.post(hands.home.smtp_port) as post,
            hands.assent.guard(draft["action"], draft["args"], run=hands.thread, **about) as go,
        ):
            to, subject, body = letter(go.action, go.args)
            mail.send(post, message_id=message_id(hands), to=to, subject=subject, body=body)
    except AlreadyRan as before:
        return _ended(before.outcome == "succeeded", f"An earlier process did it: {before.outcome}.")
    except Unconfirmed as unknown:
        return _after_kill(hands, unknown)
    except PermitRefused as refused:
        hands.assent.outcome(hands.request, "failed", item=hands.item, detail=str(refused))
        return _ended(False, str(refused))
    except (KeyError, ValueError) as error:
        return _ended(False, f"The mail could not be written: {error}")
    return _ended(True, f"Mail to {to}: {subject}")


def _ended(well: bool, reason: str) -> GraphState:
    return {"end": "sent" if well else "failed", "reason": reason}


def _after_kill(hands: ProcessContext, unknown: Unconfirmed) -> GraphState:
    """A process was killed between permit and report. Nothing is sent again: either it is there, or people are told."""
    if not mail.is_delivered(hands.home.mail, message_id(hands)):
        return {"end": "unconfirmed", "reason": "The permit was used, and no mail was sent. People decide what now."}
    with contextlib.suppress(BadRequest):  # a person may have said so meanwhile
        hands.assent.outcome(unknown.request, "succeeded", item=hands.item, detail="Found in the mailbox.")
    return _ended(True, "The mail was sent by a process that was killed before it could say so.")


def stop(state: GraphState) -> GraphState:
    """Send nothing, and remember why. Silence is not a refusal, and is not called one."""
    decision = state["decision"]
    status, message = decision.get("status"), decision.get("message")
    if status == "expired":
        return {"end": "expired", "reason": "Nobody decided before the deadline."}
    if status == "cancelled":
        return {"end": "withdrawn", "reason": "The question was withdrawn."}
    explanation = f": {message}" if message else "."
    if decision.get("verdict") == "skip":
        return {"end": "skipped", "reason": f"A reviewer said to leave this step out{explanation}"}
    who = "Policy" if decision.get("source") == "policy" else "A reviewer"
    return {"end": "rejected", "reason": f"{who} refused it{explanation}"}


def request_options(draft: cases.DemoProposal, thread: str, key: str, item: str) -> SubmissionOptions:
    """What goes with the question: the same whenever it is asked, so that Assent knows it again."""
    return {
        "id": item,
        "key": key,
        "run_name": draft.title,
        "step": "ask",
        "summary": draft.summary,
        "reasoning": draft.reasoning,
        "context": draft.context,
        "signals": draft.signals,
        "subject": draft.about,
        "timeout_s": PATIENCE,
        "model": "scripted",
        "prompt_version": "support-3",
        "tool_version": "mail-1",
        "resume": {"thread": thread, "key": key, "interrupt": item},
    }


def letter(action: str, args: dict[str, Any]) -> tuple[str, str, str]:
    """Recipient, subject and text. A refund is an order to the payments desk; a mail is itself."""
    if action == "refund":
        subject = f"Refund {args['amount']} {args['currency']} for order {args['order']}"
        lines = [f"{name}: {value}" for name, value in args.items()]
        return PAYMENTS_DESK, subject, "\n".join(["Please pay back:", "", *lines, "", "Approved in Assent."])
    return str(args["to"]), str(args["subject"]), str(args["body"])


def message_id(hands: ProcessContext) -> str:
    """The same for every attempt at this question's action, another for any other."""
    return f"{hands.thread}-{hashlib.sha256(hands.key.encode()).hexdigest()[:12]}"


@contextlib.contextmanager
def open_workflow(home: AgentFolder) -> Iterator[Graph]:
    """The workflow on the checkpoints of `home`."""
    with contextlib.closing(sqlite3.connect(home.checkpoints, check_same_thread=False, timeout=30)) as connection:
        built = StateGraph(GraphState, context_schema=ProcessContext)
        built.add_node("plan", plan)
        built.add_node("ask", ask)
        built.add_node("act", act)
        built.add_node("stop", stop)
        built.add_edge(START, "plan")
        built.add_edge("plan", "ask")
        built.add_conditional_edges("ask", next_node, ["act", "stop"])
        built.add_edge("act", END)
        built.add_edge("stop", END)
        yield built.compile(checkpointer=SqliteSaver(connection))
