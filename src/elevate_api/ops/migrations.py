"""Running Alembic: upgrade, downgrade, and where a database stands."""

from dataclasses import dataclass
from functools import lru_cache

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import func, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Address, Database
from elevate_api.kit.jobs import JobRun
from elevate_api.kit.sqlfiles import migrations_dir

log = structlog.get_logger(__name__)
UNDEFINED_TABLE = "42P01"
JOB = "migrate"
"""Name of its runs in `job_runs`; the alert rule migration_failure reads the last one."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A revision and the first line of what it says about itself."""

    revision: str
    title: str


@dataclass(frozen=True, slots=True)
class MigrationState:
    """`current` is None on an empty database. `ahead`: the database knows a revision that this code does not."""

    current: str | None
    head: str
    pending: tuple[str, ...]
    ahead: bool

    @property
    def up_to_date(self) -> bool:
        return self.current == self.head


def alembic_config(address: Address | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()))
    config.attributes["address"] = address
    return config


def head() -> str:
    found = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if found is None:
        raise RuntimeError("no migrations found")
    return found


def upgrade(address: Address, revision: str = "head") -> None:
    """Migrate; runs an event loop of its own, so call it from synchronous code or a thread."""
    command.upgrade(alembic_config(address), revision)


def downgrade(address: Address, revision: str) -> None:
    command.downgrade(alembic_config(address), revision)


def undone_by(current: str, to: str) -> list[Migration]:
    """What a downgrade from `current` to `to` (a revision, `base`, or -1 and so on) takes back, the newest first.

    Raises alembic's CommandError for a revision that there is not.
    """
    scripts = ScriptDirectory.from_config(alembic_config())
    history = [Migration(one.revision, one.doc) for one in scripts.iterate_revisions(current, "base")]
    if to.startswith("-"):
        return history[: int(to[1:])]
    if to == "base":
        return history
    wanted = scripts.get_revision(to).revision
    return [one for one in history if one.revision > wanted]


def state_of(current: str | None) -> MigrationState:
    """Compare a database's revision with this code's."""
    scripts = ScriptDirectory.from_config(alembic_config())
    order = [script.revision for script in scripts.walk_revisions()][::-1]
    if current is not None and current not in order:
        return MigrationState(current, order[-1], (), ahead=True)
    start = order.index(current) + 1 if current is not None else 0
    return MigrationState(current, order[-1], tuple(order[start:]), ahead=False)


async def record_run(address: Address, *, ok: bool, error: str | None = None) -> None:
    """Keep how a migration ended, for the alert. A database that has no room for it, or is gone, is no error here."""
    database = Database(address, pooled=False)
    try:
        async with database.session() as session:
            session.add(JobRun(name=JOB, triggered_by="cli", finished_at=func.clock_timestamp(), ok=ok, error=error))
    except (SQLAlchemyError, OSError) as failure:
        log.warning("migration_not_recorded", error=type(failure).__name__)
    finally:
        await database.dispose()


@lru_cache(maxsize=16)
def pending_count(current: str | None) -> int:
    """How many of this code's migrations a database at `current` lacks; 0 for one that is ahead."""
    return len(state_of(current).pending)


async def read_current(session: AsyncSession) -> str | None:
    """The database's revision, None where nothing was migrated yet."""
    try:
        async with session.begin_nested():
            current: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != UNDEFINED_TABLE:
            raise
        return None
    return current
