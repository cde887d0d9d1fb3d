"""Reads that reach the database, while folds and refreshes run beside them."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from urllib.parse import quote

from benchmarks.catalogue import benchmark
from benchmarks.client import request
from benchmarks.figures import Measured, at_most
from benchmarks.lab import BenchDatabase, Lab
from benchmarks.servers import ROOT, Server, bearer

RATE = 200
"""Requests a second: a load that one process bears easily (a fifth of a core), so that waiting is not its own doing.
A round of 4 seconds has the p99 from 800 of them."""
_CALLERS = 300


@benchmark("beside")
def beside(lab: Lab) -> None:
    """The slowest reads (p99) that reach the database, during refresh and fold against without."""
    with lab.database() as database, lab.service(database) as server:
        requests = _requests(lab, database)
        for one in requests[:20]:
            answer = server.ask(one)
            lab.check("the read is answered", answer.status == 200, answer.body[:500])  # noqa: PLR2004
        turns = count()

        def quiet() -> Measured:
            return _p99(lab, server, requests[next(turns) % 7 :])

        def busy() -> Measured:
            with _background(lab, database):
                return quiet()

        lab.compare(
            "p99 of reads that reach the database, during refresh and fold",
            ours=busy,
            baseline=quiet,
            baseline_name="without",
            unit="ms",
            reach=at_most(1.3),
            rounds=4,
            warm_up=not lab.small,
        )


def _p99(lab: Lab, server: Server, requests: list[bytes]) -> Measured:
    done = lab.load(server, requests, connections=16, seconds=0.5 if lab.quick else 4 if lab.small else 10, rate=RATE)
    return Measured(done.details["p99_ms"], done.work, done.details)


def _requests(lab: Lab, database: BenchDatabase) -> list[bytes]:
    """Own ranks of many people, and boards of many schools: no answer is kept in memory for long."""
    choice = random.Random(1)  # noqa: S311 - which rows are read is no secret
    first = lab.dataset.staff(lab.scale) + 1
    people = [lab.dataset.person(choice.randint(first, lab.scale.people)) for _ in range(20 if lab.quick else _CALLERS)]
    ranks = [request("GET", "/api/me/rank", headers=bearer(person)) for person in people]
    rows = database.owner.rows("SELECT DISTINCT school FROM users WHERE school IS NOT NULL LIMIT 2000")
    boards = [request("GET", f"/api/leaderboard?school={quote(row['school'])}&limit=20") for row in rows]
    mixed = ranks * max(1, len(boards) // len(ranks)) + boards
    choice.shuffle(mixed)
    return mixed


@contextmanager
def _background(lab: Lab, database: BenchDatabase) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.background"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        job = {"dsn": database.owner_dsn, "admin": lab.dataset.person(1)}
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        yield
        lab.check("folds and refreshes went on", process.poll() is None)
    finally:
        process.kill()
        process.communicate()
