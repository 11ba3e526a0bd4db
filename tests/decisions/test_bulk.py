"""Rows that are inserted many at a time are the rows that saving one by one would make."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from approvals.db import bulk, times
from approvals.db.ids import new_id
from approvals.models import Approval, ApprovalRequest, AuditEvent, Decision, Proposal

WORDS = 'Größe "5", \\ /\n\t \u2028 \U0001f600 {"a": 1} %s %(x)s ; null'
VALUES = [
    None,
    "",
    "null",
    WORDS,
    '{"order": "456", "amo',
    0,
    False,
    420.0,
    1e-7,
    12345678901234.25,
    [],
    {},
    {"a": None},
]


def stored(table: str, pk: object) -> dict[str, object]:
    """A row as the database shows it: jsonb by its exact text."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT to_json(t)::text, t::text FROM {table} AS t WHERE id = %s", [pk])  # noqa: S608
        return cursor.fetchone()


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_any_json_comes_back_as_it_was_saved(value, refund):
    """Both ways under one id, one after the other: the rows are the same to the last character."""
    approval = Approval.objects.get(pk=refund.pk)
    made = Proposal(
        id=new_id(),
        approval=approval,
        revision=2,
        args=value,
        current=value,
        best_guess=value,
        schema={"x": value},
        alternatives=[value],
        remember=[value],
        rename_to=["refund", WORDS[:60]],
        digest="sha256:" + "0" * 64,
        headline=WORDS,
        summary=WORDS,
        created_at=datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC),
    )
    assert same_either_way(made)


@pytest.mark.parametrize(
    ("hold", "value", "confidence"),
    [
        (timedelta(0), None, None),
        (timedelta(days=3, seconds=5, microseconds=1), Decimal("-0.01"), Decimal("0.850")),
        (timedelta(seconds=30), Decimal("123456789012345678.90"), Decimal("1")),
    ],
)
def test_spans_amounts_and_bytes_come_back_as_they_were_saved(hold, value, confidence, refund):
    approval = Approval.objects.get(pk=refund.pk)
    approval.id, approval.item = new_id(), WORDS[:40]
    approval.hold, approval.value, approval.confidence = hold, value, confidence
    approval.event_head = bytes(range(32))
    approval.tiers_visited, approval.allowed = [1, 2], []
    assert same_either_way(approval)


def same_either_way(row: Approval | Proposal) -> bool:
    table = row._meta.db_table
    bulk.insert([row])
    inserted = stored(table, row.pk)
    type(row).objects.filter(pk=row.pk).delete()
    type(row).objects.bulk_create([row])
    return inserted == stored(table, row.pk)


@pytest.mark.parametrize("model", [ApprovalRequest, Approval, Proposal, Decision, AuditEvent])
def test_no_column_is_forgotten(model):
    """Only the number that the database gives is left to it."""
    columns = {column for column, _ in bulk._statement(model).columns}
    assert {field.column for field in model._meta.concrete_fields} - columns == (
        {"id"} if model is AuditEvent else set()
    )


def test_several_tables_are_one_message(refund, django_assert_num_queries):
    approval = Approval.objects.get(pk=refund.pk)
    proposal = Proposal.objects.get(pk=refund.proposal_id)
    event = AuditEvent.objects.get(approval=refund)
    event.seq, event.id, proposal.id, proposal.revision = 2, None, new_id(), 2
    approval.id, approval.item = new_id(), "call_2"
    with django_assert_num_queries(1):
        bulk.insert([approval], [], [proposal], [event])
    assert (Approval.objects.count(), Proposal.objects.count(), AuditEvent.objects.count()) == (2, 2, 2)


def test_what_is_there_already_is_left_out_and_said(refund, robot):
    fields = {"agent": robot, "content_hash": "sha256:x", "open_items": 1, "created_at": refund.created_at}
    first, second, keyless = (ApprovalRequest(id=new_id(), key=key, **fields) for key in ("k", "k", None))
    assert bulk.insert_new([first, keyless]) == {first.pk, keyless.pk}
    assert bulk.insert_new([second]) == set()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused_before_the_database_sees_it(wrong, refund):
    proposal = Proposal.objects.get(pk=refund.proposal_id)
    proposal.args = {"amount": wrong}
    with pytest.raises(ValueError, match="JSON compliant"):
        bulk.insert([proposal])


def test_a_model_where_a_column_should_be_is_refused(refund):
    with pytest.raises(TypeError, match="no column holds a"):
        bulk.as_json([{"tier": refund.tier}])


def test_a_row_made_for_a_set_is_the_row_that_the_model_makes(robot):
    moment = times.now()
    request = ApprovalRequest(agent=robot, content_hash="x", open_items=1, created_at=moment)
    values = {"request": request, "item": "1", "agent_id": robot.pk, "value": Decimal("4.20"), "created_at": moment}
    quick, usual = bulk.new_row(Approval, **values), Approval(**values)
    new = {"id", "_state"}

    assert {name: value for name, value in quick.__dict__.items() if name not in new} == {
        name: value for name, value in usual.__dict__.items() if name not in new
    }
    assert quick.request is request
    assert quick.pk != usual.pk
    assert quick._state.adding


def test_a_row_is_not_made_with_a_field_that_does_not_exist():
    with pytest.raises(TypeError, match="no colour"):
        bulk.new_row(Approval, colour="blue")
