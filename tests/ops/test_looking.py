"""`elevate ops` and `elevate emergency`: looking into a database and ending what hangs."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from tests.ops.commands import Type
from tests.support.cluster import OWNER, SERVICE, Cluster
from tests.support.factories import Factory
from tests.support.waiting import until

from elevate_api.kit.db import Address, Database
from elevate_api.ops.emergency import diagnose
from elevate_api.ops.inspect import indexes
from elevate_api.ops.inspect.report import Figures, gather, judge

Superuser = Callable[..., Awaitable[None]]
LOOKS = ("activity", "connections", "roles", "slow", "blocking", "locks", "cache", "bloat", "vacuum", "sizes", "trends")


@pytest.mark.parametrize("look", [*LOOKS, "indexes", "indexes --usage", "indexes --columns"])
def test_every_look_is_a_table_and_a_document(elevate: Type, look: str) -> None:
    assert elevate("ops", *look.split()).exit_code == 0
    json.loads(elevate("ops", *look.split(), "--json").stdout)


async def test_who_waits_for_whom_and_ending_it(
    elevate: Type, factory: Factory, cluster: Cluster, database_name: str, superuser_dsn: str
) -> None:
    user = await factory.user()
    change = f"UPDATE users SET name = 'x' WHERE id = '{user.id}'"
    holder = await asyncpg.connect(cluster.dsn(database_name, OWNER))
    waiter = await asyncpg.connect(cluster.dsn(database_name, SERVICE))
    watcher = await asyncpg.connect(superuser_dsn)
    holding = holder.transaction()
    await holding.start()
    await holder.execute(change)
    waiting = asyncio.create_task(waiter.execute(change))
    locked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = $1"
    await until(lambda: watcher.fetchval(locked, waiter.get_server_pid()))

    found = json.loads(elevate("ops", "blocking", "--json").stdout)
    pids = (waiter.get_server_pid(), holder.get_server_pid())
    assert [(row["waiting_pid"], row["blocking_pid"]) for row in found] == [pids]
    assert not all(row["granted"] for row in json.loads(elevate("ops", "locks", "--json").stdout))

    # The owner may not end the service's statement by itself: the service's own address does.
    assert "Nothing to end" in elevate("ops", "kill", "--yes").stdout
    assert elevate("ops", "kill", "--minutes", "0", typed="n\n").exit_code == 1
    result = elevate("ops", "kill", "--pid", str(pids[0]), "--cancel", "--yes", "--json")
    assert [one["outcome"] for one in json.loads(result.stdout)["ended"]] == ["ended"]
    with pytest.raises(asyncpg.QueryCanceledError):
        await waiting
    idle = elevate("emergency", "idle", "--minutes", "0", "--yes", "--json")
    ended = {one["pid"]: one["outcome"] for one in json.loads(idle.stdout)["ended"]}
    assert ended[pids[1]] == "ended"
    assert holder.is_closed() or await _is_gone(watcher, pids[1])
    await watcher.close()
    waiter.terminate()
    holder.terminate()


async def _is_gone(watcher: asyncpg.Connection, pid: int) -> bool:
    await until(lambda: _absent(watcher, pid))
    return True


async def _absent(watcher: asyncpg.Connection, pid: int) -> bool:
    return not await watcher.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid)


@pytest.mark.parametrize(
    ("application", "query"),
    [
        ("pg_dump", "SELECT pg_sleep(60)"),
        ("elevate-backup", "SELECT pg_sleep(60)"),
        ("psql", "SELECT pg_sleep(60) /* REFRESH MATERIALIZED VIEW CONCURRENTLY leaderboard_totals */"),
        ("psql", "SELECT pg_sleep(60), 'refresh_analytics_view'"),
    ],
)
async def test_refreshes_and_backups_are_spared(
    elevate: Type, session_dsn: str, superuser_dsn: str, application: str, query: str
) -> None:
    busy = await asyncpg.connect(session_dsn, server_settings={"application_name": application})
    watcher = await asyncpg.connect(superuser_dsn)
    running = asyncio.create_task(busy.execute(query))
    active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid = $1"
    await until(lambda: watcher.fetchval(active, busy.get_server_pid()))
    for command in (("ops", "kill"), ("emergency", "longrunning")):
        assert json.loads(elevate(*command, "--minutes", "0", "--yes", "--json").stdout)["shown"] == []
    assert not running.done()
    running.cancel()
    busy.terminate()
    await asyncio.gather(running, return_exceptions=True)
    await watcher.close()


# --- indexes ----------------------------------------------------------------------------------------------------------


async def test_what_is_wrong_with_indexes_is_found(owner: Database, superuser: Superuser) -> None:
    await superuser(
        "CREATE INDEX again_idx ON users (created_at, id)",
        "CREATE INDEX users_broken_ccnew ON users (name)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_broken_ccnew'::regclass",
    )
    async with owner.session() as session:
        found = await indexes.findings(session, least_bytes=0, least_rows=10**9)
    by_index = {(row["finding"], row["index"]) for row in found}
    assert {("duplicate", "again_idx"), ("invalid", "users_broken_ccnew"), ("unused", "again_idx")} <= by_index
    assert ("duplicate", "users_created_at_idx") not in by_index


async def test_reindexing_removes_leftovers_and_refuses_strangers(elevate: Type, superuser: Superuser) -> None:
    await superuser(
        "CREATE INDEX users_broken_ccnew ON users (name)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_broken_ccnew'::regclass",
    )
    refused = elevate("ops", "reindex", "users_pkey", "nowhere_idx")
    assert (refused.exit_code, refused.stderr) == (1, "elevate: there is no such index: nowhere_idx\n")
    done = elevate("ops", "reindex", "users_pkey").stdout
    assert done.splitlines() == ["removed  users_broken_ccnew (left by an interrupted build)", "rebuilt  users_pkey"]
    assert elevate("db", "check").exit_code == 0


async def test_the_emergency_index_comes_and_goes(elevate: Type) -> None:
    assert elevate("emergency", "index").exit_code == 0
    assert elevate("emergency", "index").exit_code == 0
    assert "unexpected: index idx_emergency_submissions_created" in elevate("db", "check").stdout
    assert elevate("emergency", "index", "--drop").exit_code == 0
    assert elevate("db", "check").exit_code == 0


# --- the report -------------------------------------------------------------------------------------------------------

CALM: dict[str, Any] = {"used": 10, "usable": 97, "share": 10 / 97}


def test_nothing_stands_out_when_all_is_calm() -> None:
    assert judge(Figures(capacity=CALM)) == []


def test_what_is_urgent_comes_first() -> None:
    advice = judge(
        Figures(
            capacity={"used": 90, "usable": 97, "share": 90 / 97},
            queue=[{"activity_code": "EXPLORE", "pending": 51, "oldest_pending": None}],
            slow=[{"when": "now", "seconds": 12.0}, {"when": "on average", "seconds": 11.0}],
            blocking=[{"waiting_seconds": 6.0, "blocking_pid": 7}],
            indexes=[{"finding": "unused", "index": "a_idx", "table": "a", "detail": "no scan"}],
            vacuum=[{"relation": "users", "transaction_age": 600_000_000, "dead": 0, "dead_share": None}],
        )
    )
    assert [one.urgency for one in advice] == [1, 1, 1, 1, 2, 2, 3]
    assert "90 of 97 connections are taken" in advice[0].found


async def test_the_report_of_a_real_database(elevate: Type, owner: Database) -> None:
    elevate("analytics", "refresh")
    async with owner.session() as session:
        assert [one for one in judge(await gather(session)) if one.urgency == 1 and "refresh" in one.found] == []
        await session.execute(text("UPDATE analytics_refreshes SET ok = false, error = 'x', row_count = NULL"))
    result = elevate("ops", "report", "--json")
    assert result.exit_code == 1
    assert any(one["found"].startswith("the last refresh failed") for one in json.loads(result.stdout))


# --- why does it not answer? ------------------------------------------------------------------------------------------


def test_a_good_connection_passes_every_step(elevate: Type) -> None:
    result = elevate("emergency", "connections", "--json")
    steps = {(step["address"], step["step"]): step["verdict"] for step in json.loads(result.stdout)}
    assert result.exit_code == 0
    for address in ("DATABASE_URL", "DIRECT_URL"):
        assert [steps[address, step] for step in ("settings", "tcp", "authentication", "version")] == ["ok"] * 4


@pytest.mark.parametrize(
    ("url", "step"),
    [
        ("mysql://elevate:geheim@h/x", "settings"),
        ("postgresql://elevate:geheim@nowhere.invalid/x", "dns"),
        ("postgresql://elevate:geheim@127.0.0.1:1/x", "tcp"),
    ],
)
def test_the_first_step_that_fails_is_named_without_the_password(elevate: Type, url: str, step: str) -> None:
    result = elevate("emergency", "connections", "--json", DATABASE_URL=url, DIRECT_URL=url)
    steps = json.loads(result.stdout)
    assert result.exit_code == 1
    assert next(one for one in steps if one["verdict"] == "failed")["step"] == step
    assert "geheim" not in result.output


async def test_a_database_that_is_not_there_fails_at_authentication(cluster: Cluster) -> None:
    steps = {one.step: one for one in await diagnose("x", cluster.address("nowhere"))}
    assert steps["authentication"].verdict == "failed"
    assert "does not exist" in steps["authentication"].detail
    assert steps["pool"].verdict == "skipped"


async def test_a_port_that_is_no_database_fails_at_tls() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, family=socket.AF_INET)
    port = server.sockets[0].getsockname()[1]
    async with server:
        steps = {one.step: one for one in await diagnose("x", Address.parse(f"postgresql://a:b@127.0.0.1:{port}/c"))}
    assert (steps["tcp"].verdict, steps["tls"].verdict) == ("ok", "failed")
    assert "is this PostgreSQL?" in steps["tls"].detail
