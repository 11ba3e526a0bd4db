"""Every question to history walks an index of its own: a long past must cost no more than a short one."""

import json
from dataclasses import replace

import pytest
from django.db import connection

from approvals.db import prepared
from approvals.policy.assessment import read_histories


@pytest.fixture
def history_queries(published, make_question):
    """The queries of a proposal for which everything is asked, and their values."""
    kind = replace(published.policy.types["refund"], baseline_path="order", frequency_path="order", most_attempts=3)
    seen = []

    def note(execute, sql, values, many, context):
        seen.append((sql, values))
        return execute(sql, values, many, context)

    with connection.execute_wrapper(note):
        read_histories([make_question(kind, agent_id=published.robot.pk, subject="order:456", run="run-1")])
    [(sql, values)] = seen
    return sql.split("; "), values


def indexes(node):
    """The indexes that a plan reads, by table."""
    names = {(node.get("Relation Name"), node["Index Name"])} if "Index Name" in node else set()
    return names.union(*(indexes(one) for one in node.get("Plans", ())))


@pytest.mark.parametrize(
    ("position", "index"),
    [
        (0, "approval_proposed"),
        (0, "approval_precedent"),
        (0, "approval_amounts"),
        (1, "approval_twin"),
        (2, "approval_counted"),
        (3, "approval_usual"),
        (4, "approval_alike"),
        (5, "approval_rejected"),
    ],
)
def test_each_query_walks_its_index(history_queries, position, index):
    queries, values = history_queries
    assert len(queries) == 9  # those of its run, its spending and what people made of such scores come last
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX approval_newest, approval_of_type")  # without rows they serve as well
        # On empty tables nothing is cheaper than reading them whole, or than sorting what was found by another index.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {queries[position]}", values)
        (plan,) = cursor.fetchone()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    read = indexes(plan[0]["Plan"])
    assert ("approvals_approval", index) in read
    assert (
        position != 5
        or {("approvals_approvalrequest", "request_of_run"), ("approvals_approval", "approval_overruling")} <= read
    )


def test_a_query_is_planned_once_for_a_connection(db):
    for number in range(3):
        [[(first,)], [(other,)]] = prepared.ask(["SELECT %(n)s::int", "SELECT %(n)s::int + 1"], {"n": number})
        assert (first, other) == (number, number + 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%+ 1'")
        assert cursor.fetchall() == [(3, 0)]


def test_an_error_is_djangos_and_the_connection_goes_on(transactional_db):
    from django.db import ProgrammingError

    with pytest.raises(ProgrammingError):
        prepared.ask(["SELECT 1", "SELECT nothing"], {})
    assert prepared.ask(["SELECT 1"], {}) == [[(1,)]]
