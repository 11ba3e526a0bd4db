"""A permit lets exactly what was approved run, once; everything else is stopped by an error that says why."""

import base64
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError, transaction

from agents import keys
from approvals.db import times
from approvals.execution import permits
from approvals.models import Approval, AuditEvent, Consumption, Decision, SigningKey
from approvals.values import schema


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict, dict]:
    head, payload, _ = token.split(".")
    pad = "=="
    return json.loads(base64.urlsafe_b64decode(head + pad)), json.loads(base64.urlsafe_b64decode(payload + pad))


def test_a_permit_is_used_once_and_history_says_so(executor, conforms):
    use = conforms("PermitUsed", executor.consume(executor="payments-1"))

    assert (use["jti"], use["action"], use["action_digest"]) == (executor.jti, "refund", executor.digest)
    assert use["replayed"] is False
    used = Consumption.objects.get(approval=executor.approval)
    assert (str(used.jti), used.attempt, used.executor) == (executor.jti, "first", "payments-1")
    assert executor.fresh().status == "released"
    assert executor.fresh().consumed_at == used.consumed_at
    [event] = executor.approval.events.filter(kind=AuditEvent.Kind.CONSUMED)
    assert event.actor == "agent:robot" and event.facts == {"jti": executor.jti, "digest": executor.digest}


def test_what_is_consumed_is_the_digest_that_an_executor_computes_from_the_permit_and_its_arguments(approved_executor):
    bought = approved_executor(modified={"order": "456", "amount": 200, "currency": "EUR"})
    _, claims = parts(bought.permit)
    recomputed = schema.action_digest(
        agent=claims["aud"],
        action=claims["action"],
        schema_version=claims["schema_version"],
        args={"order": "456", "amount": 200, "currency": "EUR"},
        subject=claims["subject"],
    )

    assert recomputed == bought.digest
    assert bought.consume().status_code == 200


def test_the_same_attempt_again_is_a_lost_answer_and_another_one_a_replay(executor, conforms, refused):
    first = conforms("PermitUsed", executor.consume())
    again = conforms("PermitUsed", executor.consume())

    assert again == {**first, "replayed": True}
    problem = refused(executor.consume("second"), 409, "permit_consumed")
    assert "another attempt" in problem["detail"]
    assert Consumption.objects.count() == 1
    assert executor.approval.events.filter(kind=AuditEvent.Kind.CONSUMED).count() == 1


def test_a_lost_answer_is_found_again_also_when_the_permit_is_over_meanwhile(executor, refused):
    executor.consume()
    with times.at(times.now() + timedelta(days=30)):
        assert executor.consume().json()["replayed"] is True
        refused(executor.consume("second"), 409, "permit_consumed")


def test_once_the_outcome_is_reported_no_attempt_gets_another_yes(executor, refused):
    executor.consume()
    executor.report()

    refused(executor.consume(), 409, "permit_consumed")


def test_an_outcome_without_the_permit_leaves_nothing_to_use(executor, refused):
    executor.report()

    problem = refused(executor.consume(), 409, "permit_consumed")
    assert "reported already" in problem["detail"]
    assert not Consumption.objects.exists()


def test_other_arguments_than_the_approved_ones_do_not_run(executor, refused):
    tampered = schema.action_digest(
        agent="robot",
        action="refund",
        schema_version=1,
        args={"order": "456", "amount": 4200, "currency": "EUR"},
        subject="order:456",
    )

    problem = refused(executor.consume(action_digest=tampered), 409, "permit_mismatch")
    assert "not what was approved" in problem["detail"]
    assert not Consumption.objects.exists()


def test_a_permit_whose_claims_were_changed_does_not_pass(executor, refused):
    head, _, signature = executor.permit.split(".")
    _, claims = parts(executor.permit)
    forged = unpadded(schema.canonical({**claims, "action_digest": "sha256:" + "0" * 64}))

    problem = refused(executor.consume(permit=f"{head}.{forged}.{signature}"), 403, "permit_tampered")
    assert "signature" in problem["detail"]


def test_no_algorithm_is_no_signature(executor, refused):
    _, payload, _ = executor.permit.split(".")
    kid = parts(executor.permit)[0]["kid"]
    for header, signature in (
        ({"alg": "none", "kid": kid, "typ": permits.PERMIT}, ""),
        ({"alg": "HS256", "kid": kid, "typ": permits.PERMIT}, unpadded(b"x" * 32)),
    ):
        token = f"{unpadded(json.dumps(header).encode())}.{payload}.{signature}"
        problem = refused(executor.consume(permit=token), 403, "permit_tampered")
        assert header["alg"] in problem["detail"]
    assert not Consumption.objects.exists()


def test_the_public_key_is_no_secret_to_sign_with(executor, refused):
    """The old trick: a symmetric signature under the published key."""
    import hashlib
    import hmac

    key = SigningKey.objects.get()
    head = unpadded(json.dumps({"alg": "HS256", "kid": key.kid, "typ": permits.PERMIT}).encode())
    payload = executor.permit.split(".")[1]
    raw = base64.urlsafe_b64decode(key.public + "=")
    signature = unpadded(hmac.new(raw, f"{head}.{payload}".encode(), hashlib.sha256).digest())

    refused(executor.consume(permit=f"{head}.{payload}.{signature}"), 403, "permit_tampered")


def test_a_key_of_nobody_we_know_signs_nothing(executor, refused):
    _, claims = parts(executor.permit)
    stolen = jwt.PyJWS().encode(
        schema.canonical(claims), Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": "x", "typ": permits.PERMIT}
    )

    problem = refused(executor.consume(permit=stolen), 403, "permit_tampered")
    assert "No published key" in problem["detail"]


def test_a_token_of_another_kind_is_no_permit(executor, refused):
    _, claims = parts(executor.permit)

    refused(executor.consume(permit=permits.signed(claims, permits.GRANT)), 403, "permit_tampered")
    refused(executor.consume(permit=permits.signed(claims, "JWT")), 403, "permit_tampered")


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "é", "eyJ.eyJ.", "null"])
def test_what_is_no_token_is_said_to_be_none(token, executor, refused):
    refused(executor.consume(permit=token), 403, "permit_tampered")


def test_an_unused_permit_is_over_at_its_time_and_not_before(executor, refused):
    _, claims = parts(executor.permit)
    end = executor.approval.released_at.replace(microsecond=0) + timedelta(hours=24)
    assert claims["exp"] == int(end.timestamp())

    with times.at(end):
        problem = refused(executor.consume(), 409, "permit_expired")
        assert "ask again" in problem["detail"]
    with times.at(end - timedelta(seconds=1)):
        assert executor.consume().status_code == 200


def test_another_agent_has_no_such_permit(executor, stranger, refused):
    problem = refused(executor.consume(by=stranger), 404, "permit_foreign")
    unknown = refused(executor.consume(jti="0192f3b4-0000-7000-8000-000000000000"), 404, "permit_foreign")

    assert problem["detail"] == unknown["detail"]  # whether it exists is not told
    assert not Consumption.objects.exists()


def test_the_permit_of_one_approval_does_not_open_another(approved_executor, refused):
    cheap, dear = approved_executor(amount=1), approved_executor(amount=4000, order="9")

    refused(dear.consume(permit=cheap.permit, action_digest=cheap.digest), 409, "permit_mismatch")
    refused(dear.consume(permit=cheap.permit), 409, "permit_mismatch")
    assert not Consumption.objects.exists()


def test_a_permit_opens_its_own_approval_and_no_twin_of_it(approved_executor, refused):
    executor, twin = approved_executor(), approved_executor()
    assert executor.digest == twin.digest

    refused(twin.consume(permit=executor.permit), 409, "permit_mismatch")
    assert executor.consume().status_code == twin.consume().status_code == 200


def test_a_decision_for_another_revision_lets_nothing_run(executor, refused):
    Approval.objects.filter(pk=executor.approval.pk).update(revision=2)

    problem = refused(executor.consume(), 409, "permit_mismatch")
    assert "revision 1" in problem["detail"]


def test_a_verdict_that_was_taken_back_lets_nothing_run(executor, refused):
    Decision.objects.filter(pk=executor.jti).update(undone_at=times.now())

    refused(executor.consume(), 409, "permit_mismatch")


def test_what_is_only_practice_never_runs(executor, refused):
    Approval.objects.filter(pk=executor.approval.pk).update(kind="practice", released_at=None)

    refused(executor.consume(), 409, "permit_mismatch")


def test_a_paused_agent_runs_nothing_also_not_what_was_approved_before(executor, robot, refused):
    executor.consume()
    robot.paused_at = times.now()
    robot.save()

    problem = refused(executor.consume(), 403, "agent_paused")
    assert "paused" in problem["detail"]
    robot.paused_at = None
    robot.save()
    assert executor.consume().json()["replayed"] is True


def test_a_revoked_key_uses_no_permit(executor, robot, refused):
    key, secret = keys.issue(agent=robot)
    keys.revoke(key)
    executor.api.secret = secret

    refused(executor.consume(), 401, "unauthorized")


def test_a_stopped_run_runs_nothing_more(approved_executor, refused):
    from approvals.requests.submission import RunRef

    bought = approved_executor(run=RunRef("thread-7", "support case", "refund"))
    run = bought.approval.request.run
    run.stopped_at = times.now()
    run.save()

    problem = refused(bought.consume(), 409, "run_stopped")
    assert "stopped this run" in problem["detail"]


def test_the_database_keeps_what_was_used(executor):
    executor.consume()
    used = Consumption.objects.get()
    for change in (lambda: Consumption.objects.update(attempt="other"), lambda: used.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    with pytest.raises(DatabaseError), transaction.atomic():
        Consumption.objects.create(
            approval=executor.approval, jti=used.jti, agent=used.agent, attempt="b", consumed_at=times.now()
        )


@pytest.mark.parametrize(
    "change",
    [
        {"permit": ""},
        {"permit": None},
        {"permit": "x" * 20_000},
        {"action_digest": "abc"},
        {"attempt": ""},
        {"attempt": "x" * 65},
        {"executor": "x" * 201},
        {"preconditions": []},
        {"status": "consumed"},
    ],
)
def test_a_malformed_use_names_its_field(change, executor, refused):
    problem = refused(executor.consume(**change), 422, "invalid_request")

    assert next(iter(change)) in json.dumps(problem["errors"])
    assert not Consumption.objects.exists()
