from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from elevate_api.postgres import Binaries, EmbeddedServer, StartError, ToolError, crash, ephemeral, paths, postmaster

OWNER_SCRIPT = Path(__file__).with_name("owner.py")
PATIENCE = 20


def pid_of(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def gone(pid: int) -> bool:
    return postmaster.identity(pid) is None


@contextmanager
def owner_process(data_dir: Path | str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that has started the server, and the server's pid."""
    command = [sys.executable, str(OWNER_SCRIPT), str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline().split()[0])
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)


def test_starts_from_nothing_and_stops_without_a_trace_in_the_process_list(server: EmbeddedServer) -> None:
    server.start()
    pid = pid_of(server)

    assert server.psql("SELECT 1 + 1") == "2"
    server.stop()

    assert gone(pid)
    assert server.status().state == "stopped"


def test_second_start_finds_the_data(server: EmbeddedServer) -> None:
    with server:
        server.create_database("kept")
        server.psql("CREATE TABLE t AS SELECT 42 AS answer", database="kept", user="elevate")
    with server:
        assert server.psql("SELECT answer FROM t", database="kept") == "42"


def test_start_of_a_running_server_changes_nothing(server: EmbeddedServer) -> None:
    first = pid_of(server.start())
    assert pid_of(server.start()) == first
    assert server.owned


def test_clusters_are_durable_unless_told_otherwise(data_dir: Path, binaries: Binaries) -> None:
    with EmbeddedServer(data_dir, binaries=binaries) as server:
        assert (
            server.psql(
                "SELECT string_agg(setting, ',' ORDER BY name) FROM pg_settings WHERE name IN "
                "('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums')"
            )
            == "on,on,on,on"
        )
    with EmbeddedServer(data_dir, binaries=binaries, fsync=False) as server:
        assert server.psql("SHOW fsync") == "off"


def test_nothing_listens_on_the_network_and_the_socket_is_private(server: EmbeddedServer) -> None:
    server.start()

    assert psutil.Process(pid_of(server)).net_connections("inet") == []
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    assert server.psql("SHOW listen_addresses") == ""
    assert server.psql("SHOW max_connections") == "200"
    assert server.psql("SHOW timezone") == "UTC"


def test_settings_of_the_caller_win(data_dir: Path, binaries: Binaries) -> None:
    settings = {"max_connections": "17", "log_min_duration_statement": "250ms"}
    with EmbeddedServer(data_dir, fsync=False, binaries=binaries, settings=settings) as server:
        assert server.psql("SHOW max_connections") == "17"
        assert server.psql("SHOW log_min_duration_statement") == "250ms"


def test_the_owner_of_databases_is_no_superuser_and_can_do_what_a_hosted_one_can(server: EmbeddedServer) -> None:
    server.start()
    server.create_database("hosted")
    flags = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolcanlogin FROM pg_roles WHERE rolname = current_user"

    assert server.psql(flags, user="elevate") == "f|t|t|t"
    for extension in ("pg_trgm", "citext"):
        server.psql(f"CREATE EXTENSION {extension}", database="hosted", user="elevate")
    server.psql("CREATE ROLE elevate_app LOGIN", user="elevate")
    server.psql("CREATE TABLE public.t (id int)", database="hosted", user="elevate")
    with pytest.raises(ToolError, match="permission denied"):
        server.psql("ALTER SYSTEM SET work_mem = '1MB'", user="elevate")


def test_every_new_database_counts_its_statements(server: EmbeddedServer) -> None:
    if not server.binaries.has_extension("pg_stat_statements"):
        pytest.skip("this PostgreSQL has no pg_stat_statements")
    server.start()
    server.create_database("counted")

    server.psql("SELECT 'a statement to find' AS x", database="counted", user="elevate")

    seen = "SELECT count(*) > 0 FROM pg_stat_statements WHERE query LIKE 'SELECT $1 AS x'"
    assert server.psql(seen, database="counted", user="elevate") == "t"


def test_databases_are_created_cloned_and_dropped(server: EmbeddedServer) -> None:
    server.start()
    assert server.ensure_database("source")
    assert not server.ensure_database("source")
    server.psql("CREATE TABLE t AS SELECT 7 AS n", database="source", user="elevate")

    server.create_database('odd "name', template="source")

    assert server.psql("SELECT n FROM t", database='odd "name', user="elevate") == "7"
    server.drop_database('odd "name')
    server.drop_database('odd "name')
    assert not server.database_exists('odd "name')
    with pytest.raises(ToolError, match="already exists"):
        server.create_database("source")


@pytest.mark.parametrize("name", ["", "x" * 64, "nul\0"])
def test_names_that_postgresql_would_cut_or_refuse_are_refused(server: EmbeddedServer, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        server.start().create_database(name)


async def test_the_dsn_serves_asyncpg_and_sqlalchemy(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    server.start()
    server.create_database("both")

    connection = await asyncpg.connect(server.dsn("both"))
    assert await connection.fetchval("SELECT current_user || '@' || current_database()") == "elevate@both"
    await connection.close()
    engine = create_async_engine(make_url(server.superuser_dsn("both")).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as session:
        assert await session.scalar(text("SELECT current_user || '@' || current_database()")) == "postgres@both"
    await engine.dispose()


def test_a_live_server_is_adopted_and_left_running(data_dir: Path, server: EmbeddedServer) -> None:
    with owner_process(data_dir) as (_, pid):
        server.start()
        assert pid_of(server) == pid
        assert not server.owned
        assert server.psql("SELECT 1") == "1"

        server.stop()
        assert not gone(pid)
    assert gone(pid)


def test_an_adopted_server_can_be_stopped_on_demand(data_dir: Path, server: EmbeddedServer) -> None:
    with owner_process(data_dir) as (_, pid):
        server.stop(adopted=True)
        assert gone(pid)


def test_the_server_goes_when_its_owner_is_killed(data_dir: Path) -> None:
    with owner_process(data_dir) as (owner, pid):
        owner.kill()
        owner.wait(PATIENCE)
        assert postmaster.wait_until(lambda: gone(pid), PATIENCE)


def test_a_server_whose_owner_was_killed_is_replaced_at_once(data_dir: Path, server: EmbeddedServer) -> None:
    with owner_process(data_dir) as (owner, pid):
        owner.kill()
        owner.wait(PATIENCE)
        server.start()

        assert server.owned
        assert pid_of(server) != pid
        assert server.psql("SELECT 1") == "1"


def test_many_starts_at_once_end_in_one_server(data_dir: Path) -> None:
    command = [sys.executable, str(OWNER_SCRIPT), str(data_dir)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        servers = {process.stdout.readline().split()[0] for process in processes if process.stdout}
        assert len(servers) == 1
    finally:
        for process in processes:
            process.communicate(timeout=PATIENCE)
    assert gone(int(servers.pop()))


def test_leftovers_of_a_killed_initdb_are_not_taken_for_a_cluster(server: EmbeddedServer) -> None:
    paths.make_home(server.layout)
    leftover = server.layout.home / "init-killed"
    leftover.mkdir()
    (leftover / "PG_VERSION").write_text("17\n")

    server.start()

    assert server.psql("SELECT 1") == "1"
    assert not leftover.exists()


def test_a_failing_initdb_leaves_nothing_and_says_why(data_dir: Path, server: EmbeddedServer) -> None:
    broken = EmbeddedServer(data_dir, fsync=False, binaries=server.binaries, settings={"no_such_setting": "1"})
    with pytest.raises(StartError, match="no_such_setting"):
        broken.start()

    assert not broken.owned
    assert server.start().psql("SELECT 1") == "1"


def test_the_pid_file_of_a_recycled_pid_does_not_stop_the_start(server: EmbeddedServer) -> None:
    server.start()
    cluster = server.layout.cluster
    lines = (cluster / "postmaster.pid").read_text()
    os.kill(pid_of(server), signal.SIGKILL)
    server_account = cluster.stat().st_uid

    # Another program of the same account now has that number.
    keywords: dict[str, Any] = {"user": server_account} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "600"], cwd="/", **keywords) as stranger:
        first, rest = lines.split("\n", 1)
        assert first != str(stranger.pid)
        (cluster / "postmaster.pid").write_text(f"{stranger.pid}\n{rest}")
        (server.socket_dir / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n{rest}")
        try:
            assert server.start().psql("SELECT 1") == "1"
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_kill_9_of_the_server_loses_no_committed_row(data_dir: Path, binaries: Binaries) -> None:
    with EmbeddedServer(data_dir, binaries=binaries) as server:
        server.psql("CREATE TABLE t (n int)")
        for number in range(5):
            server.psql(f"INSERT INTO t VALUES ({number})")
        os.kill(pid_of(server), signal.SIGKILL)

        server.start()

        assert server.psql("SELECT count(*) FROM t") == "5"


async def test_a_crashed_server_answers_no_more(server: EmbeddedServer) -> None:
    server.start()
    connection = await asyncpg.connect(server.dsn())

    crash(server)

    assert server.status().state == "stopped"
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    with pytest.raises(OSError, match=r"refused|No such file"):
        await asyncpg.connect(server.dsn())
    connection.terminate()


def test_a_long_data_path_gets_a_short_socket_path(data_dir: Path, binaries: Binaries) -> None:
    deep = data_dir / ("a folder with a name/" * 5) / ("long" * 20)
    with EmbeddedServer(deep, fsync=False, binaries=binaries) as server:
        sockets = server.socket_dir
        assert server.psql("SELECT 1") == "1"
        assert server.layout.home not in sockets.parents
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(sockets / ".s.PGSQL.5432"))
    assert not sockets.exists()


def test_somebody_elses_socket_folder_is_refused(data_dir: Path, binaries: Binaries) -> None:
    deep = data_dir / ("d" * 120)
    server = EmbeddedServer(deep, fsync=False, binaries=binaries)
    server.layout.sockets.symlink_to("/")
    try:
        with pytest.raises(StartError, match="remove it"):
            server.start()
    finally:
        server.layout.sockets.unlink()


def test_it_is_started_from_the_main_thread_only(server: EmbeddedServer) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux ties a child to a thread")
    errors: list[BaseException] = []

    def start() -> None:
        try:
            server.start()
        except StartError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(PATIENCE)
    assert ["main thread" in str(error) for error in errors] == [True]


def test_an_ephemeral_server_leaves_nothing(binaries: Binaries) -> None:
    with ephemeral(binaries=binaries) as server:
        folder = server.data_dir
        pid = pid_of(server)
        assert server.psql("SHOW fsync") == "off"
    assert gone(pid)
    assert not folder.exists()


def test_what_a_killed_run_left_is_swept_by_the_next(binaries: Binaries) -> None:
    with owner_process("") as (owner, pid):
        folder = Path(psutil.Process(pid).cmdline()[2]).parent.parent
        owner.kill()
        owner.wait(PATIENCE)
        assert folder.is_dir()

        with ephemeral(binaries=binaries):
            pass

        assert not folder.exists()
        assert gone(pid)


def test_a_data_folder_of_another_version_is_pointed_out(
    server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    paths.make_home(server.layout)
    (server.layout.home / "data-14").mkdir()
    server.start()
    assert "data-14" in caplog.text


def test_default_data_dir_follows_variable_account_and_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVATE_DATA_DIR", "/somewhere/else")
    assert paths.default_data_dir() == Path("/somewhere/else")
    monkeypatch.delenv("ELEVATE_DATA_DIR")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert paths.default_data_dir() == Path("/var/lib/elevate")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert Path("/home/ada") in paths.default_data_dir().parents
