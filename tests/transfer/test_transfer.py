"""Exports that come back as they were; imports that name the line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.support.cluster import SEEDED, Administrator, Cluster
from tests.support.factories import Factory

from elevate_api.backups import contents
from elevate_api.kit.db import Address, Database
from elevate_api.leaderboards.queries import Period
from elevate_api.ops.ledger_check.verify import verify
from elevate_api.transfer.errors import BadFile
from elevate_api.transfer.exporting import export_leaderboard, export_table
from elevate_api.transfer.files import records
from elevate_api.transfer.importing import import_rows

NASTY = 'a "quoted", comma;\nnew line\r\nand\ttab \\n \\ and ünï ✓ =SUM(A1) NULL'


@pytest.fixture
def address(owner_dsn: str) -> Address:
    return Address.parse(owner_dsn)


@pytest.fixture
async def empty(administrator: Administrator, cluster: Cluster) -> Any:
    """The owner in another database without people."""
    name = administrator.clone(SEEDED)
    database = Database(cluster.address(name), pooled=False)
    yield database
    await database.dispose()
    administrator.drop(name)


async def exported(address: Address, what: str, kind: str) -> str:
    out = bytearray()
    await export_table(address, what, out.extend, as_json=kind == "json")
    return out.decode()


def parsed(document: str, kind: str) -> Iterator[Any]:
    return records(document.splitlines(keepends=True), kind)


async def contents_of(address: Address) -> dict[str, Any]:
    async with contents.connected(address) as connection:
        found = await contents.checksums(connection)
    return {name: found[name] for name in ("users", "submissions")}


async def life(factory: Factory) -> None:
    for number in range(5):
        user = await factory.user(name=NASTY, school="" if number % 2 else None, region="\\N")
        for stage, status in (("LEARN", "APPROVED"), ("EXPLORE", "PENDING"), ("SHINE", "REJECTED")):
            await factory.submission(user, stage, status, payload={"reflection": NASTY})


@pytest.mark.parametrize("kind", ["csv", "json"])
async def test_what_was_exported_comes_back_as_it_was(
    address: Address, empty: Database, factory: Factory, kind: str
) -> None:
    await life(factory)
    files = {what: await exported(address, what, kind) for what in ("users", "submissions")}
    for what, document in files.items():
        result = await import_rows(empty, what, parsed(document, kind))
        assert (result.added, result.unchanged) == (6 if what == "users" else 15, 0)
    assert await contents_of(empty.address) == await contents_of(address)
    for what, document in files.items():
        assert await exported(empty.address, what, kind) == document
        again = await import_rows(empty, what, parsed(document, kind))
        assert again.added == 0
    assert await contents_of(empty.address) == await contents_of(address)


async def test_json_is_json_with_a_row_a_line(address: Address, factory: Factory) -> None:
    assert json.loads(await exported(address, "users", "json")) == []
    await life(factory)
    document = await exported(address, "submissions", "json")
    rows = json.loads(document)
    assert len(rows) == len(document.splitlines()) - 2 == 15
    assert rows[0]["payload"]["reflection"] == NASTY
    assert rows[0]["created_at"].endswith("Z")


async def test_an_import_is_in_the_audit_log_and_a_dry_run_is_not(
    address: Address, empty: Database, factory: Factory
) -> None:
    await factory.user()
    document = await exported(address, "users", "csv")
    dry = await import_rows(empty, "users", parsed(document, "csv"), dry_run=True)
    assert (dry.added, dry.dry_run) == (1, True)
    assert (await contents_of(empty.address))["users"].rows == 0
    await import_rows(empty, "users", parsed(document, "csv"))
    async with empty.session() as session:
        logged = (await session.execute(text("SELECT action, details FROM audit_log"))).all()
    assert [tuple(row) for row in logged] == [("data.import", {"table": "users", "added": 1, "unchanged": 0})]


USERS = "id,handle,email,email_verified,role,created_at\n"


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ("", ["line 1: the first line must name the columns, each once"]),
        (USERS, ["line 1: the file has no rows"]),
        ("id,id\n", ["line 1: the first line must name the columns, each once"]),
        ("id,colour\nu1,red\n", ["line 2, colour: there is no such column", "line 2, handle: is required"]),
        (USERS + "u1,one,,true,ADMIN\n", ["line 2: 5 fields, the first line names 6"]),
        (USERS + 'u1,"one,,true,ADMIN,\n', ["line 2: a quote is opened and not closed"]),
        (USERS + 'u1,o"ne",,true,ADMIN,2026-01-01T00:00:00Z\n', ["line 2: field 2 has a quote in the wrong place"]),
        (
            USERS + 'u1,one,"a\nb",maybe,ADMIN,2026-01-01\n\nu2,,,true,ADMIN,2026-01-01T00:00:00Z\n',
            [
                "line 2, email_verified: must be true or false",
                "line 2, created_at: must be a time with its offset, such as 2026-03-01T10:15:00Z",
                "line 5, handle: must not be empty",
            ],
        ),
        (
            USERS + "u1,one,,true,ADMIN,2026-01-01T00:00:00Z\nu1,two,,true,ADMIN,2026-01-01T00:00:00Z\n",
            ["line 3, id: the id stands in line 2 already"],
        ),
        (
            USERS + "u1,one,,true,ADMIN,2026-01-01T00:00:00Z\nu2,two,,true,KING,2026-01-01T00:00:00Z\n"
            "u3,one,,true,ADMIN,2026-01-01T00:00:00Z\n",
            [
                "line 3: users_role: Failing row contains",
                "line 4: users_handle_key: Key (handle)=(one) already exists.",
            ],
        ),
    ],
)
async def test_every_fault_names_its_line_and_nothing_is_kept(
    owner: Database, address: Address, document: str, faults: list[str]
) -> None:
    with pytest.raises(BadFile) as caught:
        await import_rows(owner, "users", parsed(document, "csv"))
    told = [str(fault) for fault in caught.value.faults]
    assert len(told) == len(faults)
    assert all(one.startswith(beginning) for one, beginning in zip(told, faults, strict=True)), told
    assert (await contents_of(address))["users"].rows == 0


async def test_a_row_that_is_there_with_other_contents_is_a_fault(
    owner: Database, address: Address, factory: Factory
) -> None:
    await factory.user(name="Siti")
    document = await exported(address, "users", "csv")
    changed = document.replace("Siti", "Sita")
    with pytest.raises(BadFile, match=r"line 2: users_\w+: Key .* already exists"):
        await import_rows(owner, "users", parsed(changed, "csv"))


async def test_submissions_of_nobody_are_refused(address: Address, empty: Database, factory: Factory) -> None:
    await factory.submission(status="PENDING")
    with pytest.raises(BadFile, match="line 2: submissions_user_id_fkey"):
        await import_rows(empty, "submissions", parsed(await exported(address, "submissions", "csv"), "csv"))


async def test_a_broken_json_line_is_named(owner: Database) -> None:
    with pytest.raises(BadFile, match="line 3: no JSON object of its own"):
        await import_rows(owner, "users", parsed('[\n{"id": "u1", "handle": "one"},\n{"id": \n]', "json"))
    with pytest.raises(BadFile, match="line 1: a JSON object is expected"):
        await import_rows(owner, "users", parsed("[1]", "json"))


async def test_points_of_imported_submissions_are_recoverable(
    address: Address, empty: Database, factory: Factory
) -> None:
    """The ledger is not imported: it follows from the decisions, which `elevate points recover` reads."""
    user = await factory.user()
    await factory.submission(user, "LEARN", "APPROVED", points_awarded=20)
    for what in ("users", "submissions"):
        await import_rows(empty, what, parsed(await exported(address, what, "json"), "json"))
    async with empty.session() as session:
        findings = await verify(session, views=False)
    assert findings.counts["ledger", "missing"] == 1


async def test_the_board_is_exported_as_it_stands(address: Address, owner: Database, factory: Factory) -> None:
    for points in (30, 10, 20):
        await factory.entry(await factory.user(), points)
    async with owner.session() as session:
        await session.execute(text("SELECT refresh_all_analytics()"))
    out = bytearray()
    assert await export_leaderboard(address, Period.ALL, 2, out.extend, as_json=False) == 2
    assert [line.split(",")[:2] for line in out.decode().splitlines()[1:]] == [["1", "teacher-1"], ["2", "teacher-3"]]


def test_a_file_of_any_size_is_read_line_by_line(tmp_path: Path) -> None:
    """Lazily: the first record is there while the rest has not been read."""
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        yield "id,handle\n"
        for number in range(1_000_000):
            read += 1
            yield f'"{number}",x\n'

    assert next(records(lines(), "csv")) == (2, {"id": "0", "handle": "x"})
    assert read == 1
