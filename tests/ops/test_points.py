"""`elevate points`: the ledger against its causes, and what brings them together again."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from tests.ops.commands import Type
from tests.support.factories import Factory, restoring

from elevate_api.kit.db import Database
from elevate_api.ops.ledger_check.recover import recover
from elevate_api.ops.ledger_check.verify import Findings, verify
from elevate_api.seeds import demo

Superuser = Callable[..., Awaitable[None]]
LONG_AGO = datetime(2026, 3, 2, 8, tzinfo=UTC)
LEDGER = """SELECT user_id, activity_code, source, delta_points, external_event_id, event_time, created_at
            FROM points_ledger ORDER BY external_event_id, id"""


AUDITED = "SELECT target_id, details FROM audit_log WHERE action = 'points.recover'"


async def look(database: Database) -> Findings:
    async with database.session() as session:
        return await verify(session, views=False)


async def found(database: Database) -> set[tuple[str, str, int | None, int | None]]:
    return {(d.kind, d.subject, d.expected, d.actual) for d in (await look(database)).first if d.area == "ledger"}


async def bring_back(owner: Database, **options: bool) -> Any:
    async with owner.session() as session:
        return await recover(session, **options)


async def ledger(owner: Database) -> list[Any]:
    async with owner.session() as session:
        return [tuple(row) for row in await session.execute(text(LEDGER))]


async def approved(factory: Factory, activity: str = "EXPLORE", points: int | None = 50, **fields: Any) -> Any:
    """An approval of long ago, with the badge that it earned and without its row."""
    user = fields.pop("user", None) or await factory.user()
    return await factory.submission(
        user, activity, "APPROVED", points_awarded=points, created_at=LONG_AGO, reviewed_at=LONG_AGO, **fields
    )


def name(submission: Any, what: str = "approved") -> str:
    return f"submission:{submission.id}:{what}:v1"


# --- the whole programme ----------------------------------------------------------------------------------------------


@pytest.fixture
async def programme(owner: Database) -> None:
    async with owner.session() as session:
        await demo.seed(session, ZoneInfo("Asia/Jakarta"))


@pytest.mark.usefixtures("programme")
async def test_rows_that_a_superuser_removed_come_back_as_they_were(
    elevate: Type, owner: Database, superuser: Superuser
) -> None:
    before = await ledger(owner)
    assert elevate("analytics", "refresh").exit_code == 0
    assert elevate("points", "verify").stdout.startswith("No difference: ")
    await superuser("DELETE FROM points_ledger WHERE id::text > '5' OR created_at > now() - interval '25 days'")
    assert len(await ledger(owner)) < len(before)

    wrong = elevate("points", "verify", "--json")
    assert wrong.exit_code == 1
    counts = {(one["area"], one["kind"]): one["count"] for one in json.loads(wrong.stdout)["counts"]}
    assert counts["ledger", "missing"] == len(before) - len(await ledger(owner))

    result = elevate("points", "recover", "--yes")
    assert result.exit_code == 0, result.output
    assert "No difference" in result.stdout
    assert [row[:6] for row in await ledger(owner)] == [row[:6] for row in before]
    assert all(
        abs(now[6] - then[6]) < timedelta(seconds=1) for now, then in zip(await ledger(owner), before, strict=True)
    )
    assert elevate("points", "verify").exit_code == 0


@pytest.mark.usefixtures("programme")
async def test_an_emptied_ledger_and_no_badges(owner: Database, superuser: Superuser) -> None:
    before, badges = await ledger(owner), await _badges(owner)
    await superuser(
        "TRUNCATE points_ledger", "DELETE FROM earned_badges", "UPDATE badges SET created_at = '2000-01-01'"
    )
    done = await bring_back(owner)
    assert (done.rows, done.corrections, done.unexplained) == (len(before), 0, 0)
    assert [row[:6] for row in await ledger(owner)] == [row[:6] for row in before]
    # What a revocation took the ground from is not earned a second time.
    assert await _badges(owner) <= badges
    assert (await look(owner)).total == 0
    again = await bring_back(owner)
    assert (again.rows, again.badges, again.snapshot) == (0, 0, None)


async def _badges(owner: Database) -> set[tuple[str, str]]:
    async with owner.session() as session:
        return {
            (row[0], row[1]) for row in await session.execute(text("SELECT user_id, badge_code FROM earned_badges"))
        }


# --- rows of an operator ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["FORM", "MANUAL"])
@pytest.mark.parametrize("recorded", [None, 50])
async def test_the_manuals_own_row_is_the_award_and_is_not_doubled(
    factory: Factory, owner: Database, source: str, recorded: int | None
) -> None:
    submission = await approved(factory, points=recorded)
    await factory.entry(submission.user_id, 50, "EXPLORE", source)
    assert await found(owner) == set()
    assert (await bring_back(owner)).rows == 0


async def test_an_award_by_hand_needs_no_recorded_points(factory: Factory, owner: Database) -> None:
    """An operator may have given another number than the rules: where nothing was recorded, their row is the record."""
    submission = await approved(factory, "AMPLIFY", None, payload={"peersTrained": 5, "studentsTrained": 1})
    await factory.entry(submission.user_id, 8, "AMPLIFY", "FORM")
    assert await found(owner) == set()


async def test_the_manuals_recovery_of_an_adjusted_award_is_corrected(factory: Factory, owner: Database) -> None:
    """It writes the stage's default points, whatever the reviewer had given."""
    submission = await approved(factory, points=45)
    await factory.entry(submission.user_id, 50, "EXPLORE", "MANUAL")
    assert await found(owner) == {("wrong", name(submission), 45, 50)}
    assert (await bring_back(owner)).corrections == 1
    assert [(row[3], row[4]) for row in await ledger(owner)] == [(-5, f"correction:1:{name(submission)}"), (50, None)]
    assert await found(owner) == set()


async def test_approved_by_hand_and_never_awarded_gets_what_the_rules_give(factory: Factory, owner: Database) -> None:
    first = await approved(factory, "EXPLORE", None)
    second = await approved(factory, "EXPLORE", None, user=first.user_id)
    amplify = await approved(factory, "AMPLIFY", None, payload={"peersTrained": 5, "studentsTrained": 7})
    await approved(factory, "SHINE", None)
    assert await found(owner) == {("missing", name(min(first, second, key=lambda s: s.id)), 50, 0),
                                  ("missing", name(amplify), 17, 0)}  # fmt: skip
    await bring_back(owner)
    assert await found(owner) == set()


async def test_learn_is_filled_up_to_its_cap_only(factory: Factory, owner: Database) -> None:
    learn = await approved(factory, "LEARN", None)
    async with restoring(owner) as session:
        await session.execute(text(GRANT), {"id": learn.user_id})
    await bring_back(owner)
    assert sorted((row[2], row[3]) for row in await ledger(owner)) == [("MANUAL", 10), ("WEBHOOK", 10)]


GRANT = """INSERT INTO kajabi_events (body, body_sha256, status, user_id, contact_id, tag, points_awarded, created_at)
           VALUES ('x', 'x', 'PROCESSED', :id, '77', 'elevate-ai-1-completed', 10, '2026-03-01')"""


async def test_an_approval_of_this_minute_is_left_to_the_operator_who_is_at_it(
    factory: Factory, owner: Database
) -> None:
    await factory.submission(None, "EXPLORE", "APPROVED", points_awarded=None)
    assert await found(owner) == set()


async def test_a_revoked_award_by_hand_agrees(factory: Factory, owner: Database) -> None:
    submission = await factory.submission(
        None, "EXPLORE", "REVOKED", points_awarded=None, reviewed_at=LONG_AGO, revoked_at=LONG_AGO
    )
    await factory.entry(submission.user_id, 50, "EXPLORE", "MANUAL")
    await factory.entry(submission.user_id, -50, external_event_id=name(submission, "revoked"))
    assert await found(owner) == set()


# --- what is wrong ----------------------------------------------------------------------------------------------------


async def test_a_changed_row_is_corrected_beside_it(factory: Factory, owner: Database, superuser: Superuser) -> None:
    submission = await approved(factory)
    await factory.entry(submission.user_id, 50, external_event_id=name(submission))
    for delta in (-999, 60):  # once by more than one row can hold, then once more
        await superuser(f"UPDATE points_ledger SET delta_points = {delta} WHERE external_event_id LIKE 'submission%'")
        await bring_back(owner)
        assert await found(owner) == set()
        async with owner.session() as session:
            assert await session.scalar(text("SELECT sum(delta_points) FROM points_ledger")) == 50


async def test_a_row_under_another_name_is_taken_back_there_and_given_here(
    factory: Factory, owner: Database, superuser: Superuser
) -> None:
    submission, other = await approved(factory), await factory.user()
    await factory.entry(submission.user_id, 50, external_event_id=name(submission))
    await superuser(f"UPDATE points_ledger SET user_id = '{other.id}'")
    done = await bring_back(owner)
    assert (done.rows, done.corrections, done.people) == (0, 2, 2)
    async with owner.session() as session:
        sums = await session.execute(text("SELECT user_id, sum(delta_points) FROM points_ledger GROUP BY 1"))
        assert {row[0]: row[1] for row in sums} == {submission.user_id: 50, other.id: 0}


async def test_a_row_without_a_cause_is_named_and_taken_back_only_on_request(
    factory: Factory, owner: Database, elevate: Type
) -> None:
    user = await factory.user()
    row = await factory.entry(user, 7, "SHINE", "MANUAL")
    await factory.entry(user, 9, "SHINE", "MANUAL", external_event_id="bonus")
    expected = {("unexplained", f"row:{row.id}", 0, 7), ("unexplained", "bonus", 0, 9)}
    assert await found(owner) == expected
    assert (await bring_back(owner)).unexplained == 2
    assert await found(owner) == expected
    assert elevate("points", "recover", "--yes", "--reverse-unexplained").exit_code == 0
    assert await found(owner) == set()


async def test_the_rows_before_are_kept_and_everybody_is_in_the_audit_log(factory: Factory, owner: Database) -> None:
    submission = await approved(factory, points=45)
    await factory.entry(submission.user_id, 50, "EXPLORE", "MANUAL")
    done = await bring_back(owner)
    async with owner.session() as session:
        kept = (await session.execute(text(f"SELECT user_id, delta_points FROM {done.snapshot}"))).all()
        audited = (
            await session.execute(text("SELECT target_id, details FROM audit_log WHERE action = 'points.recover'"))
        ).one()
    assert kept == [(submission.user_id, 50)]
    assert audited == (submission.user_id, {"points": -5, "rows": 1, "snapshot": done.snapshot})


# --- the commands -----------------------------------------------------------------------------------------------------


async def test_a_dry_run_and_a_no_write_nothing(factory: Factory, owner: Database, elevate: Type) -> None:
    await approved(factory)
    assert "1 ledger missing" in elevate("points", "recover", "--dry-run").stdout
    assert elevate("points", "recover", typed="n\n").exit_code == 1
    assert await ledger(owner) == []


async def test_production_is_not_touched_without_yes(factory: Factory, owner: Database, elevate: Type) -> None:
    await approved(factory)
    result = elevate("points", "recover", ENVIRONMENT="production", CLERK_ISSUER="https://c.test", typed="y\n")
    assert result.exit_code == 1
    assert "repeat with --yes" in result.stderr
    assert await ledger(owner) == []


async def test_somebodys_points_are_shown(factory: Factory, elevate: Type) -> None:
    user = await factory.user()
    await factory.entry(user, 50)
    assert f"{user.id}: 50 points" in elevate("points", "show", user.email or "").stdout
    assert json.loads(elevate("points", "show", user.id, "--json").stdout)["total_points"] == 50


async def test_a_view_that_says_something_else_is_named(
    factory: Factory, owner: Database, elevate: Type, superuser: Superuser
) -> None:
    submission = await approved(factory)
    await factory.entry(submission.user_id, 50, external_event_id=name(submission), created_at=LONG_AGO)
    await superuser("UPDATE users SET updated_at = created_at - interval '1 day'", "DELETE FROM badges")
    assert elevate("points", "verify").exit_code == 1  # never refreshed
    elevate("analytics", "refresh")
    assert elevate("points", "verify").exit_code == 0
    await superuser("UPDATE points_ledger SET delta_points = 49", "UPDATE submissions SET points_awarded = 49")
    assert {(d.subject, d.kind, d.expected, d.actual) async for d in _views(owner)} == {
        ("leaderboard_totals", "wrong", 49, 50), ("activity_metrics", "wrong", 49, 50),
    }  # fmt: skip


async def _views(owner: Database) -> Any:
    async with owner.session() as session:
        for difference in (await verify(session)).first:
            if difference.area == "views":
                yield difference
