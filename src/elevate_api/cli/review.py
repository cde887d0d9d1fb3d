"""`elevate review`: what waits for a decision."""

import asyncio
from typing import Annotated, Any

import typer
from sqlalchemy import text

from elevate_api.cli.output import AsJson, console, print_json, print_rows
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.ops.inspect.trends import QUEUE
from elevate_api.points.rules import ActivityCode

app = typer.Typer(name="review", help="What waits for a decision.", no_args_is_help=True)

COLUMNS = ("id", "name", "email", "activity", "status", "created_at", "claimed_by")
_WAITING = text("""
    SELECT s.id, u.name, u.email, s.activity_code AS activity, s.status, s.created_at, c.reviewer_id AS claimed_by
    FROM submissions s JOIN users u ON u.id = s.user_id
    LEFT JOIN review_claims c ON c.submission_id = s.id AND c.expires_at > clock_timestamp()
    WHERE s.status = 'PENDING' AND (CAST(:stage AS text) IS NULL OR s.activity_code = :stage)
    ORDER BY s.created_at, s.id LIMIT :limit
""")


@app.callback()
def _group() -> None:
    """What waits for a decision."""


@app.command()
def queue(
    activity: Annotated[ActivityCode | None, typer.Option(case_sensitive=False, help="Only this stage.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to print; all are counted.")] = 50,
    as_json: AsJson = False,
) -> None:
    """PENDING submissions, the oldest first, and how many wait by stage (the manual's 'Review queue for admins')."""
    rows, stages = asyncio.run(_queue(load_settings(), activity, limit))
    if as_json:
        print_json({"stages": stages, "items": rows})
        return
    print_rows(rows, COLUMNS, none="Nothing waits.")
    if stages:
        print_rows(stages, QUEUE.columns)
        console().print(f"{sum(stage['pending'] for stage in stages)} wait in all.")


async def _queue(
    settings: Settings, activity: ActivityCode | None, limit: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    direct = settings.database.url is None
    async with command_database(settings, direct=direct) as database, database.session() as session:
        rows = await session.execute(_WAITING, {"stage": activity, "limit": limit})
        return [dict(row) for row in rows.mappings()], await QUEUE.rows(session)
