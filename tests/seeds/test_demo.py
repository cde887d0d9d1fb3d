"""The demo keeps every rule of the domain page. The rules stand here once more, in SQL: the demo was made by Python."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from tests.support.cluster import OWNER, SEEDED, Administrator, Cluster, outside_the_loop

from elevate_api.activities.models import Activity
from elevate_api.badges.models import Badge
from elevate_api.kit.db import Address, Database
from elevate_api.points.rules import ActivityCode
from elevate_api.seeds import demo, reference
from elevate_api.seeds.demo.book import Book, Catalogue
from elevate_api.submissions.models import Submission
from elevate_api.submissions.payloads import PAYLOADS, future_dates, stored_form
from elevate_api.users.models import User

JAKARTA = ZoneInfo("Asia/Jakarta")


def built(now: datetime) -> Book:
    activities = [Activity(**({"points_cap": None, "per_peer_points": 0, "per_student_points": 0} | row))
                  for row in reference.ACTIVITIES]  # fmt: skip
    badges = [Badge(active=True, **row) for row in reference.BADGES]
    return demo.build(Catalogue.of(activities, badges), now, JAKARTA)


async def seed(address: Address) -> list[bool]:
    """Twice, as at two starts."""
    database = Database(address, pooled=False)
    answers = []
    for _ in range(2):
        async with database.session() as session:
            answers.append(await demo.seed(session, JAKARTA))
    await database.dispose()
    return answers


@pytest.fixture(scope="module")
def demo_address(administrator: Administrator, cluster: Cluster) -> Iterator[Address]:
    name = administrator.clone(SEEDED)
    address = cluster.address(name, OWNER)
    assert outside_the_loop(lambda: asyncio.run(seed(address))) == [True, False]
    yield address
    administrator.drop(name)


async def rows(address: Address, statement: str) -> list[Any]:
    database = Database(address, pooled=False)
    async with database.session() as session:
        found = [tuple(row) for row in (await session.execute(text(statement))).all()]
    await database.dispose()
    return found


# Each finds what breaks the rule of its name.
FAULTS = {
    "every ledger row has its cause and every cause its row": """
        WITH causes AS (
          SELECT user_id, activity_code, points_awarded AS delta, 'FORM' AS source,
                 'submission:' || id || ':approved:v1' AS event
          FROM submissions WHERE points_awarded <> 0
          UNION ALL
          SELECT user_id, activity_code, -points_awarded, 'FORM', 'submission:' || id || ':revoked:v1'
          FROM submissions WHERE status = 'REVOKED' AND points_awarded <> 0
          UNION ALL
          SELECT user_id, 'LEARN', points_awarded, 'WEBHOOK', 'kajabi:' || contact_id || '|tag:' || tag
          FROM kajabi_events WHERE status = 'PROCESSED' AND points_awarded <> 0
          UNION ALL
          SELECT user_id, activity_code, delta_points, 'MANUAL', 'adjustment:' || id FROM point_adjustments
        ), ledger AS (
          SELECT user_id, activity_code, delta_points, source, external_event_id FROM points_ledger
        )
        (TABLE causes EXCEPT ALL TABLE ledger) UNION ALL (TABLE ledger EXCEPT ALL TABLE causes)""",
    "an award counted against a cap never exceeds it": """
        SELECT * FROM (
          SELECT l.user_id, a.code, a.points_cap,
                 sum(delta_points) OVER (PARTITION BY l.user_id, a.code ORDER BY l.created_at, l.id) AS awarded
          FROM points_ledger l JOIN activities a ON a.code = l.activity_code
          WHERE l.source <> 'MANUAL'
        ) running WHERE awarded > points_cap OR awarded < 0""",
    "an approval awards what the stage says, adjusted only with a reason": """
        WITH decided AS (
          SELECT s.*, a.default_points + a.per_peer_points * coalesce(peers_trained, 0)
                      + a.per_student_points * coalesce(students_trained, 0) AS computed
          FROM submissions s JOIN activities a ON a.code = s.activity_code WHERE s.points_awarded IS NOT NULL
        )
        SELECT id, activity_code, computed, points_awarded FROM decided
        WHERE activity_code <> 'LEARN' AND (
          (adjustment_reason IS NULL AND points_awarded <> computed)
          OR abs(points_awarded - computed) > ceil(computed * 0.2))""",
    "people have one LEARN submission at a time": """
        SELECT user_id FROM submissions WHERE activity_code = 'LEARN' AND status IN ('PENDING', 'APPROVED')
        GROUP BY user_id HAVING count(*) > 1""",
    "seven days of AMPLIFY name at most 50 peers and 200 students": """
        SELECT * FROM (
          SELECT user_id, sum(peers_trained) OVER week AS peers, sum(students_trained) OVER week AS students
          FROM submissions WHERE activity_code = 'AMPLIFY' AND status IN ('PENDING', 'APPROVED')
          WINDOW week AS (PARTITION BY user_id ORDER BY created_at
                          RANGE BETWEEN interval '7 days' PRECEDING AND CURRENT ROW)
        ) weeks WHERE peers > 50 OR students > 200""",
    "nobody sends in more than ten an hour": """
        SELECT * FROM (
          SELECT count(*) OVER (PARTITION BY user_id ORDER BY created_at
                                RANGE BETWEEN interval '1 hour' PRECEDING AND CURRENT ROW) AS sent FROM submissions
        ) hours WHERE sent > 10""",
    "badges are those that the criteria give, from the moment they were met": """
        WITH learnt AS (
          SELECT user_id, created_at, sum(delta_points) OVER (PARTITION BY user_id ORDER BY created_at, id) AS points
          FROM points_ledger WHERE activity_code = 'LEARN'
        ), due AS (
          SELECT user_id, 'STARTER' AS badge_code, min(created_at) AS at FROM learnt WHERE points >= 20 GROUP BY user_id
          UNION ALL
          SELECT user_id, CASE activity_code WHEN 'EXPLORE' THEN 'IN_CLASS_INNOVATOR' WHEN 'AMPLIFY' THEN 'AMPLIFIER'
                          WHEN 'PRESENT' THEN 'COMMUNITY_VOICE' ELSE 'SHINE_NOMINEE' END, min(reviewed_at)
          FROM submissions WHERE status IN ('APPROVED', 'REVOKED') AND activity_code <> 'LEARN'
          GROUP BY user_id, activity_code
        ), earned AS (SELECT user_id, badge_code, earned_at FROM earned_badges)
        (TABLE due EXCEPT TABLE earned) UNION ALL (TABLE earned EXCEPT TABLE due)""",
    "everything happens in order and in the past": """
        SELECT s.id FROM submissions s JOIN users u ON u.id = s.user_id
        WHERE NOT (u.created_at < s.created_at AND s.created_at <= s.updated_at AND s.updated_at <= now()
                   AND coalesce(s.reviewed_at, s.updated_at) BETWEEN s.created_at AND coalesce(s.revoked_at, now()))
           OR (s.status IN ('APPROVED', 'REJECTED', 'REVOKED')) <> (s.reviewed_at IS NOT NULL)""",
    "a tag grants once, and one that came twice points at the first": """
        SELECT user_id, tag FROM kajabi_events e GROUP BY user_id, tag
        HAVING count(*) FILTER (WHERE status = 'PROCESSED') > 1
        UNION ALL
        SELECT e.user_id, e.tag FROM kajabi_events e JOIN kajabi_events first ON first.id = e.duplicate_of
        WHERE e.status <> 'DUPLICATE' OR first.status <> 'PROCESSED' OR first.body <> e.body""",
    "every decision and every correction is in the audit log": """
        SELECT s.id::text FROM submissions s WHERE s.reviewed_at IS NOT NULL AND NOT EXISTS (
          SELECT FROM audit_log a WHERE a.target_id = s.id::text AND a.actor_id = s.reviewer_id
            AND a.action IN ('submission.approve', 'submission.reject') AND a.created_at = s.reviewed_at)
        UNION ALL
        SELECT p.id::text FROM point_adjustments p WHERE NOT EXISTS (
          SELECT FROM audit_log a WHERE a.action = 'points.adjust' AND a.details ->> 'adjustment' = p.id::text)""",
    "only reviewers review and only administrators correct": """
        SELECT s.id FROM submissions s JOIN users r ON r.id = s.reviewer_id WHERE r.role <> 'REVIEWER'
        UNION ALL SELECT s.id FROM submissions s JOIN users r ON r.id = s.revoked_by WHERE r.role <> 'ADMIN'
        UNION ALL SELECT p.id FROM point_adjustments p JOIN users r ON r.id = p.created_by WHERE r.role <> 'ADMIN'""",
    "ids are UUIDs of version 7": """
        SELECT id FROM submissions WHERE substr(id::text, 15, 1) <> '7'
        UNION ALL SELECT id FROM points_ledger WHERE substr(id::text, 15, 1) <> '7'""",
}


@pytest.mark.parametrize("rule", FAULTS)
async def test_rule(demo_address: Address, rule: str) -> None:
    assert await rows(demo_address, FAULTS[rule]) == []


async def test_there_is_something_of_everything_to_look_at(demo_address: Address) -> None:
    people = await rows(demo_address, "SELECT role, count(*) FROM users GROUP BY role")
    assert dict(people) == {"PARTICIPANT": 200, "REVIEWER": 4, "ADMIN": 1, "SUPERADMIN": 1}
    places = "SELECT count(DISTINCT cohort), count(DISTINCT school) FROM users WHERE role = 'PARTICIPANT'"
    assert await rows(demo_address, places) == [(3, 12)]
    states = dict(await rows(demo_address, "SELECT status, count(*) FROM submissions GROUP BY status"))
    assert set(states) == {"PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "REVOKED"}
    events = dict(await rows(demo_address, "SELECT status, count(*) FROM kajabi_events GROUP BY status"))
    assert set(events) == {"PROCESSED", "IGNORED", "DUPLICATE", "UNMATCHED"}
    sources = await rows(demo_address, "SELECT DISTINCT source FROM points_ledger")
    assert {source for (source,) in sources} == {"FORM", "WEBHOOK", "MANUAL"}


async def test_the_views_add_up_to_the_ledger(demo_address: Address) -> None:
    refreshed = await rows(demo_address, "SELECT view, ok FROM refresh_all_analytics()")
    assert len(refreshed) == 6
    assert all(ok for _, ok in refreshed)
    statement = "SELECT (SELECT sum(total_points) FROM activity_metrics), (SELECT sum(delta_points) FROM points_ledger)"
    assert len({*(await rows(demo_address, statement))[0]}) == 1
    month, ever = (await rows(demo_address, "SELECT (SELECT sum(total_points) FROM leaderboard_30d), "
                                            "(SELECT sum(total_points) FROM leaderboard_totals)"))[0]  # fmt: skip
    assert 0 < month < ever


@pytest.mark.parametrize("hour", [0, 6, 14, 21])
def test_at_any_hour_the_queue_is_worth_a_look_and_raises_no_alarm(hour: int) -> None:
    book = built(datetime(2026, 3, 4, hour, 30, tzinfo=UTC))
    pending = [row for row in book.rows[Submission] if row["status"] == "PENDING"]
    assert 12 <= len(pending) <= 50


def test_the_same_moment_gives_the_same_demo() -> None:
    now = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    assert built(now).rows == built(now).rows


def test_another_moment_gives_the_same_people() -> None:
    first, later = (built(datetime(2026, 3, 4, tzinfo=UTC) + timedelta(days=days)) for days in (0, 100))
    assert [row["handle"] for row in first.rows[User]] == [row["handle"] for row in later.rows[User]]


def test_the_service_would_accept_and_store_each_payload_as_it_is() -> None:
    for row in built(datetime(2026, 3, 4, 5, 6, tzinfo=UTC)).rows[Submission]:
        payload = PAYLOADS[ActivityCode(row["activity_code"])].model_validate(row["payload"])
        assert stored_form(payload) == row["payload"]
        assert list(future_dates(payload, row["created_at"], JAKARTA)) == []
