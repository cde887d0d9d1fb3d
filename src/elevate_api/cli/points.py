"""`elevate points`: what somebody has, whether the ledger is right, and bringing back what is missing."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy import text

from elevate_api.analytics import service as analytics
from elevate_api.cli.errors import FAILED
from elevate_api.cli.output import AsJson, Yes, ask, console, print_json, print_rows, progress
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.cli.seal import seal, verify_seal
from elevate_api.cli.users import Who, find_person
from elevate_api.config import Settings
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.ops.ledger_check.recover import Recovered, recover
from elevate_api.ops.ledger_check.verify import Findings, verify
from elevate_api.seal import service as sealing

app = typer.Typer(name="points", help="The points ledger: show, verify, recover, seal.", no_args_is_help=True)
app.command("seal")(seal)
app.command("verify-seal")(verify_seal)

DIFFERENCE = ("area", "kind", "subject", "user_id", "activity_code", "expected", "actual")
SUMMARY = ("activity_code", "total_points", "entries", "submissions", "approved", "pending", "last_points_at")

Shown = Annotated[int, typer.Option(min=1, help="How many differences to print; all are counted.")]
Reverse = Annotated[
    bool, typer.Option("--reverse-unexplained", help="Take back rows without a cause by corrections, too.")
]


@app.command()
def show(who: Who, as_json: AsJson = False) -> None:
    """Points of one person by stage, summed from the ledger this moment (the manual's get_user_point_summary)."""
    person, rows = asyncio.run(_show(load_settings(), who))
    total = sum(row["total_points"] for row in rows)
    if as_json:
        print_json({"user_id": person, "total_points": total, "stages": rows})
        return
    print_rows(rows, SUMMARY, title=f"{person}: {total} points")


@app.command("verify")
def verify_points(show_first: Shown = 50, as_json: AsJson = False) -> None:
    """Prove that ledger, submissions, Kajabi grants, adjustments, badges and views agree; name every difference.

    Exit code 0 when they do, 1 otherwise. Changes nothing.
    """
    with progress("Comparing the ledger with its causes"):
        found = asyncio.run(_verify(load_settings(), show_first))
    _tell(found, as_json)
    if found.total:
        raise typer.Exit(FAILED)


@app.command("recover")
def recover_points(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    reverse_unexplained: Reverse = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild missing ledger rows exactly from their causes, correct wrong ones beside them, grant missing badges.

    First counts what would be written, then asks. The rows of everybody affected are copied to a table of the schema
    `recovery` before. Afterwards the views are refreshed and everything is verified again: exit code 0 when it agrees.
    """
    settings = load_settings()
    with progress("Comparing the ledger with its causes"):
        before = asyncio.run(_verify(settings, 20))
    if dry_run or not before.total:
        _tell(before, as_json)
        return
    if not as_json:
        _print(before)
    ask(settings, yes, f"Write what is missing ({_words(before)})?")
    began = utcnow()
    with progress("Writing"):
        done, after = asyncio.run(_recover(settings, reverse_unexplained))
    if as_json:
        print_json({"recovered": asdict(done), "after": _as_document(after)})
    else:
        _report(done, after, began)
    if after.total:
        raise typer.Exit(FAILED)


async def _show(settings: Settings, who: str) -> tuple[str, list[dict[str, Any]]]:
    async with command_database(settings) as database, database.session() as session:
        person = await find_person(session, who)
        rows = await session.execute(text("SELECT * FROM get_user_point_summary(:id)"), {"id": person.id})
        return person.id, [dict(row) for row in rows.mappings()]


async def _verify(settings: Settings, keep: int) -> Findings:
    async with command_database(settings) as database, database.session() as session:
        return await verify(session, keep=keep)


async def _recover(settings: Settings, reverse_unexplained: bool) -> tuple[Recovered, Findings]:
    async with command_database(settings) as database:
        async with database.session() as session:
            done = await recover(session, reverse_unexplained=reverse_unexplained)
        await _refresh(database)
        if done.rows or done.corrections:
            # The seal says for good that these rows came by a recovery; batches that lost rows stay broken (--accept).
            why = f"points recover: {done.rows} rows rebuilt, {done.corrections} corrections"
            while (await sealing.seal(database, "points recover", reason=why)).running:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        async with database.session() as session:
            return done, await verify(session, keep=20)


async def _refresh(database: Database) -> None:
    """A refresh that runs already began before our rows: wait for it by trying until ours has run."""
    while (await analytics.refresh(database, "points recover")).running:  # noqa: ASYNC110  (in another process)
        await asyncio.sleep(0.5)


def _words(found: Findings) -> str:
    return ", ".join(f"{count} {area} {kind}" for (area, kind), count in sorted(found.counts.items()))


def _as_document(found: Findings) -> dict[str, Any]:
    counts = [{"area": area, "kind": kind, "count": count} for (area, kind), count in sorted(found.counts.items())]
    return {
        "agrees": not found.total,
        "ledger_rows": found.rows,
        "causes": found.causes,
        "counts": counts,
        "differences": [asdict(difference) for difference in found.first],
    }


def _tell(found: Findings, as_json: bool) -> None:
    if as_json:
        print_json(_as_document(found))
    else:
        _print(found)


def _print(found: Findings) -> None:
    out = console()
    if not found.total:
        out.print(f"No difference: {found.rows} ledger rows, {found.causes} causes, badges and views agree.")
        return
    print_rows([asdict(difference) for difference in found.first], DIFFERENCE)
    out.print(f"{found.total} differences: {_words(found)}.")
    if found.total > len(found.first):
        out.print(f"The first {len(found.first)} are shown; --show-first and --json show more.")
    if any(difference.kind == "unexplained" for difference in found.first):
        out.print("Unexplained rows have no cause; --reverse-unexplained of `points recover` takes them back.")


def _report(done: Recovered, after: Findings, began: datetime) -> None:
    out = console()
    out.print(f"{done.rows} rows rebuilt, {done.corrections} corrections, {done.badges} badges, {done.people} people.")
    if done.snapshot:
        out.print(f"As it was: {done.snapshot}. What differed: {done.differences}.")
        out.print(f"Whom to tell: elevate users affected --since {began:%Y-%m-%dT%H:%M:%S}")
    _print(after)
