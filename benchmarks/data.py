"""The generated programme: made once a scale inside the database, kept for later runs, copied for each run.

A generated database keeps the schema of its day, and what a run works with is migrated, as released migrations never
change. Where one did all the same, or what makes the data, it is made anew. What it holds keeps every rule of the
service (``verify`` checks them), with a permanent cause for each ledger row; left out are audit rows, attachments and
answers kept for idempotency.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.machine import used_by
from elevate_api.config import AppSettings, SeedSettings, Settings
from elevate_api.kit.db import Address, Database
from elevate_api.kit.sqlfiles import migrations_dir
from elevate_api.ops import migrations
from elevate_api.ops.roles import ensure_service_role
from elevate_api.postgres import EmbeddedServer
from elevate_api.seeds import reference

PARTS = ("people", "events", "submissions", "ledger")
_BRANCHES = {
    "submissions": ("submissions",),
    "ledger": ("points_ledger", "earned_badges", "kajabi_events", "point_adjustments"),
}
"""What is filled beside each other, a connection each: the part of its rows, and its tables."""
_SQL = Path(__file__).with_name("sql")
_BUSY = 11.0
"""Sets the mean of AMPLIFY sessions so that a person has about ten ledger rows."""
_STALE_SECONDS = 14 * 86_400
"""Older data has little left in the window of 30 days."""


@dataclass(frozen=True, slots=True)
class Scale:
    """`copies`: whether a run works on a copy. There is seldom room beside 4m: runs then add to the original."""

    name: str
    people: int

    @property
    def copies(self) -> bool:
        return self.people <= 2_000_000  # noqa: PLR2004

    @property
    def disk_gb(self) -> float:
        """About what the data and, where there is one, its copy take."""
        return self.people / 1e6 * 13 * (2 if self.copies else 1.3)

    @classmethod
    def parse(cls, text: str) -> "Scale":
        """`100k`, `1m`, `4m`, or any number of people. Raises ValueError."""
        lowered = text.strip().lower()
        factor = {"k": 1000, "m": 1_000_000}.get(lowered[-1:], 1)
        people = int(lowered.rstrip("km")) * factor
        if people < 1000:  # noqa: PLR2004
            raise ValueError("at least 1000 people")
        return cls(lowered, people)


@cache
def schema_files() -> tuple[str, ...]:
    """Every migration and SQL file: whatever changes the schema is in them."""
    files = (path for path in migrations_dir().rglob("*") if path.suffix in {".py", ".sql"})
    return tuple(sorted(str(path.relative_to(migrations_dir())) for path in files))


@cache
def schema_digest(files: tuple[str, ...] | None = None) -> str:
    """Of these files, or of all; of nothing when one is not there any more."""
    wanted = schema_files() if files is None else files
    return _digest([migrations_dir() / name for name in wanted]) if set(wanted) <= set(schema_files()) else ""


@cache
def data_digest() -> str:
    """Of the statements that make the data."""
    return _digest([_SQL / f"{part}.sql" for part in PARTS])


def _digest(paths: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()[:10]


class Dataset:
    """Databases of a cluster: `data_<scale>_<digest>` is generated, `work_<scale>` a run's migrated copy."""

    def __init__(self, server: EmbeddedServer, say: Callable[[str], None] = print) -> None:
        self._server = server
        self._say = say
        self._copied: set[str] = set()

    def name(self, scale: Scale) -> str:
        return f"data_{scale.name}_{data_digest()}"

    @staticmethod
    def staff(scale: Scale) -> int:
        """The first so many people are staff (1 SUPERADMIN, 3 ADMINs, the rest REVIEWERs), the others educators."""
        return max(20, scale.people // 2000)

    @staticmethod
    def person(number: int) -> str:
        """The id of the person of this number, from 1."""
        return "user_2" + hashlib.md5(f"person{number}".encode(), usedforsecurity=False).hexdigest()[:26]

    def exists(self, scale: Scale) -> bool:
        """Whether it is there, whole, not too old and of a schema that today's follows."""
        return self._usable(self.name(scale))

    def _usable(self, name: str) -> bool:
        found = self._description(name)
        unchanged = bool(found) and schema_digest(tuple(found["files"])) == found["schema"]
        return unchanged and time.time() - float(found["made"]) < _STALE_SECONDS

    def _description(self, name: str) -> dict[str, Any]:
        comment = self._server.psql(
            f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'"
        )
        return dict(json.loads(comment)) if comment else {}

    def _describe(self, name: str, made: float) -> None:
        """Written last: what has no comment is not whole. The digest is that of this run's beginning."""
        comment = json.dumps({"made": made, "schema": schema_digest(), "files": schema_files()})
        self._server.psql(f"COMMENT ON DATABASE \"{name}\" IS '{comment}'")

    def drop_outdated(self) -> None:
        """Data that cannot be used any more, and what killed runs left behind."""
        for name in self._server.psql("SELECT datname FROM pg_database").splitlines():
            outdated = name.startswith("data_") and not (name.endswith(data_digest()) and self._usable(name))
            if outdated or name.startswith(("work_", "scratch_", "making_")):
                self._server.drop_database(name)

    def working_copy(self, scale: Scale) -> str:
        """The database that this run may change; copied at the first call."""
        source = self.name(scale)
        name = f"work_{scale.name}" if scale.copies else source
        if name not in self._copied:
            started = time.perf_counter()
            if scale.copies:
                self._copy(source, name)
            migrations.upgrade(Address.parse(self._server.dsn(name)))
            if not scale.copies:
                self._describe(name, self._description(name)["made"])
            self._copied.add(name)
            self.settle(name)
            self._say(f"copied and migrated {source} in {time.perf_counter() - started:.0f} s")
        return name

    def _copy(self, source: str, name: str) -> None:
        self._server.drop_database(name)
        with _connected(self._server.superuser_dsn()) as run:
            # Copies files instead of writing every page to the log; fit for what nobody is connected to.
            run(f"CREATE DATABASE {name} OWNER elevate TEMPLATE {source} STRATEGY file_copy")

    def settle(self, name: str) -> None:
        """The first fold in a copied database counts everything anew, as in any other place that data moves to."""
        with _connected(self._server.superuser_dsn(name)) as run:
            run("SELECT * FROM fold_totals(true)")

    def create_empty(self, name: str) -> None:
        """A migrated database with the reference data."""
        template = f"empty_{schema_digest()}"
        if not self._server.database_exists(template):
            for old in self._server.psql("SELECT datname FROM pg_database").splitlines():
                if old.startswith("empty_"):
                    self._server.drop_database(old)
            self._prepare(template)
        self._server.create_database(name, template)

    def _prepare(self, name: str) -> None:
        self._server.drop_database(name)
        self._server.create_database(name)
        owner = Address.parse(self._server.dsn(name))
        _with(owner, _service_role)
        migrations.upgrade(owner)
        _with(owner, _reference_data)

    def generate(self, scale: Scale) -> None:
        """Make the data of a scale, with every index and constraint as the migrations have it, and statistics."""
        started = time.perf_counter()
        making, name = f"making_{scale.name}", self.name(scale)
        schema_digest()  # remembered as it is now: somebody may work on a migration meanwhile
        self._prepare(making)
        with _connected(self._server.superuser_dsn(making)) as run:
            self._fill(run, scale)
            self._finish(run)
        self._server.drop_database(name)
        self._server.psql(f'ALTER DATABASE "{making}" RENAME TO "{name}"')
        self._describe(name, time.time())
        pid = self._server.status().pid
        used = used_by([pid]) if pid else 0.0
        self._say(f"generated {scale.name} in {time.perf_counter() - started:.0f} s, {used:.0f} s of processor time")

    def _fill(self, run: "Run", scale: Scale) -> None:
        values = {
            "people": scale.people,
            "staff": self.staff(scale),
            "schools": max(50, min(40_000, scale.people // 25)),
            "busy": _BUSY,
        }
        _unbound(run)
        run("SELECT setseed(0.42)")
        run("BEGIN")
        run("TRUNCATE users CASCADE")
        restore = _drop_indexes(run, ("users",))
        for part in ("people", "events"):
            self._step(part, partial(_run_all, run, _statements(part, values)))
        run("COMMIT")
        with ThreadPoolExecutor() as pool:
            dsn = self._server.superuser_dsn(f"making_{scale.name}")
            branches = [pool.submit(self._branch, dsn, name, values) for name in _BRANCHES]
            branches.append(pool.submit(self._index_users, dsn, restore))
            for branch in branches:
                branch.result()
        run("DROP TABLE bench_event, bench_person")
        run("DROP FUNCTION bench_uuid(timestamptz)")

    def _index_users(self, dsn: str, restore: Sequence[str]) -> None:
        with _connected(dsn) as run:
            _unbound(run)
            self._step("indexes of users", partial(_run_all, run, restore))

    def _branch(self, dsn: str, name: str, values: dict[str, float]) -> None:
        with _connected(dsn) as run:
            _unbound(run)
            with self._emptied(run, _BRANCHES[name]):
                self._step(name, partial(_run_all, run, _statements(name, values)))
            self._step(f"vacuum of {name}", partial(run, f"VACUUM (ANALYZE) {', '.join(_BRANCHES[name])}"))

    @contextmanager
    def _emptied(self, run: "Run", tables: Sequence[str]) -> Iterator[None]:
        """A transaction that fills tables; their indexes come back at its end, built at once.

        Emptied in the same transaction, so that where wal_level is minimal nothing is written twice.
        """
        run("BEGIN")
        run(f"TRUNCATE {', '.join(tables)} CASCADE")
        restore = _drop_indexes(run, tables)
        yield
        self._step(f"indexes of {tables[0]}", partial(_run_all, run, restore))
        run("COMMIT")

    def _finish(self, run: "Run") -> None:
        run("RESET session_replication_role")
        self._step("totals", lambda: run("SELECT rebuild_totals('generated')"))
        for view in run("SELECT relname FROM pg_class WHERE relkind = 'm' AND relnamespace = 'public'::regnamespace"):
            run(f"REFRESH MATERIALIZED VIEW {view['relname']} WITH NO DATA")  # filled is faster than compared
        self._step("views", lambda: run("SELECT * FROM refresh_all_analytics()"))
        run("VACUUM (ANALYZE)")

    def _step(self, name: str, work: Callable[[], Any]) -> None:
        started = time.perf_counter()
        work()
        self._say(f"  {name}: {time.perf_counter() - started:.1f} s")


Run = Callable[[str], list[Any]]


@contextmanager
def _connected(dsn: str) -> Iterator[Run]:
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(dsn))

    def run(statement: str) -> list[Any]:
        found: list[Any] = loop.run_until_complete(connection.fetch(statement, timeout=7200))
        return found

    try:
        yield run
    finally:
        loop.run_until_complete(connection.close())
        loop.close()


def _statements(part: str, values: dict[str, float]) -> list[str]:
    text = (_SQL / f"{part}.sql").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f":{name}", str(value))
    return [one.strip() for one in text.split("\n--;\n")]


def _run_all(run: Run, statements: Sequence[str]) -> None:
    for statement in statements:
        run(statement)


def _unbound(run: Run) -> None:
    """No trigger, no foreign key check (the rows are right as they are), and much memory."""
    run("SET session_replication_role = replica")
    run("SET work_mem = '512MB'")
    run("SET maintenance_work_mem = '1GB'")
    run("SET synchronous_commit = off")
    run("SET statement_timeout = 0")
    run("SET max_parallel_workers_per_gather = 0")


def _drop_indexes(run: Run, names: Sequence[str]) -> list[str]:
    """Drop what is made faster at once than row by row; returns the statements that bring all of it back."""
    tables = ", ".join(f"'{table}'::regclass" for table in names)
    # A foreign key of another table holds on to the key that it refers to.
    constraints = run(f"""
        SELECT c.conrelid::regclass::text AS on_table, c.conname, pg_get_constraintdef(c.oid) AS rule
        FROM pg_constraint c WHERE c.conrelid IN ({tables}) AND c.contype IN ('p', 'u')
          AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = c.conindid)""")
    indexes = run(f"""
        SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS rule
        FROM pg_index i WHERE i.indrelid IN ({tables})
          AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)""")
    for one in constraints:
        run(f"ALTER TABLE {one['on_table']} DROP CONSTRAINT {one['conname']}")
    for one in indexes:
        run(f"DROP INDEX {one['name']}")
    back = [f"ALTER TABLE {one['on_table']} ADD CONSTRAINT {one['conname']} {one['rule']}" for one in constraints]
    return back + [str(one["rule"]) for one in indexes]


def _with(address: Address, work: Callable[[Any], Any]) -> None:
    async def run() -> None:
        database = Database(address, pooled=False)
        async with database.session() as session:
            await work(session)
        await database.dispose()

    asyncio.run(run())


async def _service_role(session: Any) -> None:
    await ensure_service_role(session)


async def _reference_data(session: Any) -> None:
    settings = Settings(app=AppSettings.model_construct(), seed=SeedSettings.model_construct())
    await ensure_service_role(session)
    await reference.seed(session, settings)
