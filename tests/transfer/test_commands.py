"""`elevate export`, `elevate import`, `elevate privacy` as they are typed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from tests.support.cluster import outside_the_loop
from tests.support.factories import Factory
from typer.testing import CliRunner, Result

from elevate_api.cli.commands import app

Type = Callable[..., Result]


@pytest.fixture
def elevate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, owner_dsn: str) -> Type:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", owner_dsn)
    return lambda *arguments, typed=None: outside_the_loop(
        lambda: CliRunner().invoke(app, list(arguments), input=typed)
    )


async def test_files_go_out_and_come_in(elevate: Type, factory: Factory, tmp_path: Path) -> None:
    await factory.user(name="Siti, S.Pd.")
    done = elevate("export", "users", "--output", "users.csv")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (0, "1 rows")
    assert (tmp_path / "users.csv").stat().st_mode & 0o777 == 0o600
    assert '"Siti, S.Pd."' in (tmp_path / "users.csv").read_text(encoding="utf-8")
    assert json.loads(elevate("export", "users", "--format", "json").stdout)[0]["name"] == "Siti, S.Pd."
    assert elevate("import", "users", "users.csv", typed="n\n").exit_code == 1
    assert "0 added, 1 were there already" in elevate("import", "users", "users.csv", "--yes").stdout

    text = (tmp_path / "users.csv").read_text(encoding="utf-8")
    (tmp_path / "more.csv").write_text(text.replace("user_1", "user_9").replace("teacher", "other"), encoding="utf-8")
    assert "1 would be added" in elevate("import", "users", "more.csv", "--dry-run").stdout
    (tmp_path / "bad.csv").write_text(text + "broken\n", encoding="utf-8")
    bad = elevate("import", "users", "bad.csv", "--yes")
    assert (bad.exit_code, "line 3: 1 fields" in bad.stderr) == (1, True)
    (tmp_path / "latin.csv").write_bytes(b"id,handle\nu,\xe9\n")
    assert "is not UTF-8" in elevate("import", "users", "latin.csv", "--yes").stderr


def test_a_failed_export_leaves_no_file(elevate: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@/nowhere?host=/nowhere")
    assert elevate("export", "ledger", "--output", "ledger.csv").exit_code == 1
    assert list(tmp_path.iterdir()) == []


async def test_production_is_not_asked(elevate: Type, factory: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await factory.user()
    for name, value in {
        "ENVIRONMENT": "production", "CLERK_ISSUER": "https://clerk.test", "CRON_SECRET": "a-good-long-cron-secret-7",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    refused = elevate("privacy", "erase", user.id, typed="y\n")
    assert (refused.exit_code, "repeat with --yes" in refused.stderr) == (1, True)


async def test_a_persons_data_is_handed_over_and_erased(elevate: Type, factory: Factory, owner_dsn: str) -> None:
    user = await factory.user(email="siti@school.test", name="Siti")
    await factory.entry(user, 20, "LEARN")
    for command in (("privacy", "export"), ("export", "user")):
        document = json.loads(elevate(*command, "siti@school.test").stdout)
        assert document["person"]["name"] == "Siti"
        assert len(document["points"]) == 1
    assert "is erased" in elevate("privacy", "erase", user.id, "--yes").stdout
    assert "was erased already" in elevate("privacy", "erase", user.id, "--yes").stderr
    connection = await asyncpg.connect(owner_dsn)
    actions = await connection.fetch("SELECT action FROM audit_log ORDER BY created_at, id")
    left = await connection.fetchval("SELECT count(*) FROM users WHERE name = 'Siti' OR email IS NOT NULL")
    await connection.close()
    assert [row["action"] for row in actions] == ["user.export", "user.export", "user.erase"]
    assert left == 0


async def test_who_waits_for_their_erasure_is_told_with_the_hours_left(elevate: Type, factory: Factory) -> None:
    assert "nobody waits" in elevate("privacy", "due").stdout
    await factory.user(erase_at=datetime.now(UTC) - timedelta(hours=70))
    waiting = elevate("privacy", "due", "--json")
    assert waiting.exit_code == 0
    assert 1.9 < json.loads(waiting.stdout)[0]["hoursLeft"] <= 2
    await factory.user(erase_at=datetime.now(UTC) - timedelta(hours=73))
    assert elevate("privacy", "due").exit_code == 1


async def test_retention_tells_first_and_asks(elevate: Type, factory: Factory, owner_dsn: str) -> None:
    connection = await asyncpg.connect(owner_dsn)
    await connection.execute(
        "INSERT INTO audit_log (action, target_type, target_id, created_at) VALUES ('x', 't', '1', '2020-01-01')"
    )
    await connection.close()
    assert json.loads(elevate("retention", "--dry-run", "--json").stdout)["due"]["audit"] == 1
    assert elevate("retention", typed="n\n").exit_code == 1
    assert json.loads(elevate("retention", "--yes", "--json").stdout)["removed"]["audit"] == 1
