import httpx
from sqlalchemy import text
from tests.leaderboards.programme import refresh
from tests.support.factories import Factory

from elevate_api.kit.db import Database


async def test_an_empty_programme_has_reached_nobody(owner: Database, client: httpx.AsyncClient) -> None:
    await refresh(owner)

    stats = (await client.get("/api/stats")).json()

    assert stats.pop("asOf") is not None
    assert stats.pop("submissionsByStatus") == {
        "PENDING": 0, "APPROVED": 0, "REJECTED": 0, "WITHDRAWN": 0, "REVOKED": 0,
    }  # fmt: skip
    assert stats.pop("pointsByActivity") == {"LEARN": 0, "EXPLORE": 0, "AMPLIFY": 0, "PRESENT": 0, "SHINE": 0}
    assert set(stats) == {"educatorsLearning", "peersReached", "studentsReached", "storiesShared", "microCredentials"}
    assert set(stats.values()) == {0}


async def test_each_figure_counts_what_it_says(owner: Database, client: httpx.AsyncClient, factory: Factory) -> None:
    one, two = await factory.user(), await factory.user()
    await factory.entry(one, 10, "LEARN", "WEBHOOK")
    await factory.entry(one, 10, "LEARN", "WEBHOOK")
    await factory.entry(two, 20, "LEARN")
    await factory.entry(two, -20, "LEARN")
    await factory.entry(two, 33, "AMPLIFY")
    await factory.submission(two, "AMPLIFY", "APPROVED", payload={"peersTrained": 5, "studentsTrained": 20})
    await factory.submission(one, "AMPLIFY", "APPROVED", payload={"peersTrained": 3, "studentsTrained": 0})
    await factory.submission(one, "AMPLIFY", "PENDING", payload={"peersTrained": 7, "studentsTrained": 7})
    await factory.submission(one, "PRESENT", "APPROVED")
    await factory.submission(two, "PRESENT", "REJECTED")
    await factory.submission(two, "LEARN", "REVOKED")
    async with owner.session() as session:
        for user, tag, status in (
            (one, "a", "PROCESSED"),
            (one, "b", "PROCESSED"),
            (two, "b", "PROCESSED"),
            (two, "c", "UNMATCHED"),
        ):
            await session.execute(
                text(
                    "INSERT INTO kajabi_events (body, body_sha256, contact_id, user_id, tag, status, points_awarded)"
                    " VALUES ('x', uuid_send(uuid_v7()), :user, :user, :tag, :status, 0)"
                ),
                {"user": user.id, "tag": tag, "status": status},
            )
    await refresh(owner)

    stats = (await client.get("/api/stats")).json()

    del stats["asOf"]
    assert stats == {
        "educatorsLearning": 1,
        "peersReached": 8,
        "studentsReached": 20,
        "storiesShared": 1,
        "microCredentials": 3,
        "submissionsByStatus": {"PENDING": 1, "APPROVED": 3, "REJECTED": 1, "WITHDRAWN": 0, "REVOKED": 1},
        "pointsByActivity": {"LEARN": 20, "EXPLORE": 0, "AMPLIFY": 33, "PRESENT": 0, "SHINE": 0},
    }


async def test_a_client_that_has_the_figures_is_told_so(client: httpx.AsyncClient) -> None:
    first = await client.get("/api/stats")

    again = await client.get("/api/stats", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "public, max-age=60"
