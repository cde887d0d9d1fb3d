"""The other commands, as they are typed."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import asyncpg
import pytest
from tests.support.cluster import SERVICE, Cluster
from typer.testing import CliRunner, Result

from elevate_api.cli.commands import app
from elevate_api.ops import migrations
from elevate_api.ops.roles import scram_verifier
from elevate_api.postgres import EmbeddedServer, ephemeral, scratch_dir

Type = Callable[..., Result]


@pytest.fixture
def elevate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Type:
    monkeypatch.chdir(tmp_path)

    def elevate(*arguments: str, typed: str | None = None, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, list(arguments), input=typed)

    return elevate


def test_the_version_is_that_of_the_package(elevate: Type) -> None:
    assert elevate("--version").stdout == f"elevate {version('elevate-api')}\n"


def test_the_document_needs_no_database(elevate: Type, tmp_path: Path) -> None:
    printed = json.loads(elevate("openapi").stdout)
    assert printed["openapi"].startswith("3.1")
    assert elevate("openapi", "--output", "api.json").stdout == ""
    assert json.loads((tmp_path / "api.json").read_text(encoding="utf-8")) == printed


# --- schema -----------------------------------------------------------------------------------------------------------


def test_status_migrate_rollback(elevate: Type, blank_database: str, cluster: Cluster) -> None:
    dsn, head = cluster.dsn(blank_database), migrations.head()

    before = elevate("db", "status", DATABASE_URL=dsn)
    assert (before.exit_code, before.stdout.split()[:4]) == (3, ["current", "none", "head", head])
    assert head in before.stdout.splitlines()[2]

    assert elevate("db", "migrate").exit_code == 0
    assert elevate("db", "migrate").stdout == f"At {head}: nothing to apply.\n"
    after = elevate("db", "status")
    assert (after.exit_code, after.stdout) == (0, f"current  {head}\nhead     {head}\npending  none\n")

    assert elevate("db", "rollback", "--to", "base", typed="n\n").exit_code == 1
    assert elevate("db", "status").exit_code == 0
    assert elevate("db", "rollback", "--to", "base", "--yes").stdout.endswith("\nAt base.\n")
    assert elevate("db", "rollback", "--yes").stderr == "elevate: nothing was migrated yet\n"


def test_a_revision_that_there_is_not_is_a_sentence(elevate: Type, owner_dsn: str) -> None:
    result = elevate("db", "rollback", "--to", "9999", "--yes", DATABASE_URL=owner_dsn)
    assert (result.exit_code, result.stderr) == (1, "elevate: Can't locate revision identified by '9999'\n")


def test_seeding_before_migrating_says_what_to_do(elevate: Type, blank_database: str, cluster: Cluster) -> None:
    result = elevate("db", "seed", DATABASE_URL=cluster.dsn(blank_database))
    assert (result.exit_code, result.stderr) == (
        1, "elevate: nothing was migrated yet: run `elevate db migrate` first\n",
    )  # fmt: skip


def test_the_demo_is_written_once_and_reset_starts_again(elevate: Type, owner_dsn: str) -> None:
    assert "Demo written." in elevate("db", "seed", "--demo", DATABASE_URL=owner_dsn).stdout
    assert "There is data already" in elevate("db", "seed", "--demo").stdout
    assert "Demo written." in elevate("db", "reset", "--demo", "--yes").stdout


@pytest.mark.parametrize("command", [("db", "reset", "--yes"), ("db", "seed", "--demo")])
@pytest.mark.parametrize("environment", ["production", "staging"])
def test_what_is_for_development_is_refused_elsewhere(
    elevate: Type, owner_dsn: str, command: tuple[str, ...], environment: str
) -> None:
    result = elevate(*command, DATABASE_URL=owner_dsn, ENVIRONMENT=environment)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"elevate: ENVIRONMENT is {environment}: ")


# --- the service's role -----------------------------------------------------------------------------------------------


def test_the_service_role_is_created_then_updated_and_may_do_what_the_service_does(elevate: Type) -> None:
    with ephemeral() as server:
        server.create_database("elevate")
        elevate("db", "migrate", DATABASE_URL=server.dsn("elevate"))
        first = elevate("db", "app-role", "--password-stdin", typed="correct horse battery\n")
        second = elevate("db", "app-role", typed="another long password\nanother long password\n")
        stored = server.psql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{SERVICE}'")
        rights = server.psql(
            "SELECT has_table_privilege('elevate_app', 'submissions', 'INSERT'),"
            " has_table_privilege('elevate_app', 'points_ledger', 'DELETE')",
            database="elevate",
        )
    assert first.stdout.startswith("elevate_app created.")
    assert "elevate_app updated." in second.stdout
    assert stored.startswith("SCRAM-SHA-256$4096:")
    assert rights == "t|f"


def test_the_verifier_is_the_one_that_postgresql_computes() -> None:
    with scratch_dir() as folder, EmbeddedServer(folder, fsync=False) as server:
        server.psql("CREATE ROLE somebody PASSWORD 'correct horse battery'")
        stored = server.psql("SELECT rolpassword FROM pg_authid WHERE rolname = 'somebody'")
    salt = stored.split(":")[1].split("$")[0]
    assert scram_verifier("correct horse battery", b64decode(salt)) == stored


@pytest.mark.parametrize("password", ["short", "sixteen spaces\tno", "kata sandi rahasia é"])
def test_a_password_that_would_not_do_is_refused(elevate: Type, owner_dsn: str, password: str) -> None:
    result = elevate("db", "app-role", "--password-stdin", typed=f"{password}\n", DATABASE_URL=owner_dsn)
    assert (result.exit_code, result.stderr) == (
        2, "elevate: the password: at least 16 printable ASCII characters\n",
    )  # fmt: skip


def test_a_role_that_bypasses_row_level_security_is_refused(elevate: Type) -> None:
    with ephemeral() as server:
        server.create_database("elevate")
        elevate("db", "migrate", DATABASE_URL=server.dsn("elevate"))
        server.psql(f"CREATE ROLE {SERVICE} BYPASSRLS")
        result = elevate("db", "app-role", "--password-stdin", typed="correct horse battery\n")
    assert result.exit_code == 2
    assert "bypasses row level security" in result.stderr


# --- the embedded server, and databases that are not there ------------------------------------------------------------


def test_a_command_starts_the_embedded_server_for_as_long_as_it_takes(elevate: Type) -> None:
    with scratch_dir() as folder:
        assert elevate("db", "migrate", ELEVATE_DATA_DIR=str(folder)).exit_code == 0
        assert EmbeddedServer(folder).status().pid is None
        with EmbeddedServer(folder, fsync=False) as running:
            assert elevate("db", "status").exit_code == 0
            assert running.owned
            assert running.psql(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{SERVICE}'") == "t"


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("postgresql://elevate:geheim@127.0.0.1:1/x", 1, "Connect call failed"),
        ("mysql://elevate:geheim@127.0.0.1/x", 2, "DATABASE_URL: not a PostgreSQL URL"),
        ("postgresql://elevate:geheim@h:6543/x", 2, "both go through a transaction pooler"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line_without_the_password(
    elevate: Type, url: str, code: int, words: str
) -> None:
    result = elevate("db", "status", DATABASE_URL=url)
    assert (result.exit_code, len(result.stderr.splitlines())) == (code, 1)
    assert words in result.stderr
    assert "geheim" not in result.output


def test_a_database_that_does_not_exist_is_a_sentence(elevate: Type, cluster: Cluster) -> None:
    result = elevate("db", "migrate", DATABASE_URL=cluster.dsn("nowhere"))
    assert (result.exit_code, result.stderr) == (1, 'elevate: the database says: database "nowhere" does not exist\n')


def test_every_setting_that_is_wrong_is_named(elevate: Type) -> None:
    result = elevate("db", "status", MAX_CONNECTIONS="many", PROGRAM_TIMEZONE="Mars/Olympus")
    assert result.exit_code == 2
    assert "MAX_CONNECTIONS" in result.stderr
    assert "PROGRAM_TIMEZONE" in result.stderr


# --- views ------------------------------------------------------------------------------------------------------------


def test_refreshing_shows_every_view(elevate: Type, app_dsn: str) -> None:
    result = elevate("analytics", "refresh", DATABASE_URL=app_dsn)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [
        "leaderboard_totals",
        "leaderboard_30d",
        "activity_metrics",
        "cohort_metrics",
        "school_metrics",
        "time_series_metrics",
    ]


def test_a_view_that_fails_is_shown_and_fails_the_command(elevate: Type, app_dsn: str, superuser_dsn: str) -> None:
    drop_view(superuser_dsn)
    result = elevate("analytics", "refresh", DATABASE_URL=app_dsn)
    assert result.exit_code == 1
    verdicts = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "does not exist" in verdicts["cohort_metrics"]
    assert verdicts["school_metrics"].rstrip().endswith("ok")


def test_one_view_alone(elevate: Type, app_dsn: str) -> None:
    result = elevate("analytics", "refresh", "--view", "activity_metrics", DATABASE_URL=app_dsn)
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["activity_metrics"]
    assert elevate("analytics", "refresh", "--view", "pg_class").exit_code == 2


def drop_view(dsn: str) -> None:
    async def drop() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute("DROP MATERIALIZED VIEW cohort_metrics")
        await connection.close()

    asyncio.run(drop())
