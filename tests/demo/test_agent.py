"""The demo agent stops at its question, ends, and is taken up again; nothing is sent but what was approved, once."""

import json
import random
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from agents.demo import cases, mail
from agents.demo.home import Case, Home

pytestmark = pytest.mark.slow

A_MAIL = next(number for number in range(1, 20) if cases.draft(number).action == "send_mail")
A_REFUND = next(number for number in range(1, 20) if cases.draft(number).action == "refund")


def read(letter: Path) -> EmailMessage:
    return message_from_bytes(letter.read_bytes(), policy=policy.default)  # type: ignore[return-value]


def thread_of(agent, number: int) -> str:
    case = Case(number)
    Home(agent.data).note(case)
    return case.thread


@pytest.fixture
def mailbox(agent, until):
    """The agent's supervisor, which keeps the mailbox open and opens no case of its own."""
    agent.supervise("--first-after", "3600")
    until((agent.data / "demo" / "smtp").exists)


def test_an_approved_mail_arrives_and_the_outcome_is_reported(agent, wire, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.step("propose", thread)
    assert agent.case(thread)["stage"] == "waiting"
    assert agent.letters() == []

    wire.tell(wire.only(), verdict="approve")
    agent.step("resume", thread)

    (letter,) = agent.letters()
    assert read(letter)["To"] == cases.draft(A_MAIL).args["to"]
    assert agent.case(thread)["end"] == "sent"
    ((request, outcome),) = wire.reported
    assert (request, outcome["result"]) == (wire.only()["id"], "succeeded")


def test_a_modified_mail_arrives_as_modified(agent, wire, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)
    changed = {"to": "someone.else@customers.example", "subject": "Shorter", "body": "As a person wrote it: £5, ok?"}

    wire.tell(wire.only(), verdict="modify", action={"name": "send_mail", "args": changed})
    agent.here("resume", thread)

    (letter,) = agent.letters()
    assert (read(letter)["To"], read(letter)["Subject"]) == (changed["to"], changed["subject"])
    assert read(letter).get_content().strip() == changed["body"]


def test_a_refund_is_ordered_with_the_approved_amount(agent, wire, mailbox):
    thread = thread_of(agent, A_REFUND)
    agent.here("propose", thread)
    args = {**wire.only()["items"][0]["action"]["args"], "amount": "1.50"}

    wire.tell(wire.only(), verdict="modify", action={"name": "refund", "args": args})
    agent.here("resume", thread)

    (letter,) = agent.letters()
    assert "Refund 1.50 EUR" in read(letter)["Subject"]


@pytest.mark.parametrize(
    ("told", "end", "reason"),
    [
        ({"verdict": "reject", "message": "wrong tone"}, "rejected", "A reviewer refused it: wrong tone"),
        ({"verdict": "reject", "source": "policy"}, "rejected", "Policy refused it."),
        ({"status": "expired", "verdict": None}, "expired", "Nobody decided before the deadline."),
        ({"status": "cancelled", "verdict": None}, "withdrawn", "The question was withdrawn."),
        ({"verdict": "skip"}, "skipped", "A reviewer said to leave this step out."),
    ],
)
def test_without_an_approval_nothing_is_sent_and_each_ends_with_its_own_reason(agent, wire, mailbox, told, end, reason):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)

    wire.tell(wire.only(), **told)
    agent.here("resume", thread)

    assert (agent.case(thread)["end"], agent.case(thread)["reason"]) == (end, reason)
    assert agent.letters() == []
    assert wire.reported == []


def test_an_approval_of_something_else_is_not_carried_out(agent, wire, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)
    other = {**wire.only()["items"][0]["action"], "args": {"to": "x@elsewhere.example", "subject": "s", "body": "b"}}

    wire.tell(wire.only(), verdict="approve", action=other)
    agent.here("resume", thread)

    assert agent.letters() == []
    assert wire.reported[0][1]["result"] == "failed"


def test_resuming_before_the_decision_changes_nothing_and_resuming_twice_sends_once(agent, wire, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)
    agent.here("propose", thread)
    agent.here("resume", thread)
    assert agent.case(thread)["stage"] == "waiting"

    wire.tell(wire.only(), verdict="approve")
    agent.here("resume", thread)
    waiting = {**agent.case(thread), "stage": "waiting"}
    (agent.data / "demo" / "cases" / f"{thread}.json").write_text(json.dumps(waiting))  # as if the note had been lost
    agent.here("resume", thread)

    assert len(agent.letters()) == 1
    assert len(wire.reported) == 1


def test_the_mailbox_keeps_one_copy_of_a_message_that_comes_twice(agent, mailbox):
    home = Home(agent.data)
    for _ in range(2):
        mail.send(home.smtp_port, message_id="case-0001-abc", to="a@b.example", subject="Hello", body="Once")
    mail.send(home.smtp_port, message_id="../../odd name", to="a@b.example", subject="Hello", body="Twice")

    assert [letter.parent for letter in agent.letters()] == [home.mail, home.mail]


@pytest.mark.timeout(240)
def test_the_agent_killed_at_any_moment_sends_each_approved_mail_once(agent, wire, until):
    wire.automatic = lambda request: {"verdict": "approve"}
    chance = random.Random(7)  # noqa: S311
    for _ in range(6):
        process = agent.supervise("--first-after", "0", "--pace", "0.02")
        time.sleep(chance.uniform(0.4, 4))
        process.kill()
        process.wait()
    agent.supervise("--first-after", "3600")

    def finished() -> bool:
        notes = [json.loads(note.read_text()) for note in (agent.data / "demo" / "cases").glob("*.json")]
        return bool(notes) and all(note["stage"] == "done" for note in notes)

    until(finished, seconds=120)
    approved = {request["run"]["id"] for request in wire.asked.values()}
    assert len(approved) >= 3
    assert sorted(letter.stem.rsplit("-", 1)[0] for letter in agent.letters()) == sorted(approved)
    assert {request for request, _ in wire.reported} == {request["id"] for request in wire.asked.values()}


def test_the_supervisor_does_not_carry_langgraph(agent, until):
    process = agent.supervise("--first-after", "3600")
    until((agent.data / "demo" / "smtp").exists)
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert "langgraph" not in maps and "ormsgpack" not in maps
