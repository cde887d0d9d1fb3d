"""Makes the table of docs/reliability.md: every fault, at full length, on this machine.

`scripts/reliability` runs it. `--quick` injects as often as CI does and writes nothing, NAME... runs only those and
leaves the lines of the others. The seed is printed; ELEVATE_FAULTS_SEED repeats the places of the cuts.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.scenarios import SCENARIOS, Row, run
from tests.faults.worlds import NotHereError, Prepared, prepared

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: scripts/reliability writes this -->", "<!-- end -->"
HEAD = """| fault | injected | acknowledged | lost | wrong | longest recovery | | made |
|---|---:|---:|---:|---:|---:|---|---|"""


def line(row: Row) -> str:
    recovery = "-" if row.recovery is None else f"{row.recovery:.2f} s"
    figures = f"{row.times} | {row.acknowledged} | {row.lost} | {row.wrong.total()} | {recovery}"
    return f"| {row.fault} | {figures} | {row.note} |"


def write(rows: Iterable[Row], seed: int, page: Path = PAGE) -> None:
    """Put the lines of `rows` into the page's table; lines of other faults stay as they are."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    old, after = rest.split(END, 1)
    lines = {text.split("|")[1].strip(): text for text in old.splitlines() if text.startswith("| ")}
    # Recovery is as quick as the machine is free, so it says how busy it was.
    busy = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    made = f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}, {busy}"
    lines |= {row.fault: f"{line(row)} {made} |" for row in rows if row.times}
    order = [lines[scenario.title] for scenario in SCENARIOS.values() if scenario.title in lines]
    text = "\n".join([HEAD, *order])
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def in_one_world(
    world_of: Prepared, names: Iterable[str], *, quick: bool, times: int | None = None
) -> tuple[list[Row], int]:
    rows = []
    async with world_of() as world:
        for name in names:
            scenario = SCENARIOS[name]
            started = time.monotonic()
            row = await run(world, scenario, times or (scenario.short if quick else scenario.full))
            say(f"{line(row)}  ({time.monotonic() - started:.0f} s)")
            for what, number in row.wrong.items():
                say(f"    wrong: {what} ({number})")
            rows.append(row)
        return rows, world.seed


def in_one_loop(
    world_of: Prepared, names: Iterable[str], *, quick: bool, times: int | None = None
) -> tuple[list[Row], int]:
    return asyncio.run(in_one_world(world_of, names, quick=quick, times=times))


def everything(names: Iterable[str], *, quick: bool, times: int | None) -> tuple[list[Row], int]:
    """Each world is built once, for all of its faults."""
    rows: list[Row] = []
    seed = 0
    chosen = list(names)
    for kind in dict.fromkeys(SCENARIOS[name].world for name in chosen):
        mine = [name for name in chosen if SCENARIOS[name].world == kind]
        try:
            with prepared(kind) as world_of:
                made, seed = in_one_loop(world_of, mine, quick=quick, times=times)
        except NotHereError as reason:
            made = [Row(SCENARIOS[name].title, note=f"not here: {reason}") for name in mine]
        rows += made
    return rows, seed


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/reliability", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="as often as CI does")
    parser.add_argument("--times", type=int, help="inject so often, instead of at full length")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - SCENARIOS.keys()
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    names = arguments.names or list(SCENARIOS)
    say(HEAD)
    rows, seed = everything(names, quick=arguments.quick, times=arguments.times)
    if not arguments.quick:
        write(rows, seed)
    return 1 if any(row.lost or row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
