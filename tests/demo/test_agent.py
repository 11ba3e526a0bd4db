"""The demo agent stops at its question, ends, and is taken up again; nothing is sent but what was approved, once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from agents.demo import cases, mail
from agents.demo.home import AgentFolder, Case

pytestmark = pytest.mark.slow

A_MAIL = next(number for number in range(1, 20) if cases.proposal_of_case(number).action == "send_mail")
A_REFUND = next(number for number in range(1, 20) if cases.proposal_of_case(number).action == "refund")


def read(letter: Path) -> EmailMessage:
    return message_from_bytes(letter.read_bytes(), policy=policy.default)  # type: ignore[return-value]


def thread_of(agent, number: int) -> str:
    case = Case(number)
    AgentFolder(agent.data).note(case)
    return case.thread


@pytest.fixture
def mailbox(agent, until):
    """The agent's supervisor, which keeps the mailbox open and opens no case of its own."""
    agent.supervise("--first-after", "3600")
    until((agent.data / "demo" / "smtp").exists)


def test_an_approved_mail_arrives_and_the_outcome_is_reported(agent, gateway, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.step("propose", thread)
    assert agent.case(thread)["stage"] == "waiting"
    assert agent.letters() == []

    gateway.approve()
    agent.step("resume", thread)

    (letter,) = agent.letters()
    assert read(letter)["To"] == cases.proposal_of_case(A_MAIL).args["to"]
    assert agent.case(thread)["end"] == "sent"
    gateway.assert_ran("send_mail", **cases.proposal_of_case(A_MAIL).args)
    gateway.assert_reported("succeeded", action="send_mail")


def test_a_modified_mail_arrives_as_modified(agent, gateway, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)
    changed = {"to": "someone.else@customers.example", "subject": "Shorter", "body": "As a person wrote it: £5, ok?"}

    gateway.modify(args=changed)
    agent.here("resume", thread)

    (letter,) = agent.letters()
    assert (read(letter)["To"], read(letter)["Subject"]) == (changed["to"], changed["subject"])
    assert read(letter).get_content().strip() == changed["body"]


def test_a_refund_is_ordered_with_the_approved_amount(agent, gateway, mailbox):
    thread = thread_of(agent, A_REFUND)
    agent.here("propose", thread)

    gateway.modify("refund", {"amount": "1.50"})
    agent.here("resume", thread)

    (letter,) = agent.letters()
    assert "Refund 1.50 EUR" in read(letter)["Subject"]


@pytest.mark.parametrize(
    ("answer", "end", "reason"),
    [
        (lambda gateway: gateway.reject("wrong tone"), "rejected", "A reviewer refused it: wrong tone"),
        (lambda gateway: gateway.refuse(), "rejected", "Policy refused it."),
        (lambda gateway: gateway.expire(), "expired", "Nobody decided before the deadline."),
        (lambda gateway: gateway.withdraw(), "withdrawn", "The question was withdrawn."),
        (lambda gateway: gateway.skip(), "skipped", "A reviewer said to leave this step out."),
    ],
)
def test_without_an_approval_nothing_is_sent_and_each_ends_with_its_own_reason(
    agent, gateway, mailbox, answer, end, reason
):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)

    answer(gateway)
    agent.here("resume", thread)

    assert (agent.case(thread)["end"], agent.case(thread)["reason"]) == (end, reason)
    assert agent.letters() == []
    gateway.assert_nothing_ran()
    assert gateway.reported == []


@pytest.mark.parametrize("forgery", ["signature", "algorithm", "unknown_key", "digest", "audience", "expired"])
def test_a_permit_that_proves_something_else_sends_nothing_and_says_why(agent, gateway, mailbox, forgery):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)

    gateway.forge(forgery)
    gateway.approve()
    agent.here("resume", thread)

    assert agent.letters() == []
    gateway.assert_nothing_ran()
    assert agent.case(thread)["end"] == "failed"
    assert gateway.assert_reported("failed").detail == agent.case(thread)["reason"]


def test_a_decision_that_was_changed_on_the_way_is_not_carried_out(agent, gateway, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)
    gateway.approve()
    (request,) = gateway.state.requests.values()
    request.document = request.document.replace(cases.proposal_of_case(A_MAIL).args["to"], "x@elsewhere.example")

    agent.here("resume", thread)

    assert agent.letters() == []
    assert "digest" in agent.case(thread)["reason"]


def test_resuming_before_the_decision_changes_nothing_and_resuming_twice_sends_once(agent, gateway, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)
    agent.here("propose", thread)
    agent.here("resume", thread)
    assert agent.case(thread)["stage"] == "waiting"
    gateway.assert_asked("send_mail", times=1)

    gateway.approve()
    agent.here("resume", thread)
    waiting = {**agent.case(thread), "stage": "waiting"}
    (agent.data / "demo" / "cases" / f"{thread}.json").write_text(json.dumps(waiting))  # as if the note had been lost
    agent.here("resume", thread)

    assert len(agent.letters()) == 1
    assert len(gateway.reported) == 1


# The one moment after which nobody can say by himself whether the mail went out, and the one after it did.
KILLED_BEFORE = "mail.send = lambda *a, **k: os._exit(9)"
KILLED_AFTER = "send = mail.send; mail.send = lambda *a, **k: (send(*a, **k), os._exit(9))"


def resume_until_killed(agent, thread: str, how: str) -> None:
    code = f"import os; from agents.demo import mail, steps; from agents.demo.home import AgentFolder; {how}; "
    code += f"steps.resume(AgentFolder.from_environment(), {thread!r})"
    died = subprocess.run([sys.executable, "-c", code], cwd=agent.root, env=agent.environment(), timeout=60)
    assert died.returncode == 9


def test_killed_between_permit_and_mail_nothing_is_ever_sent_and_it_shows(agent, gateway, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)
    gateway.approve()

    resume_until_killed(agent, thread, KILLED_BEFORE)
    agent.here("resume", thread)

    assert agent.letters() == []
    assert agent.case(thread)["end"] == "unconfirmed"
    gateway.assert_ran("send_mail", times=1)
    assert gateway.reported == []  # people see a permit that was used and never confirmed


def test_killed_between_mail_and_report_it_is_found_and_not_sent_again(agent, gateway, mailbox):
    thread = thread_of(agent, A_MAIL)
    agent.here("propose", thread)
    gateway.approve()

    resume_until_killed(agent, thread, KILLED_AFTER)
    agent.here("resume", thread)

    assert len(agent.letters()) == 1
    assert agent.case(thread)["end"] == "sent"
    gateway.assert_ran("send_mail", times=1)
    gateway.assert_reported("succeeded")


def send(home: AgentFolder, *, message_id: str, body: str) -> None:
    with mail.post(home.smtp_port) as post:
        mail.send(post, message_id=message_id, to="a@b.example", subject="Hello", body=body)


def test_the_mailbox_keeps_one_copy_of_a_message_that_comes_twice(agent, mailbox):
    home = AgentFolder(agent.data)
    for _ in range(2):
        send(home, message_id="case-0001-abc", body="Once")
    send(home, message_id="../../odd name", body="Twice")

    assert [letter.parent for letter in agent.letters()] == [home.mail, home.mail]


@pytest.mark.timeout(240)
def test_the_agent_killed_at_any_moment_sends_each_approved_mail_once_or_visibly_not(agent, gateway, until):
    gateway.approve()
    chance = random.Random(7)  # noqa: S311
    for _ in range(6):
        process = agent.supervise("--first-after", "0", "--pace", "0.02")
        time.sleep(chance.uniform(0.4, 4))
        os.killpg(process.pid, signal.SIGKILL)  # the steps that it has started die with it
        process.wait()
    agent.supervise("--first-after", "3600")

    def notes() -> list[dict]:
        return [json.loads(note.read_text()) for note in (agent.data / "demo" / "cases").glob("*.json")]

    until(lambda: bool(notes()) and all(note["stage"] == "done" for note in notes()), seconds=120)
    ends = {f"case-{note['number']:04d}": note["end"] for note in notes()}
    assert set(ends.values()) <= {"sent", "unconfirmed"}
    assert len(ends) >= 3
    sent = sorted(letter.stem.rsplit("-", 1)[0] for letter in agent.letters())
    assert sent == sorted(thread for thread, end in ends.items() if end == "sent")
    used = [one.request for one in gateway.consumed]
    assert sorted(used) == sorted({one.request for one in gateway.asked_items})  # each permit once
    succeeded_requests = {one.request for one in gateway.reported if one.result == "succeeded"}
    assert {one.request for one in gateway.asked_items if ends[one.run] == "sent"} == succeeded_requests


def test_the_supervisor_does_not_carry_langgraph(agent, until):
    process = agent.supervise("--first-after", "3600")
    until((agent.data / "demo" / "smtp").exists)
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert "langgraph" not in maps and "ormsgpack" not in maps
