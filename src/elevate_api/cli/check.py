"""`elevate check`: the manual's daily health check and everything else that must be true of the data."""

import asyncio
from typing import Annotated, Any

import typer

from elevate_api.cli.errors import FAILED, CommandFailed
from elevate_api.cli.output import AsJson, console, print_json, progress
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.ops.invariants import INVARIANTS, service


def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[CHECK]...", help="Only these, nothing kept.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Only name the checks.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the data quality checks (the manual's daily health check, quota, LEARN, collisions, orphans, anomalies).

    Exit code 1 when an error was found or a check could not run; warnings alone leave 0. Results are kept.
    """
    if listing:
        _list(as_json)
        return
    try:
        wanted = service.chosen(names or [])
    except ValueError as error:
        raise typer.BadParameter(f"{error}; --list names them", param_hint="CHECK") from error
    with progress("Checking"):
        checks = asyncio.run(_check(load_settings(), wanted if names else None))
    if as_json:
        print_json({"ok": all(map(_fine, checks)), "checks": checks})
    else:
        _print(checks)
    if not all(map(_fine, checks)):
        raise typer.Exit(FAILED)


async def _check(settings: Settings, wanted: Any) -> list[dict[str, Any]]:
    async with command_database(settings, direct=settings.database.url is None) as database:
        if wanted is not None:
            return [await service.check(database, invariant) for invariant in wanted]
        result = await service.run(database, "cli")
    if result.outcome is None:
        raise CommandFailed(f"another process is checking already (run {result.job_id})")
    checks: list[dict[str, Any]] = result.outcome["checks"]
    return checks


def _fine(one: dict[str, Any]) -> bool:
    return bool(one["ok"]) or service.is_warning(one)


def _list(as_json: bool) -> None:
    if as_json:
        print_json([{"name": one.name, "title": one.title, "severity": str(one.severity)} for one in INVARIANTS])
        return
    for one in INVARIANTS:
        console().print(f"{one.name:<30}{one.severity:<10}{one.title}")


def _print(checks: list[dict[str, Any]]) -> None:
    out = console()
    for one in checks:
        verdict = "ok" if one["ok"] else one.get("error") or f"{one['severity']}: {one['count']}"
        out.print(f"{one['name']:<30}{verdict:<16}{one['title']}")
        for sample in one["samples"]:
            out.print("    " + ", ".join(f"{key}={value}" for key, value in sample.items()))
    wrong = [one for one in checks if not _fine(one)]
    warned = [one for one in checks if not one["ok"] and _fine(one)]
    out.print(f"{len(checks)} checks, {len(wrong)} wrong, {len(warned)} warnings.")
