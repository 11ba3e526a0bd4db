"""The two short lives of a case: as far as the question, and on from the answer. Each may be killed and run again."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agents.demo import cases
from agents.demo.graph import Hands, State, opened
from agents.demo.home import Case, Home, Stage
from agents.demo.wire import Assent, Refused

PATIENCE = 2 * 60 * 60  # seconds until nobody's answer is the answer


def propose(home: Home, thread: str) -> Case:
    """Run the case up to its question and submit that; the process may then end."""
    with home.alone(thread), Assent(home) as assent:
        case = home.case(thread)
        if case.stage == Stage.STARTING:
            try:
                case = Case(case.number, Stage.WAITING, request=assent.submit(_question(home, case, assent))["id"])
            except Refused as refusal:
                case = Case(case.number, Stage.DONE, "", "failed", f"Assent did not take the question: {refusal}")
            home.note(case)
        return case


def resume(home: Home, thread: str) -> Case:
    """Go on with a case whose question is answered; without an answer, or a second time, nothing happens."""
    with home.alone(thread), Assent(home) as assent:
        case = home.case(thread)
        if case.stage == Stage.WAITING:
            try:
                decision = assent.decision(case.request)
            except Refused as refusal:
                end, reason = "failed", f"Assent does not know the question: {refusal}"
            else:
                if decision is None:
                    return case
                end, reason = _on(home, case, assent, decision["items"][0])
            case = Case(case.number, Stage.DONE, case.request, end, reason)
            home.note(case)
        return case


def _question(home: Home, case: Case, assent: Assent) -> dict[str, Any]:
    """The request for the interrupt at which the case stands; the same one however often it is asked for."""
    config = _place(case.thread)
    with opened(home) as graph:
        state = graph.get_state(config)
        if not state.interrupts:
            begin: State | None = None if state.values else {"number": case.number}
            graph.invoke(begin, config, context=Hands(home, assent, case.thread), durability="sync")
            state = graph.get_state(config)
        (question,) = state.interrupts
        checkpoint = state.config["configurable"]["checkpoint_id"]
    draft = cases.draft(case.number)
    return {
        # The ids of interrupts alone may repeat; with thread and checkpoint they name one question.
        "idempotency_key": f"{case.thread}/{checkpoint}/{question.id}",
        "run": {"id": case.thread, "name": draft.title, "step": "ask"},
        "items": [
            {
                "id": question.id,
                "action": {"name": question.value["action"], "args": question.value["args"]},
                "summary": draft.summary,
                "reasoning": draft.reasoning,
                "context": draft.context,
                "signals": draft.signals,
                "subject": draft.about,
            }
        ],
        "timeout_s": PATIENCE,
        "agent": {"model": "scripted", "prompt_version": "support-3", "tool_version": "mail-1"},
        "resume": {"thread": case.thread, "interrupt": question.id},
    }


def _on(home: Home, case: Case, assent: Assent, answer: dict[str, Any]) -> tuple[str, str]:
    """Hand the answer to the interrupt that asked, and run the case to its end; how it ended, and why."""
    hands, config = Hands(home, assent, case.thread, case.request, answer["id"]), _place(case.thread)
    with opened(home) as graph:
        # What is pending is read anew: a decision that comes twice must not answer the next question.
        state = graph.get_state(config)
        if answer["id"] in {question.id for question in state.interrupts}:
            graph.invoke(Command(resume={answer["id"]: answer}), config, context=hands, durability="sync")
        elif state.next:  # a process before this one was killed on the way
            graph.invoke(None, config, context=hands, durability="sync")
        values = graph.get_state(config).values
    return values.get("end", "failed"), values.get("reason", "The answer is to another question.")


def _place(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}}
