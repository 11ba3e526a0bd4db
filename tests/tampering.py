"""What somebody with the database's keys could do."""

from django.db import connection


def tamper(sql: str, *values: object) -> None:
    """Run a statement past the triggers that keep history."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, values)
        cursor.execute("SET session_replication_role = DEFAULT")
