"""The fixtures themselves: everybody builds on them."""

from sqlalchemy import text
from tests.support.factories import Factory

from elevate_api.kit.db import Database


async def scalar(database: Database, statement: str) -> object:
    async with database.session() as session:
        return await session.scalar(text(statement))


async def test_the_service_is_elevate_app_and_finds_the_reference_data(database: Database) -> None:
    assert await scalar(database, "SELECT current_user") == "elevate_app"
    assert await scalar(database, "SELECT count(*) FROM activities") == 5
    assert await scalar(database, "SELECT count(*) FROM badges") == 5


async def test_the_owner_is_no_superuser(owner: Database) -> None:
    assert await scalar(owner, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


async def test_committed_rows_are_seen_by_other_connections(database: Database, factory: Factory) -> None:
    person = await factory.user("REVIEWER", cohort="2024A")
    await factory.submission(person, "AMPLIFY", "APPROVED")
    await factory.entry(person, 20)
    assert await scalar(database, "SELECT count(*) FROM submissions WHERE status = 'APPROVED'") == 1
    assert person.created_at.tzinfo is not None


async def test_a_test_finds_nothing_of_another(database: Database) -> None:
    assert await scalar(database, "SELECT count(*) FROM users") == 0
