"""Reference data: complete at the first run, careful at every later one."""

from typing import Any

import pytest
from sqlalchemy import text

from elevate_api.config import AppSettings, SeedSettings, Settings, SettingsError
from elevate_api.kit.db import Database
from elevate_api.seeds import reference

ADMIN = {"SEED_ADMIN_ID": "user_2abc123", "SEED_ADMIN_EMAIL": "Admin@Mereka.org", "SEED_ADMIN_HANDLE": "admin"}


async def seed(owner: Database, zone: str = "Asia/Jakarta", **admin: str) -> None:
    settings = Settings(
        app=AppSettings.model_validate({"PROGRAM_TIMEZONE": zone}), seed=SeedSettings.model_validate(admin)
    )
    async with owner.session() as session:
        await reference.seed(session, settings)


async def rows(owner: Database, statement: str) -> list[Any]:
    async with owner.session() as session:
        return [tuple(row) for row in (await session.execute(text(statement))).all()]


async def role_of(owner: Database, user_id: str = "user_2abc123") -> list[Any]:
    return await rows(owner, f"SELECT role, email FROM users WHERE id = '{user_id}'")


async def test_the_stages_are_those_of_the_domain_page(owner: Database) -> None:
    await seed(owner)
    columns = "code, default_points, points_cap, per_peer_points, per_student_points"
    assert await rows(owner, f"SELECT {columns} FROM activities ORDER BY position") == [
        ("LEARN", 20, 20, 0, 0),
        ("EXPLORE", 50, None, 0, 0),
        ("AMPLIFY", 0, None, 2, 1),
        ("PRESENT", 20, None, 0, 0),
        ("SHINE", 0, None, 0, 0),
    ]


async def test_numbers_that_an_operator_changed_stay(owner: Database) -> None:
    await seed(owner)
    async with owner.session() as session:
        await session.execute(text("UPDATE activities SET default_points = 60 WHERE code = 'EXPLORE'"))
        await session.execute(text("UPDATE badges SET active = false WHERE code = 'STARTER'"))
    await seed(owner)
    assert await rows(owner, "SELECT default_points FROM activities WHERE code = 'EXPLORE'") == [(60,)]
    assert await rows(owner, "SELECT code FROM badges WHERE NOT active") == [("STARTER",)]


async def test_the_programmes_zone_follows_the_settings(owner: Database) -> None:
    await seed(owner, zone="Asia/Makassar")
    assert await rows(owner, "SELECT program_timezone()") == [("Asia/Makassar",)]
    await seed(owner, zone="Asia/Jayapura")
    assert await rows(owner, "SELECT program_timezone()") == [("Asia/Jayapura",)]


async def test_nobody_is_made_an_administrator_unasked(owner: Database) -> None:
    await seed(owner)
    assert await rows(owner, "SELECT id FROM users") == []


async def test_the_first_administrator_can_promote_others(owner: Database) -> None:
    await seed(owner, **ADMIN)
    assert await role_of(owner) == [("SUPERADMIN", "admin@mereka.org")]
    assert await rows(owner, "SELECT action, target_id FROM audit_log") == [("user.seed_admin", "user_2abc123")]


async def test_a_user_who_signed_in_before_is_promoted(owner: Database) -> None:
    async with owner.session() as session:
        await session.execute(text("INSERT INTO users (id, handle, email) VALUES ('user_2abc123', 'sari', 's@x.id')"))
    await seed(owner, **ADMIN)
    assert await role_of(owner) == [("SUPERADMIN", "s@x.id")]


async def test_a_demotion_that_was_meant_is_not_undone(owner: Database) -> None:
    await seed(owner, **ADMIN)
    async with owner.session() as session:
        await session.execute(text("INSERT INTO users (id, handle, role) VALUES ('user_new', 'new', 'SUPERADMIN')"))
        await session.execute(text("UPDATE users SET role = 'PARTICIPANT' WHERE id = 'user_2abc123'"))
    await seed(owner, **ADMIN)
    assert await role_of(owner) == [("PARTICIPANT", "admin@mereka.org")]


async def test_an_erased_person_is_not_brought_back(owner: Database) -> None:
    async with owner.session() as session:
        await session.execute(
            text("INSERT INTO users (id, handle, erased_at) VALUES ('user_2abc123', 'erased-1', now())")
        )
    with pytest.raises(SettingsError, match="SEED_ADMIN_ID: user_2abc123 was erased"):
        await seed(owner, **ADMIN)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SEED_ADMIN_ID": ""}, "SEED_ADMIN_ID: required"),
        ({"SEED_ADMIN_HANDLE": "Not a handle"}, "SEED_ADMIN_HANDLE: 3 to 30"),
        ({"SEED_ADMIN_HANDLE": "taken"}, "SEED_ADMIN_HANDLE: taken belongs to somebody else"),
    ],
)
async def test_settings_that_name_no_usable_administrator_are_refused(
    owner: Database, changes: dict[str, str], message: str
) -> None:
    async with owner.session() as session:
        await session.execute(text("INSERT INTO users (id, handle) VALUES ('user_other', 'taken')"))
    with pytest.raises(SettingsError, match=message):
        await seed(owner, **(ADMIN | changes))
