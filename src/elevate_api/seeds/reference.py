"""What the product cannot run without: stages, badges, the programme's zone, the first administrator.

Seeding again changes nothing that an operator changed: rows that exist stay as they are.
"""

import re
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.activities.models import Activity
from elevate_api.audit import service as audit
from elevate_api.auth.roles import Role
from elevate_api.badges.models import Badge
from elevate_api.config import SeedSettings, Settings, SettingsError
from elevate_api.kit.app_settings import AppSetting
from elevate_api.users.models import User

# Numbers: the table of stages in shared/domain.md. AMPLIFY is computed, SHINE is recognition only. LEARN alone has a
# cap: EXPLORE and PRESENT are awarded once, and a reviewer may still move that award up by a fifth.
ACTIVITIES: tuple[dict[str, Any], ...] = (
    {
        "code": "LEARN",
        "name": "Learn",
        "description": "Complete an AI course and show the certificate.",
        "default_points": 20,
        "points_cap": 20,
    },
    {
        "code": "EXPLORE",
        "name": "Explore",
        "description": "Try AI in your own class and reflect on it.",
        "default_points": 50,
    },
    {
        "code": "AMPLIFY",
        "name": "Amplify",
        "description": "Train peers and students.",
        "default_points": 0,
        "per_peer_points": 2,
        "per_student_points": 1,
    },
    {
        "code": "PRESENT",
        "name": "Present",
        "description": "Tell your story in public.",
        "default_points": 20,
    },
    {
        "code": "SHINE",
        "name": "Shine",
        "description": "Put forward an idea that deserves a stage.",
        "default_points": 0,
    },
)


def _first_approval(activity: str) -> dict[str, Any]:
    return {"type": "approvals", "activity": activity, "atLeast": 1}


# LEARN is complete at its cap, however the points came about: a form, Kajabi tags, or both.
BADGES: tuple[dict[str, Any], ...] = (
    {
        "code": "STARTER",
        "name": "Starter",
        "description": "Completed the Learn stage.",
        "criteria": {"type": "points", "activity": "LEARN", "atLeast": 20},
    },
    {
        "code": "IN_CLASS_INNOVATOR",
        "name": "In-Class Innovator",
        "description": "Brought AI into the classroom.",
        "criteria": _first_approval("EXPLORE"),
    },
    {
        "code": "AMPLIFIER",
        "name": "Amplifier",
        "description": "Trained peers or students.",
        "criteria": _first_approval("AMPLIFY"),
    },
    {
        "code": "COMMUNITY_VOICE",
        "name": "Community Voice",
        "description": "Told the story in public.",
        "criteria": _first_approval("PRESENT"),
    },
    {
        "code": "SHINE_NOMINEE",
        "name": "Shine Nominee",
        "description": "Put forward an idea that was chosen.",
        "criteria": _first_approval("SHINE"),
    },
)

ZONE_DESCRIPTION = "Zone that days are counted in; PROGRAM_TIMEZONE writes it"
HANDLE = re.compile(r"[a-z0-9_-]{3,30}")


async def seed(session: AsyncSession, settings: Settings) -> None:
    """Add what is missing; run it as the owner of the tables. Raises SettingsError for unusable SEED_ADMIN_*."""
    await _add_catalogue(session)
    await write_timezone(session, settings.app.program_timezone)
    await seed_admin(session, settings.seed)


async def _add_catalogue(session: AsyncSession) -> None:
    for position, row in enumerate(ACTIVITIES, start=1):
        await session.execute(insert(Activity).values(position=position, **row).on_conflict_do_nothing())
    for row in BADGES:
        await session.execute(insert(Badge).values(**row).on_conflict_do_nothing())


async def write_timezone(session: AsyncSession, zone: str) -> None:
    """The one setting that the environment owns: views count days in the zone that the service counts them in."""
    statement = insert(AppSetting).values(key="program_timezone", value=zone, description=ZONE_DESCRIPTION)
    changed = {"value": statement.excluded.value, "updated_at": func.now()}
    differs = AppSetting.value.is_distinct_from(statement.excluded.value)
    await session.execute(statement.on_conflict_do_update(index_elements=[AppSetting.key], set_=changed, where=differs))


async def seed_admin(session: AsyncSession, seed: SeedSettings) -> None:
    """Create or promote the administrator that SEED_ADMIN_* names; nothing happens without SEED_ADMIN_ID.

    The role is SUPERADMIN, as somebody must be able to promote the others. It is given only while there is no
    SUPERADMIN: a demotion that was meant is not undone by the next deploy.
    """
    if seed.admin_id is None:
        _refuse_half_an_admin(seed)
        return
    superadmin = exists().where(User.role == Role.SUPERADMIN, User.erased_at.is_(None))
    if await session.scalar(select(superadmin)):
        return
    user = await session.get(User, seed.admin_id)
    if user is None:
        user = User(id=seed.admin_id, handle=await _free_handle(session, seed), name=seed.admin_name or "")
        user.email = seed.admin_email.strip().lower() if seed.admin_email else None
        session.add(user)
    elif user.erased_at is not None:
        raise SettingsError(f"SEED_ADMIN_ID: {seed.admin_id} was erased")
    user.role = Role.SUPERADMIN
    await session.flush()
    audit.record(
        session,
        actor_id=None,
        action="user.seed_admin",
        target_type="user",
        target_id=user.id,
        details={"role": Role.SUPERADMIN.value},
    )


def _refuse_half_an_admin(seed: SeedSettings) -> None:
    if seed.admin_email or seed.admin_name or seed.admin_handle:
        raise SettingsError("SEED_ADMIN_ID: required with the other SEED_ADMIN_ settings (Clerk's id, user_...)")


async def _free_handle(session: AsyncSession, seed: SeedSettings) -> str:
    wanted = (seed.admin_handle or "admin").strip().lower()
    if HANDLE.fullmatch(wanted) is None:
        raise SettingsError("SEED_ADMIN_HANDLE: 3 to 30 of a-z, 0-9, '-', '_'")
    if await session.scalar(select(exists().where(User.handle == wanted))):
        raise SettingsError(f"SEED_ADMIN_HANDLE: {wanted} belongs to somebody else")
    return wanted
