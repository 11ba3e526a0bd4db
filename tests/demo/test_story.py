"""The whole way: LangGraph asks over REST, a person decides in the database, another process goes on."""

from datetime import timedelta
from email import message_from_bytes, policy

import pytest

from agents import keys
from agents.demo import cases
from agents.demo.home import AgentFolder, Case
from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Agent, Approval
from tests.conftest import replace_arguments

pytestmark = pytest.mark.slow

A_MAIL = 1  # the first case, whatever else the script holds, asks a person: a mail


@pytest.fixture
def mails(action_type):
    assert cases.proposal_of_case(A_MAIL).action == "send_mail"
    properties = {name: {"type": "string", "minLength": 1} for name in ("to", "subject", "body")}
    return action_type(
        "send_mail",
        headline="send a mail to {to}: {subject}",
        schema={"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False},
        reversibility="irreversible",
        value_path="",
        currency_path="",
        subject_path="to",
    )


@pytest.fixture
def agent(start_agent, web, mails, until):
    """The demo agent with its mailbox open, on a running console."""
    support = Agent.objects.create(name="support-agent")
    _, secret = keys.issue(agent=support, name="demo")
    agent = start_agent(web.url, secret)
    agent.supervise("--first-after", "3600")
    until((agent.data / "demo" / "smtp").exists)
    return agent


def propose_mail(agent) -> tuple[str, Approval]:
    """Have the agent propose its mail in a process that ends; the thread, and the card."""
    case = Case(A_MAIL)
    AgentFolder(agent.data).note(case)
    agent.step("propose", case.thread)
    return case.thread, load(Approval.objects.get().pk)


def test_a_modified_mail_arrives_as_modified_and_the_outcome_is_on_the_card(agent, alice):
    thread, card = propose_mail(agent)
    assert card.proposal.headline.startswith("send a mail to ")
    assert agent.letters() == []
    changed = {**card.proposal.args, "subject": "A person's subject", "body": "A person's words."}

    decide(
        card_version_of(card),
        by=alice,
        verdict="modify",
        verdict_input=VerdictInput(edits=replace_arguments(changed)),
    )
    agent.step("resume", thread)

    (letter,) = agent.letters()
    message = message_from_bytes(letter.read_bytes(), policy=policy.default)
    assert message["Subject"] == "A person's subject"
    assert message.get_content().strip() == "A person's words."
    card.refresh_from_db()
    assert (card.status, card.outcome.result) == ("executed", "succeeded")


def test_rejected_and_expired_send_nothing_and_end_with_different_reasons(agent, alice):
    thread, card = propose_mail(agent)
    decide(
        card_version_of(card),
        by=alice,
        verdict="reject",
        verdict_input=VerdictInput(message="not this customer"),
    )
    agent.here("resume", thread)
    rejected = agent.case(thread)

    late = Case(A_MAIL + 8)
    AgentFolder(agent.data).note(late)
    agent.here("propose", late.thread)
    with times.at(times.now() + timedelta(hours=3)):
        clock.sweep()
    agent.here("resume", late.thread)
    expired = agent.case(late.thread)

    assert (rejected["end"], rejected["reason"]) == ("rejected", "A reviewer refused it: not this customer")
    assert (expired["end"], expired["reason"]) == ("expired", "Nobody decided before the deadline.")
    assert agent.letters() == []


def test_the_supervisor_notices_a_decision_by_itself(agent, alice, until):
    agent.supervisors[0].terminate()
    agent.supervisors[0].wait(10)
    agent.supervise("--first-after", "0", "--pace", "5")
    until(lambda: Approval.objects.filter(status="pending").exists())
    card = load(Approval.objects.get().pk)

    decide(card_version_of(card), by=alice, verdict="approve")

    until(lambda: len(agent.letters()) == 1)
    until(lambda: Approval.objects.get(pk=card.pk).status == "executed")
