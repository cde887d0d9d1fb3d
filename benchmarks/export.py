"""Everybody as CSV, over HTTP."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import machine
from benchmarks.catalogue import benchmark
from benchmarks.client import request
from benchmarks.figures import Measured, at_least
from benchmarks.lab import BenchDatabase, Lab
from benchmarks.servers import Server, bearer

COLUMNS = (
    "id, handle, name, email, email_verified, role, region, school, cohort, show_on_leaderboard, kajabi_contact_id, "
    "suspended_at, erase_at, erased_at, created_at, updated_at"
)
COPY = f"COPY (SELECT {COLUMNS} FROM users ORDER BY created_at, id) TO STDOUT (FORMAT csv, HEADER)"
FLAT = 64 * 2**20
"""Bytes by which memory may grow, at any number of rows."""
_SAMPLE_SECONDS = 0.05


@benchmark("export")
def export(lab: Lab) -> None:
    """The CSV export of all users, against COPY of the same rows; and the service's memory meanwhile."""
    with lab.database() as database, lab.service(database) as server:
        lab.compare(
            f"CSV export of {lab.scale.people:,} users",
            ours=lambda: _download(lab, server),
            baseline=lambda: _copy(lab, database),
            baseline_name="COPY of the same rows in the same order TO STDOUT",
            unit="rows/s",
            reach=at_least(0.5),
            rounds=3,
        )


def _download(lab: Lab, server: Server) -> Measured:
    sent = request("GET", "/api/admin/exports/users.csv", headers=bearer(lab.dataset.person(2)))
    with _memory(server) as grown:
        got = lab.drain(server, sent)
    rows = got["lines"] - 1
    lab.check("everybody is in the file", got["status"] == 200 and rows == lab.scale.people, got["first"][:500])  # noqa: PLR2004
    lab.check("memory stays flat", max(grown) < FLAT, f"{max(grown) / 2**20:.0f} MB more")
    return Measured(rows / got["seconds"], rows, {"grown_mb": max(grown) / 2**20, "mb": got["bytes"] / 2**20})


def _copy(lab: Lab, database: BenchDatabase) -> Measured:
    command = [str(lab.server.binaries.tool("psql")), "-XqAt", "-d", database.owner_dsn, "-c", COPY]
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - a list, no shell
        command, stdout=subprocess.PIPE, env=lab.server.binaries.environment()
    ) as psql:
        assert psql.stdout is not None
        lines = size = 0
        while data := psql.stdout.read(1 << 18):
            lines += data.count(b"\n")
            size += len(data)
    seconds = time.perf_counter() - started
    lab.check("COPY gives everybody", psql.returncode == 0 and lines - 1 == lab.scale.people, lines)
    return Measured((lines - 1) / seconds, lines - 1, {"mb": size / 2**20})


@contextmanager
def _memory(server: Server) -> Iterator[list[int]]:
    """By how many bytes the server's own memory has grown, looked at all the time."""
    before = machine.resident_bytes(server.pid)
    grown, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            grown.append(machine.resident_bytes(server.pid) - before)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield grown
    finally:
        over.set()
        looking.join()
