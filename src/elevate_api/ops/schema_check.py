"""Is the database what the migrations make? Models cannot say: triggers, functions and views are not in them.

The migrations are run once more, into a schema of their own in a transaction that is rolled back, and PostgreSQL's
own descriptions of both are compared. No superuser, no second database, nothing left behind; the role needs CREATE on
the database, which its owner has.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from elevate_api.kit.orm import Base
from elevate_api.kit.sqlfiles import migrations_dir
from elevate_api.models import MODELS
from elevate_api.ops.migrations import alembic_config

assert MODELS  # imported for the tables that they register on Base  # noqa: S101
LIVE = "public"
WHERE_POSSIBLE = frozenset({"users_search_idx", "users_school_search_idx"})
"""Needs an extension that not every database may have, so no model names it; migrations/env.py says the same."""
WHOLE = frozenset({"table", "view", "materialized view"})
"""What has parts: when one of these is missing or unexpected, its columns and indexes go without saying."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something in a schema. `relation` is the table or view that it is a part of, or itself."""

    kind: str
    relation: str | None
    name: str

    def __str__(self) -> str:
        if self.kind in {"column", "constraint", "trigger", "foreign key triggers"}:
            return f"{self.kind} {self.relation}.{self.name}" if self.name else f"{self.kind} of {self.relation}"
        return f"{self.kind} {self.name}"


async def differences(connection: AsyncConnection) -> list[str]:
    """Compare the live database with the migrations up to the revision that it is at.

    Sentences like `missing: index users_email_idx`, `unexpected: column users.nickname`, `changed: function f(text)`,
    sorted; empty when all is well. Connect as the owner of the tables. Raises alembic's CommandError for a revision
    that this code does not know.
    """
    scratch = f"elevate_check_{secrets.token_hex(6)}"
    savepoint = await connection.begin_nested()
    try:
        live = await _describe(connection, LIVE)
        revision = await connection.scalar(text(f"SELECT max(version_num) FROM {LIVE}.alembic_version"))
        await _build(connection, scratch, revision)
        expected = await _describe(connection, scratch)
    finally:
        await savepoint.rollback()
    return _compare(expected, live)


async def model_differences(connection: AsyncConnection) -> list[str]:
    """Compare the live tables, columns and indexes with the models, as Alembic's autogenerate does; sentences."""
    return await connection.run_sync(_compare_models)


def _compare_models(connection: Connection) -> list[str]:
    options = {
        "compare_type": True,
        "include_name": lambda name, kind, _: kind != "index" or name not in WHERE_POSSIBLE,
    }
    found = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    flat = [step for part in found for step in (part if isinstance(part, list) else [part])]
    return sorted(f"{step[0]}: {_named(step)}" for step in flat)


def _named(step: tuple[Any, ...]) -> str:
    """`table.column` or the name of whatever it is; Alembic's tuples differ by kind."""
    words = [str(getattr(part, "name", part)) for part in step[1:] if isinstance(getattr(part, "name", part), str)]
    return ".".join(words)


async def open_doors(connection: AsyncConnection) -> list[str]:
    """What somebody other than the service could reach, or the service could not: what access.sql should have closed.

    Sentences like `table notes: no row level security`; empty when all is well.
    """
    statement = (migrations_dir() / "sql" / "open_doors.sql").read_text(encoding="utf-8")
    return list((await connection.execute(text(statement))).scalars())


async def _build(connection: AsyncConnection, schema: str, revision: str | None) -> None:
    """Migrate an empty schema. Names in migrations are unqualified, so the search path says where they go.

    Bodies of functions name `public`, and are not looked into while they are created.
    """
    await connection.execute(text(f"CREATE SCHEMA {schema}"))
    await connection.execute(text(f"SET LOCAL search_path = {schema}"))
    await connection.execute(text("SET LOCAL check_function_bodies = off"))
    if revision is not None:
        await connection.run_sync(_migrate, revision)


def _migrate(connection: Connection, revision: str) -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    steps = list(scripts.iterate_revisions(revision, "base"))
    with Operations.context(MigrationContext.configure(connection)):
        for script in reversed(steps):
            script.module.upgrade()


async def _describe(connection: AsyncConnection, schema: str) -> dict[Item, str]:
    """Everything in the schema, told as if it were the live one. Without a search path every name is qualified."""
    await connection.execute(text("SET LOCAL search_path = pg_catalog"))
    rows = await connection.execute(text(DESCRIPTION), {"schema": schema})
    here, there = f"{schema}.", f"{LIVE}."
    return {
        Item(kind, relation, name.replace(here, there)): said.replace(here, there)
        for kind, relation, name, said in rows
    }


def _compare(expected: dict[Item, str], live: dict[Item, str]) -> list[str]:
    found = [f"missing: {item}" for item in _without_parts(expected.keys() - live.keys())]
    found += [f"unexpected: {item}" for item in _without_parts(live.keys() - expected.keys())]
    found += [f"changed: {item}" for item in expected.keys() & live.keys() if expected[item] != live[item]]
    return sorted(found)


def _without_parts(items: set[Item]) -> list[Item]:
    whole = {item.relation for item in items if item.kind in WHOLE}
    return [item for item in items if item.kind in WHOLE or item.relation not in whole]


# Columns: kind, relation, name, definition. What belongs to an extension, and Alembic's own table, is left out.
DESCRIPTION = """
WITH relations AS (
  SELECT c.oid, c.relname, c.relkind FROM pg_catalog.pg_class c
  WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
    AND c.relname <> 'alembic_version'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
)
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END,
       relname::text, relname::text,
       CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) ELSE '' END
FROM relations
UNION ALL
SELECT 'column', r.relname, a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), 'collate ' || nullif(a.attcollation, 0)::text,
                 CASE WHEN a.attnotnull THEN 'not null' END, nullif(a.attidentity, ''), nullif(a.attgenerated, ''),
                 -- What the ledger's stamps start from is set anew in each cluster (docs/decisions/totals.md).
                 regexp_replace(pg_get_expr(d.adbin, d.adrelid), '^\\(''?[0-9]+''?[^ ]* \\+ \\(\\(pg_current_xact_id',
                                '((pg_current_xact_id'))
FROM relations r
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p')
UNION ALL
SELECT 'constraint', r.relname, c.conname, pg_get_constraintdef(c.oid)
FROM relations r JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid
WHERE c.contype <> 'n'  -- since PostgreSQL 18; the columns say it
UNION ALL
SELECT 'index', r.relname, i.relname,
       pg_get_indexdef(x.indexrelid) || CASE WHEN x.indisvalid THEN '' ELSE ' invalid' END
FROM relations r
JOIN pg_catalog.pg_index x ON x.indrelid = r.oid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
UNION ALL
SELECT 'trigger', r.relname, t.tgname, pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
FROM relations r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid
WHERE NOT t.tgisinternal
UNION ALL
SELECT 'foreign key triggers', r.relname, '', string_agg(DISTINCT t.tgenabled::text, ' ')
FROM relations r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid
WHERE t.tgisinternal GROUP BY r.relname
UNION ALL
SELECT 'function', NULL, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', pg_get_functiondef(p.oid)
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = CAST(:schema AS regnamespace) AND p.prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
