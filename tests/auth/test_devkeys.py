"""Tokens of our own, for development only, and which keys a configuration leads to."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support import tokens

from elevate_api.auth import devkeys
from elevate_api.auth.devkeys import DevelopmentOnly, issue_token, key_path, load_or_create
from elevate_api.auth.errors import TokenRefused
from elevate_api.auth.setup import build_verifier
from elevate_api.config import AppSettings, ClerkSettings, EmbeddedSettings, Settings, SettingsError


def settings_with(data_dir: Path, environment: str = "development", **clerk: str) -> Settings:
    return Settings(
        app=AppSettings.model_validate({"ENVIRONMENT": environment}),
        embedded=EmbeddedSettings.model_validate({"ELEVATE_DATA_DIR": data_dir}),
        clerk=ClerkSettings.model_validate(clerk),
    )


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("environment", ["development", "test"])
async def test_a_development_token_goes_through_the_same_verifier(tmp_path: Path, environment: str) -> None:
    settings = settings_with(tmp_path / "deep" / "data", environment)
    token = issue_token(settings, {"sub": "user_1", "email": "a@b.test", "name": "Siti"})

    claims = await build_verifier(settings).verify(token)

    assert (claims.sub, claims.email, claims.email_verified, claims.name) == ("user_1", "a@b.test", True, "Siti")


async def test_the_key_is_kept_for_the_next_process_and_for_its_owner_only(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    token = issue_token(settings, {"sub": "user_1"})
    path = key_path(settings)
    before = path.read_bytes()
    issue_token(settings, {"sub": "user_2"})

    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == [devkeys.FILE]
    assert (await build_verifier(settings).verify(token)).sub == "user_1"


def test_processes_that_find_no_key_agree_on_one(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(load_or_create, [path] * 8))

    assert len({key.private_numbers().d for key in keys}) == 1


async def test_verifying_makes_no_key(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    elsewhere = settings_with(tmp_path / "elsewhere")

    with pytest.raises(TokenRefused):
        await build_verifier(settings).verify(issue_token(elsewhere, {"sub": "user_1"}))
    assert not key_path(settings).exists()


async def test_a_running_server_takes_up_a_key_made_later(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    verifier = build_verifier(settings)
    for number in range(2):
        token = issue_token(settings, {"sub": f"user_{number}"})
        assert (await verifier.verify(token)).sub == f"user_{number}"
        key_path(settings).unlink()


async def test_an_expired_development_token_is_refused(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)

    with pytest.raises(TokenRefused):
        await build_verifier(settings).verify(issue_token(settings, {"sub": "user_1"}, ttl=-10))


CLERK = {"CLERK_ISSUER": tokens.ISSUER, "CLERK_JWT_KEY": tokens.public_pem()}


@pytest.mark.parametrize(
    ("environment", "clerk"),
    [("production", {}), ("production", CLERK), ("staging", CLERK), ("development", CLERK), ("test", CLERK)],
)
def test_no_token_is_issued_where_clerk_rules(tmp_path: Path, environment: str, clerk: dict[str, str]) -> None:
    with pytest.raises(DevelopmentOnly):
        issue_token(settings_with(tmp_path, environment, **clerk), {"sub": "user_1"})
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("environment", ["production", "staging", "development"])
async def test_a_development_token_is_never_good_where_clerk_rules(tmp_path: Path, environment: str) -> None:
    token = issue_token(settings_with(tmp_path), {"sub": "user_1", "iss": tokens.ISSUER})

    with pytest.raises(TokenRefused):
        await build_verifier(settings_with(tmp_path, environment, **CLERK)).verify(token)


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_outside_development_there_must_be_something_to_verify_with(tmp_path: Path, environment: str) -> None:
    with pytest.raises(SettingsError, match="CLERK_ISSUER"):
        build_verifier(settings_with(tmp_path, environment))


@pytest.mark.parametrize(
    ("environment", "clerk", "variable"),
    [
        ("development", {"CLERK_JWT_KEY": "nonsense"}, "CLERK_JWT_KEY"),
        ("development", {"CLERK_JWKS_URL": "file:///etc/passwd"}, "CLERK_JWKS_URL"),
        ("production", {"CLERK_JWKS_URL": "http://clerk.test/jwks"}, "CLERK_JWKS_URL"),
        ("production", {"CLERK_ISSUER": "http://clerk.test"}, "CLERK_ISSUER"),
    ],
)
def test_settings_that_cannot_verify_anything_are_named(
    tmp_path: Path, environment: str, clerk: dict[str, Any], variable: str
) -> None:
    with pytest.raises(SettingsError, match=variable):
        build_verifier(settings_with(tmp_path, environment, **clerk))


def test_the_keys_of_an_issuer_are_where_clerk_publishes_them(tmp_path: Path) -> None:
    verifier = build_verifier(settings_with(tmp_path, CLERK_ISSUER="https://clerk.leaps.test/"))

    assert vars(verifier._keys)["_url"] == "https://clerk.leaps.test/.well-known/jwks.json"


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    key_path(settings).write_text("nonsense")

    with pytest.raises(SettingsError, match="holds no signing key"):
        issue_token(settings, {"sub": "user_1"})


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match="ELEVATE_DATA_DIR"):
        issue_token(settings_with(tmp_path / "file"), {"sub": "user_1"})
