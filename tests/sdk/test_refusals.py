"""Against the real server: whatever is not exactly what was approved, now, once, by this agent, does not run."""

import base64
import json
import time
from datetime import timedelta

import pytest
from assent import Assent, Decision, Verdict, tokens
from assent.errors import PermitRefused, RefusedByPolicy, Rejected, StillPending

from agents import keys
from approvals.db import times
from approvals.execution import permits
from approvals.models import Agent, Approval
from tests.conftest import replace_arguments
from tests.sdk.conftest import REFUND


@pytest.fixture
def decision(client, settle) -> Decision:
    """Robot's refund of 420, approved."""
    request = client.submit("refund", REFUND)
    settle("approve")
    return client.wait(request, timeout=10)


def claims(decision: Decision) -> dict:
    return dict(tokens.read(decision.permit).claims)


def with_permit(decision: Decision, permit: str) -> Decision:
    """The same decision with another permit."""
    fields = {name: getattr(decision.item, name) for name in Verdict.__dataclass_fields__}
    return Decision(decision.request, decision.status, (Verdict(**{**fields, "permit": permit}),))


def signed(permit_claims: dict) -> str:
    return permits.signed(permit_claims, permits.PERMIT)


def test_what_was_approved_may_be_used_once(client, decision):
    used = client.consume(decision, REFUND, attempt="mine")
    assert client.consume(decision, REFUND, attempt="mine").consumed_at == used.consumed_at

    with pytest.raises(PermitRefused, match=r"used at .* by another attempt") as refused:
        client.consume(decision, REFUND)

    assert refused.value.reason == "consumed"


def test_a_tampered_argument(client, decision):
    with pytest.raises(PermitRefused, match="not what was approved"):
        client.consume(decision, {**REFUND, "amount": 42_000})


def test_alg_none(client, decision):
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"assent-permit+jwt"}').rstrip(b"=").decode()
    forged = f"{head}.{decision.permit.split('.')[1]}."

    with pytest.raises(PermitRefused, match="'none'; only EdDSA counts"):
        client.consume(with_permit(decision, forged), REFUND)


@pytest.mark.parametrize("verifies", [True, False])
def test_a_changed_permit(client, decision, monkeypatch, verifies):
    """With the extra the signature is refused here, without it by the server."""
    monkeypatch.setattr(tokens, "can_verify", lambda: verifies)
    head, _, tail = decision.permit.split(".")
    body = json.dumps({**claims(decision), "exp": claims(decision)["exp"] + 1}).encode()
    forged = f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}.{tail}"

    with pytest.raises(PermitRefused, match="signature does not fit"):
        client.consume(with_permit(decision, forged), REFUND)


@pytest.mark.parametrize("here", [True, False])
def test_an_expired_permit(client, decision, monkeypatch, here):
    """Refused here, and by the server where this machine's clock is wrong."""
    if not here:
        monkeypatch.setattr(tokens, "in_time", lambda token, now=None: None)
    over = signed({**claims(decision), "exp": int((times.now() - timedelta(minutes=1)).timestamp())})

    with pytest.raises(PermitRefused, match=r"expired|not used in time") as refused:
        client.consume(with_permit(decision, over), REFUND)

    assert refused.value.reason == "expired"


def test_a_decision_for_another_revision(client, decision):
    other = signed({**claims(decision), "revision": claims(decision)["revision"] + 1})

    with pytest.raises(PermitRefused, match="revision 2, which no longer stands"):
        client.consume(with_permit(decision, other), REFUND)


@pytest.mark.parametrize("named", [None, "robot"])
def test_another_agents_permit(web, decision, tmp_path, named):
    secret = keys.issue(agent=Agent.objects.create(name="stranger"), name="sdk")[1]

    with (
        Assent(web.url, secret, agent=named, state=tmp_path / "other") as stranger,
        pytest.raises(PermitRefused, match=r"for the agent 'robot'|no such permit") as refused,
    ):
        stranger.consume(decision, REFUND)

    assert refused.value.reason == ("foreign" if named else "audience")


def test_an_approval_by_a_key_that_was_rotated_still_counts(client, decision):
    permits.rotate(by=None)

    assert client.consume(decision, REFUND)


def test_after_a_modification_the_approved_arguments_run(client, settle):
    request = client.submit("refund", REFUND, key="mine")
    settle("modify", edits=replace_arguments({**REFUND, "amount": 200}), message="goodwill limit")

    with client.guard("refund", REFUND, key="mine") as go:
        assert go.args == {**REFUND, "amount": 200}
        assert go.request == request.id

    assert client.read(request).items[0].outcome == "succeeded"


def test_a_rejection_and_a_refusal_say_why(client, settle):
    request = client.submit("refund", REFUND)
    settle("reject", message="paid already", stop=True)
    with pytest.raises(Rejected, match="Rejected by Alice: paid already") as no:
        client.wait(request, timeout=10)
    assert no.value.stop

    Agent.objects.update(paused_at=times.now())
    with pytest.raises(RefusedByPolicy, match=r"Policy refused it: .*paused"):
        client.wait(client.submit("refund", REFUND))


def test_nobody_decided_yet(client):
    with pytest.raises(StillPending):
        client.wait(client.submit("refund", REFUND), timeout=0.2)


def test_what_policy_lets_through_runs_at_once(client, action_type):
    action_type("note", strategy="never", reversibility="reversible", level=4)

    with client.guard("note", REFUND, wait_s=1) as go:
        assert go.item.source == "policy"


def test_when_the_world_moved_people_are_asked_again_and_the_new_approval_counts(client, settle, working):
    world = {"order_status": "delivered"}
    ran = []

    def refund(order, amount, currency):
        ran.append(amount)

    def work():
        client.call("refund", REFUND, refund, run="case 7", preconditions=lambda: dict(world), wait_s=20)

    ending = working(work)
    waiting("delivered")
    world["order_status"] = "returned"
    settle("approve")
    waiting("returned")
    assert ran == []
    settle("modify", edits=replace_arguments({**REFUND, "amount": 100}))
    ending.result(20)

    assert ran == [100]
    assert [one.status for one in Approval.objects.order_by("created_at")] == ["skipped", "executed"]


def waiting(status: str) -> None:
    """Wait until somebody is asked under this state of the world."""
    deadline = time.monotonic() + 10
    while not Approval.objects.filter(status="pending", proposal__preconditions__order_status=status).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
