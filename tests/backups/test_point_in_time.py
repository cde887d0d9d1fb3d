"""The data directory is lost, with base backup and WAL archive left."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from elevate_api.backups import wal
from elevate_api.backups.errors import BackupFailed
from elevate_api.kit.db import Address
from elevate_api.postgres import EmbeddedServer, scratch_dir
from elevate_api.postgres.postmaster import wait_until


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with scratch_dir() as folder:
        yield folder


def test_a_lost_server_comes_back_as_it_was_at_any_moment(folder: Path) -> None:
    data_dir, archive, backups = folder / "live", folder / "archive", folder / "backups"
    server = EmbeddedServer(data_dir, fsync=False, settings=wal.archive_settings(archive))
    wal.prepare_archive(archive, server.layout.cluster)
    with server:
        server.psql("CREATE TABLE points (n int, at timestamptz DEFAULT clock_timestamp())")
        server.psql("INSERT INTO points SELECT generate_series(1, 100)")
        base = wal.base_backup(Address.parse(server.superuser_dsn()), backups)
        server.psql("INSERT INTO points VALUES (101)")
        moment = datetime.fromisoformat(server.psql("SELECT clock_timestamp()"))
        server.psql("DELETE FROM points")  # what should not have happened
        server.psql("INSERT INTO points VALUES (102)")
        segment = server.psql("SELECT pg_walfile_name(pg_switch_wal())")
        assert wait_until((archive / segment).is_file, 30)
        server.stop("immediate")
    shutil.rmtree(data_dir)

    assert [found.path for found in wal.list_bases(backups)] == [base.path]
    recovered = wal.recover(backups, archive, folder / "then", moment)
    assert recovered.reached is not None
    assert recovered.reached <= moment
    with EmbeddedServer(folder / "then", fsync=False) as then:
        assert then.psql("SELECT count(*), max(n) FROM points") == "101|101"
        then.psql("INSERT INTO points VALUES (103)")  # a server like any other, not a standby
    with pytest.raises(BackupFailed, match="fresh folder"):
        wal.recover(backups, archive, folder / "then", moment)

    wal.recover(backups, archive, folder / "all", None)
    with EmbeddedServer(folder / "all", fsync=False) as everything:
        assert everything.psql("SELECT string_agg(n::text, ',') FROM points") == "102"

    with pytest.raises(BackupFailed, match="no base backup from before"):
        wal.recover(backups, archive, folder / "before", base.finished_at - timedelta(hours=1))
    with pytest.raises(BackupFailed, match="ends before that time"):
        wal.recover(backups, archive, folder / "after", datetime.now(UTC) + timedelta(hours=1))
    assert not (folder / "after" / "postgres" / "data-17").exists()


def test_a_copy_that_does_not_verify_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    with pytest.raises(BackupFailed, match="psql failed"):
        wal.base_backup(Address.parse(f"postgresql://postgres@/postgres?host={folder}&port=5432"), folder / "none")
    assert list((folder / "none").iterdir()) == []
    assert time.monotonic() - started < 30
