"""Every index of a table that each request writes to is declared, with what reads it.

Django makes an index for each foreign key, and a second one where the key is a text. Nobody reads most of them, and
every insert pays for all.
"""

import ast
import inspect
import re

import pytest
from django.apps import apps
from django.db import connection, models

from approvals.models import approval_table

HOT = (
    *("Approval", "ApprovalRequest", "Proposal", "Decision", "Vote", "AuditEvent", "Seal", "Consumption", "Outcome"),
    *("Delivery", "NotificationRecord", "PostReview", "PlannedStep", "Run", "Step"),
)


def named(model: type[models.Model]) -> set[str]:
    meta = model._meta
    return {index.name for index in meta.indexes} | {constraint.name for constraint in meta.constraints}


def of_database(table: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", [table])
        return dict(cursor.fetchall())


@pytest.mark.parametrize("name", HOT)
def test_no_index_stands_in_the_database_that_its_model_does_not_name(name, db):
    model = apps.get_model("approvals", name)
    table = model._meta.db_table
    own = {f"{table}_pkey"}
    # A column that is unique by itself says so in its field.
    unique = [field.column for field in model._meta.fields if field.unique and not field.primary_key]

    unnamed = {
        index: definition
        for index, definition in of_database(table).items()
        if index not in named(model) | own and re.search(r"\((\w+)\)", definition)[1] not in unique
    }

    assert unnamed == {}


def undescribed(source: str) -> list[str]:
    """The indexes of a model's Meta above which no comment says what for."""
    lines = source.splitlines()
    made = [
        call
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign)
        and [*map(ast.unparse, node.targets)] in (["indexes"], ["INDEXES"])
        and isinstance(node.value, ast.List)
        for call in node.value.elts  # type: ignore[attr-defined]
    ]
    return [ast.unparse(call) for call in made if not lines[call.lineno - 2].strip().startswith("# ")]


@pytest.mark.parametrize("name", HOT)
def test_above_each_index_stands_what_it_is_for(name):
    model = apps.get_model("approvals", name)
    table = [inspect.getsource(approval_table)] if name == "Approval" else []

    assert [text for source in (inspect.getsource(model), *table) for text in undescribed(source)] == []


def test_an_automatic_index_is_noticed(db):
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX approvals_approval_tier_id_a1c15ceb ON approvals_approval (tier_id)")

    with pytest.raises(AssertionError):
        test_no_index_stands_in_the_database_that_its_model_does_not_name("Approval", db)
