"""What a benchmark works with: data, servers, load, and the comparison itself."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypedDict, TypeVar, Unpack

import asyncpg
import psutil

from benchmarks import servers
from benchmarks.client import Answer, encoded, request
from benchmarks.data import Dataset, Scale
from benchmarks.figures import CheckFailed, Figure, Measured, Reach, Round
from benchmarks.machine import Cpu, Watch, used_by
from elevate_api.ops.roles import SERVICE_ROLE
from elevate_api.postgres import EmbeddedServer
from elevate_api.postgres.cluster import OWNER, SUPERUSER

T = TypeVar("T")
CONNECTIONS = 16
_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")


class Load(TypedDict, total=False):
    """How a client sends: in turn and again and again, or with `repeat` false each request once.

    `pin` gives server and load a processor each: for answers from memory, where nobody else works. With a `rate` so
    many requests a second are sent and no more; latencies then count from when a request was due.
    """

    connections: int
    seconds: float
    repeat: bool
    expected: Sequence[int]
    pin: bool
    rate: float


async def connect_unbound(dsn: str) -> Any:
    """Without the limits of the service's role: its own long work lifts them as well, and baselines take minutes."""
    return await asyncpg.connect(dsn, command_timeout=7200, server_settings=dict.fromkeys(_LIMITS, "0"))


class BenchDatabase:
    """One database of the cluster, with connections as its owner, the superuser and the service's role."""

    def __init__(self, lab: "Lab", name: str) -> None:
        self.name = name
        self._lab = lab
        self.owner = Sql(lab, lab.server.dsn(name, OWNER))
        self.superuser = Sql(lab, lab.server.dsn(name, SUPERUSER))
        self.service = Sql(lab, lab.server.dsn(name, SERVICE_ROLE))

    def dsn(self, user: str = SERVICE_ROLE) -> str:
        return self._lab.server.dsn(self.name, user)

    @property
    def owner_dsn(self) -> str:
        return self.dsn(OWNER)

    def close(self) -> None:
        for connection in (self.owner, self.superuser, self.service):
            connection.close()

    def has(self, name: str) -> bool:
        """Whether a table, view or function of this name is there."""
        found = self.owner.value(
            "SELECT to_regclass($1) IS NOT NULL OR EXISTS (SELECT FROM pg_proc WHERE proname = $1)", name
        )
        return bool(found)


class Sql:
    """A connection that is opened at its first use; everything is synchronous here."""

    def __init__(self, lab: "Lab", dsn: str) -> None:
        self._lab = lab
        self._dsn = dsn
        self._connection: Any = None

    def _run(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        async def ready() -> T:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect_unbound(self._dsn)
            return await work(self._connection)

        return self._lab.wait(ready())

    def execute(self, statement: str, *values: Any) -> None:
        self._run(lambda connection: connection.execute(statement, *values))

    def value(self, statement: str, *values: Any) -> Any:
        return self._run(lambda connection: connection.fetchval(statement, *values))

    def row(self, statement: str, *values: Any) -> Any:
        return self._run(lambda connection: connection.fetchrow(statement, *values))

    def rows(self, statement: str, *values: Any) -> list[Any]:
        return self._run(lambda connection: connection.fetch(statement, *values))

    def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            self._lab.wait(self._connection.close())
        self._connection = None


@dataclass
class Lab:
    """One run: a cluster, the data of one scale, the figures so far."""

    server: EmbeddedServer
    dataset: Dataset
    scale: Scale
    folder: Path
    rounds: int | None = None
    duration: float = 10
    quick: bool = False
    say: Callable[[str], None] = print
    figures: list[Figure] = field(default_factory=list)
    checks: list[dict[str, str]] = field(default_factory=list)
    benchmark: str = ""

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: dict[str, servers.Server] = {}
        self._client_cpu = 0.0
        self._stack = ExitStack()
        self._shared: servers.Server | None = None
        self._scratch = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_about: object) -> None:
        self._stack.close()
        self._loop.close()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    # --- what there is to work on ---

    @contextmanager
    def database(self) -> Iterator[BenchDatabase]:
        """The generated data, to change as one likes as long as every rule still holds afterwards.

        A copy that the run keeps for all of its benchmarks; at scales whose copy would not fit, the original.
        """
        database = BenchDatabase(self, self.dataset.working_copy(self.scale))
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def scratch(
        self, prepare: Callable[[str], None] | None = None, *, copies: int = 1
    ) -> Iterator[list[BenchDatabase]]:
        """Migrated databases with reference data and nobody in them, all alike, dropped afterwards.

        `prepare` fills the first, given its address as the superuser; the others are copies of it.
        """
        self._scratch += 1
        names = [f"scratch_{os.getpid()}_{self._scratch}_{number}" for number in range(copies)]
        databases = [BenchDatabase(self, name) for name in names]
        self.dataset.create_empty(names[0])
        try:
            if prepare is not None:
                prepare(self.server.superuser_dsn(names[0]))
            for name in names[1:]:
                self.server.create_database(name, names[0])
            yield databases
        finally:
            for database in databases:
                database.close()
                self.server.drop_database(database.name)

    # --- servers ---

    @contextmanager
    def service(
        self, database: BenchDatabase, *, workers: int = 1, settings: Mapping[str, str] | None = None
    ) -> Iterator[servers.Server]:
        """`elevate serve` on the database, without rate limits; jobs run only where `settings` turns them on."""
        plain = self.quick and workers == 1 and settings is None
        if plain and database.name == self.dataset.working_copy(self.scale):
            yield self._shared_service(database)
            return
        with self._service(database, workers, settings) as server:
            yield server

    def _shared_service(self, database: BenchDatabase) -> servers.Server:
        """Where only checks count, one service does for all that work on the same data."""
        if self._shared is None:
            self._shared = self._stack.enter_context(self._service(database, 1, None))
        return self._shared

    @contextmanager
    def _service(
        self, database: BenchDatabase, workers: int, settings: Mapping[str, str] | None
    ) -> Iterator[servers.Server]:
        port = servers.free_port()
        env = servers.environment(database.dsn(), database.owner_dsn, settings)
        with self._running("service", servers.service_command(port, workers), env, port) as server:
            yield server

    @contextmanager
    def app(
        self, name: str, *, database: BenchDatabase | None = None, reply: Answer | None = None
    ) -> Iterator[servers.Server]:
        """A baseline of `benchmarks.apps` or `benchmarks.naive`; `reply` is what it answers, bytes and headers."""
        port = servers.free_port()
        dsn = self.server.dsn() if database is None else database.dsn()
        env = servers.environment(dsn, dsn)
        if reply is not None:
            path = self.folder / f"reply-{port}.json"
            kept = {"status": reply.status, "headers": reply.headers, "body": encoded(reply.body)}
            path.write_text(json.dumps(kept), encoding="utf-8")
            env["BENCHMARK_REPLY"] = str(path)
        with self._running(name, servers.app_command(name, port), env, port) as server:
            yield server

    @contextmanager
    def _running(self, name: str, command: list[str], env: Mapping[str, str], port: int) -> Iterator[servers.Server]:
        log = self.folder / f"{self.benchmark or 'run'}-{name}.log"
        with servers.running(name, command, env, port, log) as server:
            self._servers[f"{name}-{port}"] = server
            try:
                yield server
            finally:
                del self._servers[f"{name}-{port}"]

    def token(self, user_id: str) -> str:
        return servers.session_token(user_id)

    # --- load ---

    @property
    def seconds_per_round(self) -> float:
        if self.quick:
            return 0.3
        return 1.0 if self.small else 3.0

    @property
    def small(self) -> bool:
        """At up to 200,000 people all of it is to be done within minutes: fewer and shorter rounds."""
        return self.scale.people <= 200_000  # noqa: PLR2004

    @property
    def large(self) -> bool:
        """Where a round of a baseline takes minutes."""
        return not self.scale.copies

    def load(self, server: servers.Server, requests: Sequence[bytes], **how: Unpack[Load]) -> Measured:
        """Requests per second, with latencies in `details`."""
        outcome = self.load_report(server, requests, **how)
        details = {name: value for name, value in outcome.items() if name.endswith("_ms")}
        done = outcome["requests"]
        return Measured(done / outcome["seconds"], done, {**details, "client_share": outcome["client_share"]})

    def load_report(self, server: servers.Server, requests: Sequence[bytes], **how: Unpack[Load]) -> dict[str, Any]:
        """The client's own report of one round; CheckFailed for an answer of another status."""
        with self.background_load(server, requests, **how) as finish:
            return finish()

    @contextmanager
    def background_load(
        self, server: servers.Server, requests: Sequence[bytes], **how: Unpack[Load]
    ) -> Iterator[Callable[[], dict[str, Any]]]:
        """A client under way beside the block; the yielded function waits for its report."""
        path = Path(tempfile.mkstemp(dir=self.folder, suffix=".requests")[1])
        spans, place = [], 0
        with path.open("wb") as blobs:
            for one in requests:
                blobs.write(one)
                spans.append((place, place + len(one)))
                place += len(one)
        job = {
            "port": server.port, "requests": str(path), "spans": spans, "repeat": how.get("repeat", True),
            "connections": how.get("connections", CONNECTIONS), "seconds": how.get("seconds", self.seconds_per_round),
            "expected": list(how.get("expected", (200,))), "rate": how.get("rate", 0),
        }  # fmt: skip
        pin = how.get("pin", False) and not self.quick
        if pin:
            server.pin(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.client"],
            cwd=servers.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if pin and hasattr(os, "sched_setaffinity") and (psutil.cpu_count() or 1) > 1:
            os.sched_setaffinity(process.pid, {1})
        assert process.stdin is not None
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        process.stdin = None

        def finish() -> dict[str, Any]:
            output, _ = process.communicate()
            if process.returncode != 0:
                raise CheckFailed(f"the load on {server.name} broke off; its log:\n{server.log.read_text()[-3000:]}")
            report: dict[str, Any] = json.loads(output)
            self._client_cpu += report["cpu"]
            report["client_share"] = report["cpu"] / max(report["seconds"], 1e-9)
            if report["strange"]:
                raise CheckFailed(f"{server.name} answered {report['statuses']}, such as {report['strange'][0]}")
            return report

        try:
            yield finish
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            path.unlink()

    def drain(self, server: servers.Server, sent: bytes) -> dict[str, Any]:
        """Take a long streamed answer in the client's process: `lines`, `bytes`, `seconds`, `status`, `first`."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.client"], cwd=servers.ROOT, check=True, capture_output=True, text=True,
            input=json.dumps({"port": server.port, "drain": encoded(sent)}),
        )  # fmt: skip
        report: dict[str, Any] = json.loads(done.stdout)
        self._client_cpu += report["cpu"]
        return report

    def get(self, server: servers.Server, path: str, headers: dict[str, str] | None = None) -> Answer:
        return server.ask(request("GET", path, headers=headers))

    # --- measuring ---

    def seconds(self, work: Callable[[], Any]) -> Measured:
        """How long the work takes."""
        started = time.perf_counter()
        work()
        return Measured(time.perf_counter() - started)

    def compare(
        self,
        what: str,
        *,
        ours: Callable[[], Measured],
        baseline: Callable[[], Measured],
        baseline_name: str,
        unit: str,
        reach: Reach | None = None,
        rounds: int = 5,
        warm_up: bool = True,
        prepare: Callable[[], None] | None = None,
        note: str = "",
    ) -> Figure:
        """Run both alternately and keep the figure; who begins changes from round to round.

        `prepare` is called before each round, and neither contender pays for it: changes that both then catch up with.
        """
        most = rounds if not self.small else 3 if reach else 2
        count = self.rounds or (1 if self.quick else min(rounds, most))
        if self.large and unit == "s":
            count, warm_up = min(count, 2), False
        contenders = {"ours": ours, "baseline": baseline}
        if warm_up and not self.quick:
            _call(prepare)
            for contender in contenders.values():
                contender()
        kept: dict[str, list[Round]] = {"ours": [], "baseline": []}
        watch = Watch()
        for number in range(count):
            _call(prepare)
            order = list(contenders) if number % 2 == 0 else list(reversed(contenders))
            for name in order:
                kept[name].append(self._round(contenders[name], watch))
        noise = watch.noise()
        figure = Figure(self.benchmark, what, unit, baseline_name, kept["ours"], kept["baseline"], reach, noise, note)
        self.figures.append(figure)
        verdict = {None: "", True: ", reached", False: ", NOT reached"}[figure.reached]
        wanted = f" ({reach.text}{verdict})" if reach else ""
        self.say(f"  {what}: {figure.ratio:.4g} x {baseline_name}{wanted}")
        return figure

    def _round(self, contender: Callable[[], Measured], watch: Watch) -> Round:
        before = self._cpu()
        watch.begin()
        measured = contender()
        used = self._cpu() - before
        return Round(measured, used, watch.end(used))

    def _cpu(self) -> Cpu:
        status = self.server.status()
        postgres = used_by([status.pid]) if status.pid else 0.0
        return Cpu(used_by(one.pid for one in self._servers.values()), postgres, self._client_cpu)

    def count_client(self, seconds: float) -> None:
        """Processor time of a client that ran outside `load`, such as pgbench."""
        self._client_cpu += seconds

    def check(self, what: str, holds: bool, detail: Any = "") -> None:
        """A truth without which the speed means nothing. Raises CheckFailed."""
        if not holds:
            raise CheckFailed(f"{self.benchmark}: {what} does not hold. {detail}")
        self.checks.append({"benchmark": self.benchmark, "check": what})


def _call(work: Callable[[], None] | None) -> None:
    if work is not None:
        work()


def fresh_folder(parent: Path) -> Path:
    folder = parent / f"run-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
