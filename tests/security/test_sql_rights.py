"""Every object of the database and what the service's role may do with it; read from the catalogs, so that a new one
without a line here fails.
"""

import asyncpg
import pytest
from tests.database.conftest import connect, operator, person, reviewer, service
from tests.support.cluster import ANONYMOUS
from tests.support.sql import Connection

__all__ = ["connect", "operator", "person", "reviewer", "service"]

READ, ADD, CHANGE, ALL = "SELECT", "INSERT SELECT", "INSERT SELECT UPDATE", "DELETE INSERT SELECT UPDATE"

RIGHTS = {
    # Catalogues and people: changed, never removed.
    "activities": CHANGE,
    "badges": CHANGE,
    "users": CHANGE,
    "submissions": CHANGE,
    "kajabi_events": CHANGE,
    "clerk_events": CHANGE,
    "alerts": CHANGE,
    "alert_silences": CHANGE,
    "job_runs": CHANGE,
    # History: only added to.
    "points_ledger": READ,  # and INSERT by column, below
    "point_adjustments": ADD,
    "earned_badges": ADD,
    "audit_log": ADD,
    "analytics_refreshes": ADD,
    # What comes and goes.
    "alert_events": ALL,
    "alert_notices": ALL,
    "alert_samples": ALL,
    "attachment_removals": ALL,
    "idempotency_keys": ALL,
    "rate_limit_windows": ALL,
    "review_claims": ALL,
    "submission_attachments": ALL,
    # Written by the owner's functions and triggers alone.
    "alembic_version": READ,
    "app_settings": READ,
    "ledger_seals": READ,
    "day_totals": READ,
    "grant_changes": READ,
    "people_changes": READ,
    "rebuild_requests": READ,
    "score_histogram": READ,
    "stage_totals": READ,
    "submission_changes": READ,
    "totals_state": READ,
    "user_totals_rows": READ,
    "user_totals": READ,
    # Views.
    "activity_metrics": READ,
    "cohort_metrics": READ,
    "leaderboard_30d": READ,
    "leaderboard_totals": READ,
    "school_metrics": READ,
    "time_series_metrics": READ,
}

AS_OWNER = {
    "erase_user": "an erasure changes decisions and the audit log",
    "fold_totals": "totals are written by folds alone",
    "note_badge_change": "notes for folds, by triggers",
    "note_grant_change": "notes for folds, by triggers",
    "note_person_change": "notes for folds, by triggers",
    "note_submission_change": "notes for folds, by triggers",
    "rebuild_totals": "totals are written by folds alone",
    "refresh_all_analytics": "before PostgreSQL 17 only its owner refreshes a view",
    "refresh_analytics_view": "before PostgreSQL 17 only its owner refreshes a view",
    "remove_old_audit": "retention: months old at least, whoever asks",
    "request_rebuild": "a trigger that asks for a rebuild",
    "seal_ledger": "a seal is made of the ledger's rows and of nothing that is given",
}
"""Functions that run with the owner's rights, and why. All others have their caller's, so they open nothing."""

OURS = "AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = o.oid AND d.deptype = 'e')"
RELATIONS = f"""
    SELECT o.relname, o.oid::regclass::text AS name, o.relkind::text AS kind,
      coalesce((SELECT string_agg(a.privilege_type, ' ' ORDER BY a.privilege_type)
                FROM aclexplode(o.relacl) a WHERE a.grantee = 'elevate_app'::regrole), '') AS rights,
      coalesce((SELECT bool_or(a.is_grantable) FROM aclexplode(o.relacl) a WHERE a.grantee = 'elevate_app'::regrole),
               false) AS passes_on
    FROM pg_class o WHERE o.relnamespace = 'public'::regnamespace AND o.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') {OURS}
"""
FUNCTIONS = f"""
    SELECT o.oid::regprocedure::text AS signature, o.proname, o.prosecdef, o.proconfig, o.oid, l.lanname
    FROM pg_proc o JOIN pg_language l ON l.oid = o.prolang WHERE o.pronamespace = 'public'::regnamespace {OURS}
"""


async def test_every_table_and_view_has_exactly_the_rights_of_its_line(operator: Connection) -> None:
    rows = await operator.fetch(RELATIONS)
    assert {row["relname"]: row["rights"] for row in rows} == RIGHTS
    assert not any(row["passes_on"] for row in rows)


async def test_a_ledger_row_is_given_every_column_but_the_databases_own(operator: Connection) -> None:
    rows = await operator.fetch(
        """SELECT attname, string_agg(privilege_type, ' ') AS rights FROM pg_attribute, aclexplode(attacl) a
           WHERE attrelid = 'points_ledger'::regclass AND a.grantee = 'elevate_app'::regrole GROUP BY 1"""
    )
    own = ["id", "user_id", "activity_code", "source", "delta_points", "external_event_id", "event_time", "created_at"]
    assert {row["attname"]: row["rights"] for row in rows} == dict.fromkeys(own, "INSERT")


async def test_functions_with_the_owners_rights_are_these_and_look_nowhere_else(operator: Connection) -> None:
    rows = [row for row in await operator.fetch(FUNCTIONS) if row["prosecdef"]]
    assert {row["proname"] for row in rows} == AS_OWNER.keys()
    for row in rows:
        assert "search_path=public, pg_temp" in row["proconfig"], row["signature"]
    assert {row["lanname"] for row in await operator.fetch(FUNCTIONS)} <= {"sql", "plpgsql"}


async def test_strangers_have_no_right_on_anything_by_any_way(operator: Connection) -> None:
    """Directly, by a column, by PUBLIC or by a role that they belong to: as the server itself decides."""
    found = []
    for stranger in ANONYMOUS:
        for row in await operator.fetch(RELATIONS):
            check = "has_sequence_privilege($1, $2, 'USAGE, SELECT, UPDATE')"
            if row["kind"] != "S":
                check = (
                    "has_table_privilege($1, $2, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"
                    " OR has_any_column_privilege($1, $2, 'SELECT, INSERT, UPDATE, REFERENCES')"
                )
            if await operator.fetchval(f"SELECT {check}", stranger, row["name"]):
                found.append(f"{stranger}: {row['name']}")
        check = "SELECT oid::regprocedure::text FROM pg_proc WHERE has_function_privilege($1, oid, 'EXECUTE')"
        callable_ones = {row[0] for row in await operator.fetch(check, stranger)}
        found += [
            f"{stranger}: {name}"
            for row in await operator.fetch(FUNCTIONS)
            if (name := row["signature"]) in callable_ones
        ]
    assert found == []


async def test_the_service_is_nobody_else_and_nothing_special(operator: Connection) -> None:
    role = await operator.fetchrow("SELECT * FROM pg_roles WHERE rolname = 'elevate_app'")
    special = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")
    assert [name for name in special if role[name]] == []
    member = "SELECT rolname FROM pg_roles WHERE rolname <> 'elevate_app' AND pg_has_role('elevate_app', oid, 'MEMBER')"
    assert await operator.fetch(member) == []
    assert not await operator.fetchval("SELECT has_schema_privilege('elevate_app', 'public', 'CREATE')")
    assert await operator.fetchval(
        """SELECT count(*) FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND relowner = 'elevate_app'::regrole"""
    ) == 0  # fmt: skip


async def test_rows_are_guarded_for_everybody_but_the_service(operator: Connection) -> None:
    unguarded = await operator.fetch(
        """SELECT relname FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relrowsecurity"""
    )
    assert unguarded == []
    policies = await operator.fetch("SELECT polroles::regrole[]::text AS roles FROM pg_policy")
    assert {row["roles"] for row in policies} == {"{elevate_app}"}


ATTEMPTS = (
    "SELECT seal_ledger('00000000-0000-0000-0000-000000000000', 10, NULL, '{\"1\": \"x\"}', true)",
    "SELECT set_config('session_replication_role', 'replica', false)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT pg_reload_conf()",
    "CREATE EXTENSION dblink",
    "SET ROLE elevate",
    "ALTER ROLE elevate_app SUPERUSER",
    "INSERT INTO ledger_seals SELECT * FROM ledger_seals",
    "UPDATE totals_state SET as_of = now()",
    "INSERT INTO points_ledger (user_id, activity_code, source, delta_points, stamp) SELECT 'a', 'b', 'c', 1, '1'",
)


async def test_the_service_gets_no_further(service: Connection) -> None:
    for attempt in ATTEMPTS:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(attempt)


async def test_retention_removes_nothing_young_whoever_asks(service: Connection) -> None:
    await service.execute("INSERT INTO audit_log (action, target_type, target_id) VALUES ('x', 'user', 'a')")
    assert await service.fetchval("SELECT remove_old_audit(0, 1000000)") == 0
    assert await service.fetchval("SELECT count(*) FROM audit_log") == 1
