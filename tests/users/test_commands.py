"""`elevate token` and `elevate users`, as they are typed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from tests.users.looking import audited, people
from typer.testing import CliRunner, Result

from elevate_api.auth.setup import build_verifier
from elevate_api.cli.errors import ElevateGroup
from elevate_api.cli.token import token
from elevate_api.cli.users import users_app
from elevate_api.config import Settings
from elevate_api.kit.db import Database
from elevate_api.users.models import User

MakeUser = Callable[..., Awaitable[User]]
Type = Callable[..., Result]


@pytest.fixture
def elevate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Type:
    """Run a command as a process would: no settings but those given, no event loop around it."""
    app = typer.Typer(cls=ElevateGroup)
    app.command("token")(token)
    app.add_typer(users_app, name="users")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELEVATE_DATA_DIR", str(tmp_path / "data"))

    def elevate(*arguments: str, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(CliRunner().invoke, app, list(arguments)).result()

    return elevate


# --- token ------------------------------------------------------------------------------------------------------------


def test_a_token_and_nothing_else_is_printed(elevate: Type) -> None:
    result = elevate("token", "user_1", "--email", "a@b.test", "--name", "Siti", "--ttl", "60")

    assert (result.exit_code, result.stderr) == (0, "")
    claims = asyncio.run(build_verifier(Settings.load(None)).verify(result.stdout.removesuffix("\n")))
    assert (claims.sub, claims.email, claims.name) == ("user_1", "a@b.test", "Siti")


@pytest.mark.parametrize("name", ["ENVIRONMENT", "NODE_ENV"])
@pytest.mark.parametrize("value", ["production", "staging"])
def test_production_prints_no_token(elevate: Type, name: str, value: str) -> None:
    result = elevate("token", "user_1", **{name: value})

    assert (result.exit_code, result.stdout) == (2, "")
    assert "only Clerk issues tokens" in result.stderr


def test_with_clerk_there_is_no_token_of_ours(elevate: Type) -> None:
    result = elevate("token", "user_1", CLERK_ISSUER="https://clerk.leaps.test")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Clerk is configured" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], [""], ["user 1"], ["../1"], ["user_1", "--email", "nonsense"], ["user_1", "--ttl", "0"], ["u" * 256]],
)
def test_a_token_needs_sane_claims(elevate: Type, arguments: list[str]) -> None:
    result = elevate("token", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error" in result.stderr


# --- users ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verified", [True, False])
async def test_somebody_is_promoted_by_address(
    elevate: Type, app_dsn: str, make_user: MakeUser, owner: Database, verified: bool
) -> None:
    user = await make_user(email="Siti@b.test", email_verified=verified, handle="siti")

    result = elevate("users", "promote", "siti@B.test", "admin", DATABASE_URL=app_dsn)

    assert (result.exit_code, result.stdout) == (0, f"{user.id} (siti): PARTICIPANT -> ADMIN\n")
    assert (await people(owner))[user.id].role == "ADMIN"
    assert await audited(owner) == [(None, "user.role", user.id, {"before": "PARTICIPANT", "after": "ADMIN"})]


async def test_promoting_twice_changes_nothing_more(
    elevate: Type, app_dsn: str, make_user: MakeUser, owner: Database
) -> None:
    user = await make_user()
    for expected in ("PARTICIPANT -> SUPERADMIN", "is SUPERADMIN already"):
        result = elevate("users", "promote", user.id, "SUPERADMIN", DATABASE_URL=app_dsn)
        assert (result.exit_code, result.stdout) == (0, f"{user.id} ({user.handle}): {expected}\n")

    assert len(await audited(owner)) == 1


@pytest.mark.parametrize("who", ["user_nobody", "nobody@b.test", "%"])
async def test_nobody_cannot_be_promoted(elevate: Type, app_dsn: str, who: str, owner: Database) -> None:
    result = elevate("users", "promote", who, "ADMIN", DATABASE_URL=app_dsn)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("elevate: there is nobody with the ")
    assert await people(owner) == {}


async def test_an_address_of_several_people_names_them(elevate: Type, app_dsn: str, make_user: MakeUser) -> None:
    first = await make_user(email="a@b.test")
    second = await make_user(email="A@b.test", email_verified=False)

    result = elevate("users", "promote", "a@b.test", "ADMIN", DATABASE_URL=app_dsn)

    assert result.exit_code == 1
    assert f"{first.id} (verified), {second.id} (unverified)" in result.stderr


async def test_the_last_superadmin_is_not_demoted(
    elevate: Type, app_dsn: str, make_user: MakeUser, owner: Database
) -> None:
    user = await make_user("SUPERADMIN")

    result = elevate("users", "promote", user.id, "ADMIN", DATABASE_URL=app_dsn)

    assert result.exit_code == 1
    assert "The last SUPERADMIN cannot be demoted" in result.stderr
    assert (await people(owner))[user.id].role == "SUPERADMIN"


async def test_an_erased_person_is_not_promoted(elevate: Type, app_dsn: str, make_user: MakeUser) -> None:
    user = await make_user(erased_at=datetime.now(UTC))

    result = elevate("users", "promote", user.id, "ADMIN", DATABASE_URL=app_dsn)

    assert (result.exit_code, result.stderr) == (1, f"elevate: {user.id} has been erased\n")


async def test_an_unknown_role_is_refused(elevate: Type, app_dsn: str, make_user: MakeUser) -> None:
    result = elevate("users", "promote", (await make_user()).id, "BOSS", DATABASE_URL=app_dsn)

    assert result.exit_code == 2


async def test_people_are_listed(elevate: Type, app_dsn: str, make_user: MakeUser) -> None:
    reviewer = await make_user("REVIEWER", name="[bold]Siti[/bold] :smile:", email_verified=False)
    other = await make_user()

    table = elevate("users", "list", DATABASE_URL=app_dsn).stdout
    assert all(part in table for part in ("[bold]Siti[/bold] :smile:", f"{reviewer.email} (unverified)", other.id))
    found = json.loads(elevate("users", "list", "--role", "reviewer", "--json").stdout)
    assert [person["id"] for person in found] == [reviewer.id]
    assert found[0]["emailVerified"] is False


async def test_a_person_is_shown(elevate: Type, app_dsn: str, make_user: MakeUser) -> None:
    user = await make_user(cohort="2025A")

    assert "2025A" in elevate("users", "show", user.email or "", DATABASE_URL=app_dsn).stdout
    assert json.loads(elevate("users", "show", user.id, "--json").stdout)["cohort"] == "2025A"
