"""Every change writes one event; the chains verify; edits, deletions, reordering and truncation are found."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.history import audit, seal, witness
from approvals.models import AuditEvent, Seal
from tests.tampering import tamper


@pytest.fixture
def history(propose, alice):
    """Six events of three approvals, sealed."""
    for amount in (1, 2, 3):
        refund = propose(amount=amount)
        decide(card_version_of(refund), by=alice, verdict="approve")
    seal.seal(now=times.now())


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE approvals_auditevent SET actor = 'user:bob'",
        "DELETE FROM approvals_auditevent",
        "TRUNCATE approvals_auditevent CASCADE",
        "UPDATE approvals_seal SET number = number + 1",
        "DELETE FROM approvals_policyversion",
    ],
)
def test_the_database_refuses_to_change_history(sql, history):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)


def test_a_sound_history_verifies(history):
    verification = seal.verify()

    assert (verification.ok, verification.checked) == (True, 7)  # and the policy that was published
    assert seal.feed() == 7


def test_what_is_not_sealed_yet_is_said(history, propose):
    propose(amount=4)

    assert "1 not sealed yet" in seal.verify().message


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE approvals_auditevent SET actor = 'user:bob' WHERE kind = 'decided'", "event 2"),
        ("UPDATE approvals_auditevent SET facts = facts || '{\"tier\": 3}' WHERE kind = 'decided'", "event 2"),
        ("UPDATE approvals_auditevent SET at = at + interval '1 s' WHERE seq = 1", "event 1"),
        ("DELETE FROM approvals_auditevent WHERE seq = 1", "event 1"),
        ("DELETE FROM approvals_auditevent WHERE seq = 2", "not the head"),
        ("UPDATE approvals_auditevent SET seq = 4 - seq", "event 1"),
        ("UPDATE approvals_seal SET hash = '\\x00' WHERE number = 3", "seal 3"),
        ("DELETE FROM approvals_seal WHERE number = 2", "seal 2"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_tampering_is_found_and_the_row_named(sql, named, history):
    tamper(sql)

    verification = seal.verify()
    assert not verification.ok
    assert named in verification.message


@pytest.mark.django_db(transaction=True)
def test_a_tail_that_was_cut_off_is_found_by_the_checkpoint_outside(history, tmp_path):
    outside = tmp_path / "checkpoints.jsonl"
    witness.checkpoint(outside, now=times.now())
    assert seal.verify(checkpoints=outside).ok
    last = AuditEvent.objects.order_by("-pk").first()
    tamper("DELETE FROM approvals_seal WHERE number >= 6")
    tamper("DELETE FROM approvals_auditevent WHERE id = %s", last.pk)
    before = AuditEvent.objects.filter(approval=last.approval).last()
    tamper("DELETE FROM approvals_decision WHERE approval_id = %s", last.approval_id)
    tamper(
        "UPDATE approvals_approvalrequest"
        " SET status = 'pending', open_items = 1, closed_at = NULL, answer = '' WHERE id = %s",
        last.approval.request_id,
    )
    tamper(
        "UPDATE approvals_approval SET event_seq = 1, event_head = %s, status = 'pending', votes = 0, verdict = '', "
        "source = '', decided_at = NULL, released_at = NULL, decided_by_id = NULL WHERE id = %s",
        bytes(before.hash),
        last.approval_id,
    )

    assert seal.verify().ok  # chains and rows alone do not show it
    assert "seal 7" in seal.verify(checkpoints=outside).message


def test_the_order_of_all_is_the_order_of_commits_however_late_one_commits(history, propose):
    late = propose(amount=5)
    with times.at(times.now() + timedelta(hours=1)):
        propose(amount=6)
        seal.seal(now=times.now())
    assert not Seal.objects.filter(event__approval=late).exists()
    seal.seal(now=times.now(), everything=True)

    assert Seal.objects.get(event__approval=late).number == 9
    assert seal.verify().ok


@pytest.mark.django_db(transaction=True)
def test_listeners_hear_of_a_change_after_its_commit_and_cannot_break_it(refund, alice, monkeypatch):
    heard = []

    def broken(changes):
        heard.extend((change.event.kind, transaction.get_connection().in_atomic_block) for change in changes)
        raise RuntimeError

    monkeypatch.setattr(audit, "_listeners", [broken])
    settled = decide(card_version_of(refund), by=alice, verdict="approve")

    assert settled.status == "released"
    assert heard == [("decided", False)]
