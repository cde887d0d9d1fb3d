"""`elevate retention`: remove what is older than it may get."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer

from elevate_api.cli.errors import CommandFailed
from elevate_api.cli.output import AsJson, Yes, ask, print_json, print_rows, progress
from elevate_api.cli.runtime import command_address, load_settings, opened
from elevate_api.config import Settings
from elevate_api.kit.db import Address
from elevate_api.retention import service


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove evidence files, Kajabi contact data, audit rows past RETENTION_*_MONTHS, as the scheduler does daily."""
    settings = load_settings()
    with command_address(settings) as address, progress("retention"):
        there = asyncio.run(_preview(address, settings))
        if not dry_run and any(there.values()):
            ask(settings, yes, f"Remove {', '.join(f'{count} of {what}' for what, count in there.items())}?")
            there = asyncio.run(_run(address, settings))
    if as_json:
        print_json({"removed": {} if dry_run else there, "due": there})
    else:
        title = "Due" if dry_run else "Removed"
        print_rows([{"what": what, "rows": count} for what, count in there.items()], ("what", "rows"), title=title)


async def _preview(address: Address, settings: Settings) -> Mapping[str, int]:
    async with opened(address) as database:
        return await service.preview(database, settings.retention)


async def _run(address: Address, settings: Settings) -> Mapping[str, int]:
    async with opened(address) as database:
        result = await service.run(database, settings.retention, "cli")
    if result.outcome is None:
        raise CommandFailed(f"another run is under way ({result.job_id})")
    removed: Mapping[str, int] = result.outcome["removed"]
    return removed
