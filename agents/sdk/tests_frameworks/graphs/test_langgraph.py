"""LangGraph threads: asked about, decided while nothing runs, resumed once by whichever worker comes."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

import assent
from assent.langgraph import Threads, decided, gate

pytestmark = pytest.mark.timeout(300)  # some of it starts processes
CONFIG = {"configurable": {"thread_id": "case-7"}}
REFUND = {"order": "456", "amount": "420.00"}


def added(old: list, new: list) -> list:
    return old + new


class State(TypedDict, total=False):
    paid: Annotated[list[str], added]


def graph_of(*nodes, checkpointer=None, parallel=False):
    """A graph of these nodes, one after the other, or all at once."""
    built = StateGraph(State)
    before = START
    for node in nodes:
        built.add_node(node.__name__, node)
        built.add_edge(START if parallel else before, node.__name__)
        before = node.__name__
        if parallel:
            built.add_edge(node.__name__, END)
    if not parallel:
        built.add_edge(before, END)
    return built.compile(checkpointer=checkpointer or InMemorySaver())


def paying(ledger, order="456"):
    """A node that pays what was approved for one order."""

    def pay(order: str, amount: str) -> str:
        ledger.append(f"{order}: {amount}")
        return amount

    def refund(state: State) -> State:
        decision = gate("refund", {**REFUND, "order": order}, summary="A cup broke.")
        return {"paid": [assent.client().execute(decision, pay)]}

    refund.__name__ = f"refund_{order}"
    return refund


def test_a_node_waits_and_goes_on_with_what_was_approved(fake, client):
    fake.hold()
    ledger = []
    threads = Threads(graph_of(paying(ledger)))
    threads.invoke({"paid": []}, CONFIG)
    assert ledger == [] and not threads.resume(CONFIG)

    fake.modify("refund", {"amount": "200.00"})
    assert threads.resume(CONFIG)

    assert ledger == ["456: 200.00"]
    assert threads.graph.get_state(CONFIG).values == {"paid": ["200.00"]}
    assert not threads.resume(CONFIG)
    fake.assert_asked("refund", times=1)
    fake.assert_reported("succeeded")
    assert fake.asked_items[0].summary == "A cup broke."


def test_what_policy_lets_through_goes_on_at_once(fake, client):
    fake.pass_by_policy()
    ledger = []
    assert Threads(graph_of(paying(ledger))).invoke({"paid": []}, CONFIG) == {"paid": ["420.00"]}


def test_a_no_reaches_the_node_with_its_reason(fake, client):
    fake.reject("offer an exchange")
    threads = Threads(graph_of(paying([])))
    threads.invoke({"paid": []}, CONFIG)
    with pytest.raises(assent.Rejected, match="offer an exchange"):
        threads.resume(CONFIG)


def test_questions_at_once_are_answered_each_by_its_own(fake, client):
    fake.hold()
    ledger = []
    threads = Threads(graph_of(paying(ledger, "1"), paying(ledger, "2"), parallel=True))
    threads.invoke({"paid": []}, CONFIG)
    fake.assert_asked("refund", times=2)

    fake.modify("refund", lambda args: {**args, "amount": f"{args['order']}.00"}, times=1)
    fake.modify("refund", lambda args: {**args, "amount": f"{args['order']}.00"})
    threads.resume(CONFIG)

    assert sorted(ledger) == ["1: 1.00", "2: 2.00"]
    fake.assert_asked("refund", times=2)


def test_one_question_after_the_other_in_one_node(fake, client):
    def both(state: State) -> State:
        first = gate("refund", REFUND)
        second = gate("refund", {**REFUND, "amount": "1.00"})
        return {"paid": [assent.client().execute(each, lambda order, amount: amount) for each in (first, second)]}

    fake.pass_by_policy()
    assert Threads(graph_of(both)).invoke({"paid": []}, CONFIG) == {"paid": ["420.00", "1.00"]}
    fake.assert_asked("refund", times=2)


def test_of_two_workers_at_once_one_resumes_the_thread(fake, client, client_of):
    fake.hold()
    ledger, both = [], threading.Barrier(2)
    graph = graph_of(paying(ledger))
    Threads(graph).invoke({"paid": []}, CONFIG)
    fake.approve()
    resumed = []

    def work():
        worker = Threads(graph, client_of())
        both.wait(10)
        resumed.append(worker.resume(CONFIG))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(resumed) == [False, True]
    assert ledger == ["456: 420.00"]


def test_another_workers_lease_keeps_this_one_out(fake, client):
    fake.hold()
    threads = Threads(graph_of(paying([])))
    threads.invoke({"paid": []}, CONFIG)
    fake.approve()
    [request] = threads.ask(CONFIG)
    client.lease(request, worker="another", seconds=60)
    assert not threads.resume(CONFIG)
    client.lease(request, worker="another", release=True)
    assert threads.resume(CONFIG)


def test_who_follows_the_feed_resumes_what_is_decided(fake, client):
    fake.hold()
    ledger = []
    threads = Threads(graph_of(paying(ledger)))
    threads.invoke({"paid": []}, CONFIG)
    fake.approve()
    threads.follow("0", count=1)
    assert ledger == ["456: 420.00"]


def test_interrupts_that_are_none_of_ours_are_left_alone(fake, client):
    def ask(state: State) -> State:
        return {"paid": [interrupt("what is your age?")]}

    threads = Threads(graph_of(ask))
    threads.invoke({}, CONFIG)
    assert not threads.resume(CONFIG)
    fake.assert_not_asked()


def test_agent_inbox_is_answered_in_its_own_words(fake, client):
    def ask(state: State) -> State:
        config = {"allow_accept": True, "allow_edit": True, "allow_respond": False, "allow_ignore": True}
        question = {"action_request": {"action": "refund", "args": {"n": 1}}, "config": config, "description": "why"}
        return {"paid": interrupt([question])}

    for instruct, answer in (
        (lambda: fake.approve(), {"type": "accept", "args": None}),
        (lambda: fake.modify("refund", {"n": 2}), {"type": "edit", "args": {"action": "refund", "args": {"n": 2}}}),
        (lambda: fake.reject("no"), {"type": "ignore", "args": None}),
    ):
        instruct()
        threads = Threads(graph_of(ask))
        threads.invoke({"paid": []}, CONFIG)
        threads.resume(CONFIG)
        assert threads.graph.get_state(CONFIG).values == {"paid": [answer]}
    assert fake.asked_items[0].sent["allowed"] == ["approve", "modify", "reject"]


@pytest.mark.parametrize("stop", [{"interrupt_before": ["send"]}, {"interrupt_after": ["draft"]}])
def test_a_graph_that_stops_before_or_after_a_node(fake, client, stop):
    sent = []

    def draft(state: State) -> State:
        return {"paid": ["hello"]}

    def send(state: State) -> State:
        assent.client().execute(decided("send"), lambda text: sent.append(text), action="send_email")
        return {}

    built = StateGraph(State)
    built.add_sequence([draft, send])
    built.add_edge(START, "draft")
    graph = built.compile(checkpointer=InMemorySaver(), **stop)
    threads = Threads(graph, proposals={"send": lambda values: ("send_email", {"text": values["paid"][0]})})
    fake.hold()
    threads.invoke({"paid": []}, CONFIG)
    assert not threads.resume(CONFIG) and sent == []

    fake.modify("send_email", {"text": "hello, dear"})
    assert threads.resume(CONFIG) and not threads.resume(CONFIG)

    assert sent == ["hello, dear"]
    fake.assert_reported("succeeded")


def test_a_stopped_graph_that_somebody_else_resumed_runs_nothing(fake, client):
    def send(state: State) -> State:
        assent.client().execute(decided("send"), dict)
        return {}

    built = StateGraph(State)
    built.add_sequence([send])
    built.add_edge(START, "send")
    graph = built.compile(checkpointer=InMemorySaver(), interrupt_before=["send"])
    graph.invoke({"paid": []}, CONFIG)
    with pytest.raises(assent.PermitRefused, match="Nobody was asked"):
        graph.invoke(None, CONFIG)


LIFE = """
import os, signal, sqlite3, sys
import assent
from assent.langgraph import Threads, gate
from langgraph.checkpoint.sqlite import SqliteSaver
from test_langgraph import CONFIG, REFUND, State, graph_of

def pay(order: str, amount: str) -> str:
    if sys.argv[3] == "die in the tool":
        os.kill(os.getpid(), signal.SIGKILL)
    with open(sys.argv[2], "a") as ledger:
        ledger.write(f"{order}: {amount}\\n")
    return amount

def refund(state: State) -> State:
    if sys.argv[3] == "die before the tool" and "waited" in os.environ:
        gate("refund", REFUND)
        os.kill(os.getpid(), signal.SIGKILL)
    return {"paid": [assent.client().execute(gate("refund", REFUND), pay)]}

saver = SqliteSaver(sqlite3.connect(sys.argv[1], check_same_thread=False))
threads = Threads(graph_of(refund, checkpointer=saver), lease_s=1)
if "waited" in os.environ:
    print(threads.resume(CONFIG), threads.graph.get_state(CONFIG).values)
else:
    threads.invoke({"paid": []}, CONFIG)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def live(fake, tmp_path):
    """One life of a process on the same thread, in a process of its own: live("die in the tool", waited="1")."""
    with fake.served() as url:
        path = os.pathsep.join([str(Path(assent.__file__).parents[1]), str(Path(__file__).parent)])
        base = {"ASSENT_URL": url, "ASSENT_KEY": fake.key, "ASSENT_STATE": str(tmp_path / "state"), "PYTHONPATH": path}

        def run(how: str, **environment: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-c", LIFE, str(tmp_path / "db"), str(tmp_path / "ledger"), how]
            return subprocess.run(command, env={**base, **environment}, capture_output=True, text=True, timeout=60)

        run.ledger = lambda: (tmp_path / "ledger").read_text() if (tmp_path / "ledger").exists() else ""
        yield run


def test_killed_while_it_waits_it_goes_on_in_another_process(fake, live):
    fake.hold()
    assert live("").returncode == -signal.SIGKILL
    fake.modify("refund", {"amount": "200.00"})  # decided while it was dead

    assert live("", waited="1").stdout == "True {'paid': ['200.00']}\n"
    assert live("", waited="1").stdout == "False {'paid': ['200.00']}\n"
    assert live.ledger() == "456: 200.00\n"
    fake.assert_asked("refund", times=1)


def test_killed_after_the_answer_and_before_the_permit_it_runs_once(fake, live):
    fake.approve()
    live("")
    assert live("die before the tool", waited="1").returncode == -signal.SIGKILL
    fake.later(5)  # the dead worker's lease ends

    assert live("", waited="1").stdout == "True {'paid': ['420.00']}\n"
    assert live.ledger() == "456: 420.00\n"
    fake.assert_asked("refund", times=1)


def test_killed_between_permit_and_tool_nobody_knows(fake, live):
    fake.approve()
    live("")
    assert live("die in the tool", waited="1").returncode == -signal.SIGKILL
    fake.later(5)

    for _ in range(2):
        assert "assent.errors.Unconfirmed" in live("", waited="1").stderr
        fake.later(5)
    assert live.ledger() == ""
    fake.assert_asked("refund", times=1)
    fake.assert_ran("refund", times=1)
