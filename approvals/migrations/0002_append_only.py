"""The database refuses to change history: events, seals, proposals' identity and published policy."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION assent_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""
TABLES = ("approvals_event", "approvals_seal", "approvals_policyversion", "approvals_vote")


def guard(table: str) -> str:
    return f"""
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION assent_refuse();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION assent_refuse();
"""


def drop(table: str) -> str:
    return f"DROP TRIGGER append_only ON {table}; DROP TRIGGER append_only_truncate ON {table};"


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_initial")]
    operations = [
        migrations.RunSQL(
            REFUSE + "".join(map(guard, TABLES)), "".join(map(drop, TABLES)) + "DROP FUNCTION assent_refuse();"
        )
    ]
