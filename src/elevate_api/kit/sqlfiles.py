"""Functions and views as numbered SQL files: `migrations/sql/<name>.<version>.sql`, never edited once released.

The first line of a file says how its object is dropped (`-- drop: DROP FUNCTION f()`); a line `--;` separates
statements. Today's body is the file with the highest number, and a downgrade puts the one before it back.
"""

import re
from pathlib import Path
from typing import Protocol

_READ = re.compile(r"(?:\\|(?<![:\w\\])(?=:\w)):\w*(?![:\w])")
"""`:name` alone, and a backslash before it: what `TextClause` and its compiler look for."""


class Executes(Protocol):
    """What of `alembic.op` is needed here."""

    def execute(self, sqltext: str) -> None: ...


class NoSuchSqlFile(LookupError):
    pass


def migrations_dir() -> Path:
    """The migrations of a checkout, or those packed into an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parents[1] / "migrations"
    return checkout if (checkout / "env.py").is_file() else package / "_migrations"


def path_of(name: str, version: int) -> Path:
    path = migrations_dir() / "sql" / f"{name}.{version:02d}.sql"
    if not path.is_file():
        raise NoSuchSqlFile(path.name)
    return path


def latest_version(name: str) -> int:
    """Raises NoSuchSqlFile when there is no file of that name."""
    versions = [int(path.name.split(".")[1]) for path in (migrations_dir() / "sql").glob(f"{name}.[0-9][0-9].sql")]
    if not versions:
        raise NoSuchSqlFile(name)
    return max(versions)


def statements(name: str, version: int | None = None) -> list[str]:
    """The statements that create the object, today's version by default."""
    text = path_of(name, version or latest_version(name)).read_text(encoding="utf-8")
    return [part.strip() for part in re.split(r"^--;$", text, flags=re.MULTILINE) if part.strip()]


def drop_statement(name: str, version: int | None = None) -> str:
    text = path_of(name, version or latest_version(name)).read_text(encoding="utf-8")
    return text.split("\n", 1)[0].removeprefix("-- drop:").strip()


def create(op: Executes, name: str, version: int) -> None:
    for statement in statements(name, version):
        op.execute(_literal(statement))


def drop(op: Executes, name: str, version: int) -> None:
    op.execute(drop_statement(name, version))


def replace(op: Executes, name: str, *, old: int, new: int) -> None:
    """Put version `new` in the place of `old`; call it the other way round to downgrade.

    A function keeps its identity (triggers hang on it) and is replaced in place; anything else is dropped first.
    """
    if "CREATE OR REPLACE" not in statements(name, new)[0] or drop_statement(name, old) != drop_statement(name, new):
        drop(op, name, old)
    create(op, name, new)


def _literal(statement: str) -> str:
    """Escape what SQLAlchemy's `text`, which Alembic makes of a string, would read as a parameter or as an escape.

    Nothing else: in 'elevate:email:' or ':approved:v1' there is no parameter, and an escape would stay in the text.
    """
    return _READ.sub(r"\\\g<0>", statement)
