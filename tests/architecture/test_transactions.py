"""One request or job is one transaction, committed once at the edge; what a pooler would leak is not used."""

import re
from itertools import chain

import pytest
from tests.support.source import Module, modules

from elevate_api.kit.sqlfiles import migrations_dir

EVERY = modules()

# The edge. Everybody else is handed a session, or asks `Database.session()` for a transaction of their own.
OPENS_TRANSACTIONS = {"kit/db.py", "kit/jobs.py"}
# A webhook's delivery is committed before anything can fail: the one statement outside a request's transaction. The
# other two build indexes CONCURRENTLY, which PostgreSQL refuses within one.
COMMITS_BY_ITSELF = {"kajabi/inbox.py", "ops/inspect/reindex.py", "cli/emergency.py"}
# These work within the transaction that they are given.
GIVEN_A_SESSION = {"router", "repository", "queries", "schemas", "models", "errors", "rules", "guards", "criteria"}
# A problem that is raised rolls the request back; nobody else does, but for what they began themselves.
DECIDES = GIVEN_A_SESSION | {"service", "decisions", "corrections", "claims"}
# One connection of its own, to the database itself, closed at the end: nothing is pooled.
OWN_CONNECTION = {"backups/contents.py"}

SESSION_LOCK = re.compile(r"\bpg_(?:try_)?advisory_(?:lock|unlock)", re.IGNORECASE)
PLAIN_SET = re.compile(r"(?:^|;)\s*SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)(?:SESSION\b|[\w.\"]+\s*(?:=|\bTO\b))")
SESSION_STATE = re.compile(r"(?:^|;)\s*(?:LISTEN|UNLISTEN|PREPARE|DEALLOCATE|DISCARD)\s", re.MULTILINE)
SESSION_SETTING = re.compile(r"set_config\([^()]*,\s*false\s*\)", re.IGNORECASE)
LEDGER_CHANGE = re.compile(r"\b(?:UPDATE|DELETE\s+FROM|TRUNCATE)\s+(?:public\.)?(?:points_ledger)\b", re.IGNORECASE)


def commits(module: Module) -> list[str]:
    forbidden = {".commit"}
    if module.stem in DECIDES or module.is_router:
        forbidden |= {".rollback"}
    if module.path not in OPENS_TRANSACTIONS:
        forbidden |= {".begin", "create_async_engine", "create_engine", "async_sessionmaker", "AsyncSession"}
    if module.stem in GIVEN_A_SESSION or module.is_router:
        forbidden |= {".session"}
    found = [f"{module.path}:{line} calls {name}" for name, line in module.calls() if name in forbidden]
    if module.path not in COMMITS_BY_ITSELF | OPENS_TRANSACTIONS:
        found += [f"{module.path}:{line} commits by itself" for text, line in module.strings() if text == "AUTOCOMMIT"]
    return found


def leaks_through_a_pooler(module: Module) -> list[str]:
    rules = [SESSION_LOCK, SESSION_SETTING] + ([PLAIN_SET, SESSION_STATE] if module.path not in OWN_CONNECTION else [])
    return [f"{module.path}:{line}" for text, line in module.strings() if any(rule.search(text) for rule in rules)]


def changes_the_ledger(module: Module) -> list[str]:
    found = [f"{module.path}:{line}" for text, line in module.strings() if LEDGER_CHANGE.search(text)]
    orm = re.compile(r"\b(?:update|delete)\(\s*(?:LedgerEntry|PointAdjustment)\b")
    return found + [module.path for _ in orm.finditer(module.text)]


def test_only_the_edge_commits() -> None:
    assert [finding for module in EVERY for finding in commits(module)] == []


def test_nothing_is_left_on_a_connection() -> None:
    assert [finding for module in EVERY for finding in leaks_through_a_pooler(module)] == []


def test_the_ledger_is_only_added_to() -> None:
    assert [finding for module in EVERY for finding in changes_the_ledger(module)] == []


def test_routers_leave_sql_to_others() -> None:
    allowed = {"sqlalchemy.ext.asyncio"}
    found = [
        f"{module.path} imports {name}"
        for module in EVERY
        if module.is_router
        for name in module.imports()
        if name.startswith(("sqlalchemy", "asyncpg")) and name.rpartition(".")[0] not in allowed
    ]
    assert found == []


def test_migrations_take_no_lock_that_outlives_them() -> None:
    files = chain((migrations_dir() / "versions").glob("*.py"), (migrations_dir() / "sql").glob("*.sql"))
    assert [path.name for path in files if SESSION_LOCK.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("users/service.py", "await session.commit()"),
        ("users/service.py", "await session.rollback()"),
        ("users/service.py", "async with engine.begin() as connection: pass"),
        ("users/service.py", "AsyncSession(engine)"),
        ("users/repository.py", "async with database.session() as session: pass"),
        ("users/admin_router.py", "async with database.session() as session: pass"),
        ("kit/db.py", "session.commit()"),
    ],
)
def test_a_commit_is_found(path: str, code: str) -> None:
    assert commits(Module(path, f"async def f():\n    {code}"))


@pytest.mark.parametrize(
    "code",
    ["session.begin_nested()", "session.flush()", "database.session()", "'commit'", "# session.commit()\npass"],
)
def test_what_is_no_commit_is_let_be(code: str) -> None:
    assert commits(Module("users/service.py", f"async def f():\n    {code.splitlines()[-1]}")) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT pg_advisory_unlock(1)",
        "SET statement_timeout = '1s'",
        "SET SESSION search_path TO x",
        "SET elevate.restore = 'on'",
        "SELECT 1; SET jit = off",
        "LISTEN events",
        "SELECT set_config('a.b', 'c', false)",
    ],
)
def test_what_leaks_through_a_pooler_is_found(sql: str) -> None:
    assert leaks_through_a_pooler(Module("users/service.py", f"run({sql!r})"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_advisory_xact_lock(1)",
        "SET LOCAL statement_timeout = '1s'",
        "SET TRANSACTION READ ONLY",
        "UPDATE users SET name = 'x'",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE\n SET b = 1",
        "SELECT set_config('a.b', 'c', true)",
        "Set a password",
    ],
)
def test_what_ends_with_the_transaction_is_let_be(sql: str) -> None:
    assert leaks_through_a_pooler(Module("users/service.py", f"run({sql!r})")) == []


@pytest.mark.parametrize(
    "code", ["run('UPDATE points_ledger SET x = 1')", "run('delete from public.points_ledger')", "update(LedgerEntry)"]
)
def test_a_change_of_the_ledger_is_found(code: str) -> None:
    assert changes_the_ledger(Module("points/repository.py", code))
