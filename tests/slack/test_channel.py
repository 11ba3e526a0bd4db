"""Slack as a channel of notifications like any other."""

from approvals.decisions import claims
from approvals.decisions.card_version import load
from tests.notify.conftest import carry_all
from tests.slack.workspace import ALICE


def test_a_workspace_that_refuses_is_a_broken_channel_like_any_other(alice, linked, workspace, propose):
    linked(alice)
    workspace.broken = True
    approval = propose()
    carry_all()
    slack_channel = alice.channels.get(service="slackapp")

    assert slack_channel.state == "failed"
    assert "not_in_channel" in slack_channel.error
    assert "xoxb" not in slack_channel.error
    assert approval.events.filter(kind="delivery").count() == 1


def test_what_somebody_reads_already_is_not_posted(alice, bob, linked, workspace, propose):
    linked(alice)
    approval = propose()
    claims.claim(approval.pk, by=bob)
    carry_all()

    assert not workspace.calls


def test_one_vote_of_two_is_counted_and_says_so(alice, linked, workspace, propose, action_type):
    linked(alice)
    action_type("transfer", approvers=2)
    approval = propose(action="transfer")
    carry_all()
    workspace.press("approve", workspace.of("chat.postMessage")[0], account=ALICE)
    workspace.submit(account=ALICE)

    assert (load(approval.pk).status, load(approval.pk).votes) == ("pending", 1)
    assert "1 of 2" in workspace.of("chat.update")[0]["text"]


def test_five_cards_and_then_a_list(alice, linked, workspace, propose):
    linked(alice)
    for _ in range(8):
        propose()
    carry_all()
    posted = workspace.of("chat.postMessage")

    assert len(posted) == 6
    assert posted[-1]["text"].startswith("3 more wait")
