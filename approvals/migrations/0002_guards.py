"""What the database itself refuses, and the two questions that it answers by functions of its own."""

from django.db import migrations

# History, seals, published policy, votes, uses of permits and recalls are written once.
REFUSE = """
CREATE FUNCTION assent_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""
TABLES = (
    "approvals_auditevent",
    "approvals_systemauditevent",
    "approvals_seal",
    "approvals_policyversion",
    "approvals_vote",
    "approvals_consumption",
    "approvals_recall",
)


def guard(table: str) -> str:
    return f"""
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION assent_refuse();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION assent_refuse();
"""


def drop(table: str) -> str:
    return f"DROP TRIGGER append_only ON {table}; DROP TRIGGER append_only_truncate ON {table};"


# What a standing approval never covers, and that nobody widens one: the form and the domain say so, and so do we.
GRANT = """
CREATE FUNCTION assent_guard_grant() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a standing approval is revoked, never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(NEW) - '{used,used_offline,revoked_at,revoked_by_id}'::text[]
           IS DISTINCT FROM to_jsonb(OLD) - '{used,used_offline,revoked_at,revoked_by_id}'::text[]
           OR NEW.used < OLD.used OR NEW.used_offline < OLD.used_offline
           OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) THEN
            RAISE EXCEPTION 'a standing approval is used or revoked, never changed'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    SELECT reversibility, gate, approvers INTO kind FROM approvals_actiontype WHERE name = NEW.action_type_id;
    IF kind.reversibility = 'irreversible' OR kind.gate = 'manual' OR kind.approvers > 1 THEN
        RAISE EXCEPTION 'a person always decides %', NEW.action_type_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.reserved > 0 AND kind.reversibility <> 'reversible' THEN
        RAISE EXCEPTION '% is not reversible and never runs unasked offline', NEW.action_type_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_grant BEFORE INSERT OR UPDATE OR DELETE ON approvals_grant
    FOR EACH ROW EXECUTE FUNCTION assent_guard_grant();
"""
NO_GRANT = "DROP TRIGGER guard_grant ON approvals_grant; DROP FUNCTION assent_guard_grant();"

# What cannot be undone never passes level 2, and what can only in part never level 4, whoever writes it.
LEVEL = """
CREATE FUNCTION assent_guard_level() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    highest integer;
BEGIN
    SELECT CASE reversibility WHEN 'irreversible' THEN 2 WHEN 'partial' THEN 3 ELSE 4 END INTO highest
    FROM approvals_actiontype WHERE name = NEW.action_type_id;
    IF greatest(NEW.level, NEW.level_medium, NEW.level_high) > highest THEN
        RAISE EXCEPTION '% never passes level %', NEW.action_type_id, highest USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_level BEFORE INSERT OR UPDATE ON approvals_autonomy
    FOR EACH ROW EXECUTE FUNCTION assent_guard_level();
"""
NO_LEVEL = "DROP TRIGGER guard_level ON approvals_autonomy; DROP FUNCTION assent_guard_level();"

# A stop is lifted once, by which nothing else of it changes, and is never deleted.
STOP = """
CREATE FUNCTION assent_guard_stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.lifted_at IS NOT NULL
       OR to_jsonb(NEW) - '{lifted_at,lifted_by_id}'::text[] IS DISTINCT FROM
          to_jsonb(OLD) - '{lifted_at,lifted_by_id}'::text[] THEN
        RAISE EXCEPTION 'a stop is lifted once, and never changed or deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_stop BEFORE UPDATE OR DELETE ON approvals_stop
    FOR EACH ROW EXECUTE FUNCTION assent_guard_stop();
"""
NO_STOP = "DROP TRIGGER guard_stop ON approvals_stop; DROP FUNCTION assent_guard_stop();"

# Asked for every set of submissions. A queue may be a thousandth of what waits, and the planner, which knows tiers and
# domains apart and not together, then takes reading the whole table up to a LIMIT for the shortest way: measured at a
# million rows, minutes for one count. Functions of their own keep it on the index of the queue.
QUEUES = """
CREATE FUNCTION approvals_waiting(tier integer, domain text, most integer) RETURNS bigint
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    SELECT count(*) FROM (
        SELECT FROM approvals_approval AS one
        WHERE one.status = 'pending' AND one.tier_id = $1::smallint AND one.domain_id = $2 LIMIT $3
    ) AS waiting
$$;
CREATE FUNCTION approvals_line(tier integer, domain text, most integer) RETURNS TABLE (due timestamptz, id uuid)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    SELECT least(one.due_at, one.expires_at), one.id FROM approvals_approval AS one
    WHERE one.status = 'pending' AND one.claimed_by_id IS NULL AND one.tier_id = $1::smallint AND one.domain_id = $2
    LIMIT $3
$$;
"""
NO_QUEUES = (
    "DROP FUNCTION approvals_line(integer, text, integer); DROP FUNCTION approvals_waiting(integer, text, integer);"
)


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_initial")]
    operations = [
        migrations.RunSQL(
            REFUSE + "".join(map(guard, TABLES)), "".join(map(drop, TABLES)) + "DROP FUNCTION assent_refuse();"
        ),
        migrations.RunSQL(GRANT, NO_GRANT),
        migrations.RunSQL(LEVEL, NO_LEVEL),
        migrations.RunSQL(STOP, NO_STOP),
        migrations.RunSQL(QUEUES, NO_QUEUES),
    ]
