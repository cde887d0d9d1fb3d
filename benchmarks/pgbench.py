"""Plain SQL at full speed: PostgreSQL's own pgbench, a script a contender."""

import re
import resource
import subprocess
from pathlib import Path

from benchmarks.figures import CheckFailed, Measured
from benchmarks.lab import BenchDatabase, Lab


def pgbench(
    lab: Lab,
    database: BenchDatabase,
    script: str,
    *,
    clients: int = 8,
    seconds: float | None = None,
    variables: dict[str, int | str] | None = None,
    user: str | None = None,
) -> Measured:
    """Transactions per second of a script, statements prepared, by `clients` connections of the service's role.

    A script is run whole as one transaction only where it says BEGIN and COMMIT. CheckFailed when a statement fails.
    """
    path = lab.folder / f"{lab.benchmark}.pgbench.sql"
    path.write_text(script, encoding="utf-8")
    dsn = database.dsn() if user is None else database.dsn(user)
    command = [
        str(lab.server.binaries.tool("pgbench")), "-n", "-M", "prepared", "-c", str(clients), "-j", "1",
        *_length(lab, seconds), "-f", str(path),
        *(f"-D{name}={value}" for name, value in (variables or {}).items()), dsn,
    ]  # fmt: skip
    before = _children()
    done = subprocess.run(  # noqa: S603 - a list, no shell
        command, capture_output=True, text=True, check=False, env=lab.server.binaries.environment()
    )
    lab.count_client(_children() - before)
    return _read(done.stdout, done.stderr, path)


def _length(lab: Lab, seconds: float | None) -> tuple[str, str]:
    return ("-t", "10") if lab.quick else ("-T", str(max(1, round(seconds or lab.seconds_per_round))))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read(output: str, errors: str, path: Path) -> Measured:
    rate = re.search(r"tps = ([\d.]+)", output)
    count = re.search(r"actually processed: (\d+)", output)
    failed = re.search(r"failed transactions: (\d+)", output)
    if rate is None or count is None or "aborted" in errors or (failed and int(failed[1])):
        raise CheckFailed(f"pgbench with {path.name}: {errors or output}")
    latency = re.search(r"latency average = ([\d.]+) ms", output)
    return Measured(float(rate[1]), int(count[1]), {"mean_ms": float(latency[1])} if latency else {})
