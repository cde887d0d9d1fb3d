"""Folded totals equal plain sums and a rebuild, whatever happens meanwhile."""

import os
import random
from collections.abc import Awaitable, Callable

from tests.support.sql import Connection
from tests.totals.life import Life
from tests.totals.truth import assert_exact

ALL = bool(os.environ.get("ELEVATE_TEST_ALL"))
ROUNDS, SECONDS = (12, 10.0) if ALL else (2, 2.5)


async def test_folds_are_exact_whatever_happens_meanwhile(connect: Callable[..., Awaitable[Connection]]) -> None:
    seed = random.randrange(1 << 32)  # noqa: S311 - no secret
    life = Life(connect, seed)  # a failure shows it among the locals of this function
    await life.prepare()
    for _ in range(ROUNDS):
        await life.run(SECONDS)
        await assert_exact(await connect())
    done = life.counts
    assert min(done.get(kind, 0) for kind in ("points", "long", "folds", "folds_of_own", "rebuilds", "evidence")) > 0, (
        done
    )
    assert done.get("rolled back", 0) > 0, done
