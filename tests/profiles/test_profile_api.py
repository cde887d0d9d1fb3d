from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.leaderboards.programme import refresh
from tests.support.factories import Factory

from elevate_api.kit.db import Database

Json = dict[str, Any]


async def read(client: httpx.AsyncClient, handle: str) -> Json:
    response = await client.get(f"/api/profiles/{handle}")
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


async def test_a_profile_shows_points_rank_badges_and_what_its_owner_shows(
    owner: Database, client: httpx.AsyncClient, factory: Factory
) -> None:
    await factory.entry(await factory.user(), 90)
    siti = await factory.user(name="Siti", school="SMA 8", cohort="A", email="siti@secret.test")
    await factory.entry(siti, 50)
    shown = await factory.submission(
        siti, "LEARN", "APPROVED", visibility="PUBLIC", points_awarded=20,
        payload={"certificateUrl": "https://c.test/1", "certificateHash": "0123456789"},
    )  # fmt: skip
    for status, visibility in (("APPROVED", "PRIVATE"), ("PENDING", "PUBLIC"), ("REVOKED", "PUBLIC")):
        await factory.submission(siti, "PRESENT", status, visibility=visibility)
    async with owner.session() as session:
        await session.execute(
            text("INSERT INTO earned_badges (user_id, badge_code) VALUES (:id, 'STARTER')"), {"id": siti.id}
        )
    await refresh(owner)

    profile = await read(client, siti.handle)

    assert (profile["name"], profile["school"], profile["cohort"]) == ("Siti", "SMA 8", "A")
    assert (profile["points"], profile["rank"]) == (50, 2)
    assert [badge["code"] for badge in profile["badges"]] == ["STARTER"]
    assert [submission["id"] for submission in profile["submissions"]] == [str(shown.id)]
    assert profile["submissions"][0]["payload"] == {
        "provider": "Elevate", "courseName": "AI for Teachers 1", "completedAt": "2024-05-01",
    }  # fmt: skip
    assert "secret" not in str(profile)
    assert siti.id not in str(profile)


async def test_only_the_newest_hundred_submissions_are_shown(client: httpx.AsyncClient, factory: Factory) -> None:
    person = await factory.user()
    now = datetime.now(UTC)
    rows = [
        await factory.submission(
            person, "SHINE", "APPROVED", visibility="PUBLIC", created_at=now - timedelta(minutes=number)
        )
        for number in range(101)
    ]

    profile = await read(client, person.handle)

    assert [item["id"] for item in profile["submissions"]] == [str(row.id) for row in rows[:100]]


async def test_who_opted_out_of_the_board_has_a_profile_without_a_rank(
    owner: Database, client: httpx.AsyncClient, factory: Factory
) -> None:
    person = await factory.user(show_on_leaderboard=False)
    await factory.entry(person, 50)
    await refresh(owner)

    profile = await read(client, person.handle)

    assert (profile["points"], profile["rank"]) == (50, None)


@pytest.mark.parametrize("gone", ["erased_at", "suspended_at"])
async def test_who_is_gone_has_no_profile(client: httpx.AsyncClient, factory: Factory, gone: str) -> None:
    fields: dict[str, Any] = {gone: datetime.now(UTC)}
    person = await factory.user(**fields)

    response = await client.get(f"/api/profiles/{person.handle}")

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("handle", ["nobody", "%25", "A B", "x" * 300, "%F0%9F%98%80"])
async def test_unknown_handles_are_not_found(client: httpx.AsyncClient, handle: str) -> None:
    assert (await client.get(f"/api/profiles/{handle}")).status_code == 404


async def test_a_client_that_has_the_profile_is_told_so(client: httpx.AsyncClient, factory: Factory) -> None:
    path = f"/api/profiles/{(await factory.user()).handle}"
    first = await client.get(path)

    assert first.headers["cache-control"].startswith("public, max-age=")
    assert (await client.get(path, headers={"If-None-Match": first.headers["etag"]})).status_code == 304
