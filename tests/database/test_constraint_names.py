"""Constraint names are API: problems are looked up by them, so every name must exist, and every rule have one."""

import re

from tests.support.sql import Connection

from elevate_api.constraints import CONSTRAINTS

NAMED = """
    SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace
"""
# No request can run into these: only a mistake of the service can, and that is a 500 for its makers to see.
MISTAKES = {
    "submissions_starts_pending",
    "submissions_identity",
    "submissions_decision_frozen",
    "submission_attachments_frozen",
}


async def raised_by_functions(connection: Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT prosrc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang"
        " WHERE pronamespace = 'public'::regnamespace AND lanname IN ('plpgsql', 'sql')"
    )
    return {name for row in rows for name in re.findall(r"CONSTRAINT = '(\w+)'", row[0])}


async def test_problems_are_looked_up_by_names_that_exist(operator: Connection) -> None:
    existing = {row[0] for row in await operator.fetch(NAMED)} | await raised_by_functions(operator)
    triggers = {f"{table}_append_only" for table in ("points_ledger", "point_adjustments")}
    assert set(CONSTRAINTS) - existing - triggers == set()


async def test_what_a_function_refuses_has_its_problem(operator: Connection) -> None:
    assert await raised_by_functions(operator) - MISTAKES - set(CONSTRAINTS) == set()


async def test_checks_are_named_by_hand(operator: Connection) -> None:
    made_up = await operator.fetch(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'x')"
        " AND conname ~ '_(check|excl)[0-9]*$'"
    )
    assert made_up == []


async def test_names_fit_and_are_unique(operator: Connection) -> None:
    """PostgreSQL cuts a name at 63 bytes without a word; two of one name would be one key in the table."""
    names = [row[0] for row in await operator.fetch(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    )]  # fmt: skip
    assert max(map(len, names)) < 63
    assert len(names) == len(set(names))
