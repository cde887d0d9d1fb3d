import asyncio
import csv
import io
import re
import resource
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from tests.support.tokens import bearer

from elevate_api.exports.csvcopy import _LineEnds, csv_of
from elevate_api.exports.csvfiles import _GUARDED, CsvFile, _text, query_of
from elevate_api.exports.errors import ExportsBusy
from elevate_api.exports.places import Places
from elevate_api.exports.snapshot import snapshot
from elevate_api.kit.db import Address, Database

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))


async def run(owner: Database, statement: str, **values: Any) -> list[Any]:
    async with owner.session() as session:
        result = await session.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]


@pytest.mark.parametrize("file", CsvFile)
async def test_each_file_has_every_row_and_a_dated_name(
    as_user: SignIn, make_submission: Make, make_entry: Make, owner: Database, file: CsvFile
) -> None:
    admin = await as_user("ADMIN")
    submission = await make_submission(activity="AMPLIFY", payload={"sessionTitle": 'He said "hi",\r\nthen; left'})
    await make_entry(submission.user_id, 20, "LEARN")
    await make_entry(submission.user_id, -5, "LEARN")
    await run(owner, "SELECT refresh_all_analytics()")
    answer = await admin.get(f"/api/admin/exports/{file}.csv")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert re.fullmatch(rf'attachment; filename="{file}-\d{{4}}-\d\d-\d\d\.csv"', answer.headers["content-disposition"])
    table = {"ledger": "points_ledger", "leaderboard": "leaderboard_totals", "audit": "audit_log"}.get(file, file.value)
    found = rows(answer.content)
    [(expected,)] = await run(owner, f"SELECT count(*) FROM {table}")
    assert len(found) == expected > 0
    if file is CsvFile.LEDGER:
        assert [row["delta_points"] for row in found] == ["20", "-5"], "a number stays a number"
        assert datetime.fromisoformat(found[0]["created_at"]).tzinfo == UTC
    if file is CsvFile.SUBMISSIONS:
        assert r"He said \"hi\",\r\nthen; left" in found[0]["payload"]
        assert found[0]["peers_trained"] == "5"
    if file is CsvFile.LEADERBOARD:
        assert (found[0]["rank"], found[0]["points"]) == ("1", "15")
    if file is CsvFile.AUDIT:
        assert found[-1]["action"] == "export.download"


async def test_text_comes_out_as_it_went_in(as_user: SignIn, make_user: Make) -> None:
    names = [
        "plain",
        'quote " and "" two',
        "comma, and; semicolon",
        "line\nfeed",
        "carriage\r\nreturn",
        "",
        "日本 é 🎓",
        "\\.",
        "'x",
        "5",
    ]
    for number, name in enumerate(names):
        await make_user(id=f"u{number}", name=name, email=None)
    admin = await as_user("ADMIN")
    answer = await admin.get("/api/admin/exports/users.csv")
    found = {row["id"]: row for row in rows(answer.content)}
    assert [found[f"u{number}"]["name"] for number in range(len(names))] == names
    assert answer.content.startswith(b"id,handle,name,")
    outside = re.sub(rb'"[^"]*"', b"", answer.content)
    assert outside.count(b"\n") == outside.count(b"\r\n") == len(found) + 1


async def test_a_byte_order_mark_on_request(as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    assert (await admin.get("/api/admin/exports/users.csv?bom=true")).content.startswith(b"\xef\xbb\xbfid,")


async def test_the_short_way_for_harmless_cells_comes_to_the_same(database: Database) -> None:
    alphabet = ["a", "Z", "5", "é", "１", "{", "'", '"', " ", ";", "\t", "\n", "=", "-", "@", "＝", "\u00a0", "\u200b"]
    cells = ["".join(signs) for length in range(4) for signs in product(alphabet, repeat=length)]
    async with snapshot(database) as connection:
        sql = (
            f"SELECT v FROM unnest($1::text[]) AS t (v) WHERE {_text('v').sql} IS DISTINCT FROM {_GUARDED.format('v')}"
        )
        assert await connection.fetch(sql, cells) == []


async def test_nothing_in_a_cell_begins_like_a_formula(database: Database) -> None:
    before = ["", " ", "  ", '"', "'", " '\" ", "\u00a0", "\u3000", "\ufeff", "\u200b", "x;", "x; ", 'x;"']
    signs = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"]
    cells = [f"{b}{s}cmd|' /C calc'!A0" for b, s in product(before, signs)]
    harmless = ["1-2", "a=b", "me@school.test", "x - y", "- ", "", "It's", '{"a": "=1"}', "a;b", "line\n- item"]
    async with snapshot(database) as connection:
        sql = f"SELECT {_text('v').sql} FROM unnest($1::text[]) WITH ORDINALITY AS t (v, n) ORDER BY n"
        found = [row[0] for row in await connection.fetch(sql, cells + harmless)]
    invisible = ' "\u00a0\u3000\ufeff\u200b'
    for cell, origin in zip(found, cells, strict=False):
        assert cell.lstrip(invisible)[0] not in signs, origin
        for part in re.split("[;\t]", cell)[1:]:  # the cells of a spreadsheet that parts lists by semicolons
            assert part.strip(invisible)[:1] not in set(signs) - {"\r", "\n"}, origin
    changed = [cell for cell, given in zip(found[len(cells) :], harmless, strict=True) if cell != given]
    assert changed == ["'- "]


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 100])
def test_lines_end_alike_wherever_the_pieces_are_cut(cut: int) -> None:
    content = b'a,"b\n""\n",c\n"",d\n"x""",y\n'
    lines = _LineEnds()
    converted = b"".join(lines.convert(content[start : start + cut]) for start in range(0, len(content), cut))
    assert converted == b'a,"b\n""\n",c\r\n"",d\r\n"x""",y\r\n'


async def test_a_long_file_takes_no_memory(database: Database, owner: Database, app: FastAPI, as_user: SignIn) -> None:
    count = 200_000
    await run(owner, "INSERT INTO audit_log (actor_id, action, target_type, target_id, details)"
              " SELECT 'u' || i, 'test', 'user', i::text, jsonb_build_object('a', repeat('x', 150))"
              " FROM generate_series(1, :count) i", count=count)  # fmt: skip
    admin = await as_user("ADMIN")
    sent = largest = 0

    async def send(message: Any) -> None:
        nonlocal sent, largest
        body = message.get("body", b"")
        sent += len(body)
        largest = max(largest, len(body))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await app(scope_of("/api/admin/exports/audit.csv", admin.user.id), never, send)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert sent > count * 200
    assert largest < 1_000_000
    assert grown < 30, f"{grown:.0f} MiB more than before, for {sent / 2**20:.0f} MiB sent"


def scope_of(path: str, user_id: str) -> dict[str, Any]:
    headers = [(name.lower().encode(), value.encode()) for name, value in bearer(user_id).items()]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("test", 80),
    }  # fmt: skip


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_cancelled_download_frees_its_connection(owner: Database, app: FastAPI, as_user: SignIn) -> None:
    await run(owner, "INSERT INTO audit_log (action, target_type, target_id, details)"
              " SELECT 'test', 'user', i::text, jsonb_build_object('a', repeat('x', 500))"
              " FROM generate_series(1, 50000) i")  # fmt: skip
    admin = await as_user("ADMIN")
    busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'"
    flowing, gone = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            flowing.set()
            await asyncio.Event().wait()  # a client that takes nothing more

    request = asyncio.create_task(app(scope_of("/api/admin/exports/audit.csv", admin.user.id), receive, send))
    await flowing.wait()
    assert await run(owner, busy) == [(1,)]
    gone.set()
    await asyncio.wait_for(request, 10)
    assert await run(owner, busy) == [(0,)]
    assert app.state.exports._free == 3


async def test_as_many_at_once_as_there_are_places(app: FastAPI, as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    places = app.state.exports = Places(1)
    with places.hold():
        answer = await admin.get("/api/admin/exports/users.csv")
        assert (answer.status_code, answer.json()["code"]) == (503, "EXPORTS_BUSY")
        with pytest.raises(ExportsBusy), places.hold():
            pass
    assert (await admin.get("/api/admin/exports/users.csv")).status_code == 200


async def test_what_fails_before_the_first_byte_is_an_error_answer(
    app: FastAPI, as_user: SignIn, owner: Database
) -> None:
    admin = await as_user("ADMIN")
    await run(owner, "DROP MATERIALIZED VIEW leaderboard_30d")
    admin._transport.raise_app_exceptions = False
    answer = await admin.get("/api/admin/exports/leaderboard.csv?period=30d")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert app.state.exports._free == 3


async def test_a_file_is_one_snapshot_and_only_reads(database: Database, owner: Database) -> None:
    async with snapshot(database) as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit_log") == 0
        await run(owner, "INSERT INTO audit_log (action, target_type, target_id) VALUES ('a', 'b', 'c')")
        assert await connection.fetchval("SELECT count(*) FROM audit_log") == 0
        assert await connection.fetchval("SHOW transaction_read_only") == "on"


async def test_exports_go_through_a_transaction_pooler(app_dsn: str) -> None:
    database = Database(Address.parse(app_dsn, pooled=True))
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    async with snapshot(database) as connection:
        await csv_of(query_of(CsvFile.USERS))(connection, write)
        assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0
    assert b"".join(pieces).startswith(b"id,handle,")
    await database.dispose()


async def test_an_unknown_file_is_refused(as_user: SignIn) -> None:
    admin = await as_user("ADMIN")
    assert (await admin.get("/api/admin/exports/secrets.csv")).status_code == 422
