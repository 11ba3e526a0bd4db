"""The two short lives of a case: as far as the question, and on from the answer. Each may be killed and run again."""

import httpx
from assent import Assent, BadRequest, Decision, Request
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agents.demo import cases
from agents.demo.graph import GraphState, ProcessContext, open_workflow, request_options
from agents.demo.home import AgentFolder, Case, CaseStage


def propose(home: AgentFolder, thread: str) -> Case:
    """Run the case up to its question and submit that; the process may then end."""
    with home.alone(thread), connected(home) as assent:
        case = home.case(thread)
        if case.stage == CaseStage.STARTING:
            try:
                case = Case(case.number, CaseStage.WAITING, request=_submit_question(home, case, assent).id)
            except BadRequest as refusal:
                case = Case(case.number, CaseStage.DONE, "", "failed", f"Assent did not take the question: {refusal}")
            home.note(case)
        return case


def resume(home: AgentFolder, thread: str) -> Case:
    """Go on with a case whose question is answered; without an answer, or a second time, nothing happens."""
    with home.alone(thread), connected(home) as assent:
        case = home.case(thread)
        if case.stage == CaseStage.WAITING:
            try:
                decision = assent.read(case.request).decision
            except BadRequest as refusal:
                end, reason = "failed", f"Assent does not know the question: {refusal}"
            else:
                if decision is None:
                    return case
                end, reason = _resume_workflow(home, case, assent, decision)
            case = Case(case.number, CaseStage.DONE, case.request, end, reason)
            home.note(case)
        return case


def connected(home: AgentFolder) -> Assent:
    """The client of a short-lived process, directly to this machine, whatever proxies the environment names."""
    return Assent(**home.connection(), transport=httpx.HTTPTransport())


def _submit_question(home: AgentFolder, case: Case, assent: Assent) -> Request:
    """Submit the question of the interrupt at which the case stands; the same one however often it is asked."""
    config = _thread_config(case.thread)
    with open_workflow(home) as graph:
        state = graph.get_state(config)
        if not state.interrupts:
            begin: GraphState | None = None if state.values else {"number": case.number}
            graph.invoke(begin, config, context=ProcessContext(home, assent, case.thread), durability="sync")
            state = graph.get_state(config)
        (question,) = state.interrupts
        checkpoint = state.config["configurable"]["checkpoint_id"]
    # The ids of interrupts alone may repeat; with thread and checkpoint they name one question.
    about = request_options(
        cases.proposal_of_case(case.number), case.thread, f"{case.thread}/{checkpoint}/{question.id}", question.id
    )
    return assent.submit(question.value["action"], question.value["args"], run=case.thread, **about)


def _resume_workflow(home: AgentFolder, case: Case, assent: Assent, decision: Decision) -> tuple[str, str]:
    """Hand the answer to the interrupt that asked, and run the case to its end; how it ended, and why."""
    item, key = decision.item.id, str(decision.resume["key"])
    hands, config = ProcessContext(home, assent, case.thread, case.request, key, item), _thread_config(case.thread)
    with open_workflow(home) as graph:
        # What is pending is read anew: a decision that comes twice must not answer the next question.
        state = graph.get_state(config)
        if item in {question.id for question in state.interrupts}:
            graph.invoke(Command(resume={item: decision.item.document}), config, context=hands, durability="sync")
        elif state.next:  # a process before this one was killed on the way
            graph.invoke(None, config, context=hands, durability="sync")
        values = graph.get_state(config).values
    return values.get("end", "failed"), values.get("reason", "The answer is to another question.")


def _thread_config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}}
