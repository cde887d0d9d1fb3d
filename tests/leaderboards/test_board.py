import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.leaderboards.programme import Expected, expected_board, make_programme, refresh, store
from tests.support import tokens
from tests.support.factories import Factory

from elevate_api.kit.db import Address, Database
from elevate_api.kit.work import UnitOfWork
from elevate_api.leaderboards.ladder import Ladders
from elevate_api.leaderboards.queries import Period
from elevate_api.leaderboards.rank import read_standings
from elevate_api.leaderboards.schemas import OwnRankOut

Json = dict[str, Any]


async def read(client: httpx.AsyncClient, **query: object) -> Json:
    response = await client.get("/api/leaderboard", params={key: str(value) for key, value in query.items()})
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


async def read_all(client: httpx.AsyncClient, **query: object) -> list[Json]:
    """Every page, one after the other."""
    items: list[Json] = []
    page = await read(client, **query)
    while True:
        items += page["items"]
        if page["nextCursor"] is None:
            return items
        page = await read(client, **query, cursor=page["nextCursor"])


def facts(items: list[Json]) -> list[tuple[int, str, int]]:
    return [(item["rank"], item["handle"], item["points"]) for item in items]


def expected_facts(board: list[Expected]) -> list[tuple[int, str, int]]:
    return [(row.rank, row.handle, row.points) for row in board]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("period", ["all", "30d"])
async def test_paging_through_the_board_gives_what_plain_sums_over_the_ledger_give(
    owner: Database, client: httpx.AsyncClient, seed: int, period: str
) -> None:
    people = make_programme(seed)
    await store(owner, people)
    board = expected_board(people, period)
    assert len({row.points for row in board}) < len(board), "no ties: the test would prove little"

    for limit in (1, 3, 100):
        assert facts(await read_all(client, period=period, limit=limit)) == expected_facts(board)
    assert (await read(client, period=period, limit=1))["totalParticipants"] == len(board)


@pytest.mark.parametrize("filters", [{"cohort": "A"}, {"school": "South"}, {"cohort": "B", "school": "North"}])
async def test_filters_choose_rows_and_change_neither_ranks_nor_the_total(
    owner: Database, client: httpx.AsyncClient, filters: dict[str, str]
) -> None:
    people = make_programme(5)
    await store(owner, people)
    board = expected_board(people, "all")
    chosen = [row for row in board if all(getattr(row, name) == value for name, value in filters.items())]
    assert 0 < len(chosen) < len(board)

    assert facts(await read_all(client, limit=2, **filters)) == expected_facts(chosen)
    assert (await read(client, **filters))["totalParticipants"] == len(board)


async def test_an_empty_filter_is_none(owner: Database, client: httpx.AsyncClient) -> None:
    await store(owner, make_programme(6))

    assert await read(client, cohort="", school=" ", search="") == await read(client)


async def test_an_entry_says_what_the_front_end_shows(
    owner: Database, client: httpx.AsyncClient, factory: Factory
) -> None:
    siti = await factory.user(name="Siti Rahma", school="SMA 8", cohort="2025-A", avatar_url="https://img.test/s.png")
    entry = await factory.entry(siti, 50)
    await factory.submission(siti, "EXPLORE", "APPROVED", visibility="PUBLIC")
    await factory.submission(siti, "PRESENT", "APPROVED", visibility="PRIVATE")
    await factory.submission(siti, "SHINE", "PENDING", visibility="PUBLIC")
    async with owner.session() as session:
        await session.execute(
            text(
                "INSERT INTO earned_badges (user_id, badge_code, earned_at) VALUES"
                " (:id, 'STARTER', now()), (:id, 'IN_CLASS_INNOVATOR', now() - interval '1 day')"
            ),
            {"id": siti.id},
        )
    await refresh(owner)

    board = await read(client)

    assert set(board) == {"period", "asOf", "version", "totalParticipants", "items", "nextCursor"}
    assert board["items"] == [
        {
            "rank": 1,
            "handle": siti.handle,
            "name": "Siti Rahma",
            "avatarUrl": "https://img.test/s.png",
            "school": "SMA 8",
            "cohort": "2025-A",
            "points": 50,
            "publicSubmissions": 1,
            "badges": ["IN_CLASS_INNOVATOR", "STARTER"],
            "lastActivityAt": entry.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }
    ]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("siti", ["siti"]),
        ("RAHMA", ["siti"]),
        ("bud", ["budi"]),
        ("sma", ["budi", "siti"]),
        ("100%", ["percent"]),
        ("%", ["percent"]),
        ("_", ["under_score"]),
        ("\\", ["slash"]),
        ("nobody", []),
    ],
)
async def test_search_finds_names_handles_and_schools_literally(
    owner: Database, client: httpx.AsyncClient, factory: Factory, search: str, found: list[str]
) -> None:
    people: list[Json] = [
        {"handle": "siti", "name": "Siti Rahma", "school": "SMA 8"},
        {"handle": "budi", "name": "B. Santoso", "school": "SMA 8"},
        {"handle": "percent", "name": "100% Ani", "school": None},
        {"handle": "under_score", "name": "Dewi", "school": None},
        {"handle": "slash", "name": "Eka \\ Fajar", "school": None},
    ]
    for fields in people:
        await factory.entry(await factory.user(**fields), 20)
    await refresh(owner)

    assert sorted(item["handle"] for item in await read_all(client, search=search, limit=1)) == found


@pytest.mark.parametrize("change", ["show_on_leaderboard = false", "erased_at = now()", "role = 'REVIEWER'"])
async def test_who_leaves_the_board_disappears_before_the_next_refresh(
    owner: Database, client: httpx.AsyncClient, factory: Factory, change: str
) -> None:
    first, leaving, last = [await factory.user() for _ in range(3)]
    for person, points in ((first, 50), (leaving, 40), (last, 30)):
        await factory.entry(person, points)
    await refresh(owner)

    async with owner.session() as session:
        await session.execute(text(f"UPDATE users SET {change} WHERE id = :id"), {"id": leaving.id})

    assert [item["handle"] for item in await read_all(client, limit=1)] == [first.handle, last.handle]
    await refresh(owner)
    assert facts(await read_all(client)) == [(1, first.handle, 50), (2, last.handle, 30)]


async def test_new_names_are_shown_before_the_next_refresh(
    owner: Database, client: httpx.AsyncClient, factory: Factory
) -> None:
    person = await factory.user(name="Old Name")
    await factory.entry(person, 20)
    await refresh(owner)

    async with owner.session() as session:
        await session.execute(text("UPDATE users SET name = 'New Name' WHERE id = :id"), {"id": person.id})

    assert (await read(client))["items"][0]["name"] == "New Name"


async def test_as_of_is_the_start_of_the_last_successful_refresh(
    owner: Database, client: httpx.AsyncClient, factory: Factory
) -> None:
    before = await read(client)
    await factory.entry(await factory.user(), 20)  # a fold that finds nothing says so every 15 s only
    started = datetime.now(UTC)
    await refresh(owner)
    as_of = (await read(client))["asOf"]
    async with owner.session() as session:
        await session.execute(
            text(
                "INSERT INTO analytics_refreshes (view_name, triggered_by, started_at, finished_at, ok, error)"
                " VALUES ('leaderboard_totals', 'test', now() + interval '1 s', now() + interval '1 s', false, 'x')"
            )
        )

    assert before["asOf"] is None or datetime.fromisoformat(before["asOf"]) < started
    assert started <= datetime.fromisoformat(as_of) <= datetime.now(UTC)
    assert (await read(client))["asOf"] == as_of, "a failed refresh makes nothing fresher"


async def test_the_version_changes_when_the_board_does_and_not_otherwise(
    owner: Database, client: httpx.AsyncClient, factory: Factory
) -> None:
    person = await factory.user()
    await factory.entry(person, 20)
    await refresh(owner)
    version = (await read(client))["version"]

    await refresh(owner)
    assert (await read(client))["version"] == version
    await factory.entry(person, 20)
    assert (await read(client))["version"] == version
    await refresh(owner)
    assert (await read(client))["version"] != version


async def test_a_client_that_has_the_page_is_told_so(owner: Database, client: httpx.AsyncClient) -> None:
    await store(owner, make_programme(7))
    first = await client.get("/api/leaderboard", params={"limit": 5})

    assert first.headers["cache-control"].startswith("public, max-age=")
    again = await client.get("/api/leaderboard", params={"limit": 5}, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get("/api/leaderboard", params={"limit": 6}, headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


async def test_the_next_page_is_linked_with_the_same_filters(owner: Database, client: httpx.AsyncClient) -> None:
    await store(owner, make_programme(8))
    first = await client.get("/api/leaderboard", params={"limit": 2, "cohort": "A"})

    link = first.headers["link"]
    assert link.endswith('>; rel="next"')
    following = await client.get(link[1 : link.index(">")])
    assert following.json()["items"] == (await read_all(client, cohort="A"))[2:4]


@pytest.mark.parametrize(
    "query", [{"period": "7d"}, {"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"search": "x" * 101}]
)
async def test_bad_queries_are_refused(client: httpx.AsyncClient, query: dict[str, object]) -> None:
    response = await client.get("/api/leaderboard", params={key: str(value) for key, value in query.items()})

    assert (response.status_code, response.json()["code"]) == (422, "VALIDATION_FAILED")


SignIn = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize("period", ["all", "30d"])
async def test_everybody_on_the_board_sees_their_own_place_and_two_neighbours_each_side(
    owner: Database, as_user: SignIn, factory: Factory, period: str
) -> None:
    people = make_programme(9)
    await store(owner, people)
    board = expected_board(people, period)
    for index in (0, 1, len(board) // 2, len(board) - 2, len(board) - 1):
        row = board[index]
        async with owner.session() as session:
            user = (await session.execute(text("SELECT * FROM users WHERE handle = :h"), {"h": row.handle})).one()
        caller = await as_user(user=user)

        own = (await caller.get("/api/me/rank", params={"period": period})).json()

        assert (own["period"], own["rank"], own["points"], own["of"]) == (period, row.rank, row.points, len(board))
        assert facts(own["above"]) == expected_facts(board[max(0, index - 2) : index])
        assert facts(own["below"]) == expected_facts(board[index + 1 : index + 3])
        assert all(set(item) == {"rank", "handle", "name", "avatarUrl", "points"} for item in own["above"])


async def test_those_who_ask_at_once_are_told_each_what_is_theirs(
    owner: Database, as_user: SignIn, factory: Factory
) -> None:
    """Whoever asks at the same moment shares a statement: with strangers, with staff, with who is shut out."""
    people = make_programme(11)
    await store(owner, people)
    async with owner.session() as session:
        users = (await session.execute(text("SELECT * FROM users ORDER BY id"))).all()
    callers = [await as_user(user=user) for user in users]
    suspended = await as_user(suspended_at=datetime.now(UTC))
    newcomer = await as_user()
    newcomer.headers.update(tokens.bearer("user_new", email="new@school.test", name="Newcomer"))
    alone = [await caller.get("/api/me/rank") for caller in callers]

    together = await asyncio.gather(*(caller.get("/api/me/rank") for caller in [*callers, suspended, newcomer]))

    *known, shut_out, new = together
    assert [one.status_code for one in known] == [one.status_code for one in alone]
    told = [one.json() for one in known if one.status_code == 200]
    assert told == [one.json() for one in alone if one.status_code == 200]
    assert {one.status_code for one in known} == {200, 403}, "the erased are shut out"
    assert (shut_out.status_code, shut_out.json()["code"]) == (403, "USER_SUSPENDED")
    assert (new.status_code, new.json()["rank"], new.json()["points"]) == (200, None, 0)


async def test_standings_are_planned_once_however_many_ask(session_dsn: str, factory: Factory) -> None:
    """A plan for each call would cost several times what the call does. A pooler keeps no statement to plan."""
    said = [((await factory.user()).id, datetime.now(UTC), None, False, None, None) for _ in range(4)]
    database = Database(Address.parse(session_dsn))
    async with UnitOfWork(database) as work:
        for turn in range(12):
            await read_standings(work, Ladders(), Period.ALL, said[: 1 + turn % 4])
        rows = await work.run(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE '%ORDINALITY%' AND parameter_types <> '{}'"
        )
    await database.dispose()

    assert [tuple(row) for row in rows] == [(7, 5)]


async def test_who_opted_out_sees_the_rank_that_their_points_would_have(
    owner: Database, as_user: SignIn, factory: Factory
) -> None:
    above, tied, below = [await factory.user() for _ in range(3)]
    for person, points in ((above, 90), (tied, 50), (below, 20)):
        await factory.entry(person, points)
    caller = await as_user(show_on_leaderboard=False)
    await factory.entry(caller.user, 50)
    await refresh(owner)

    own = (await caller.get("/api/me/rank")).json()

    assert (own["rank"], own["points"], own["of"]) == (2, 50, 4)
    assert facts(own["above"]) == [(1, above.handle, 90), (2, tied.handle, 50)]
    assert facts(own["below"]) == [(3, below.handle, 20)]


async def test_at_no_points_there_is_no_rank(owner: Database, as_user: SignIn, factory: Factory) -> None:
    await factory.entry(await factory.user(), 20)
    caller = await as_user()
    await refresh(owner)

    own = (await caller.get("/api/me/rank")).json()

    assert (own["rank"], own["points"], own["of"], own["above"], own["below"]) == (None, 0, 1, [], [])


async def test_staff_have_points_and_no_rank(owner: Database, as_user: SignIn, factory: Factory) -> None:
    caller = await as_user(role="REVIEWER")
    await factory.entry(caller.user, 50)
    await refresh(owner)

    own = (await caller.get("/api/me/rank")).json()

    assert (own["rank"], own["points"], own["of"]) == (None, 50, 0)


async def test_first_points_have_a_rank_before_the_next_refresh(
    owner: Database, as_user: SignIn, factory: Factory
) -> None:
    await factory.entry(await factory.user(), 50)
    await refresh(owner)
    caller = await as_user()
    await factory.entry(caller.user, 20)

    own = (await caller.get("/api/me/rank")).json()

    assert (own["rank"], own["points"], own["of"]) == (2, 20, 2)


async def test_an_own_rank_is_written_as_its_schema_says(owner: Database, as_user: SignIn, factory: Factory) -> None:
    caller = await as_user()
    for person, points in ((await factory.user(), 90), (caller.user, 50), (await factory.user(), 20)):
        await factory.entry(person, points)
    await refresh(owner)

    own = await caller.get("/api/me/rank")

    assert len(own.json()["above"]) == len(own.json()["below"]) == 1
    assert own.text == OwnRankOut.model_validate_json(own.content).model_dump_json()


async def test_the_rank_is_the_callers_alone(as_user: SignIn, client: httpx.AsyncClient) -> None:
    caller = await as_user()

    assert (await caller.get("/api/me/rank")).headers["cache-control"] == "private, no-store"
    assert (await client.get("/api/me/rank")).status_code == 401
