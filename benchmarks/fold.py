"""The board brought up to date after somebody got points: what changed is folded, against computing the view anew."""

from benchmarks import changes, straightforward
from benchmarks.catalogue import benchmark
from benchmarks.figures import Reach, at_most
from benchmarks.lab import BenchDatabase, Lab

BOARD = ("leaderboard_totals",)
NAME = "REFRESH CONCURRENTLY of the straightforward view"
SHARES = ((0.001, "0.1 %", at_most(1 / 200)), (0.00001, "0.001 %", None), (0.01, "1 %", None))
LEAST_OF_LARGE = 0.001
"""Where a baseline takes five minutes, what `FEW` says about small changes is enough."""
FEW = 100
"""People; the same number at every size, to tell what a fold costs by the change from what it costs by the size."""


@benchmark("fold")
def fold(lab: Lab) -> None:
    """The board up to date after 0.1 % of educators changed (also 0.001 % and 1 %)."""
    with lab.database() as database:
        straightforward.make(database, BOARD)
        database.service.execute("SELECT * FROM fold_totals(true)")
        _warm(database)
        for share, said, reach in SHARES:
            if not (lab.large and share < LEAST_OF_LARGE):
                _compare(lab, database, share, said, reach)
        _compare(lab, database, FEW / lab.scale.people, FEW, None)
        _compare_view(lab, database)
        check_totals(lab, database)


def _compare(lab: Lab, database: BenchDatabase, share: float, said: str | int, reach: Reach | None) -> None:
    lab.compare(
        f"board up to date after {said} educators changed"
        if isinstance(said, int)
        else f"board up to date after {said} of educators changed",
        prepare=lambda: changes.points(lab, database, max(1, round(share * lab.scale.people))),
        ours=lambda: lab.seconds(lambda: _fold(lab, database)),
        baseline=lambda: lab.seconds(lambda: straightforward.refresh(database, BOARD)),
        baseline_name=NAME,
        unit="s",
        reach=reach,
        rounds=3 if reach else 1,
        warm_up=reach is not None,
    )


def _fold(lab: Lab, database: BenchDatabase) -> None:
    outcome = database.service.value("SELECT outcome FROM fold_totals(true)")
    lab.check("the fold folded", outcome == "folded", outcome)


# A copy was just made of files. Where boards are read and folds run all day, the totals are in memory; the view of the
# baseline is read as a whole by each of its refreshes.
_WARM = """
SELECT sum(pg_prewarm(c.oid::regclass)) FROM pg_class c
WHERE c.oid IN ('user_totals_rows'::regclass, 'straightforward.leaderboard_totals'::regclass)
   OR c.oid IN (SELECT indexrelid FROM pg_index
                WHERE indrelid IN ('user_totals_rows'::regclass, 'straightforward.leaderboard_totals'::regclass))
"""


def _warm(database: BenchDatabase) -> None:
    if not database.superuser.value("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_prewarm')"):
        return
    for statement in ("CREATE EXTENSION IF NOT EXISTS pg_prewarm", _WARM, "DROP EXTENSION pg_prewarm"):
        database.superuser.execute(statement)


def _compare_view(lab: Lab, database: BenchDatabase) -> None:
    """The design between the two: the same view, defined over the totals. For the curves."""
    lab.compare(
        "leaderboard_totals over the totals, refreshed after 0.1 %",
        prepare=lambda: changes.points(lab, database, max(1, lab.scale.people // 1000)),
        ours=lambda: lab.seconds(
            lambda: database.service.execute("SELECT * FROM refresh_analytics_view('leaderboard_totals')")
        ),
        baseline=lambda: lab.seconds(lambda: straightforward.refresh(database, BOARD)),
        baseline_name=NAME,
        unit="s",
        rounds=1,
        warm_up=False,
    )


PLAIN = """
SELECT count(*) FROM (
  SELECT user_id, sum(delta_points)::bigint AS points, count(*) AS entries, max(created_at) AS reached_at
  FROM points_ledger GROUP BY user_id
) l FULL JOIN (SELECT * FROM user_totals WHERE entries > 0) t USING (user_id)
WHERE (l.points, l.entries, l.reached_at) IS DISTINCT FROM (t.total_points, t.entries, t.reached_at)
"""
_BOARD = """
SELECT count(*) FROM straightforward.leaderboard_totals v
FULL JOIN (SELECT * FROM user_totals WHERE on_board AND total_points > 0) t USING (user_id)
WHERE (v.total_points, v.entries, v.reached_at, v.cohort, v.school)
   IS DISTINCT FROM (t.total_points, t.entries, t.reached_at, t.cohort, t.school)
"""


def check_totals(lab: Lab, database: BenchDatabase) -> None:
    """Folded totals against plain sums of the ledger, and against the board just refreshed, person by person."""
    database.service.execute("SELECT * FROM fold_totals(true)")
    database.superuser.execute("SET work_mem = '256MB'")
    lab.check("everybody's total is the sum of their ledger rows", database.superuser.value(PLAIN) == 0)
    lab.check("the board is the straightforward view's", database.superuser.value(_BOARD) == 0)
