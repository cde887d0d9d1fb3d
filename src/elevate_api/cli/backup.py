"""`elevate backup`: make, list, check, restore, thin out; drills; recovery to a point in time."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from elevate_api.addresses import direct_address
from elevate_api.backups import drill as drills
from elevate_api.backups import restore as restoring
from elevate_api.backups import service, target, wal
from elevate_api.backups.errors import BackupFailed
from elevate_api.backups.manifest import Kind, Manifest
from elevate_api.backups.store import Store
from elevate_api.cli.errors import CommandFailed
from elevate_api.cli.output import AsJson, Yes, ask, print_json, print_rows, progress
from elevate_api.cli.runtime import command_address, embedded_server, load_settings, opened
from elevate_api.config import Settings
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Address

app = typer.Typer(name="backup", help="Make, check, restore and thin out backups.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="ID", help="Of `elevate backup list`; `latest` is the newest.")]
COLUMNS = ("id", "kind", "taken", "size", "encrypted", "migration", "ledger rows", "base")


@app.command()
def create(
    schema_only: Annotated[bool, typer.Option("--schema-only", help="Tables and functions without rows.")] = False,
    data_only: Annotated[bool, typer.Option("--data-only", help="Rows without tables.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="SQL text, for reading or psql.")] = False,
    increment: Annotated[bool, typer.Option("--increment", help="What changed since the last dump.")] = False,
    as_json: AsJson = False,
) -> None:
    """Back up the database into BACKUP_DIR: a compressed dump, checksum, manifest. Encrypted with BACKUP_KEY."""
    kind = _kind(schema_only=schema_only, data_only=data_only, increment=increment)
    settings = load_settings()
    store = service.open_store(settings)
    with command_address(settings) as address, progress("backing up"):
        manifest = asyncio.run(_create(address, store, kind, plain=plain))
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        sys.stdout.write(
            f"{manifest.id}: {_megabytes(manifest.size_bytes)} in {manifest.seconds:.1f} s, {store.folder}\n"
        )
        if not manifest.encrypted:
            sys.stderr.write("It is not encrypted: set BACKUP_KEY, or keep the folder as safe as the database.\n")


@app.command("list")
def list_backups(as_json: AsJson = False) -> None:
    """Every backup, the oldest first."""
    store = service.open_store(load_settings())
    backups = store.list()
    if as_json:
        print_json([manifest.model_dump(mode="json") for manifest in backups])
    else:
        print_rows([_row(manifest) for manifest in backups], COLUMNS, none=f"no backups in {store.folder}")


@app.command()
def verify(
    which: Which = "latest", all_of_them: Annotated[bool, typer.Option("--all", help="Every one.")] = False
) -> None:
    """Compare the files with their manifests: size, sha256, and every frame when encrypted. Exit code 1 when damaged.

    `elevate backup drill` also restores one, which proves more.
    """
    store = service.open_store(load_settings())
    wanted = store.list() if all_of_them else [store.find(which)]
    faults = 0
    with progress("checking"):
        for manifest in wanted:
            try:
                store.check(manifest)
                sys.stdout.write(f"{manifest.id}: good\n")
            except BackupFailed as fault:
                faults += 1
                sys.stdout.write(f"{manifest.id}: {fault}\n")
    if faults:
        raise CommandFailed(f"{faults} of {len(wanted)} backups cannot be used")


@app.command()
def restore(
    which: Which = "latest",
    into: Annotated[str | None, typer.Option(help="Name of the new database, or the URL of an empty one.")] = None,
    switch: Annotated[bool, typer.Option("--switch", help="Then put it in the place of the live database.")] = False,
    to: Annotated[
        str | None, typer.Option(help="Point in time, such as 2026-03-01T10:15:00+07:00; `latest`: all.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="With --to: the new data directory.")] = None,
    yes: Yes = False,
) -> None:
    """Restore into a fresh database, migrate, refresh, verify; only then offer the switch. Never over the live one.

    With --to: a base backup and the WAL archive (BACKUP_WAL_ARCHIVE) make a new data directory as of that time.
    """
    settings = load_settings()
    if to is not None:
        _restore_to(settings, to, data_dir)
        return
    store = service.open_store(settings)
    source = restoring.source_of(store, store.find(which))
    name = into or f"elevate_restored_{utcnow():%Y%m%d%H%M%S}"
    if "://" in name:
        _print_report(asyncio.run(_restore_elsewhere(store, source, Address.parse(name))), "the database of --into")
        return
    with command_address(settings) as address:
        _print_report(asyncio.run(_restore(store, source, address, name)), name)
        if switch:
            live = str(address.url.database)
            ask(settings, yes, f"Put {name} in the place of {live}? Connections to it are ended.")
            aside = f"{live}_before_{utcnow():%Y%m%d%H%M%S}"
            asyncio.run(target.switch(address, name, aside))
            sys.stdout.write(f"{name} is {live} now; the one before is {aside}. Drop it when all is well.\n")
        else:
            sys.stdout.write(f"Switch: give DATABASE_URL and DIRECT_URL the database {name} and restart the service.\n")


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False, yes: Yes = False
) -> None:
    """Remove backups beyond BACKUP_KEEP_DAILY days and BACKUP_KEEP_WEEKLY weeks, and increments of dumps that go."""
    settings = load_settings()
    store = service.open_store(settings)
    going = service.prune(store, settings.backups, settings.app.zone, dry_run=True)
    print_rows([_row(manifest) for manifest in going], COLUMNS, none="nothing to remove")
    if going and not dry_run:
        ask(settings, yes, f"Remove {len(going)} backups from {store.folder}?")
        service.prune(store, settings.backups, settings.app.zone)


@app.command()
def drill(as_json: AsJson = False) -> None:
    """Back up, restore into a scratch database, verify; print the times beside the manual's objectives. Recorded."""
    settings = load_settings()
    store = service.open_store(settings)
    with command_address(settings) as address:
        outcome = asyncio.run(_drill(address, store))
    if as_json:
        print_json(outcome)
    else:
        _print_drill(outcome)
    if not outcome["ok"]:
        raise CommandFailed("an objective was missed")


@app.command()
def base(as_json: AsJson = False) -> None:
    """Take a base backup of the whole server for recovery to a point in time, and verify it."""
    settings = load_settings()
    folder = service.open_store(settings).folder
    with _replication_address(settings) as address, progress("base backup"):
        made = wal.base_backup(address, folder)
    if as_json:
        print_json({"path": str(made.path), "finishedAt": made.finished_at, "seconds": made.seconds})
    else:
        sys.stdout.write(f"{made.path}: {made.seconds:.1f} s, verified by pg_verifybackup\n")


def _kind(*, schema_only: bool, data_only: bool, increment: bool) -> Kind:
    if schema_only + data_only + increment > 1:
        raise CommandFailed("--schema-only, --data-only and --increment exclude each other")
    chosen = {Kind.SCHEMA: schema_only, Kind.DATA: data_only, Kind.INCREMENT: increment}
    return next((kind for kind, wanted in chosen.items() if wanted), Kind.FULL)


async def _create(address: Address, store: Store, kind: Kind, *, plain: bool) -> Manifest:
    async with opened(address) as database:
        return await service.create(database, address, store, "cli", kind, plain=plain)


async def _restore(store: Store, source: restoring.Source, address: Address, name: str) -> restoring.Report:
    async with target.fresh(address, name) as fresh:
        return await restoring.restore(store, source, fresh, say=_say)


async def _restore_elsewhere(store: Store, source: restoring.Source, address: Address) -> restoring.Report:
    await target.require_empty(address)
    return await restoring.restore(store, source, address, say=_say)


async def _drill(address: Address, store: Store) -> dict[str, Any]:
    async with opened(address) as database:
        return await drills.drill(database, address, store, "cli", say=_say)


def _restore_to(settings: Settings, to: str, data_dir: Path | None) -> None:
    archive = settings.backups.wal_archive
    if archive is None or data_dir is None:
        raise CommandFailed("--to needs BACKUP_WAL_ARCHIVE and --data-dir, the folder to recover into")
    moment = None if to == "latest" else _moment(to)
    folder = service.open_store(settings).folder
    with progress("recovering"):
        recovered = wal.recover(folder, archive, data_dir, moment)
    sys.stdout.write(
        f"Recovered from {recovered.base.path.name} to {recovered.reached or 'the end of the archive'} in "
        f"{recovered.seconds:.1f} s.\nSwitch: stop the service, set ELEVATE_DATA_DIR={data_dir}, start it again;\n"
        'then record it in the ledger\'s seal: elevate points seal --reason "recovered to ..."\n'
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandFailed(f"{text} is no time such as 2026-03-01T10:15:00+07:00") from error
    if moment.tzinfo is None:
        raise CommandFailed("say the time with its offset, such as 2026-03-01T10:15:00+07:00")
    return moment


@contextmanager
def _replication_address(settings: Settings) -> Iterator[Address]:
    """Who may read the whole server: the embedded one's superuser, else the role of DIRECT_URL (REPLICATION)."""
    if settings.database.url is not None:
        yield direct_address(settings)
        return
    with embedded_server(settings) as server:
        yield Address.parse(server.superuser_dsn())


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def _row(manifest: Manifest) -> dict[str, Any]:
    ledger = manifest.ledger
    return {
        "id": manifest.id,
        "kind": manifest.kind if manifest.restorable else f"{manifest.kind} {manifest.style}",
        "taken": manifest.snapshot.taken_at,
        "size": _megabytes(manifest.size_bytes),
        "encrypted": manifest.encrypted,
        "migration": manifest.snapshot.migration,
        "ledger rows": f"{ledger.rows:,}" if ledger else None,
        "base": manifest.base,
    }


def _print_report(report: restoring.Report, name: str) -> None:
    rows = [{"step": step, "seconds": seconds} for step, seconds in report.seconds.items()]
    print_rows([*rows, {"step": "total", "seconds": report.total}], ("step", "seconds"))
    sys.stdout.write(f"Restored into {name}, at migration {report.migration}: every row as in the backup.\n")
    for note in report.notes:
        sys.stdout.write(f"Note: {note}\n")


def _print_drill(outcome: dict[str, Any]) -> None:
    steps = outcome["steps"]
    print_rows([{"step": step, "seconds": seconds} for step, seconds in steps.items()], ("step", "seconds"))
    rows = [
        {
            "objective": row["objective"],
            "limit": f"{row['limitSeconds'] / 3600:g} h",
            "measured": f"{row['measuredSeconds']:,.1f} s",
            "met": row["ok"],
        }
        for row in outcome["objectives"]
    ]
    print_rows(rows, ("objective", "limit", "measured", "met"))
    if outcome["recoveryPointSeconds"] is None:
        sys.stdout.write("There was no backup before this drill: everything would have been lost.\n")
    for note in outcome["notes"]:
        sys.stdout.write(f"Note: {note}\n")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
