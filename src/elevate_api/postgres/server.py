"""The embedded server: start or adopt, stop, databases."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self

from elevate_api.postgres import account as accounts
from elevate_api.postgres import binaries as binaries_module
from elevate_api.postgres import client, cluster, locking, paths, postmaster
from elevate_api.postgres.binaries import Binaries
from elevate_api.postgres.errors import StartError
from elevate_api.postgres.postmaster import Postmaster

StopMode = Literal["smart", "fast", "immediate"]

_SIGNALS: Mapping[StopMode, signal.Signals] = MappingProxyType(
    # smart waits for clients to leave, fast ends their transactions, immediate is a crash: the next start recovers
    {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
)
_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "cluster_name": "elevate",
    }
)
_CARELESS: Mapping[str, str] = MappingProxyType(
    {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"},
)
_LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_LINES = 15
_LOG = logging.getLogger("elevate_api.postgres")


@dataclass(frozen=True)
class Status:
    """What is on disk and what runs; ``pid`` and ``sockets`` are None when nothing runs."""

    version: str
    source: str
    bindir: Path
    cluster: Path
    log: Path
    initialised: bool
    pid: int | None
    state: str
    sockets: Path | None
    owner_pid: int | None


class EmbeddedServer:
    """One cluster under ``data_dir`` (default: :func:`paths.default_data_dir`) and the process that serves it.

    ``start`` creates the cluster when there is none, adopts the server when another live process of ours runs it, and
    else runs one as a child. On Linux the kernel ends that child when this process ends, however it ends; elsewhere an
    exit handler does, and the next start sees off a server whose owner was killed. Start it from the main thread and
    before worker processes. Every method raises an :class:`EmbeddedPostgresError` with a sentence for the user.

    ``fsync=False`` is for data that may be lost: tests. ``settings`` are PostgreSQL's own and win over ours.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        binaries: Binaries | None = None,
        start_timeout: float = 60,
        stop_timeout: float = 30,
    ) -> None:
        self.data_dir = Path(os.path.abspath(data_dir or paths.default_data_dir()))  # noqa: PTH100 - links stay as named
        self._durable = fsync
        self._settings = dict(settings or {})
        self._binaries = binaries
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._starter = 0
        self._sockets: Path | None = None

    @property
    def binaries(self) -> Binaries:
        """The PostgreSQL in use, for its tools: ``server.binaries.tool("pg_dump")``. Found at first use."""
        if self._binaries is None:
            self._binaries = binaries_module.find()
        return self._binaries

    @property
    def layout(self) -> paths.Layout:
        return paths.Layout(self.data_dir, self.binaries.major)

    @property
    def owned(self) -> bool:
        """Whether the server is this process's child, which ``stop`` ends. A forked child does not own it."""
        return self._starter == os.getpid() and self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Returns when the server takes connections. Does nothing when it runs already."""
        layout = self.layout
        paths.make_home(layout)
        account = accounts.choose(layout.cluster)
        paths.require_reachable(layout, account)
        with locking.exclusive(layout.lock, self._start_timeout + self._stop_timeout):
            if not self._adopt(layout):
                self._create_and_launch(layout, account)
        return self

    def stop(self, mode: StopMode = "fast", *, adopted: bool = False) -> None:
        """Ends our own server and waits until it is gone; ``adopted`` ends another process's as well.

        A server that does not end within ``stop_timeout`` seconds is made to: its next start recovers.
        """
        self._sockets = None
        if not (self.owned or adopted) or not self.layout.home.is_dir():
            return
        with locking.exclusive(self.layout.lock, self._start_timeout + self._stop_timeout):
            live = postmaster.running_on(self.layout.cluster)
            if live is not None:
                self._end(live, _SIGNALS[mode])
            self._reap()
            paths.drop_sockets(self.layout)

    def status(self) -> Status:
        layout = self.layout
        live = postmaster.running_on(layout.cluster)
        owner = live.owner.partition("/")[0] if live and live.owner else ""
        return Status(
            version=self.binaries.version,
            source=self.binaries.source,
            bindir=self.binaries.bindir,
            cluster=layout.cluster,
            log=layout.log,
            initialised=layout.cluster.is_dir(),
            pid=live.pid if live else None,
            state=live.state if live else "stopped",
            sockets=live.sockets if live else None,
            owner_pid=int(owner) if owner else None,
        )

    @property
    def socket_dir(self) -> Path:
        if self._sockets is None:
            raise StartError("the embedded server has not been started")
        return self._sockets

    def dsn(self, database: str = "postgres", user: str = cluster.OWNER) -> str:
        """``postgresql://user@/database?host=/socket/folder&port=5432``, by default for the databases' owner."""
        return client.socket_dsn(self.socket_dir, user, database)

    def superuser_dsn(self, database: str = "postgres") -> str:
        return self.dsn(database, cluster.SUPERUSER)

    def psql(self, sql: str, *, database: str = "postgres", user: str = cluster.SUPERUSER) -> str:
        """Runs one statement; returns its rows as ``a|b`` lines."""
        return client.run_sql(self.binaries, self.dsn(database, user), sql)

    def database_exists(self, name: str) -> bool:
        return self.psql(f"SELECT 1 FROM pg_database WHERE datname = {client.literal(name)}") == "1"

    def create_database(self, name: str, template: str | None = None) -> None:
        """An empty database, or a copy of ``template`` (nobody may be connected to that), owned by ``elevate``."""
        source = f" TEMPLATE {client.identifier(template)}" if template else ""
        self.psql(f"CREATE DATABASE {client.identifier(name)} OWNER {cluster.OWNER}{source}")

    def ensure_database(self, name: str) -> bool:
        """Creates the database unless it is there; says whether it did."""
        if self.database_exists(name):
            return False
        self.create_database(name)
        return True

    def drop_database(self, name: str) -> None:
        """Drops it with whoever is connected; nothing happens when there is none of that name."""
        self.psql(f"DROP DATABASE IF EXISTS {client.identifier(name)} WITH (FORCE)")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _adopt(self, layout: paths.Layout) -> bool:
        """True when a server runs that is to stay; one whose owner died, or that is leaving, is seen off first."""
        self._reap()
        live = postmaster.running_on(layout.cluster)
        if live is None:
            self._abandon(self._stop_timeout)  # a child of ours that serves nothing is about to end
            return False
        if live.orphaned or live.state == "stopping":
            self._end(live, signal.SIGINT)
            return False
        self._await_ready(layout)
        return True

    def _create_and_launch(self, layout: paths.Layout, account: accounts.Account) -> None:
        usable = accounts.runnable_by(account, self.binaries, layout.home)
        if not layout.cluster.exists():
            _warn_of_other_versions(layout)
            cluster.create(layout, usable, account, sync=self._durable)
        sockets = paths.make_sockets(layout, account)
        postmaster.clear_stale(layout.cluster, sockets, self._stop_timeout)
        self._launch(layout, usable, account, self._options(usable, sockets))
        self._await_ready(layout)

    def _options(self, usable: Binaries, sockets: Path) -> dict[str, str]:
        preload = {"shared_preload_libraries": cluster.STATEMENTS} if usable.has_extension(cluster.STATEMENTS) else {}
        return {
            **_DEFAULTS,
            **preload,
            **({} if self._durable else _CARELESS),
            **self._settings,
            "port": str(paths.PORT),
            "unix_socket_directories": str(sockets),
            postmaster.OWNER_SETTING: postmaster.identity(os.getpid()) or "",
        }

    def _launch(
        self, layout: paths.Layout, usable: Binaries, account: accounts.Account, options: Mapping[str, str]
    ) -> None:
        if sys.platform == "linux" and threading.current_thread() is not threading.main_thread():
            # The kernel's parent-death signal follows the thread that spawned, not the process.
            raise StartError("start the embedded server from the main thread: it ends with the thread that starts it")
        ids = [str(account.uid), str(account.gid)] if account.borrowed else ["-", "-"]
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), *ids, str(os.getpid())]
        server = [str(usable.tool("postgres")), "-D", str(layout.cluster)]
        for name, value in options.items():
            server += ["-c", f"{name}={value}"]
        log = locking.open_log(layout.log)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list, no shell
                [*launcher, *server],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**usable.environment(), "LC_ALL": "C"},
                start_new_session=True,  # Ctrl-C in the terminal is for the owner, who stops the server last
            )
        finally:
            os.close(log)
        self._starter = os.getpid()
        atexit.register(self._stop_at_exit)

    def _await_ready(self, layout: paths.Layout) -> None:
        """Waits for "ready"; StartError with the end of the log when the server ends or takes too long."""
        live: Postmaster | None = None

        def settled() -> bool:
            nonlocal live
            live = postmaster.running_on(layout.cluster)
            died = live is None and (self._process is None or self._process.poll() is not None)
            return died or (live is not None and live.state == "ready")

        in_time = postmaster.wait_until(settled, self._start_timeout)
        if live is None or live.state != "ready":
            self._abandon()
            problem = "did not start" if in_time else f"was not ready after {self._start_timeout:g} seconds"
            raise StartError(f"PostgreSQL {problem}. The end of {layout.log}:\n{_tail(layout.log)}")
        self._sockets = live.sockets or layout.sockets

    def _abandon(self, patience: float = 0) -> None:
        """Ends a child that serves nothing: one that never became ready, or was killed. The lock is ours already."""
        if self.owned and self._process is not None:
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reap()

    def _end(self, live: Postmaster, how: signal.Signals) -> None:
        """Signals, waits until the process is gone (its pid file goes earlier), insists."""
        born = postmaster.identity(live.pid)

        def gone() -> bool:
            self._reap()
            return postmaster.identity(live.pid) != born or born is None

        for step in (how, signal.SIGQUIT, signal.SIGKILL):
            try:
                os.kill(live.pid, step)
            except ProcessLookupError:
                pass
            except PermissionError:
                raise StartError(f"the server (pid {live.pid}) belongs to another user") from None
            if postmaster.wait_until(gone, self._stop_timeout):
                return
        raise StartError(f"the server (pid {live.pid}) does not end")

    def _reap(self) -> None:
        if self._process is not None and self._starter == os.getpid() and self._process.poll() is not None:
            self._process = None
            atexit.unregister(self._stop_at_exit)

    def _stop_at_exit(self) -> None:
        if self.owned:
            self.stop()


def _warn_of_other_versions(layout: paths.Layout) -> None:
    others = layout.other_majors()
    if others:
        _LOG.warning(
            "PostgreSQL %s starts with an empty cluster; %s holds data of another version: %s "
            "(point ELEVATE_PG_BINDIR at that version to use it, or pg_dump there and pg_restore here)",
            layout.major,
            layout.home,
            ", ".join(others),
        )


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_LOG_LINES:])
