"""`elevate db`, `analytics`, `review` and `users affected`, as they are typed."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.ops.commands import Type
from tests.support.factories import Factory

from elevate_api.analytics.queries import VIEWS
from elevate_api.cli import output
from elevate_api.kit.db import Database
from elevate_api.ops import migrations

Superuser = Callable[..., Awaitable[None]]


async def test_a_schema_that_somebody_changed_is_named(elevate: Type, superuser: Superuser, tmp_path: Path) -> None:
    assert elevate("db", "check").stdout.endswith("No difference from models and migrations.\n")
    await superuser(
        "ALTER TABLE users ADD COLUMN nickname text",
        "ALTER TABLE points_ledger DISABLE TRIGGER points_ledger_append_only",
        "CREATE OR REPLACE FUNCTION program_timezone() RETURNS text LANGUAGE sql AS $$ SELECT 'UTC' $$",
        "DROP MATERIALIZED VIEW school_metrics",
        "GRANT SELECT ON users TO PUBLIC",
    )
    result = elevate("db", "check", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert found["models"] == ["remove_column: users.nickname"]
    assert found["migrations"] == [
        "changed: function program_timezone()",
        "changed: trigger points_ledger.points_ledger_append_only",
        "missing: materialized view school_metrics",
        "unexpected: column users.nickname",
    ]
    assert found["access"] == ["table users: SELECT granted to PUBLIC"]

    assert elevate("db", "pull", "--output", "schema.sql").exit_code == 0
    schema = (tmp_path / "schema.sql").read_text(encoding="utf-8")
    assert "nickname text" in schema
    assert "CREATE FUNCTION public.submissions_before_insert()" in schema


def test_push_migrates_and_compares_in_development_only(elevate: Type) -> None:
    assert "No difference" in elevate("db", "push").stdout
    refused = elevate("db", "push", ENVIRONMENT="production")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_a_rollback_names_what_it_undoes_and_needs_yes_in_production(elevate: Type) -> None:
    head = migrations.head()
    asked = elevate("db", "rollback", typed="n\n")
    assert asked.exit_code == 1
    assert asked.stdout.startswith(f"Undoes {head}: ")
    everything = elevate("db", "rollback", "--to", "base", typed="n\n").stdout.splitlines()
    assert [line.split()[1].strip(":") for line in everything if line.startswith("Undoes ")][-1] == "0001"
    refused = elevate("db", "rollback", ENVIRONMENT="staging", CLERK_ISSUER="https://c.test", typed="y\n")
    assert (refused.exit_code, "repeat with --yes" in refused.stderr) == (1, True)
    status = elevate("db", "status", "--json", ENVIRONMENT="test")
    assert json.loads(status.stdout) == {
        "current": head, "head": head, "pending": [], "ahead": False, "up_to_date": True,
    }  # fmt: skip


async def test_a_view_is_rebuilt_with_its_indexes_and_grants(
    elevate: Type, superuser: Superuser, database: Database
) -> None:
    await superuser("DROP INDEX idx_leaderboard_totals_points")
    assert elevate("analytics", "rebuild", "leaderboard_totals", typed="n\n").exit_code == 1
    assert elevate("analytics", "rebuild", "leaderboard_totals", "--yes").exit_code == 0
    async with database.session() as session:  # the service may read it again
        assert await session.scalar(text("SELECT count(*) FROM leaderboard_totals")) == 0
    views = {row["view"]: row for row in json.loads(elevate("analytics", "status", "--json").stdout)}
    assert set(views) == set(VIEWS)
    assert (views["leaderboard_totals"]["indexes"], views["leaderboard_totals"]["last_ok"]) == (4, True)
    assert elevate("analytics", "rebuild", "pg_class", "--yes").exit_code == 2


async def test_what_was_built_on_a_view_is_not_dropped_with_it(elevate: Type, owner: Database) -> None:
    async with owner.session() as session:
        await session.execute(text("CREATE VIEW mine AS SELECT count(*) FROM leaderboard_totals"))
    result = elevate("analytics", "rebuild", "leaderboard_totals", "--yes")
    assert (result.exit_code, "other objects depend on it" in result.stderr) == (1, True)
    assert elevate("analytics", "refresh", "leaderboard_totals").exit_code == 0


async def test_the_queue_is_printed_oldest_first(elevate: Type, factory: Factory) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    new = await factory.submission(None, "EXPLORE")
    old = await factory.submission(None, "PRESENT", created_at=yesterday)
    await factory.submission(None, "PRESENT", "REJECTED")
    found = json.loads(elevate("review", "queue", "--json").stdout)
    assert [item["id"] for item in found["items"]] == [str(old.id), str(new.id)]
    assert {stage["activity_code"]: stage["pending"] for stage in found["stages"]} == {"EXPLORE": 1, "PRESENT": 1}
    assert str(new.id) not in elevate("review", "queue", "--activity", "present").stdout


async def test_whose_data_was_touched_is_told_with_addresses(
    elevate: Type, factory: Factory, superuser: Superuser
) -> None:
    touched, others, erased = (
        await factory.user(),
        await factory.user(),
        await factory.user(erased_at=datetime.now(UTC)),
    )
    for user in (touched, erased):
        await factory.entry(user, 50, created_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
    await superuser("UPDATE users SET created_at = '2026-01-01', updated_at = '2026-01-01'")
    result = elevate("users", "affected", "--since", "2026-03-01T12:00", "--until", "2026-03-01T12:00:01", "--json")
    assert [(row["user_id"], row["email"], row["touched"]) for row in json.loads(result.stdout)] == [
        (touched.id, touched.email, ["points"])
    ]
    # The end does not belong to the window; an offset counts.
    until = ("--until", "2026-03-01T19:00:00+0700")
    assert elevate("users", "affected", "--since", "2026-03-01", *until).stdout.startswith("Nobody.")
    assert others.id not in result.stdout


def test_what_takes_long_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "SILENCE_SECONDS", 0.001)
    with output.progress("Waiting"):
        while "Waiting: 0 s ..." not in capsys.readouterr().err:
            pass
