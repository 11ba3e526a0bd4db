"""Every question to history walks an index of its own: a long past must cost no more than a short one."""

import json
from dataclasses import replace

import pytest
from django.db import connection

from approvals import prepared
from approvals.policy.assess import gather


@pytest.fixture
def sent(published, ask):
    """The queries of a proposal for which everything is asked, and their values."""
    kind = replace(published.policy.types["refund"], usual_path="order", frequency_path="order", most_attempts=3)
    seen = []

    def note(execute, sql, values, many, context):
        seen.append((sql, values))
        return execute(sql, values, many, context)

    with connection.execute_wrapper(note):
        gather([ask(kind, agent_id=published.robot.pk, about="order:456", run="run-1")])
    [(sql, values)] = seen
    return sql.split("; "), values


def indexes(node):
    """The indexes that a plan reads, by table."""
    found = {(node.get("Relation Name"), node["Index Name"])} if "Index Name" in node else set()
    return found.union(*(indexes(one) for one in node.get("Plans", ())))


@pytest.mark.parametrize(
    ("place", "index"),
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
def test_each_query_walks_its_index(sent, place, index):
    queries, values = sent
    assert len(queries) == 9  # those of its run, its spending and what people made of such scores come last
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX approval_newest")  # without rows it serves as well
        # On empty tables nothing is cheaper than reading them whole, or than sorting what was found by another index.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {queries[place]}", values)
        (plan,) = cursor.fetchone()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    read = indexes(plan[0]["Plan"])
    assert ("approvals_approval", index) in read
    assert place != 5 or {("approvals_pause", "pause_of_run"), ("approvals_approval", "approval_overruling")} <= read


def test_a_query_is_planned_once_for_a_connection(db):
    for number in range(3):
        [[(found,)], [(other,)]] = prepared.ask(["SELECT %(n)s::int", "SELECT %(n)s::int + 1"], {"n": number})
        assert (found, other) == (number, number + 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%+ 1'")
        assert cursor.fetchall() == [(3, 0)]


def test_an_error_is_djangos_and_the_connection_goes_on(transactional_db):
    from django.db import ProgrammingError

    with pytest.raises(ProgrammingError):
        prepared.ask(["SELECT 1", "SELECT nothing"], {})
    assert prepared.ask(["SELECT 1"], {}) == [[(1,)]]
