"""Everything counted anew from the ledger."""

from benchmarks import straightforward
from benchmarks.catalogue import benchmark
from benchmarks.figures import at_most
from benchmarks.lab import BenchDatabase, Lab

VIEW = "leaderboard_totals"
# What does not move by itself: every column of everybody but those of the window of 30 days.
_STILL = {
    "user_totals": "user_id, on_board, cohort, school, total_points, entries, reached_at, learn_points, "
    "explore_points, amplify_points, present_points, shine_points, submissions, approved, pending, stages_submitted",
    "stage_totals": "*",
    "day_totals": "*",
}
# The window of whoever has nothing that left it between two moments of it; the first is kept beside the copy.
_WINDOW = """
SELECT count(*) FROM folded_user_totals f FULL JOIN user_totals t ON t.user_id = f.user_id
WHERE (f.points_30d, f.entries_30d) IS DISTINCT FROM (t.points_30d, t.entries_30d)
  AND NOT EXISTS (
    SELECT FROM points_ledger l, folded_state before, totals_state now
    WHERE l.user_id = t.user_id AND l.created_at > before.swept_to AND l.created_at <= now.swept_to)
"""
_LADDER = """
SELECT count(*) FROM (
  SELECT period, points, people FROM score_histogram
  EXCEPT
  (SELECT 'all', total_points, count(*) FROM user_totals WHERE on_board AND total_points > 0 GROUP BY total_points
   UNION ALL
   SELECT '30d', points_30d, count(*) FROM user_totals WHERE on_board AND points_30d > 0 GROUP BY points_30d)
) d
"""


@benchmark("rebuild")
def rebuild(lab: Lab) -> None:
    """All totals rebuilt from nothing, against building the straightforward totals view once."""
    with lab.database() as database:
        database.service.execute("SELECT * FROM fold_totals(true)")
        _keep(database)
        lab.compare(
            "everything rebuilt from nothing",
            prepare=lambda: straightforward.drop(database, VIEW),
            ours=lambda: lab.seconds(lambda: database.owner.execute("SELECT rebuild_totals('benchmark')")),
            baseline=lambda: lab.seconds(lambda: straightforward.build(database, VIEW)),
            baseline_name="CREATE MATERIALIZED VIEW of the straightforward totals, with its indexes",
            unit="s",
            reach=at_most(2),
            rounds=1 if lab.large else 3,
            warm_up=False,
        )
        _check(lab, database)
        straightforward.make(database, (VIEW,))


def _keep(database: BenchDatabase) -> None:
    """A copy of the folded totals, for the connection that compares."""
    for table in _STILL:
        database.superuser.execute(f"CREATE TEMP TABLE folded_{table} AS SELECT * FROM {table}")
    database.superuser.execute("CREATE TEMP TABLE folded_state AS SELECT swept_to FROM totals_state")


def _check(lab: Lab, database: BenchDatabase) -> None:
    """Rebuilt equals folded, row by row; nobody has written since, but the window has moved."""
    database.superuser.execute("SET work_mem = '256MB'")
    for table, columns in _STILL.items():
        different = database.superuser.value(_DIFFERENT.format(table=table, columns=columns))
        lab.check(f"rebuilt {table} equal the folded ones, row by row", different == 0, different)
    lab.check("so does everybody's window, but for what left it", database.superuser.value(_WINDOW) == 0)
    lab.check("the ladder of scores is that of the people", database.superuser.value(_LADDER) == 0)


_DIFFERENT = """
SELECT count(*) FROM (
  (SELECT {columns} FROM folded_{table} EXCEPT SELECT {columns} FROM {table})
  UNION ALL
  (SELECT {columns} FROM {table} EXCEPT SELECT {columns} FROM folded_{table})
) d
"""
