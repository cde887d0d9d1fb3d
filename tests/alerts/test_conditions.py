"""Each rule meets its real condition on a real server: one notice at the right time, none before, one at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.alerts.conftest import Watch
from tests.support.factories import Factory, restoring
from tests.support.payloads import payload_for
from tests.support.sink import HttpSink

from elevate_api.alerts.observe import Outcome
from elevate_api.alerts.rules import Name
from elevate_api.analytics import service as analytics
from elevate_api.analytics.queries import VIEWS
from elevate_api.kit.db import Database

FIRED, OVER = ["firing"], ["firing", "resolved"]


async def as_owner(owner: Database, *statements: str, **values: Any) -> None:
    async with restoring(owner) as session:
        for statement in statements:
            await session.execute(text(statement), values)


async def test_a_healthy_service_says_nothing(watch: Watch, database: Database, sink: HttpSink) -> None:
    await analytics.refresh(database, "test")
    for minutes in (0, 1, 20):
        states = (await watch.look(minutes)).states
    assert {state.status for state in states.values()} == {"OK"}
    assert sink.received == []


async def test_a_database_behind_this_code_fires_at_once(watch: Watch, owner: Database) -> None:
    async with owner.session() as session:
        head = await session.scalar(text("SELECT version_num FROM alembic_version"))
    await as_owner(owner, "UPDATE alembic_version SET version_num = '0003'")
    assert await watch.told("migration_failure", 0) == FIRED
    await as_owner(owner, "UPDATE alembic_version SET version_num = :head", head=head)
    assert await watch.told("migration_failure", 1) == OVER


async def test_a_failed_run_of_the_migrations_fires_until_one_ends_well(watch: Watch, owner: Database) -> None:
    run = "INSERT INTO job_runs (name, triggered_by, finished_at, ok) VALUES ('migrate', 'test', now(), "
    await as_owner(owner, run + "false)")
    assert await watch.told("migration_failure", 0) == FIRED
    await as_owner(owner, run + "true)")
    assert await watch.told("migration_failure", 1) == OVER


async def test_a_database_ahead_of_this_code_is_a_rolling_deploy(watch: Watch, owner: Database) -> None:
    await as_owner(owner, "UPDATE alembic_version SET version_num = '9999'")
    assert await watch.told("migration_failure", 0) == []


async def test_a_view_that_cannot_be_refreshed_fires_after_five_minutes(
    watch: Watch, owner: Database, database: Database
) -> None:
    await as_owner(owner, "ALTER MATERIALIZED VIEW cohort_metrics RENAME TO elsewhere")
    await analytics.refresh(database, "test")
    assert await watch.told("view_refresh_failure", 0) == []
    assert await watch.told("view_refresh_failure", 4.9) == []
    assert await watch.told("view_refresh_failure", 5) == FIRED
    await as_owner(owner, "ALTER MATERIALIZED VIEW elsewhere RENAME TO cohort_metrics")
    await analytics.refresh(database, "test", ["cohort_metrics"])
    assert await watch.told("view_refresh_failure", 6) == OVER


async def test_a_trigger_that_fails_fires_at_once_and_its_refusals_do_not(
    watch: Watch, app: FastAPI, owner: Database, as_user: Callable[..., Awaitable[Any]]
) -> None:
    rule, teacher = "amplify_quota_trigger_error", await as_user()
    body = {"activityCode": "AMPLIFY", "payload": payload_for("AMPLIFY", peersTrained=40)}
    assert (await teacher.post("/api/submissions", json=body)).status_code == 201
    assert (await teacher.post("/api/submissions", json=body)).json()["code"] == "AMPLIFY_QUOTA_EXCEEDED"
    assert await app.state.recorder.flush()
    assert await watch.told(rule, 0) == []

    await as_owner(
        owner,
        "CREATE OR REPLACE FUNCTION app_limit(name text, fallback integer) RETURNS integer LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'out of order'; END $$",
    )
    assert (await teacher.post("/api/submissions", json=body)).status_code == 409  # answered politely all the same
    assert await app.state.recorder.flush()
    await watch.look(0.5)
    assert await watch.told(rule, 14.9) == FIRED
    assert await watch.told(rule, 16) == OVER


@pytest.mark.parametrize("polite", [True, False])
async def test_a_violated_foreign_key_fires_once_however_it_was_answered(
    watch: Watch, app: FastAPI, database: Database, owner: Database, polite: bool
) -> None:
    statement = text(
        "INSERT INTO points_ledger (user_id, activity_code, source, delta_points) VALUES ('nobody', 'LEARN', 'FORM', 1)"
    )
    async with AsyncExitStack() as stack:
        if not polite:
            stack.enter_context(pytest.raises(IntegrityError))
        session = await stack.enter_async_context(database.session())
        if polite:  # as bulk decisions do: the savepoint is lost, the request goes on
            with pytest.raises(IntegrityError):
                async with session.begin_nested():
                    await session.execute(statement)
        else:
            await session.execute(statement)
    assert await app.state.recorder.flush()
    assert await watch.told("foreign_key_violation", 0) == FIRED
    async with owner.session() as session:
        alert = (
            (await session.execute(text("SELECT * FROM alerts WHERE rule = 'foreign_key_violation'"))).mappings().one()
        )
    assert (alert["count"], alert["severity"]) == (1, "critical")
    assert alert["evidence"]["kinds"] == [
        {"sqlstate": "23503", "constraint": "points_ledger_user_id_fkey", "table": "points_ledger"}
    ]
    assert await watch.told("foreign_key_violation", 14) == FIRED
    assert await watch.told("foreign_key_violation", 15.5) == OVER


@asynccontextmanager
async def sleeping(dsn: str, statement: str) -> AsyncIterator[None]:
    """The statement is running, and longer than what counts as slow."""
    connection = await asyncpg.connect(dsn)
    task = asyncio.create_task(connection.execute(statement))
    await asyncio.sleep(0.35)  # the time itself is the condition
    assert not task.done()
    try:
        yield
    finally:
        task.cancel()  # the driver has the server cancel the statement
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()


async def test_a_statement_that_runs_too_long_fires_after_a_minute(watch: Watch, session_dsn: str) -> None:
    async with sleeping(session_dsn, "SELECT pg_sleep(60)"):
        assert await watch.told("slow_query", 0) == []
        assert await watch.told("slow_query", 0.9) == []
        assert await watch.told("slow_query", 1) == FIRED
    assert await watch.told("slow_query", 2) == OVER


@pytest.mark.parametrize(
    "statement",
    ["SELECT pg_sleep(60), 'REFRESH MATERIALIZED VIEW CONCURRENTLY x'", "COPY (SELECT pg_sleep(60)) TO STDOUT"],
)
async def test_refreshes_and_dumps_are_not_slow(watch: Watch, session_dsn: str, statement: str) -> None:
    async with sleeping(session_dsn, statement):
        assert await watch.told("slow_query", 0) == []
        assert await watch.told("slow_query", 2) == []


async def test_a_full_pool_fires_after_five_minutes_and_is_seen_from_beside_it(
    watch: Watch, database: Database
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(database.pool_size):
            await stack.enter_async_context(database.engine.connect())
        assert await watch.told("connection_pool_utilization", 0) == []
        assert await watch.told("connection_pool_utilization", 4.9) == []
        assert await watch.told("connection_pool_utilization", 5) == FIRED
        states = {rule.name: state for rule, state in (await watch.look(5.5)).states.items()}
        assert states[Name.DATABASE_CONNECTION_FAILURE].status == "OK"
        assert states[Name.CONNECTION_POOL_UTILIZATION].evidence["pool"] == {"size": 20, "in_use": 20}
    assert await watch.told("connection_pool_utilization", 6) == OVER


async def test_four_fifths_of_a_pool_are_not_too_much(watch: Watch, database: Database) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(16):
            await stack.enter_async_context(database.engine.connect())
        await watch.look(0)
        assert await watch.told("connection_pool_utilization", 6) == []


async def pending(owner: Database, user: str, number: int, at: str = "now()") -> None:
    await as_owner(
        owner,
        "INSERT INTO submissions (user_id, activity_code, payload, created_at) "
        f"SELECT :user, 'SHINE', '{{}}', {at} FROM generate_series(1, :number)",
        user=user,
        number=number,
    )


async def test_a_long_queue_fires_after_an_hour(watch: Watch, owner: Database, factory: Factory) -> None:
    teacher = (await factory.user()).id
    await pending(owner, teacher, 50)
    await watch.look(0)
    assert await watch.told("review_queue_backlog", 61) == []
    await pending(owner, teacher, 1)
    assert await watch.told("review_queue_backlog", 70) == []
    assert await watch.told("review_queue_backlog", 129.9) == []
    assert await watch.told("review_queue_backlog", 130) == FIRED
    await as_owner(owner, "UPDATE submissions SET status = 'WITHDRAWN'")
    assert await watch.told("review_queue_backlog", 131) == OVER


async def test_a_day_far_below_its_kind_fires_once_it_is_over(watch: Watch, owner: Database, factory: Factory) -> None:
    teacher = (await factory.user()).id
    noon = "((now() AT TIME ZONE 'Asia/Jakarta')::date + time '12:00') AT TIME ZONE 'Asia/Jakarta'"
    for weeks in range(1, 5):
        await pending(owner, teacher, 20, f"{noon} - interval '{weeks} weeks'")
    await pending(owner, teacher, 9, noon)
    await pending(owner, teacher, 60, f"{noon} + interval '1 day'")
    for weeks in range(1, 5):
        await pending(owner, teacher, 60, f"{noon} - interval '{weeks} weeks' + interval '1 day'")
    assert await watch.told("daily_submissions_drop", 0) == []  # today is not over
    assert await watch.told("daily_submissions_drop", 24 * 60) == FIRED
    assert await watch.told("daily_submissions_drop", 24 * 60 + 30) == FIRED
    assert await watch.told("daily_submissions_drop", 48 * 60) == OVER


async def test_a_view_that_grows_old_fires_at_the_hourly_look(
    watch: Watch, owner: Database, database: Database
) -> None:
    await analytics.refresh(database, "test")
    assert await watch.told("view_staleness", 1) == []
    assert await watch.told("view_staleness", 29) == []
    assert await watch.told("view_staleness", 60.9) == []
    assert await watch.told("view_staleness", 61) == FIRED
    await refreshed(owner, watch.at(61))
    assert await watch.told("view_staleness", 62) == OVER


async def refreshed(owner: Database, at: datetime) -> None:
    for view in VIEWS:
        await as_owner(
            owner,
            "INSERT INTO analytics_refreshes (view_name, triggered_by, started_at, finished_at, ok) "
            "VALUES (:view, 'test', :at, :at, true)",
            view=view,
            at=at,
        )


async def test_views_that_were_never_refreshed_are_as_old_as_the_watch(watch: Watch) -> None:
    await watch.look(0)
    assert await watch.told("view_staleness", 20) == []
    assert await watch.told("view_staleness", 81) == FIRED


async def test_kajabi_events_that_wait_too_long_fire(watch: Watch, owner: Database) -> None:
    add = (
        "INSERT INTO kajabi_events (body, body_sha256, status, created_at) SELECT '', sha256(n::text::bytea), "
        "'UNMATCHED', CAST(:at AS timestamptz) FROM generate_series(CAST(:first AS integer), :last) n"
    )
    await as_owner(owner, add, at=watch.began - timedelta(hours=25), first=1, last=20)
    await as_owner(owner, add, at=watch.began - timedelta(hours=23), first=21, last=30)
    assert await watch.told("kajabi_backlog", 0) == []
    assert await watch.told("kajabi_backlog", 70) == FIRED
    await as_owner(owner, "UPDATE kajabi_events SET status = 'IGNORED'")
    assert await watch.told("kajabi_backlog", 71) == OVER


@pytest.mark.parametrize("name", [Name.INVARIANT_VIOLATED, Name.BACKUP_OVERDUE])
async def test_a_rule_that_others_keep_the_facts_of_applies_once_there_are_any(
    another_watch: Callable[..., Watch], name: Name
) -> None:
    found: list[Outcome | None] = [None]

    async def source(_line: Any, _now: datetime) -> Outcome | None:
        return found[0]

    without, watch = another_watch(), another_watch(sources={name: source})
    for each in (without, watch):
        states = {rule.name: state for rule, state in (await each.look()).states.items()}
        assert states[name].looked_at is None  # nobody claims that all is well
    found[0] = Outcome(True, "two totals differ", {"rows": 2})
    assert await watch.told(name, 1) == FIRED
    found[0] = Outcome(False, "all agree", {})
    assert await watch.told(name, 2) == OVER


async def test_the_service_counts_what_a_bulk_decision_answers_politely(
    app: FastAPI, watch: Watch, owner: Database, factory: Factory, as_user: Callable[..., Awaitable[Any]]
) -> None:
    """Points of a stage that is none: the decision is refused inside its lot, the request answers 200."""
    submission = await factory.submission()
    await as_owner(owner, "DELETE FROM activities WHERE code = 'SHINE'")
    await as_owner(
        owner,
        "CREATE FUNCTION misplace() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.activity_code := 'SHINE'; RETURN NEW; END $$",
        "CREATE TRIGGER misplace BEFORE INSERT ON points_ledger FOR EACH ROW EXECUTE FUNCTION misplace()",
    )
    reviewer = await as_user("REVIEWER")
    decision = {"id": str(submission.id), "decision": "approve"}
    answer: httpx.Response = await reviewer.post("/api/review/bulk", json={"decisions": [decision]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"][0]["ok"] is False
    assert await app.state.recorder.flush()
    assert await watch.told("foreign_key_violation", 0) == FIRED
    async with owner.session() as session:
        found = await session.execute(text("SELECT count, evidence FROM alert_events"))
    kind = {"sqlstate": "23503", "constraint": "points_ledger_activity_code_fkey", "table": "points_ledger"}
    assert [tuple(row) for row in found] == [(1, kind)]


async def test_a_trigger_that_fails_inside_a_lot_fires_too(
    app: FastAPI, watch: Watch, owner: Database, factory: Factory, as_user: Callable[..., Awaitable[Any]]
) -> None:
    submission, sound = await factory.submission(), await factory.submission()
    await as_owner(
        owner,
        "ALTER FUNCTION submissions_before_update() RENAME TO submissions_before_it",
        "CREATE FUNCTION submissions_before_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.id = '{submission.id}' THEN RAISE EXCEPTION 'out of order'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER z BEFORE UPDATE ON submissions FOR EACH ROW EXECUTE FUNCTION submissions_before_update()",
    )
    reviewer = await as_user("REVIEWER")
    lot = {"decisions": [{"id": str(row.id), "decision": "approve"} for row in (submission, sound)]}
    with structlog.testing.capture_logs() as lines:
        answer: httpx.Response = await reviewer.post("/api/review/bulk", json=lot)
    assert [one["ok"] for one in answer.json()["results"]] == [False, True]
    logged = [line for line in lines if line["event"] == "database_error"]
    assert [(line["sqlstate"], line["message"]) for line in logged] == [("P0001", "out of order")]
    assert await app.state.recorder.flush()
    await watch.look(0.5)
    assert await watch.told("amplify_quota_trigger_error", 14.9) == FIRED
