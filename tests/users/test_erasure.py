"""What an erasure removes, what it leaves, and who cannot be erased."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from tests.support.waiting import waits_for_a_lock

from elevate_api.kit.db import Database
from elevate_api.kit.problems import NotFound
from elevate_api.review.claims import ClaimRepository
from elevate_api.users.erasure import erase, postpone
from elevate_api.users.errors import LastSuperadmin

Make = Callable[..., Awaitable[Any]]

TRACES = ("Budi Santoso", "budi-santoso", "budi@sekolah.test", "BUDI@sekolah.test", "SMA Satu", "Jawa Timur")


async def everything(owner: Database) -> str:
    """Every row of every table, as text; bytes as the characters that they are."""
    rows: list[str] = []
    async with owner.session() as session:
        tables = await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for table in list(tables):
            rows += await session.scalars(text(f"SELECT t::text FROM {table} t"))
        rows += await session.scalars(text("SELECT encode(body, 'escape') FROM kajabi_events"))
        rows += await session.scalars(text("SELECT encode(body, 'escape') FROM idempotency_keys"))
    return "\n".join(rows)


async def execute(owner: Database, *statements: str) -> None:
    async with owner.session() as session:
        for statement in statements:
            await session.execute(text(statement))


async def value(owner: Database, statement: str) -> Any:
    async with owner.session() as session:
        return (await session.execute(text(statement))).scalar()


@pytest.fixture
async def budi(make_user: Make, make_submission: Make, make_entry: Make, owner: Database) -> Any:
    """Somebody who has left a trace everywhere."""
    budi = await make_user(
        id="user_budi",
        handle="budi-santoso",
        name="Budi Santoso",
        email="BUDI@sekolah.test",
        school="SMA Satu",
        region="Jawa Timur",
        cohort="2024A",
        avatar_url="https://img.test/Budi Santoso.png",
        kajabi_contact_id="77",
    )
    admin = await make_user("ADMIN", id="user_admin")
    await make_submission(budi, "EXPLORE", payload={"school": "SMA Satu"})
    await make_submission(
        budi,
        "AMPLIFY",
        "APPROVED",
        payload={"peersTrained": 4, "studentsTrained": 9, "coFacilitators": ["Budi Santoso"]},
        review_note="Thanks Budi Santoso",
        points_awarded=17,
        visibility="PUBLIC",
    )
    await make_submission(budi, "PRESENT", "REJECTED", review_note="Budi Santoso is not in it")
    await make_entry(budi, 17, "AMPLIFY", external_event_id="submission:x:approved:v1")
    mail = "budi@sekolah.test"
    await execute(
        owner,
        f"""INSERT INTO point_adjustments (user_id, activity_code, delta_points, reason, created_by)
            VALUES ('user_budi', 'EXPLORE', 5, 'Budi Santoso wrote to us', '{admin.id}')""",
        f"""INSERT INTO kajabi_events (body, body_sha256, contact_id, email, tag, user_id, status, points_awarded)
            VALUES ('{mail}', '1', '77', '{mail}', 'one', 'user_budi', 'PROCESSED', 0)""",
        f"""INSERT INTO kajabi_events (body, body_sha256, contact_id, email, tag, status)
            VALUES ('{mail}', '2', '78', '{mail}', 'two', 'UNMATCHED'), ('x', '3', '77', NULL, 'three', 'IGNORED')""",
        f"INSERT INTO kajabi_events (body, body_sha256, status) VALUES ('not json <{mail}>', '4', 'FAILED')",
        """INSERT INTO idempotency_keys (user_id, key, request_hash, status_code, headers, body, expires_at)
           VALUES ('user_budi', 'k', '1', 200, '{}', 'Budi Santoso', now())""",
        """INSERT INTO audit_log (action, target_type, target_id, details)
           VALUES ('a', 'user', 'user_budi', '{"reason": "Budi Santoso", "points": 3, "before": "PARTICIPANT"}')""",
    )
    return budi


async def test_nothing_that_names_the_person_is_left(database: Database, owner: Database, budi: Any) -> None:
    before = await everything(owner)
    assert all(trace in before for trace in TRACES)
    async with database.session() as session:
        await erase(session, budi.id, actor_id=None)
    after = await everything(owner)
    assert [trace for trace in TRACES if trace.lower() in after.lower()] == []


async def test_points_decisions_and_counts_are_left(database: Database, owner: Database, budi: Any) -> None:
    kept = """
        SELECT concat_ws('|', (SELECT sum(delta_points) FROM points_ledger WHERE user_id = 'user_budi'),
          (SELECT sum(peers_trained) || '/' || sum(students_trained) FROM submissions WHERE user_id = 'user_budi'),
          (SELECT sum(points_awarded) FROM submissions WHERE user_id = 'user_budi'),
          (SELECT sum(delta_points) FROM point_adjustments WHERE user_id = 'user_budi'),
          (SELECT count(*) FROM kajabi_events), (SELECT contact_id FROM kajabi_events WHERE status = 'PROCESSED'))"""
    before = await value(owner, kept)
    async with database.session() as session:
        await erase(session, budi.id, actor_id="user_admin")
    assert await value(owner, kept) == before == "17|4/9|17|5|4|77"
    statuses = "SELECT string_agg(status, ',' ORDER BY status) FROM submissions WHERE user_id = 'user_budi'"
    assert await value(owner, statuses) == "APPROVED,REJECTED,WITHDRAWN"
    details = "SELECT details FROM audit_log WHERE action = 'a'"
    assert await value(owner, details) == {"points": 3, "before": "PARTICIPANT"}


async def test_it_is_recorded_once_however_often_it_is_asked_for(
    database: Database, owner: Database, budi: Any
) -> None:
    for _ in range(2):
        async with database.session() as session:
            await erase(session, budi.id, actor_id="user_admin")
    assert await value(owner, "SELECT count(*) FROM audit_log WHERE action = 'user.erase'") == 1


async def test_an_address_that_is_somebody_elses_now_keeps_its_deliveries(
    database: Database, owner: Database, make_user: Make, budi: Any
) -> None:
    await execute(owner, "UPDATE users SET email_verified = false WHERE id = 'user_budi'")
    await make_user(email="budi@sekolah.test")
    async with database.session() as session:
        await erase(session, budi.id, actor_id=None)
    assert await value(owner, "SELECT email FROM kajabi_events WHERE tag = 'two'") == "budi@sekolah.test"


async def test_nothing_is_left_claimed_by_who_took_it_while_the_person_was_erased(
    database: Database, owner: Database, budi: Any, make_submission: Make, make_user: Make
) -> None:
    await make_submission(budi, "SHINE")
    reviewer = await make_user("REVIEWER")

    async def erased() -> None:
        async with database.session() as session:
            await erase(session, budi.id, actor_id=None)

    async with database.session() as session:
        assert await ClaimRepository(session).take(reviewer.id, 20, None)
        erasing = asyncio.create_task(erased())
        await waits_for_a_lock(owner)
    await erasing
    assert await value(owner, "SELECT count(*) FROM review_claims") == 0


async def test_answers_about_the_person_go_whoever_was_staff_when_they_were_given(
    database: Database, owner: Database, budi: Any, make_user: Make
) -> None:
    """A key of staff's is theirs for a day longer than their role may be."""
    for name in ("reviewer", "other"):
        await make_user(id=name)
    await execute(
        owner,
        """INSERT INTO audit_log (action, target_type, target_id, details)
           VALUES ('user.role', 'user', 'reviewer', '{"before": "ADMIN", "after": "PARTICIPANT"}')""",
        """INSERT INTO idempotency_keys (user_id, key, request_hash, status_code, headers, body, expires_at)
           SELECT person, body, '1', 201, '{}', convert_to(body, 'UTF8'), now() + interval '1 day'
           FROM (VALUES ('reviewer', '{"userId": "user_budi"}'), ('reviewer', '{"userId": "somebody"}'),
                        ('user_admin', '{"userId": "user_budi"}'), ('other', '{}')) AS kept (person, body)""",
    )
    async with database.session() as session:
        await erase(session, budi.id, actor_id=None)
    left = "SELECT string_agg(user_id || key, ' ' ORDER BY user_id) FROM idempotency_keys"
    assert await value(owner, left) == 'other{} reviewer{"userId": "somebody"}'


async def test_the_workflow_holds_again_after_an_erasure_in_the_same_transaction(database: Database, budi: Any) -> None:
    async with database.session() as session:
        await erase(session, budi.id, actor_id=None)
        assert await session.scalar(text("SELECT restoring()")) is False
        assert await session.scalar(text("SELECT current_setting('elevate.restore', true)")) == ""


async def test_the_last_superadmin_cannot_be_erased_but_can_be_shut_out(
    database: Database, owner: Database, make_user: Make
) -> None:
    boss = await make_user("SUPERADMIN")
    async with database.session() as session:
        with pytest.raises(LastSuperadmin):
            await erase(session, boss.id, actor_id=None)
        user = await session.get_one(type(boss), boss.id)
        await postpone(session, user, reason="test")
    state = "SELECT suspended_at IS NOT NULL AND erase_at IS NOT NULL AND erased_at IS NULL FROM users WHERE id = "
    assert await value(owner, f"{state} '{boss.id}'") is True


async def test_nobody_cannot_be_erased(database: Database) -> None:
    async with database.session() as session:
        with pytest.raises(NotFound):
            await erase(session, "user_nobody", actor_id=None)
