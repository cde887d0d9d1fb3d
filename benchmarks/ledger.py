"""What a ledger row costs with everything that is kept up to date because of it."""

from benchmarks.catalogue import benchmark
from benchmarks.figures import Measured, Reach, at_least
from benchmarks.lab import BenchDatabase, Lab
from benchmarks.pgbench import pgbench

# The table of the first migration: its columns, rules and indexes, nothing that maintains anything.
BARE = (
    "DROP TABLE IF EXISTS bare_ledger",
    """CREATE TABLE bare_ledger (
         id uuid NOT NULL DEFAULT uuid_v7(), user_id text NOT NULL, activity_code text NOT NULL, source text NOT NULL,
         delta_points integer NOT NULL, external_event_id text, event_time timestamptz NOT NULL DEFAULT now(),
         created_at timestamptz NOT NULL DEFAULT now(),
         CHECK (source IN ('MANUAL', 'WEBHOOK', 'FORM')),
         CHECK (delta_points BETWEEN -1000 AND 1000 AND delta_points <> 0))""",
    """INSERT INTO bare_ledger
       SELECT id, user_id, activity_code, source, delta_points, external_event_id, event_time, created_at
       FROM points_ledger""",
    "ALTER TABLE bare_ledger ADD PRIMARY KEY (id), ADD UNIQUE (external_event_id)",
    "CREATE INDEX ON bare_ledger (user_id, created_at, id)",
    "ALTER TABLE bare_ledger ADD FOREIGN KEY (user_id) REFERENCES users",
    "ALTER TABLE bare_ledger ADD FOREIGN KEY (activity_code) REFERENCES activities",
    "ANALYZE bare_ledger",
)
ROLE = "ALTER TABLE bare_ledger ENABLE ROW LEVEL SECURITY"
POLICY = "CREATE POLICY service ON bare_ledger TO elevate_app USING (true) WITH CHECK (true)"
GRANTS = "GRANT SELECT, INSERT ON bare_ledger TO elevate_app"

INSERT = """\\set n random({first}, {last})
INSERT INTO {table} (user_id, activity_code, source, delta_points, external_event_id) SELECT
'user_2' || substr(md5('person' || (:n)::text), 1, 26), 'AMPLIFY', 'MANUAL', 5, 'benchmark:' || gen_random_uuid();
"""
BATCH = """
INSERT INTO {table} (user_id, activity_code, source, delta_points, external_event_id)
SELECT id, 'AMPLIFY', 'MANUAL', 5, 'benchmark:' || gen_random_uuid() FROM users
WHERE id >= 'user_2' || substr(md5(random()::text), 1, 26) ORDER BY id LIMIT 500;
"""


@benchmark("ledger")
def ledger(lab: Lab) -> None:
    """Inserting ledger rows, with all maintenance against the bare table."""
    with lab.database() as database:
        for statement in (*BARE, ROLE, POLICY, GRANTS):
            database.owner.execute(statement)
        # A table that was just filled writes no page whole again until the next checkpoint; the other one would.
        database.superuser.execute("CHECKPOINT")
        before = _counts(database)
        _compare(lab, database, "ledger insert with all maintenance", INSERT, at_least(0.9))
        _compare(lab, database, "ledger insert, 500 rows a statement", BATCH, None)
        after = _counts(database)
        lab.check("both tables took rows", all(now > then for now, then in zip(after, before, strict=True)), after)
        # These rows have no cause: they go again, as the operator, so that the data keeps its rules.
        database.superuser.execute("SET session_replication_role = replica")
        database.superuser.execute("DELETE FROM points_ledger WHERE external_event_id LIKE 'benchmark:%'")
        database.superuser.execute("SET session_replication_role = origin")
        database.owner.execute("DROP TABLE bare_ledger")
        database.owner.execute("SELECT rebuild_totals('rows of a benchmark went')")


def _compare(lab: Lab, database: BenchDatabase, what: str, script: str, reach: Reach | None) -> None:
    people = {"first": lab.dataset.staff(lab.scale) + 1, "last": lab.scale.people}

    def into(table: str) -> Measured:
        return pgbench(lab, database, script.format(table=table, **people))

    lab.compare(
        what,
        ours=lambda: into("points_ledger"),
        baseline=lambda: into("bare_ledger"),
        baseline_name="the bare table, same keys and rules",
        unit="transactions/s",
        reach=reach,
        rounds=5 if reach else 2,
        warm_up=reach is not None,
    )


def _counts(database: BenchDatabase) -> list[int]:
    return [database.owner.value(f"SELECT count(*) FROM {table}") for table in ("points_ledger", "bare_ledger")]
