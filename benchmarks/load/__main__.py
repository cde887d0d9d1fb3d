"""`python -m benchmarks.load rise|soak`: see `--help`. Needs locust: `pip install -e '.[load]'`, or --locust PATH."""

import argparse
import asyncio
import csv
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.page import command_line, write
from benchmarks.load.place import Place, place

SHED, UNHEALTHY = "shed (503)", "unhealthy (503)"
KEPT = 0.8
"""Of the best throughput, past saturation: less is a collapse."""
PAST = 2
"""So many rates beyond the best one: then the peak is behind."""
BEYOND = (2, 3)
MOST = 4000
"""Users that one generator still plays."""
REMEMBERED = {"board", "stats"}
"""What is answered from memory, whatever the database does."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rate. `done` are answers with a result per second, `remembered` those of them that come from memory, `shed`
    refusals; times in milliseconds, of results.

    `unhealthy`: how often the health check's probe found PostgreSQL slower than it should be.
    """

    rate: int
    done: float
    remembered: float
    shed: float
    failed: int
    half: float
    most: float
    longest: float
    board: float
    shed_most: float
    unhealthy: int


def run_locust(where: Place, locust: str, users: int, seconds: int, processes: int) -> list[dict[str, Any]]:
    """Entries of locust's own statistics, a dictionary for each kind of request."""
    command = [
        locust, "--headless", "--only-summary", "--json",
        "--locustfile", str(Path(__file__).with_name("locustfile.py")),
        "--host", where.service.url, "--users", str(users), "--spawn-rate", str(max(10, users // 3)),
        "--run-time", f"{seconds}s", "--stop-timeout", "5", "--reset-stats", "--csv", str(where.folder / "rise"),
        *(["--processes", str(processes)] if processes > 1 else []),
    ]  # fmt: skip
    done = subprocess.run(command, env=where.environment, check=False, capture_output=True, text=True)  # noqa: S603
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"locust failed:\n{done.stderr[-3000:]}") from None
    print_failures(where.folder / "rise")
    return found


def print_failures(written: Path) -> None:
    """What locust counted as failed: how often, where, and what came instead of an answer."""
    with written.with_name(f"{written.name}_failures.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            print(f"failed {row['Occurrences']} times: {row['Method']} {row['Name']}: {row['Error'][:300]}", flush=True)


def percentile(entries: list[dict[str, Any]], share: float) -> float:
    times = sorted((float(ms), number) for entry in entries for ms, number in entry["response_times"].items())
    wanted = share * sum(number for _, number in times)
    seen = 0
    for ms, number in times:
        seen += number
        if seen >= wanted:
            return ms
    return 0.0


def summary(rate: int, entries: list[dict[str, Any]]) -> Step:
    results = [entry for entry in entries if entry["name"] != SHED]
    refused = [entry for entry in entries if entry["name"] == SHED]
    begun = min(entry["start_time"] for entry in entries)
    seconds = max(1.0, max(entry["last_request_timestamp"] or begun for entry in entries) - begun)
    failed = sum(entry["num_failures"] for entry in results)
    remembered = sum(entry["num_requests"] for entry in results if entry["name"] in REMEMBERED)
    return Step(
        rate=rate,
        done=(sum(entry["num_requests"] for entry in results) - failed) / seconds,
        remembered=remembered / seconds,
        shed=sum(entry["num_requests"] for entry in refused) / seconds,
        failed=failed,
        half=percentile(results, 0.5),
        most=percentile(results, 0.95),
        longest=max((entry["max_response_time"] for entry in results), default=0.0),
        board=percentile([entry for entry in results if entry["name"] == "board"], 0.95),
        shed_most=percentile(refused, 0.95),
        unhealthy=sum(entry["num_requests"] for entry in entries if entry["name"] == UNHEALTHY),
    )


COLUMNS = (
    "asked/s", "done/s", "of them from memory", "refused/s", "failed", "median", "p95", "longest", "p95 of the board",
    "p95 of refusals",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---:|' * len(COLUMNS)}"


def line(step: Step) -> str:
    counted = (step.rate, step.done, step.remembered, step.shed, step.failed)
    timed = (step.half, step.most, step.longest, step.board, step.shed_most)
    return f"| {' | '.join([*(f'{one:.0f}' for one in counted), *(f'{one:.0f} ms' for one in timed)])} |"


def rise(arguments: argparse.Namespace) -> int:
    """Rates that rise until less is done than before, and on: twice and three times what was the most."""
    print(HEAD)
    steps: list[Step] = []
    with place({}, arguments.workers) as where:

        def at(rate: int) -> None:
            entries = run_locust(where, arguments.locust, rate, arguments.seconds, arguments.generators)
            steps.append(summary(rate, entries))
            print(line(steps[-1]), flush=True)

        for rate in arguments.rates:
            at(rate)
            if is_past(steps):
                break
        while not is_past(steps) and steps[-1].rate < MOST:
            at(round(steps[-1].rate * 1.5))
        for factor in BEYOND:
            if (rate := round(factor * best_of(steps).rate)) > steps[-1].rate:
                at(min(rate, MOST))
    verdict = judged(steps)
    print(verdict)
    if arguments.write:
        write("rise", "\n".join([command_line(), "", HEAD, *map(line, steps), "", verdict]))
    return 0 if holds(steps) else 1


def best_of(steps: Sequence[Step]) -> Step:
    return max(steps, key=lambda step: step.done)


def is_past(steps: Sequence[Step]) -> bool:
    """Two rates were tried beyond the one at which the most was done, and the last had a part of it refused."""
    peak = best_of(steps)
    return sum(step.rate > peak.rate for step in steps) >= PAST and steps[-1].shed > 0


def holds(steps: Sequence[Step]) -> bool:
    peak = best_of(steps)
    kept = all(step.done >= KEPT * peak.done for step in steps if step.rate > peak.rate)
    return kept and is_past(steps) and not any(step.failed for step in steps)


def judged(steps: Sequence[Step]) -> str:
    peak = best_of(steps)
    past = [step for step in steps if step.rate > peak.rate]
    if not past:
        return f"The peak was not passed: {peak.done:.0f}/s at {peak.rate} asked for is the last that was tried."
    least = min(past, key=lambda step: step.done)
    longest = max(step.longest for step in steps) / 1000
    return (
        f"The most was {peak.done:.0f}/s at {peak.rate} asked for; past it never less than "
        f"{least.done / peak.done:.0%} of that (at {least.rate}). Failed: {sum(step.failed for step in steps)}; "
        f"all else was answered, or refused with 503 and `Retry-After`. The longest answer took {longest:.1f} s."
    )


def soak(arguments: argparse.Namespace) -> int:
    """A low rate for long; memory and connections are written down every so often, and must be flat."""
    samples: list[tuple[float, float, int, int]] = []
    with place({}, arguments.workers) as where:
        seconds = round(arguments.minutes * 60)
        begun = time.monotonic()
        log = (where.folder / "locust.log").open("w")
        command = [
            arguments.locust, "--headless", "--only-summary", "--json",
            "--locustfile", str(Path(__file__).with_name("locustfile.py")), "--host", where.service.url,
            "--users", str(arguments.rate), "--spawn-rate", "10", "--run-time", f"{seconds}s", "--stop-timeout", "5",
            "--csv", str(where.folder / "soak"),
        ]  # fmt: skip
        with subprocess.Popen(command, env=where.environment, stdout=subprocess.PIPE, stderr=log, text=True) as load:  # noqa: S603
            while load.poll() is None and time.monotonic() - begun < seconds:
                time.sleep(min(arguments.every, seconds / 10))
                samples.append(look(where, time.monotonic() - begun))
            output, _ = load.communicate()
        print_failures(where.folder / "soak")
        step = summary(arguments.rate, json.loads(output))
    steady = samples[len(samples) // 5 :]  # the first fifth warms up
    third = max(1, len(steady) // 3)
    early, late = (sum(one[1] for one in part) / len(part) for part in (steady[:third], steady[-third:]))
    hours = max(1e-9, (steady[-1][0] - steady[0][0]) / 3600 * 2 / 3)
    verdict = (
        f"{step.done:.1f}/s done for {arguments.minutes:g} minutes, {step.shed:.2f}/s refused, {step.failed} failed, "
        f"p95 {step.most:.0f} ms; the health check found PostgreSQL slow {step.unhealthy} times. Resident memory "
        f"{early:.1f} MB in the first third after the warm-up, {late:.1f} MB in the last "
        f"({(late - early) / hours:+.1f} MB an hour); "
        f"connections {min(one[2] for one in steady)} to {max(one[2] for one in steady)}, "
        f"open files {min(one[3] for one in steady)} to {max(one[3] for one in steady)}."
    )
    print(verdict)
    if arguments.write:
        write("soak", f"{command_line()}\n\n{verdict}")
    return 0 if late < early * 1.1 and not step.failed else 1


def look(where: Place, at: float) -> tuple[float, float, int, int]:
    """Seconds, resident memory in MB, connections, open files."""
    processes = where.processes()
    memory = sum(process.memory_info().rss for process in processes) / 2**20
    files = sum(process.num_fds() for process in processes)
    sample = (at, memory, asyncio.run(where.connections()), files)
    print("{:6.0f} s  {:7.1f} MB  {:3d} connections  {:4d} files".format(*sample), flush=True)
    return sample


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--locust", default=str(Path(sys.executable).with_name("locust")), help="the program")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put what came out into docs/reliability.md")
    commands = parser.add_subparsers(required=True)
    rising = commands.add_parser("rise", help=rise.__doc__)
    rising.add_argument("--rates", type=int, nargs="+", default=[50, 100, 200, 400, 600, 800, 1200])
    rising.add_argument("--seconds", type=int, default=20)
    rising.add_argument("--generators", type=int, default=1, help="processes of locust, where there are cores for them")
    rising.set_defaults(run=rise)
    soaking = commands.add_parser("soak", help=soak.__doc__)
    soaking.add_argument("--rate", type=int, default=20)
    soaking.add_argument("--minutes", type=float, default=30)
    soaking.add_argument("--every", type=float, default=15)
    soaking.set_defaults(run=soak)
    arguments = parser.parse_args()
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
