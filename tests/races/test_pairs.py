"""Every pair of operations that change something, at once on the same people and submissions of a committed database.

What is left, and whether each was done or refused, must be that of one order of the two; both orders are played first.
The overlap is forced: both queue for a person's lock, or for a submission's, or the first stands before its commit with
everything done when the second begins. Whoever is sent away (503, or a key in use) has changed nothing.

Every run races the dangerous pairs, and some of the others by a seed of the day; `scripts/test --all` races all of
them (RACES_PAIRS=1/4 races a quarter).
"""

import os
import time
from pathlib import Path
from random import Random

from tests.races.operations import DANGEROUS
from tests.races.scene import theatre
from tests.races.trials import Judge, every_pair, ways_for
from tests.support.cluster import Administrator

ALL = bool(os.environ.get("ELEVATE_TEST_ALL"))
SEED = int(os.environ.get("RACES_SEED", "0")) or int(time.time() // 86_400)
SAMPLE = 2


def chosen() -> list[tuple[str, str]]:
    pairs = every_pair()
    if not ALL:
        others = [pair for pair in pairs if pair not in DANGEROUS]
        return [*DANGEROUS, *Random(SEED).sample(others, SAMPLE)]  # noqa: S311 - which pairs, not which secrets
    part, _, parts = os.environ.get("RACES_PAIRS", "0/1").partition("/")
    return pairs[int(part) :: int(parts)]


async def test_pairs_end_as_one_order_of_them_would(administrator: Administrator, tmp_path: Path) -> None:
    faults: list[str] = []
    async with theatre(administrator, tmp_path) as stages:
        judge = Judge(stages, {})
        for number, pair in enumerate(chosen()):
            # In the small form each pair is raced one of the ways, another one tomorrow.
            ways = ways_for(*pair)
            ways = ways if ALL else (ways[(number + SEED) % len(ways)],)
            faults += await judge.race(*pair, ways)
    print(f"seed {SEED}: {len(chosen())} pairs")  # noqa: T201
    assert not faults, "\n\n".join([f"{len(faults)} races ended as no order does", *faults])
