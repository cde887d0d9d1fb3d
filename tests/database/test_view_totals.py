"""For any data, every view equals plain sums over the ledger, the submissions and the people."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.support.cluster import OWNER, SEEDED, Administrator, Cluster
from tests.support.payloads import payload_for
from tests.support.sql import Connection
from tests.support.sums import STAGES, Entry, Event, Evidence, Person, Row, World

PEOPLE = 5
TICK = timedelta(microseconds=1)
STATUSES = ("PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "REVOKED")
DECIDED = ("APPROVED", "REJECTED", "REVOKED")
ACTIVE = ("PENDING", "APPROVED")

# Where things change: the board's 720 hours to the microsecond, local midnights, the 90 days, and anywhere between.
hours_720 = timedelta(hours=720)
ages = st.one_of(
    st.sampled_from([timedelta(0), hours_720 - TICK, hours_720, hours_720 + TICK, timedelta(days=400)]),
    st.timedeltas(timedelta(0), timedelta(days=95)),
    st.tuples(st.sampled_from([0, 1, 29, 30, 88, 89, 90]), st.sampled_from([-TICK, timedelta(0), TICK])),
)
numbers = st.integers(0, PEOPLE - 1)
stages = st.sampled_from(STAGES)
people = st.lists(
    st.tuples(
        st.sampled_from(["PARTICIPANT"] * 4 + ["REVIEWER", "ADMIN"]),
        st.sampled_from([None, "", "2024A", "2024B"]),
        st.sampled_from([None, "SMA 1", "SMA 2"]),
        st.sampled_from([True, True, False]),
        st.sampled_from([False, False, True]),
    ),
    min_size=PEOPLE,
    max_size=PEOPLE,
)
points = st.one_of(st.sampled_from([-1000, -20, -1, 1, 20, 50, 1000]), st.integers(-40, 60).filter(bool))
# The last says whether the entry is taken back: people at exactly 0 points are a case of their own.
entries = st.lists(st.tuples(numbers, stages, points, ages, st.sampled_from([False, False, True])), max_size=20)
evidence = st.lists(
    st.tuples(numbers, stages, st.sampled_from(STATUSES), ages, ages, st.integers(0, 50), st.integers(0, 200)),
    max_size=15,
)
events = st.lists(st.tuples(numbers, st.sampled_from("ab"), st.sampled_from(["PROCESSED", "IGNORED"])), max_size=5)
zones = st.sampled_from(["Asia/Jakarta", "America/New_York", "Pacific/Kiritimati", "UTC"])


def moment(world: World, age: timedelta | tuple[int, timedelta]) -> datetime:
    """An age, or a local midnight some days ago give or take a tick; never in the future."""
    if isinstance(age, timedelta):
        return world.now - age
    days, tick = age
    midnight = datetime.combine(world.day(world.now) - timedelta(days=days), time(), world.zone)
    return min(midnight.astimezone(UTC) + tick, world.now)


def build(now: datetime, zone: str, drawn: tuple[Any, Any, Any, Any]) -> World:
    world = World(now, ZoneInfo(zone))
    drawn_people, drawn_entries, drawn_evidence, drawn_events = drawn
    world.people = [Person(f"user_{number}", *fields) for number, fields in enumerate(drawn_people)]
    for who, stage, many, age, taken_back in drawn_entries:
        entry = Entry(f"user_{who}", stage, many, moment(world, age))
        world.entries += [entry, replace(entry, points=-many)] if taken_back else [entry]
    # A person is granted a tag once; the database sees to that.
    world.events = list(dict.fromkeys(Event(f"user_{who}", tag, status) for who, tag, status in drawn_events))
    learning: set[int] = set()
    for who, stage, status, made, decided, peers, students in drawn_evidence:
        if stage == "LEARN" and status in ACTIVE:
            if who in learning:
                continue  # one active LEARN submission each
            learning.add(who)
        at = moment(world, made)
        reviewed = max(at, moment(world, decided)) if status in DECIDED else None
        counts = (peers or 1, students) if stage == "AMPLIFY" else (0, 0)
        world.evidence.append(Evidence(f"user_{who}", stage, status, at, reviewed, *counts))
    return world


async def write(connection: Connection, world: World) -> None:
    await connection.execute("SET LOCAL elevate.restore = 'on'")
    await connection.execute(
        "UPDATE app_settings SET value = $1 WHERE key = 'program_timezone'", json.dumps(world.zone.key)
    )
    await connection.execute("INSERT INTO users (id, handle, role) VALUES ('judge', 'judge', 'ADMIN')")
    await connection.executemany(
        "INSERT INTO users (id, handle, role, cohort, school, show_on_leaderboard, erased_at)"
        " VALUES ($1, replace($1, '_', '-'), $2, $3, $4, $5, CASE WHEN $6 THEN now() END)",
        [(one.id, one.role, one.cohort, one.school, one.shown, one.erased) for one in world.people],
    )
    await connection.executemany(
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points, created_at, event_time, stamp)"
        " VALUES ($1, $2, 'MANUAL', $3, $4, $4::timestamptz - interval '40 days', 0)",
        [(one.person, one.stage, one.points, one.at) for one in world.entries],
    )
    await connection.executemany(
        "INSERT INTO submissions (user_id, activity_code, status, created_at, reviewed_at, payload, reviewer_id,"
        " review_note, revoked_by, revoked_at, revoke_reason)"
        " VALUES ($1, $2, $3, $4, $5, $6, 'judge', 'x', 'judge', now(), 'x')",
        [(one.person, one.stage, one.status, one.at, one.reviewed_at, payload(one)) for one in world.evidence],
    )
    await connection.executemany(
        "INSERT INTO kajabi_events (body, body_sha256, user_id, contact_id, tag, status, points_awarded)"
        " VALUES ('', sha256($1), $2, $2, $3, $4, 10)",
        [(str(n).encode(), one.person, one.tag, one.status) for n, one in enumerate(world.events)],
    )


def payload(one: Evidence) -> str:
    counts = {"peersTrained": one.peers, "studentsTrained": one.students} if one.stage == "AMPLIFY" else {}
    return json.dumps(payload_for(one.stage, **counts))


async def rows(connection: Connection, query: str, *arguments: object) -> set[str]:
    return spelled(dict(row) for row in await connection.fetch(query, *arguments))


def spelled(found: Iterable[Row]) -> set[str]:
    """Rows as text, so that a difference reads well; averages to the millisecond, as numeric and float add up apart."""
    return {str(sorted((key, _plain(key, value)) for key, value in row.items())) for row in found}


def _plain(key: str, value: Any) -> str:
    if key == "average_review_seconds" and value is not None:
        return f"{float(value):.3f}"
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


@pytest.fixture(scope="module")
def shared_database(administrator: Administrator) -> Any:
    name = administrator.clone(SEEDED)
    yield name
    administrator.drop(name)


# No shrinking: it takes minutes at a transaction an example, and the rows that differ are printed anyway.
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(zone=zones, drawn=st.tuples(people, entries, evidence, events))
async def test_every_view_equals_plain_sums(
    cluster: Cluster, shared_database: str, zone: str, drawn: tuple[Any, Any, Any, Any]
) -> None:
    """One transaction an example, rolled back: its now() is one moment, so limits can be met to the microsecond.

    Totals count rows of ended transactions only; these pass for old ones (stamp 0), which a rebuild counts.
    """
    connection: Connection = await asyncpg.connect(cluster.dsn(shared_database, OWNER))
    try:
        transaction = connection.transaction()
        await transaction.start()
        world = build(await connection.fetchval("SELECT now()"), zone, drawn)
        await write(connection, world)
        await connection.execute("INSERT INTO rebuild_requests VALUES ('rows of this transaction')")
        outcomes = await connection.fetch("SELECT * FROM refresh_all_analytics()")
        assert [outcome["error"] for outcome in outcomes] == [None] * 6

        assert await rows(connection, "SELECT * FROM leaderboard_totals") == spelled(world.board())
        assert await rows(connection, "SELECT * FROM leaderboard_30d") == spelled(world.board_30d())
        assert await rows(connection, "SELECT * FROM activity_metrics") == spelled(world.stages())
        cohorts = world.groups("cohort", lambda person: person.cohort)
        assert await rows(connection, "SELECT * FROM cohort_metrics") == spelled(cohorts)
        schools = world.groups("school", lambda person: person.school)
        assert await rows(connection, "SELECT * FROM school_metrics") == spelled(schools)
        assert await rows(connection, "SELECT * FROM time_series_metrics") == spelled(world.days())
        for person in world.people:
            summary = await rows(connection, "SELECT * FROM get_user_point_summary($1)", person.id)
            assert summary == spelled(world.summary(person.id))
        await transaction.rollback()
    finally:
        await connection.close()
