"""`python -m benchmarks.load rise|soak`: see `--help`. Needs locust: `pip install -e '.[load]'`, or --locust PATH."""

import argparse
import asyncio
import csv
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.place import Place, place

SHED, UNHEALTHY = "shed (503)", "unhealthy (503)"
BROKEN_SECONDS = 1.0
"""Latency is broken when one answer in twenty takes longer."""
KEPT = 0.8
"""Of the best throughput, past saturation: less is a collapse."""
SATURATED = 0.8
"""Less of what is asked for is done: this is as much as there is."""
BEYOND = (2, 4)
CROWD = 400
"""More than may use the database or wait for it, on however slow a machine."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rate. `done` are answers with a result per second, `shed` refusals; times in milliseconds, of results.

    `unhealthy`: how often the health check's probe found PostgreSQL slower than it should be.
    """

    rate: int
    done: float
    shed: float
    failed: int
    half: float
    most: float
    board: float
    shed_most: float
    unhealthy: int


def run_locust(where: Place, locust: str, users: int, seconds: int) -> list[dict[str, Any]]:
    """Entries of locust's own statistics, a dictionary for each kind of request."""
    command = [
        locust, "--headless", "--only-summary", "--json",
        "--locustfile", str(Path(__file__).with_name("locustfile.py")),
        "--host", where.service.url, "--users", str(users), "--spawn-rate", str(max(10, users // 3)),
        "--run-time", f"{seconds}s", "--stop-timeout", "5", "--reset-stats", "--csv", str(where.folder / "rise"),
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
    return Step(
        rate=rate,
        done=(sum(entry["num_requests"] for entry in results) - failed) / seconds,
        shed=sum(entry["num_requests"] for entry in refused) / seconds,
        failed=failed,
        half=percentile(results, 0.5),
        most=percentile(results, 0.95),
        board=percentile([entry for entry in results if entry["name"] == "board"], 0.95),
        shed_most=percentile(refused, 0.95),
        unhealthy=sum(entry["num_requests"] for entry in entries if entry["name"] == UNHEALTHY),
    )


def rise(arguments: argparse.Namespace) -> int:
    """Each rate for so many seconds until latency breaks; then what is too much, twice, four times and a crowd."""
    print("| asked/s | done/s | shed/s | failed | median ms | p95 ms | board p95 ms | shed p95 ms |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    with place({}, arguments.workers) as where:

        def at(rate: int) -> Step:
            step = summary(rate, run_locust(where, arguments.locust, rate, arguments.seconds))
            cells = (step.rate, step.done, step.shed, step.failed, step.half, step.most, step.board, step.shed_most)
            print(f"| {' | '.join(f'{cell:.0f}' for cell in cells)} |", flush=True)
            return step

        steps: list[Step] = []
        for rate in arguments.rates:
            steps.append(at(rate))
            if steps[-1].done < SATURATED * rate or steps[-1].most > 1000 * BROKEN_SECONDS:
                break
        best = max(step.done for step in steps)
        beyond = [at(rate) for rate in sorted({*(round(factor * best) for factor in BEYOND), CROWD})]
    best = max(step.done for step in steps + beyond)
    for step in beyond:
        print(f"at {step.rate} asked/s: {step.done / best:.0%} of the best of {best:.0f}/s done")
    peak = next(step.rate for step in steps + beyond if step.done == best)
    held = all(step.done >= KEPT * best for step in beyond if step.rate > peak)
    return 0 if held and not any(step.failed for step in steps + beyond) else 1


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
    print(
        f"{step.done:.1f}/s done, {step.shed:.2f}/s shed, {step.failed} failed, p95 {step.most:.0f} ms, "
        f"{step.unhealthy} times unhealthy"
    )
    print(f"memory {early:.1f} -> {late:.1f} MB ({(late - early) / hours:+.1f} MB an hour), connections at most "
          f"{max(one[2] for one in steady)}, open files {steady[0][3]} -> {steady[-1][3]}")  # fmt: skip
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
    commands = parser.add_subparsers(required=True)
    rising = commands.add_parser("rise", help=rise.__doc__)
    rising.add_argument("--rates", type=int, nargs="+", default=[25, 50, 100, 150, 200, 300, 400, 600, 800, 1200])
    rising.add_argument("--seconds", type=int, default=20)
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
