"""What concerns no approval forms a chain of its own: written by one maker, sealed, verified, shown and exported."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.urls import reverse

from agents import keys
from approvals.db import times
from approvals.execution import permits
from approvals.history import audit, seal
from approvals.models import ActionType, SystemAuditEvent, SystemChain
from approvals.policy.authoring import versions
from tests.tampering import tamper


def recorded(*kinds: str) -> list[tuple[str, str, str]]:
    rows = SystemAuditEvent.objects.filter(kind__in=kinds).order_by("seq")
    return list(rows.values_list("kind", "actor", "subject"))


@pytest.fixture
def log(root, robot):
    """Three system events, sealed."""
    key, _secret = keys.issue(agent=robot, name="production", by=root)
    keys.revoke(key, by=root)
    permits.rotate(by=root)
    seal.seal(now=times.now())


def test_keys_of_agents_and_people_are_recorded_with_who_made_and_revoked_them(root, bob, robot):
    key, secret = keys.issue(agent=robot, name="production", by=root)
    keys.revoke(key, by=root)
    keys.revoke(key, by=root)
    keys.issue(user=bob, name="laptop", by=bob)
    permits.rotate(by=None)

    assert recorded("key_issued", "key_revoked") == [
        ("key_issued", "user:root", "agent:robot"),
        ("key_revoked", "user:root", "agent:robot"),
        ("key_issued", "user:bob", "user:bob"),
    ]
    assert [actor for _, actor, _ in recorded("signing_key_rotated")] == ["command"]
    assert secret not in str(list(SystemAuditEvent.objects.values_list("detail", flat=True)))


def test_publishing_policy_is_recorded_with_the_digest(root, refunds):
    ActionType.objects.update(title="Money back")
    version = versions.publish(by=root, note="A better title.", digest=versions.draft().digest)

    event = SystemAuditEvent.objects.filter(kind="policy_published").first()
    assert (event.actor, event.subject) == ("user:root", f"policy:{version.number}")
    assert event.detail == {"digest": version.digest, "note": "A better title."}


@pytest.mark.django_db(transaction=True)
def test_events_recorded_at_once_form_one_chain(db):
    def write(number: int) -> None:
        audit.record(SystemAuditEvent.Kind.AGENT_PAUSED, by=audit.COMMAND, subject=f"agent:{number}")
        connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))

    assert list(SystemAuditEvent.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 41))
    assert seal.verify().ok


def test_a_change_that_is_rolled_back_leaves_no_event(root, robot):
    before = SystemAuditEvent.objects.count()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        keys.issue(agent=robot, name="production", by=root)
        raise ZeroDivisionError

    assert SystemAuditEvent.objects.count() == before
    assert seal.verify().ok


def test_system_events_are_sealed_with_all_others(log, propose):
    propose()
    seal.seal(now=times.now())

    assert not SystemAuditEvent.objects.filter(seal=None).exists()
    verification = seal.verify()
    assert verification.ok, verification.message
    assert "not sealed" not in verification.message


@pytest.mark.parametrize(
    "sql", ["UPDATE approvals_systemauditevent SET actor = 'user:bob'", "DELETE FROM approvals_systemauditevent"]
)
def test_the_database_refuses_to_change_a_system_event(sql, log):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


LAST = "(SELECT max(seq) FROM approvals_systemauditevent)"


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (
            "UPDATE approvals_systemauditevent SET actor = 'user:bob' WHERE kind = 'key_issued'",
            "(key_issued) was changed",
        ),
        (
            "UPDATE approvals_systemauditevent SET subject = 'user:bob' WHERE kind = 'key_issued'",
            "(key_issued) was changed",
        ),
        ("UPDATE approvals_systemauditevent SET kind = 'agent_paused' WHERE kind = 'key_revoked'", "was changed"),
        ("UPDATE approvals_systemauditevent SET detail = '{}' WHERE kind = 'key_issued'", "(key_issued) was changed"),
        ("UPDATE approvals_systemauditevent SET at = at + interval '1 s' WHERE kind = 'key_issued'", "was changed"),
        ("DELETE FROM approvals_systemauditevent WHERE kind = 'key_issued'", "is missing"),
        (f"DELETE FROM approvals_systemauditevent WHERE seq = {LAST}", "the last system event is not the head"),  # noqa: S608
        ("DELETE FROM approvals_systemchain", "the last system event is not the head"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_tampering_with_a_system_event_is_found_and_the_row_named(sql, named, log):
    assert seal.verify().ok
    tamper(sql)

    verification = seal.verify()
    assert not verification.ok
    assert named in verification.message


# --- The admin writes them


def test_pausing_an_agent_is_recorded(root, robot, as_):
    page = reverse("admin:approvals_agent_changelist")
    for action in ("pause", "resume"):
        as_(root).post(page, {"action": action, "_selected_action": [str(robot.pk)]})

    assert recorded("agent_paused", "agent_resumed") == [
        ("agent_paused", "user:root", "agent:robot"),
        ("agent_resumed", "user:root", "agent:robot"),
    ]


# --- The page


def test_an_auditor_reads_filters_and_exports_the_log(log, otto, as_):
    page = as_(otto).get(reverse("history:audit_log"), {"kind": "key_issued"}).content.decode()
    assert "agent:robot" in page
    assert "<td>Key revoked</td>" not in page
    assert "scopes: submit, read, execute" in page

    lines = b"".join(as_(otto).get(reverse("history:audit_log_csv")).streaming_content).decode("utf-8-sig").splitlines()
    assert lines[0] == "number,at,event,by,subject,detail,hash"
    assert len(lines) == 1 + SystemAuditEvent.objects.count()


def test_an_auditor_verifies_on_the_page(log, otto, as_, settings, tmp_path):
    settings.ASSENT_CHECKPOINT_FILE = tmp_path / "checkpoints.jsonl"
    assert 'data-verified="yes"' in as_(otto).post(reverse("history:verify")).content.decode()
    SystemChain.objects.update(seq=7)
    page = as_(otto).post(reverse("history:verify")).content.decode()
    assert 'data-verified="no"' in page
    assert "the last system event is not the head" in page
