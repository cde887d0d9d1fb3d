"""Imports: every line is judged, then all of them go in, or none.

Rows come back as they were, so this runs as the tables' owner under the operator's switch (elevate.restore): workflow
and quotas do not judge the past; keys, checks and references do. A row that is there already with the same contents is
left alone, so that an import can be repeated; with other contents it is a fault.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import text

from elevate_api.audit.service import record
from elevate_api.kit.db import Database
from elevate_api.transfer.errors import BadFile, Fault
from elevate_api.transfer.files import Record
from elevate_api.transfer.tables import Column, columns_of, parse

MAX_FAULTS = 100
"""As many are told at once; with more there is likely one cause."""
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Imported:
    """`added` rows went in (or would, in a dry run); `unchanged` were there already."""

    added: int
    unchanged: int
    dry_run: bool


class _DryRun(Exception):
    def __init__(self, result: Imported) -> None:
        self.result = result


async def import_rows(owner: Database, table: str, records: Iterable[Record], *, dry_run: bool = False) -> Imported:
    """Import into `users` or `submissions`. Raises BadFile with every fault, up to MAX_FAULTS; nothing is kept then."""
    try:
        async with owner.session() as session:
            await session.execute(text("SET LOCAL elevate.restore = 'on'"))
            await session.execute(text("SET LOCAL statement_timeout = 0"))
            raw = await (await session.connection()).get_raw_connection()
            result = await _import(raw.driver_connection, table, records, dry_run=dry_run)
            _stop_here(result)
            details = {"table": table, "added": result.added, "unchanged": result.unchanged}
            record(session, actor_id=None, action="data.import", target_type="table", target_id=table, details=details)
    except _DryRun as rolled_back:
        return rolled_back.result
    return result


def _stop_here(result: Imported) -> None:
    """Leave the transaction of a dry run the way that takes everything back."""
    if result.dry_run:
        raise _DryRun(result)


async def _import(connection: Any, table: str, records: Iterable[Record], *, dry_run: bool) -> Imported:
    columns = await columns_of(connection, table)
    names, staged = await _stage(connection, table, columns, records)
    await connection.execute("ANALYZE incoming")
    if faults := await _repeated(connection):
        raise BadFile(faults)
    unchanged = await _drop_unchanged(connection, table, names)
    try:
        async with connection.transaction():
            await connection.execute(_insert(table, names))
    except asyncpg.IntegrityConstraintViolationError:
        # Which lines? Once more, one at a time: only a file with faults pays for it.
        faults = await _judge_each(connection, table, names)
        raise BadFile(faults, more=len(faults) == MAX_FAULTS) from None
    return Imported(staged - unchanged, unchanged, dry_run)


async def _stage(
    connection: Any, table: str, columns: list[Column], records: Iterable[Record]
) -> tuple[list[str], int]:
    """Judge every value and put the rows aside; answers the file's columns, in the table's order, and the count."""
    names: list[str] = []
    faults: list[Fault] = []
    batch: list[tuple[Any, ...]] = []
    count = 0
    for line, row in records:
        if not names:
            names = _names(columns, row, line)
            await connection.execute(_staging(table, names))
        values = _values(columns, names, line, row, faults)
        if len(faults) >= MAX_FAULTS:
            raise BadFile(faults, more=True)
        batch.append((line, *values))
        count += 1
        if len(batch) >= BATCH:
            await _flush(connection, names, batch, faults)
    if not names:
        raise BadFile([Fault(1, "the file has no rows")])
    await _flush(connection, names, batch, faults)
    if faults:
        raise BadFile(faults)
    return names, count


async def _flush(connection: Any, names: list[str], batch: list[tuple[Any, ...]], faults: list[Fault]) -> None:
    if batch and not faults:
        await connection.copy_records_to_table("incoming", records=batch, columns=["import_line", *names])
    batch.clear()


def _names(columns: list[Column], row: dict[str, Any], line: int) -> list[str]:
    known = {column.name for column in columns}
    faults = [Fault(line, "there is no such column", name) for name in row if name not in known]
    faults += [
        Fault(line, "is required", column.name) for column in columns if column.required and column.name not in row
    ]
    if faults:
        raise BadFile(faults)
    return [column.name for column in columns if column.name in row]


def _values(
    columns: list[Column], names: list[str], line: int, row: dict[str, Any], faults: list[Fault]
) -> Iterator[Any]:
    by_name = {column.name: column for column in columns}
    if row.keys() != set(names):
        faults.append(Fault(line, "other columns than in the rows before"))
        return iter(())
    values = []
    for name in names:
        try:
            values.append(parse(by_name[name], row[name]))
        except ValueError as error:
            faults.append(Fault(line, str(error), name))
    return iter(values)


def _staging(table: str, names: list[str]) -> str:
    listed = ", ".join(names)
    return f"""
        CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT 0 AS import_line, {listed} FROM public.{table} WITH NO DATA;
    """


async def _repeated(connection: Any) -> list[Fault]:
    rows = await connection.fetch(_REPEATED, MAX_FAULTS)
    return [Fault(row["line"], f"the id stands in line {row['first']} already", "id") for row in rows]


async def _drop_unchanged(connection: Any, table: str, names: list[str]) -> int:
    """Rows that are there with the same contents go from the staging table; answers how many they were."""
    mine, theirs = (", ".join(f"{alias}.{name}" for name in names) for alias in ("i", "t"))
    status = await connection.execute(
        f"DELETE FROM incoming i USING public.{table} t WHERE t.id = i.id AND ({mine}) IS NOT DISTINCT FROM ({theirs})"
    )
    return int(status.split()[-1])


def _insert(table: str, names: list[str], where: str = "") -> str:
    listed = ", ".join(names)
    return f"INSERT INTO public.{table} ({listed}) SELECT {listed} FROM incoming {where}"


async def _judge_each(connection: Any, table: str, names: list[str]) -> list[Fault]:
    faults: list[Fault] = []
    lines = await connection.fetch("SELECT import_line FROM incoming ORDER BY import_line")
    for row in lines:
        fault = await _judge(connection, _insert(table, names, "WHERE import_line = $1"), row["import_line"])
        if fault is not None:
            faults.append(fault)
        if len(faults) == MAX_FAULTS:
            break
    return faults


async def _judge(connection: Any, statement: str, line: int) -> Fault | None:
    try:
        async with connection.transaction():
            await connection.execute(statement, line)
    except asyncpg.IntegrityConstraintViolationError as error:
        return Fault(line, f"{error.constraint_name}: {error.detail or error}")
    return None


_REPEATED = """
SELECT import_line AS line, first FROM (
  SELECT import_line, min(import_line) OVER (PARTITION BY id) AS first FROM incoming) i
WHERE import_line <> first ORDER BY import_line LIMIT $1
"""
