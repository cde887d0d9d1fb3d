"""From a backup to a database that can be served: restored, compared, migrated, refreshed, proven."""

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from elevate_api.analytics import service as analytics
from elevate_api.analytics import totals
from elevate_api.backups import contents, increments, tools
from elevate_api.backups.errors import BackupFailed
from elevate_api.backups.manifest import Kind, Manifest, TableContents
from elevate_api.backups.store import Store
from elevate_api.kit.db import Address, Database
from elevate_api.ops import migrations
from elevate_api.ops.ledger_check.verify import verify
from elevate_api.ops.roles import ensure_service_role
from elevate_api.seal import service as seal
from elevate_api.seal import verify as seal_proof

Say = Callable[[str], None]
# Entries of a dump's list that are the host's business, or are there already: "12; 2615 2200 SCHEMA - public owner".
_NEEDS_TRIGRAMS = re.compile(r" INDEX public users_(school_)?search_idx ")
_NOT_OURS = re.compile(r"^\d+; \d+ \d+ (SCHEMA - public |EVENT TRIGGER |PUBLICATION |SUBSCRIPTION )")
_EXTENSION = re.compile(r"^\d+; \d+ \d+ (?:COMMENT - )?EXTENSION (?:- )?(\S+)")


@dataclass(slots=True)
class Report:
    """What a restore did: seconds of each step, and what somebody should know about the result.

    A restore gives back what there was: differences that `points verify` finds were in the backup, and are noted.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    migration: str | None = None

    @property
    def total(self) -> float:
        return round(sum(self.seconds.values()), 3)

    @contextmanager
    def step(self, name: str, say: Say) -> Iterator[None]:
        started = time.monotonic()
        say(f"{name} ...")
        yield
        self.seconds[name] = round(time.monotonic() - started, 3)
        say(f"{name}: {self.seconds[name]:.1f} s")


@dataclass(frozen=True, slots=True)
class Source:
    """A dump, and the increment that goes on top of it."""

    dump: Manifest
    increment: Manifest | None = None

    @property
    def wanted(self) -> Manifest:
        return self.increment or self.dump


def source_of(store: Store, wanted: Manifest) -> Source:
    """What has to be read for a backup. Raises BackupFailed when it cannot be restored."""
    if not wanted.restorable:
        raise BackupFailed(f"{wanted.id} is {wanted.style} {wanted.kind}: only a full dump or an increment is restored")
    if wanted.kind is Kind.INCREMENT:
        return Source(store.find(str(wanted.base)), wanted)
    return Source(wanted)


async def restore(store: Store, source: Source, target: Address, *, say: Say = lambda _: None) -> Report:
    """Fill the empty database `target`. Raises BackupFailed; the database is then not to be used.

    Order: the file is checked before anything is written; the increment goes in before constraints and triggers are
    made, so these judge the result; what is there is compared with the manifest before it is migrated.
    """
    report = Report()
    with report.step("check the files", say):
        await asyncio.to_thread(_check, store, source)
    async with _prepared(store, source, target) as restorer:
        with report.step("schema", say):
            await restorer.section("pre-data")
        with report.step("data", say):
            await restorer.section("data")
        if source.increment is not None:
            with report.step("increment", say):
                await _apply(store, source.increment, target)
        with report.step("statistics", say):
            await _analyze(target)  # without, filling the views is planned blindly: minutes instead of seconds
        with report.step("indexes, constraints, triggers, views", say):
            await restorer.section("post-data")
    with report.step("compare with the manifest", say):
        report.notes = await _compare(target, source)
    await _make_current(target, report, say)
    await _seal_anew(target, source.wanted, report, say)
    return report


async def _make_current(target: Address, report: Report, say: Say) -> None:
    with report.step("migrate", say):
        await asyncio.to_thread(migrations.upgrade, target)
        report.migration = migrations.head()
    database = Database(target, pooled=False)
    try:
        with report.step("count the totals", say):
            await totals.rebuild(database, "restored")
        with report.step("refresh", say):
            outcome = await analytics.refresh(database, "restore")
            if outcome.outcome is None or not outcome.outcome["ok"]:
                raise BackupFailed("the views could not be refreshed in the restored database")
        with report.step("verify points", say):
            async with database.session() as session:
                findings = await verify(session, keep=0)
            report.notes += [f"points verify: {n} {kind} in {area}" for (area, kind), n in findings.counts.items()]
    finally:
        await database.dispose()


async def _seal_anew(target: Address, wanted: Manifest, report: Report, say: Say) -> None:
    """Prove what came back, then record in the seal itself that it continues from this backup."""
    database = Database(target, pooled=False)
    try:
        with report.step("verify the ledger's seal", say):
            proof = await seal_proof.verify(database)
            report.notes += [f"verify-seal: {broken}" for broken in proof.broken]
            if proof.stranger_count:
                report.notes.append(f"verify-seal: {proof.stranger_count} old rows in no batch")
        with report.step("seal anew", say):
            await seal.seal(database, "restore", reason=f"{seal.RESTORED}{wanted.id}")
    finally:
        await database.dispose()


def _check(store: Store, source: Source) -> None:
    store.check(source.dump)
    if source.increment is not None:
        store.check(source.increment)


async def _apply(store: Store, increment: Manifest, target: Address) -> None:
    async with contents.connected(target) as connection, connection.transaction():
        await increments.apply(connection, store.chunks(increment))


async def _analyze(target: Address) -> None:
    async with contents.connected(target) as connection:
        await connection.execute("ANALYZE")


async def _compare(target: Address, source: Source) -> list[str]:
    """Raises BackupFailed with every table that is not as it was; answers what came back besides."""
    async with contents.connected(target) as connection:
        found = await contents.checksums(connection)
        head = await contents.seal_head(connection)
    differences, notes = compare(source.wanted.snapshot.tables, found, grown=source.increment is not None)
    if head != source.wanted.snapshot.seal:
        differences.append(f"the ledger's seal ends with {head}, not with {source.wanted.snapshot.seal}")
    if differences:
        raise BackupFailed("what was restored is not what was backed up: " + "; ".join(differences))
    return notes


def compare(
    expected: Mapping[str, TableContents], found: Mapping[str, TableContents], *, grown: bool
) -> tuple[list[str], list[str]]:
    """Differences, and notes. `grown`: with an increment, rows deleted since the dump come back (increments.KEPT)."""
    differences, notes = [], []
    for table in sorted(expected.keys() | found.keys()):
        was, now = expected.get(table), found.get(table)
        if was is None or now is None:
            differences.append(f"{table} is {'new' if was is None else 'missing'}")
        elif grown and table in increments.KEPT and now.rows > was.rows:
            notes.append(f"{table}: {now.rows - was.rows} rows that were deleted after the dump are back")
        elif was != now:
            differences.append(f"{table} has {now.rows:,} rows and had {was.rows:,}, or other contents")
    return differences, notes


class _Restorer:
    """pg_restore of one dump into one database, a section at a time, from a stream."""

    def __init__(self, store: Store, dump: Manifest, target: Address, tool: tools.Tool, listing: Path) -> None:
        self._store, self._dump, self._tool, self._listing = store, dump, tool, listing
        self._dsn, self._environment = tools.connection(target)

    async def section(self, name: str) -> None:
        options = [f"--section={name}", f"--use-list={self._listing}", f"--dbname={self._dsn}", "--exit-on-error"]
        arguments = [*options, "--no-owner", "--no-privileges", "--no-password"]
        chunks = self._store.chunks(self._dump)
        await asyncio.to_thread(tools.pump_in, self._tool, arguments, self._environment, chunks)


@asynccontextmanager
async def _prepared(store: Store, source: Source, target: Address) -> AsyncIterator[_Restorer]:
    """The database gets role and extensions; the dump's list is left with what is ours."""
    async with contents.connected(target) as connection:
        tool = tools.find("pg_restore", _major(connection, source.dump))
        available = await _prepare_extensions(connection, source.dump.snapshot.extensions)
    await _ensure_role(target)
    listed = await asyncio.to_thread(tools.pump_in, tool, ["--list"], tools.connection(target)[1], _all(store, source))
    with tempfile.TemporaryDirectory(prefix="elevate-restore-") as folder:
        listing = Path(folder) / "list"
        listing.write_text(only_ours(listed.decode(), available), encoding="utf-8")
        yield _Restorer(store, source.dump, target, tool, listing)


def _major(connection: Any, dump: Manifest) -> int:
    """pg_restore must understand the dump's format, and suit the server."""
    written_by = int(re.findall(r"\d+", dump.tool)[0])
    server: int = connection.get_server_version().major
    return max(written_by, server)


def _all(store: Store, source: Source) -> Iterator[bytes]:
    return store.chunks(source.dump)


def only_ours(listing: str, extensions: frozenset[str]) -> str:
    """A dump's list without what the host brings; without pg_trgm also without the indexes that need it."""
    kept = []
    for line in listing.splitlines():
        extension = _EXTENSION.match(line)
        needs_trigrams = _NEEDS_TRIGRAMS.search(line) and "pg_trgm" not in extensions
        if not (_NOT_OURS.match(line) or extension or needs_trigrams or re.match(r"^\d+; \d+ \d+ SCHEMA ", line)):
            kept.append(line)
    return "\n".join(kept) + "\n"


async def _prepare_extensions(connection: Any, wanted: Mapping[str, str]) -> frozenset[str]:
    """Create those that can be created; answers the ones that are there under the schema that indexes name."""
    there = set()
    for name, schema in wanted.items():
        try:
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {contents.quoted(schema)}")
            await connection.execute(
                f"CREATE EXTENSION IF NOT EXISTS {contents.quoted(name)} SCHEMA {contents.quoted(schema)}"
            )
        except asyncpg.PostgresError:
            continue  # the index is for speed: a search without it reads the table
        there.add(name)
    return frozenset(there)


async def _ensure_role(target: Address) -> None:
    """Policies name elevate_app: a new cluster has to have it before they are made."""
    database = Database(target, pooled=False)
    try:
        async with database.session() as session:
            await ensure_service_role(session)
    finally:
        await database.dispose()
