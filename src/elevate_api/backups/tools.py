"""PostgreSQL's own programs: found for the server's version, run without a password on their command line."""

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from elevate_api.backups.errors import BackupFailed
from elevate_api.kit.db import Address
from elevate_api.postgres import binaries

CHUNK = 1 << 20
_SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_WORDS = 2000
"""Characters of a program's complaint that are passed on."""


@dataclass(frozen=True, slots=True)
class Tool:
    path: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def find(name: str, server_major: int) -> Tool:
    """The program of the lowest version that is not older than the server.

    pg_dump refuses a newer server; a dump by a much newer pg_dump may not restore into the server that it came from.
    Raises BackupFailed with what was found.
    """
    found = [tool for tool in map(_tool, _paths(name)) if tool is not None]
    fit = [tool for tool in found if tool.major >= server_major]
    if not fit:
        had = ", ".join(f"{tool.version} in {tool.path.parent}" for tool in found) or "none"
        raise BackupFailed(
            f"the server is PostgreSQL {server_major} and needs a {name} of that version or later; found: {had}. "
            f"Install postgresql-client-{server_major} or point ELEVATE_PG_BINDIR at one"
        )
    return min(fit, key=lambda tool: tool.major)


def _paths(name: str) -> Iterator[Path]:
    explicit = os.environ.get("ELEVATE_PG_BINDIR")
    if explicit:
        yield Path(explicit) / name
    for folder in binaries.bindirs():
        yield folder / name
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    for pattern in _SYSTEM:
        yield from (folder / name for folder in Path("/").glob(pattern.lstrip("/")))


@lru_cache
def _tool(path: Path) -> Tool | None:
    if not path.is_file():
        return None
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) (\d+[.\d]*)", done.stdout)
    return Tool(path, match[1]) if match else None


def connection(address: Address) -> tuple[str, dict[str, str]]:
    """The address for `--dbname`, without its password, and the environment that holds it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    url = address.url.set(drivername="postgresql")._replace(password=None)  # set() takes None for "as it was"
    if address.url.password is not None:
        environment["PGPASSWORD"] = str(address.url.password)
    tls = address.connect_args.get("ssl")
    if isinstance(tls, str):
        environment["PGSSLMODE"] = tls
    elif isinstance(tls, ssl.SSLContext):
        environment["PGSSLMODE"] = "verify-full" if tls.check_hostname else "verify-ca"
        environment["PGSSLROOTCERT"] = address.root_certificate or "system"
    return url.render_as_string(hide_password=False), environment


def run(tool: Tool, arguments: Iterable[str], environment: dict[str, str], **options: object) -> bytes:
    """Run a program to its end; answers what it printed. Raises BackupFailed with its own words."""
    command = [str(tool.path), *arguments]
    done = subprocess.run(command, capture_output=True, check=False, env=environment, **options)  # type: ignore[call-overload]  # noqa: S603
    if done.returncode != 0:
        raise _failed(tool, done.stderr)
    output: bytes = done.stdout
    return output


def pump_out(tool: Tool, arguments: Iterable[str], environment: dict[str, str], write: Callable[[bytes], None]) -> None:
    """Run a program and hand what it prints to `write`, a mebibyte at a time. Raises BackupFailed."""
    with _started(tool, arguments, environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as (process, words):
        assert process.stdout is not None  # noqa: S101  (asked for above)
        while chunk := process.stdout.read(CHUNK):
            write(chunk)
        if process.wait() != 0:
            raise _failed(tool, _tail(words))


def pump_in(tool: Tool, arguments: Iterable[str], environment: dict[str, str], chunks: Iterable[bytes]) -> bytes:
    """Run a program on these bytes; answers what it printed, which is to be little. Raises BackupFailed.

    A program may have read enough before the end (pg_restore of a part): the rest is not sent.
    """
    with (
        TemporaryFile() as printed,
        _started(tool, arguments, environment, stdin=subprocess.PIPE, stdout=printed) as (process, words),
    ):
        assert process.stdin is not None  # noqa: S101  (asked for above)
        with suppress(BrokenPipeError):
            for chunk in chunks:
                process.stdin.write(chunk)
            process.stdin.close()
        if process.wait() != 0:
            raise _failed(tool, _tail(words))
        printed.seek(0)
        return printed.read()


@contextmanager
def _started(
    tool: Tool, arguments: Iterable[str], environment: dict[str, str], *, stdin: int, stdout: "int | BinaryIO"
) -> Iterator[tuple["subprocess.Popen[bytes]", BinaryIO]]:
    """The process, ended in any case, and what it says on standard error (in a file: a full pipe would stop it)."""
    with TemporaryFile() as words:
        process = subprocess.Popen(  # noqa: S603 - a list, no shell
            [str(tool.path), *arguments], env=environment, stdin=stdin, stdout=stdout, stderr=words
        )
        try:
            yield process, words
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(BrokenPipeError):
                        stream.close()


def _tail(words: BinaryIO) -> bytes:
    words.seek(0)
    return words.read()


def _failed(tool: Tool, words: bytes) -> BackupFailed:
    return BackupFailed(f"{tool.path.name} failed: {words.decode(errors='replace').strip()[-_WORDS:]}")
