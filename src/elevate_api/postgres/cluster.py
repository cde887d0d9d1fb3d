"""Makes a cluster: initdb and the roles, in a temporary folder that is renamed when all of it is done.

So a folder named ``data-17`` is always a whole cluster, whenever the power went.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from elevate_api.postgres.account import Account
from elevate_api.postgres.binaries import Binaries
from elevate_api.postgres.errors import ToolError
from elevate_api.postgres.paths import Layout

SUPERUSER = "postgres"
OWNER = "elevate"
STATEMENTS = "pg_stat_statements"
_BUILTIN_LOCALES_SINCE = 17
_INIT_SECONDS = 300

# The owner is no superuser: what works here works on a hosted database. pg_monitor is what those grant as well.
_ROLES = f"CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE;\n\nGRANT pg_monitor TO {OWNER};\n\n"


def create(layout: Layout, binaries: Binaries, account: Account, *, sync: bool) -> None:
    """Create ``layout.cluster``; ToolError with the program's own words when that fails."""
    for leftover in layout.home.glob("init-*"):  # of an initdb that was killed
        shutil.rmtree(leftover)
    fresh = account.give(Path(tempfile.mkdtemp(prefix="init-", dir=layout.home)))
    try:
        _initdb(fresh, binaries, account, sync=sync)
        _bootstrap(fresh, binaries, account, sync=sync)
        fresh.rename(layout.cluster)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if sync:
        _sync_folder(layout.home)


def _initdb(folder: Path, binaries: Binaries, account: Account, *, sync: bool) -> None:
    command = [
        str(binaries.tool("initdb")),
        *("-D", str(folder), "-U", SUPERUSER, "--encoding=UTF8", "--data-checksums", "--no-instructions"),
        *("--auth-local=trust", "--auth-host=reject"),
        *([] if sync else ["--no-sync"]),
    ]
    # The built-in provider sorts alike on every platform and needs no locale of the system.
    builtin = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if binaries.major >= _BUILTIN_LOCALES_SINCE:
        _run([*command, *builtin], binaries, account)
        return
    try:
        _run([*command, "--locale=C.UTF-8"], binaries, account)
    except ToolError as error:
        if "invalid locale" not in error.output:
            raise
        _run([*command, "--locale=C"], binaries, account)  # macOS before 15 has no C.UTF-8


def _bootstrap(folder: Path, binaries: Binaries, account: Account, *, sync: bool) -> None:
    """Roles and template1, in single-user mode: no server has to come up before the rename."""
    command = [str(binaries.tool("postgres")), "--single", "-j", "-D", str(folder)]
    command += [] if sync else ["-F"]
    # In template1, so that every database has it; it is not a trusted extension, the owner could not create it.
    statements = f"CREATE EXTENSION {STATEMENTS};\n\n" if binaries.has_extension(STATEMENTS) else ""
    output = _run([*command, "template1"], binaries, account, given=_ROLES + statements)
    if "ERROR:" in output or "FATAL:" in output:  # single-user mode goes on after an error and ends with 0
        raise ToolError(f"the new cluster could not be prepared: {output.strip()}", output)


def _run(command: list[str], binaries: Binaries, account: Account, given: str = "") -> str:
    options: dict[str, Any] = {"env": {**binaries.environment(), "LC_ALL": "C"}, **account.popen()}
    done = subprocess.run(  # noqa: S603 - a list, no shell
        command,
        input=given.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=_INIT_SECONDS,
        **options,
    )
    output: str = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise ToolError(f"{Path(command[0]).name} failed: {output.strip()}", output)
    return output


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
