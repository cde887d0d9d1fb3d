"""Everything counted anew from the ledger."""

from benchmarks import straightforward
from benchmarks.catalogue import benchmark
from benchmarks.figures import at_most
from benchmarks.lab import BenchDatabase, Lab

VIEW = "leaderboard_totals"
# What is counted, without when and how often.
_TABLES = ("user_totals", "score_histogram", "stage_totals", "day_totals")
_DIGEST = "SELECT count(*) || ' ' || coalesce(sum(hashtextextended({table}::text, 0)::numeric), 0) FROM {table}"


@benchmark("rebuild")
def rebuild(lab: Lab) -> None:
    """All totals rebuilt from nothing, against building the straightforward totals view once."""
    with lab.database() as database:
        database.service.execute("SELECT * FROM fold_totals(true)")
        folded = _digests(database)
        lab.compare(
            "everything rebuilt from nothing",
            prepare=lambda: straightforward.drop(database, VIEW),
            ours=lambda: lab.seconds(lambda: database.owner.execute("SELECT rebuild_totals('benchmark')")),
            baseline=lambda: lab.seconds(lambda: straightforward.build(database, VIEW)),
            baseline_name="CREATE MATERIALIZED VIEW of the straightforward totals, with its indexes",
            unit="s",
            reach=at_most(2),
            rounds=3,
            warm_up=False,
        )
        _check(lab, database, folded)
        straightforward.make(database, (VIEW,))


def _digests(database: BenchDatabase) -> dict[str, str]:
    return {table: database.owner.value(_DIGEST.format(table=table)) for table in _TABLES}


def _check(lab: Lab, database: BenchDatabase, folded: dict[str, str]) -> None:
    """Nothing but the window of 30 days has moved since; a fold of both would see the same rows leave."""
    rebuilt = _digests(database)
    lab.check(
        "rebuilt stage and day totals equal the folded ones", *_same(folded, rebuilt, "stage_totals", "day_totals")
    )
    people = [digests["user_totals"].split()[0] for digests in (folded, rebuilt)]
    lab.check("as many people", people[0] == people[1], people)


def _same(one: dict[str, str], other: dict[str, str], *tables: str) -> tuple[bool, object]:
    found = {table: (one[table], other[table]) for table in tables}
    return all(a == b for a, b in found.values()), found
