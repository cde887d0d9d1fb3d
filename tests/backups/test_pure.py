"""What needs no database: encryption, what is kept, what is due, what a dump's list is left with."""

import io
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elevate_api.backups import crypto, drill, increments, keep, restore, service, tools, wal
from elevate_api.backups.crypto import FRAME, HEADER, Encryptor, Key
from elevate_api.backups.errors import BackupFailed, Damaged, WrongKey
from elevate_api.backups.manifest import Kind, Manifest, Snapshot, Style, TableContents
from elevate_api.backups.store import Output, Store
from elevate_api.config import BackupSettings
from elevate_api.kit.db import Address

KEY = Key(bytes(range(32)))
NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Jakarta")


def encrypted(*parts: bytes) -> bytes:
    encryptor = Encryptor(KEY)
    return encryptor.header + b"".join(encryptor.update(part) for part in parts) + encryptor.finish()


def decrypted(data: bytes, *keys: Key) -> bytes:
    return b"".join(crypto.decrypt(io.BytesIO(data), keys or (KEY,)))


def backup(taken: datetime, kind: Kind = Kind.FULL, style: Style = Style.CUSTOM, base: str | None = None) -> Manifest:
    snapshot = Snapshot(
        taken_at=taken,
        server_version="17.1",
        system_identifier="1",
        timeline="00000001",
        database="elevate",
        database_oid=5,
        migration="0001",
        horizon=700,
    )
    return Manifest(
        id=f"{taken:%Y%m%dT%H%M%S}-{kind}-{style}",
        kind=kind,
        style=style,
        file="f",
        encrypted=False,
        size_bytes=1,
        sha256="0",
        seconds=1,
        tool="pg_dump 17.1",
        base=base,
        snapshot=snapshot,
    )


# --- encryption -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME])
def test_any_size_comes_back(size: int) -> None:
    data = bytes(size)
    assert decrypted(encrypted(data[: size // 3], data[size // 3 :])) == data


def test_the_same_contents_never_look_the_same() -> None:
    assert encrypted(b"secret")[HEADER:] != encrypted(b"secret")[HEADER:]


@settings(max_examples=60)
@given(st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    sealed = bytearray(encrypted(b"twenty points for Siti"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Damaged, WrongKey)):
        decrypted(bytes(sealed))


@settings(max_examples=40)
@given(st.integers(0, HEADER + 2 * FRAME))
def test_no_cut_goes_unnoticed(length: int) -> None:
    sealed = encrypted(bytes(2 * FRAME))
    with pytest.raises(Damaged):
        decrypted(sealed[:length])


def test_frames_cannot_be_left_out_or_change_places() -> None:
    sealed = encrypted(b"a" * FRAME, b"b" * FRAME, b"c")
    head, size = sealed[:HEADER], FRAME + 20
    first, second, rest = (
        sealed[HEADER : HEADER + size],
        sealed[HEADER + size : HEADER + 2 * size],
        sealed[HEADER + 2 * size :],
    )
    assert decrypted(head + first + second + rest).endswith(b"bc")
    for wrong in (second + first + rest, first + rest, first + second, first + first + second + rest):
        with pytest.raises(Damaged):
            decrypted(head + wrong)


def test_a_missing_key_is_told_from_damage() -> None:
    with pytest.raises(WrongKey):
        decrypted(encrypted(b"x"), Key(b"x" * 32))
    assert decrypted(encrypted(b"x"), Key(b"x" * 32), KEY) == b"x"


@pytest.mark.parametrize("text", ["", "short", "a" * 44, "AAAA"])
def test_a_key_is_the_base64_of_32_bytes(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - base64 has words of its own
        Key.parse(text)


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_file_that_was_not_finished_does_not_appear(tmp_path: Path) -> None:
    with Output(tmp_path / "file", None) as output:
        output.write(b"half")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_names_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(Damaged):
        store.path_of(backup(NOON).model_copy(update={"file": "../../etc/passwd"}))


def test_an_unreadable_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "elevate-broken.json").write_text("{")
    with pytest.raises(Damaged, match=r"elevate-broken\.json"):
        Store(tmp_path).list()


# --- what is kept ---------------------------------------------------------------------------------------------------

moments = st.lists(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 6, 30)).map(lambda moment: moment.replace(tzinfo=UTC)),  # noqa: DTZ001
    min_size=1,
    max_size=60,
    unique=True,
)


@given(moments, st.integers(1, 10), st.integers(0, 6))
def test_of_each_of_the_last_days_and_weeks_the_newest_stays(times: list[datetime], daily: int, weekly: int) -> None:
    backups = [backup(moment) for moment in times]
    gone = {item.id for item in keep.to_remove(backups, daily=daily, weekly=weekly, zone=ZONE)}
    left = [item.snapshot.taken_at for item in backups if item.id not in gone]
    days = sorted({moment.astimezone(ZONE).date() for moment in times})
    for day in days[-daily:]:
        assert max(m for m in times if m.astimezone(ZONE).date() == day) in left
    weeks = sorted({moment.astimezone(ZONE).isocalendar()[:2] for moment in times})
    for week in weeks[-weekly:] if weekly else []:
        assert max(m for m in times if m.astimezone(ZONE).isocalendar()[:2] == week) in left
    assert len(left) <= daily + weekly
    assert max(times) in left


@given(moments)
def test_pruning_twice_removes_nothing_more(times: list[datetime]) -> None:
    backups = [backup(moment) for moment in times]
    gone = keep.to_remove(backups, daily=7, weekly=4, zone=ZONE)
    left = [item for item in backups if item not in gone]
    assert keep.to_remove(left, daily=7, weekly=4, zone=ZONE) == []


def test_increments_go_with_their_dump_and_the_last_of_an_older_dump_stays() -> None:
    old, new = backup(NOON - timedelta(days=1)), backup(NOON)
    of_old = [backup(NOON - timedelta(hours=h), Kind.INCREMENT, Style.CHANGES, old.id) for h in (20, 10)]
    of_new = [backup(NOON + timedelta(hours=h), Kind.INCREMENT, Style.CHANGES, new.id) for h in (1, 2)]
    orphan = backup(NOON - timedelta(hours=3), Kind.INCREMENT, Style.CHANGES, "gone")
    removed = keep.to_remove([old, new, *of_old, *of_new, orphan], daily=7, weekly=4, zone=ZONE)
    assert removed == [of_old[0], orphan]


# --- what is due ----------------------------------------------------------------------------------------------------

SCHEDULE = BackupSettings.model_validate({"BACKUP_DUMP_SECONDS": 86400, "BACKUP_INCREMENT_SECONDS": 2700})


@pytest.mark.parametrize(
    ("backups", "wanted"),
    [
        ([], Kind.FULL),
        ([backup(NOON, Kind.SCHEMA)], Kind.FULL),
        ([backup(NOON, style=Style.PLAIN)], Kind.FULL),
        ([backup(NOON - timedelta(hours=25))], Kind.FULL),
        ([backup(NOON - timedelta(minutes=44))], None),
        ([backup(NOON - timedelta(minutes=46))], Kind.INCREMENT),
        ([backup(NOON - timedelta(hours=5)), backup(NOON - timedelta(minutes=5), Kind.INCREMENT, Style.CHANGES)], None),
    ],
)
def test_what_the_schedule_wants(backups: list[Manifest], wanted: Kind | None) -> None:
    assert service.due(backups, NOON, SCHEDULE) == wanted


def test_points_are_lost_for_less_than_an_hour_by_the_defaults() -> None:
    assert BackupSettings().increment_seconds + 60 < drill.RECOVERY_POINT["Point data"]


def test_a_drill_says_which_objective_was_missed() -> None:
    missed = {row["objective"] for row in drill.judge(5 * 3600, 3601) if not row["ok"]}
    assert missed == {"Data recovery", "Point data"}
    assert {row["objective"] for row in drill.judge(1, None)} == set(drill.RECOVERY_TIME)


# --- transaction ids ------------------------------------------------------------------------------------------------


@given(st.integers(3, 2**40), st.integers(0, 2**31 - 1))
def test_later_is_later_across_the_wrap_of_transaction_ids(horizon: int, ahead: int) -> None:
    def new(xid: int) -> bool:
        # The statement's own expression; nothing in it is negative, where % of PostgreSQL would differ from Python's.
        expression = increments.changed_since(horizon).replace("xmin::text::bigint", str(xid % 2**32))
        return bool(eval(expression))  # noqa: S307 - our own arithmetic

    assert new(horizon + ahead)
    assert not new(horizon - 1)
    assert not new(horizon - 2**31)


# --- lists, tools, comparisons --------------------------------------------------------------------------------------

LISTING = """;
; Archive created at 2026-03-31
;
6; 2615 2200 SCHEMA - public pg_database_owner
8; 2615 16390 SCHEMA - extensions elevate
2; 3079 16391 EXTENSION - pg_trgm
3; 3079 16392 EXTENSION - pg_stat_statements
4001; 0 0 COMMENT - EXTENSION pg_trgm
220; 1259 16400 TABLE public users elevate
3500; 1259 16500 INDEX public users_search_idx elevate
3501; 1259 16501 INDEX public users_email_idx elevate
5000; 3466 16600 EVENT TRIGGER - issue_graphql_placeholder supabase_admin
5001; 6104 16601 PUBLICATION - supabase_realtime postgres
"""


def test_a_restore_leaves_out_what_the_host_brings() -> None:
    kept = restore.only_ours(LISTING, frozenset({"pg_trgm"}))
    assert [line.split()[3] for line in kept.splitlines() if not line.startswith(";")] == ["TABLE", "INDEX", "INDEX"]
    assert "users_search_idx" not in restore.only_ours(LISTING, frozenset())


def test_differences_name_the_table() -> None:
    one, two = TableContents(rows=1, checksum="1"), TableContents(rows=2, checksum="2")
    assert restore.compare({"users": one}, {"users": one}, grown=False) == ([], [])
    assert restore.compare({"users": one}, {"users": two}, grown=False)[0] == [
        "users has 2 rows and had 1, or other contents"
    ]
    assert restore.compare({"users": two}, {"users": one}, grown=True)[0] != []
    assert restore.compare({"users": one}, {"users": two}, grown=True)[0] == []
    assert restore.compare({"badges": one}, {"badges": two}, grown=True)[0] != []
    assert restore.compare({"users": one}, {}, grown=True)[0] == ["users is missing"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders of a pg_dump each, of versions 15, 16 and 18."""
    paths = []
    for version in ("15.9", "16.4", "18.0"):
        path = tmp_path / version / "pg_dump"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
        path.chmod(0o755)
        paths.append(path)
    monkeypatch.setattr(tools, "_paths", lambda _: iter(paths))
    yield tmp_path
    tools._tool.cache_clear()


def test_the_oldest_program_that_is_not_older_than_the_server_is_taken(programs: Path) -> None:
    assert tools.find("pg_dump", 15).version == "15.9"
    assert tools.find("pg_dump", 17).version == "18.0"
    with pytest.raises(BackupFailed, match=r"PostgreSQL 19 .* found: 15.9 in .*postgresql-client-19"):
        tools.find("pg_dump", 19)


def test_no_password_stands_on_a_command_line() -> None:
    roots = ssl.get_default_verify_paths().cafile
    for mode, root in (("require", None), ("verify-full", roots), ("verify-ca", roots)):
        certificates = f"&sslrootcert={root}" if root else ""
        address = Address.parse(f"postgres://owner:s3cret@db.example/elevate?sslmode={mode}{certificates}")
        dsn, environment = tools.connection(address)
        assert "s3cret" not in dsn
        assert (environment["PGPASSWORD"], environment["PGSSLMODE"]) == ("s3cret", mode)
        assert environment.get("PGSSLROOTCERT") == root


@pytest.mark.parametrize("name", ['a"b', "a$b", "a`b", "a%f"])
def test_a_folder_that_a_shell_would_misread_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="character"):
        wal.archive_settings(tmp_path / name)


def test_a_base_backup_must_be_older_than_the_moment() -> None:
    early, late = (wal.Base(Path("b"), NOON + timedelta(hours=hours), 17, 1) for hours in (0, 2))
    assert wal.choose([early, late], NOON + timedelta(hours=1)) == early
    assert wal.choose([early, late], None) == late
    with pytest.raises(BackupFailed, match="the earliest is of 2026-03-31 12:00:00Z"):
        wal.choose([early, late], NOON - timedelta(seconds=1))
