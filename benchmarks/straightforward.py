"""The six views as one correctly writes them over the raw tables: the definitions of the first migration, kept apart.

They live in a schema of their own under their own names, with their indexes, filled.
"""

from benchmarks.lab import BenchDatabase
from elevate_api.kit.sqlfiles import statements

SCHEMA = "straightforward"
VIEWS = (
    "leaderboard_totals", "leaderboard_30d", "activity_metrics", "cohort_metrics", "school_metrics",
    "time_series_metrics",
)  # fmt: skip
_MEMORY = "SET work_mem = '128MB'"
"""What the service's own refresh has."""


def make(database: BenchDatabase, views: tuple[str, ...] = VIEWS) -> None:
    """Create those that are not there yet."""
    database.owner.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    for view in views:
        if database.owner.value("SELECT to_regclass($1)", f"{SCHEMA}.{view}") is None:
            build(database, view)


def build(database: BenchDatabase, view: str) -> None:
    """Create the view, filled and with its indexes."""
    database.owner.execute(_MEMORY)
    database.owner.execute(f"SET search_path = {SCHEMA}, public")
    for statement in statements(view, 1):
        database.owner.execute(statement)
    database.owner.execute("RESET search_path")


def drop(database: BenchDatabase, view: str) -> None:
    database.owner.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    database.owner.execute(f"DROP MATERIALIZED VIEW IF EXISTS {SCHEMA}.{view}")


def refresh(database: BenchDatabase, views: tuple[str, ...] = VIEWS) -> None:
    """Beside their readers, one after the other."""
    database.owner.execute(_MEMORY)
    for view in views:
        database.owner.execute(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {SCHEMA}.{view}")
