"""PgBouncer in transaction mode before the run's server: what breaks a client that thinks it has a session."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.support.cluster import OWNER, POOLER_PORT, SERVICE, SUPERUSER, Cluster

from elevate_api.postgres.account import Account

POOL_SIZE = 12
"""Server connections of a database: fewer than the service's own pool, so that they really are shared."""
_CONFIG = """
[databases]
* = host={server} port=5432 pool_size={pool_size}

[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
unix_socket_mode = 0777
listen_port = {port}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
server_reset_query =
max_client_conn = 2000
server_idle_timeout = 30
autodb_idle_timeout = 30
query_wait_timeout = 20
logfile = {folder}/log
pidfile = {folder}/pid
log_connections = 0
log_disconnections = 0
"""


def executable() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def running_pooler(cluster: Cluster) -> Iterator[str]:
    """The folder of its socket. It runs as the server's own account, who alone may enter the server's socket folder."""
    program = executable()
    if program is None:
        raise RuntimeError("pgbouncer is not installed")
    folder = Path(mkdtemp(prefix="elevate-pooler-", dir="/tmp"))
    server = Path(cluster.socket_dir).stat()
    account = Account(server.st_uid, server.st_gid, "", borrowed=os.geteuid() == 0)
    (folder / "users").write_text("".join(f'"{role}" ""\n' for role in (SERVICE, OWNER, SUPERUSER)))
    config = folder / "pgbouncer.ini"
    config.write_text(_CONFIG.format(server=cluster.socket_dir, folder=folder, port=POOLER_PORT, pool_size=POOL_SIZE))
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, server.st_uid, server.st_gid)
    folder.chmod(0o755)
    process = subprocess.Popen(
        [str(program), str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account.popen(),
    )
    try:
        _wait_for(folder / f".s.PGSQL.{POOLER_PORT}", process)
        yield str(folder)
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(folder)


def _wait_for(socket: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            log = socket.parent / "log"
            raise RuntimeError(f"pgbouncer did not start: {log.read_text() if log.exists() else ''}")
        time.sleep(0.02)
