"""The command: prepares server and data, runs what was named, writes JSON and Markdown."""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks import machine, report, servers
from benchmarks.catalogue import Benchmark, benchmarks
from benchmarks.data import Dataset, Scale, schema_digest
from benchmarks.figures import CheckFailed
from benchmarks.lab import Lab, fresh_folder
from elevate_api.postgres import EmbeddedPostgresError, EmbeddedServer

DEFAULT_CACHE = servers.ROOT / "build" / "benchmarks"
_GIB = 2**30


def realistic_settings() -> dict[str, str]:
    """What one would give a server of this machine: a quarter of the memory for its buffers, every commit on disk."""
    memory = psutil.virtual_memory().total / _GIB
    return {
        "shared_buffers": f"{max(128, int(memory * 256))}MB",
        "effective_cache_size": f"{max(256, int(memory * 640))}MB",
        "maintenance_work_mem": f"{max(64, min(1024, int(memory * 64)))}MB",
        "work_mem": "32MB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "wal_compression": "lz4",
        "max_connections": "100",
        "track_io_timing": "on",
        "jit": "off",  # the service's functions turn it off, so the baselines go without as well
    }


def generating_settings() -> dict[str, str]:
    """For data that is made again when it is lost."""
    return {**realistic_settings(), "wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off"}


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    known = benchmarks()
    if options.list:
        for one in known.values():
            print(f"{one.name:<14} {one.about}")
        return 0
    names = [*options.name, *(part for part in options.names.split(",") if part)]
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in known if name in names or not names]
    try:
        return _run(options, chosen)
    except (CheckFailed, EmbeddedPostgresError, NoRoom) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


class NoRoom(Exception):
    """The disk is too small for the scale."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", metavar="NAME", help="benchmarks to run, all without; see --list")
    parser.add_argument("--names", default="", help="the same, comma-separated")
    parser.add_argument("--scale", type=Scale.parse, default=Scale.parse("100k"), help="people: 100k, 1m, 4m or any")
    parser.add_argument("--rounds", type=int, help="rounds of each contender, instead of each benchmark's own number")
    parser.add_argument(
        "--duration", type=float, default=10, help="seconds of load of `consistency` (ten minutes: 600)"
    )
    parser.add_argument("--quick", action="store_true", help="a moment a round, for the checks only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: SCALE.json in the cache folder's results")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there as well")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="where server and generated data are kept")
    parser.add_argument("--generate", action="store_true", help="only make the data")
    parser.add_argument("--list", action="store_true", help="name the benchmarks")
    return parser


def _run(options: argparse.Namespace, chosen: Sequence[Benchmark]) -> int:
    started = time.monotonic()
    cache: Path = options.cache.absolute()
    _prepare_data(cache, options.scale, needed=options.generate or any(not one.own_data for one in chosen))
    if options.generate:
        return 0
    folder = fresh_folder(cache)
    with _terminable(), EmbeddedServer(cache, settings=realistic_settings()) as server:
        lab = Lab(server, Dataset(server), options.scale, folder, options.rounds, options.duration, options.quick)
        failed: dict[str, str] = {}
        with lab:
            try:
                for one in chosen:
                    _one(lab, one, failed)
            except KeyboardInterrupt:  # what was measured so far is kept
                failed[lab.benchmark] = "interrupted"
        document = as_document(lab, failed, time.monotonic() - started)
    shutil.rmtree(folder, ignore_errors=True) if not failed else print(f"logs are in {folder}")
    path = options.json or cache / "results" / f"{options.scale.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    table = report.table(document)
    print(f"\n{table}\nresults: {path}")
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")
    return 1 if failed else 0


def _one(lab: Lab, one: Benchmark, failed: dict[str, str]) -> None:
    """A benchmark that breaks must not take an hour of others with it."""
    started = time.monotonic()
    lab.benchmark = one.name
    print(f"{one.name}: {one.about}", flush=True)
    try:
        one.function(lab)
    except Exception as error:  # noqa: BLE001 - reported, and the exit code says so
        failed[one.name] = f"{type(error).__name__}: {error}"
        print(f"  FAILED: {failed[one.name]}", flush=True)
    print(f"  ({time.monotonic() - started:.0f} s)", flush=True)


def as_document(lab: Lab, failed: Mapping[str, str], seconds: float) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scale": lab.scale.name,
        "people": lab.scale.people,
        "schema": schema_digest(),
        "postgres": lab.server.binaries.version,
        "settings": realistic_settings(),
        "machine": machine.described(),
        "seconds": round(seconds),
        "figures": [figure.as_dict() for figure in lab.figures],
        "checks": lab.checks,
        "failed": dict(failed),
    }


def _prepare_data(cache: Path, scale: Scale, *, needed: bool) -> None:
    with EmbeddedServer(cache, settings=realistic_settings()) as server:
        dataset = Dataset(server)
        dataset.drop_outdated()
        if not needed or dataset.exists(scale):
            return
    free = shutil.disk_usage(cache).free / _GIB
    if free < scale.disk_gb:
        raise NoRoom(f"{scale.name} takes about {scale.disk_gb:.0f} GB of disk, {cache} has {free:.0f}")
    print(f"generating {scale.name}: {scale.people} people", flush=True)
    with EmbeddedServer(cache, settings=generating_settings(), fsync=False, stop_timeout=300) as server:
        Dataset(server).generate(scale)
        server.psql("CHECKPOINT")
    os.sync()


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does, so that its servers end as well."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
