"""All six views brought up to date."""

from benchmarks import changes, straightforward
from benchmarks.catalogue import benchmark
from benchmarks.figures import at_most
from benchmarks.lab import BenchDatabase, Lab

_COLUMNS = {
    "leaderboard_totals": "user_id",
    "leaderboard_30d": "user_id",
    "activity_metrics": "activity_code",
    "cohort_metrics": "cohort",
    "school_metrics": "school",
    "time_series_metrics": "day, activity_code",
}


@benchmark("refresh")
def refresh(lab: Lab) -> None:
    """`refresh_all_analytics()` after what all six views depend on has changed."""
    with lab.database() as database:
        straightforward.make(database)
        changed = max(1, lab.scale.people // 1000)
        lab.compare(
            "refresh_all_analytics(), all six changed",
            prepare=lambda: changes.everything(lab, database, changed),
            ours=lambda: lab.seconds(lambda: _refresh_all(lab, database)),
            baseline=lambda: lab.seconds(lambda: straightforward.refresh(database)),
            baseline_name="REFRESH CONCURRENTLY of the straightforward six",
            unit="s",
            reach=at_most(1 / 6),
            rounds=1 if lab.large else 2,  # of minutes each at a million, and nearly alike
            warm_up=False,
        )
        check_views(lab, database)


# As the owner, whose statements may take their time; the service refreshes view by view, with a bound of its own.
def _refresh_all(lab: Lab, database: BenchDatabase) -> None:
    rows = database.owner.rows("SELECT * FROM refresh_all_analytics()")
    lab.check("all six were refreshed", len(rows) == len(_COLUMNS) and all(row["ok"] for row in rows), rows)


def check_views(lab: Lab, database: BenchDatabase) -> None:
    """Every column of every row of the six, ours against the straightforward."""
    # Both have just been refreshed. Their windows of 30 days move with the clock: what leaves in between may differ.
    for view in _COLUMNS:
        different = database.superuser.value(_DIFFERENT.format(view=view, columns=_shared(database, view)))
        allowed = max(5, lab.scale.people // 5_000) if view == "leaderboard_30d" else 0
        lab.check(f"{view} says what the straightforward view says", different <= allowed, different)


_DIFFERENT = """
SELECT count(*) FROM (
  (SELECT {columns} FROM public.{view} EXCEPT SELECT {columns} FROM straightforward.{view})
  UNION ALL
  (SELECT {columns} FROM straightforward.{view} EXCEPT SELECT {columns} FROM public.{view})
) d
"""


def _shared(database: BenchDatabase, view: str) -> str:
    rows = database.superuser.rows(
        "SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute "
        "WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum",
        f"straightforward.{view}",
    )
    # Averages of the same numbers may differ in digits that nobody sees.
    return ", ".join(f"round({r['attname']}, 6)" if r["type"] == "numeric" else r["attname"] for r in rows)
