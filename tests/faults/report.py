"""Makes the table of docs/reliability.md: every fault, at full length, on this machine.

`scripts/reliability` runs it. `--quick` injects as often as CI does and writes nothing, NAME... runs only those and
leaves the lines of the others. Each line is written as soon as its fault is over, so a run that was broken off can be
gone on with by the names that it lacked. The seed is printed; ELEVATE_FAULTS_SEED repeats the places of the cuts.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
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


def commit() -> str:
    """What was run: the commit, and whether the service or its faults have been changed since."""
    git = ["git", "-C", str(PAGE.parent), "-c", "safe.directory=*"]
    try:
        found = subprocess.run([*git, "rev-parse", "--short=7", "HEAD"], check=True, capture_output=True, text=True)
        paths = [str(PAGE.parents[1] / path) for path in ("src", "migrations", "tests/faults", "pyproject.toml")]
        clean = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", *paths], check=False).returncode == 0
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return found.stdout.strip() + ("" if clean else " and changes")


def write(rows: Iterable[Row], seed: int, page: Path = PAGE) -> None:
    """Put the lines of `rows` into the page's table; lines of other faults stay as they are."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    old, after = rest.split(END, 1)
    lines = {text.split("|")[1].strip(): text for text in old.splitlines() if text.startswith("| ")}
    # Recovery is as quick as the machine is free, so it says how busy it was.
    busy = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {commit()}, seed {seed}, {busy}"
    lines |= {row.fault: f"{line(row)} {made} |" for row in rows if row.times}
    order = [lines[scenario.title] for scenario in SCENARIOS.values() if scenario.title in lines]
    text = "\n".join([HEAD, *order])
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


Keep = Callable[[Row, int], None]
"""Is given each row, and the seed, as soon as it is made."""


def forget(_row: Row, _seed: int) -> None:
    """Rows are looked at, and kept nowhere."""


async def in_one_world(
    world_of: Prepared, names: Iterable[str], *, quick: bool, times: int | None = None, keep: Keep = forget
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
            keep(row, world.seed)
            rows.append(row)
        return rows, world.seed


def in_one_loop(
    world_of: Prepared, names: Iterable[str], *, quick: bool, times: int | None = None, keep: Keep = forget
) -> tuple[list[Row], int]:
    return asyncio.run(in_one_world(world_of, names, quick=quick, times=times, keep=keep))


def everything(names: Iterable[str], *, quick: bool, times: int | None, keep: Keep = forget) -> list[Row]:
    """Each world is built once, for all of its faults."""
    rows: list[Row] = []
    chosen = list(names)
    for kind in dict.fromkeys(SCENARIOS[name].world for name in chosen):
        mine = [name for name in chosen if SCENARIOS[name].world == kind]
        try:
            with prepared(kind) as world_of:
                rows += in_one_loop(world_of, mine, quick=quick, times=times, keep=keep)[0]
        except NotHereError as reason:
            for name in mine:
                say(f"{SCENARIOS[name].title}: not here: {reason}")
    return rows


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
    keep = forget if arguments.quick else lambda row, seed: write([row], seed)
    rows = everything(names, quick=arguments.quick, times=arguments.times, keep=keep)
    return 1 if any(row.lost or row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
