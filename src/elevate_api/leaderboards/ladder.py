"""The scores of a board and how many people stand above each: any rank, without asking anybody."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from elevate_api.kit.work import UnitOfWork
from elevate_api.leaderboards.queries import Period


class Ladder:
    """A board's histogram as it was at a version; a few thousand scores however many people there are."""

    def __init__(self, version: int, scores: Iterable[tuple[int, int]]) -> None:
        """`scores` are points and the people who have them, in any order."""
        steps = sorted(scores)
        self.version = version
        self._points = [points for points, _ in steps]
        self._above = [0, *accumulate(people for _, people in reversed(steps))]

    @property
    def participants(self) -> int:
        return self._above[-1]

    def rank(self, points: int) -> int:
        """1 + the people with more points."""
        return 1 + self._above[len(self._points) - bisect_right(self._points, points)]


class Ladders:
    """The newest ladder of each board that this process has seen."""

    def __init__(self) -> None:
        self._known: dict[Period, Ladder] = {}
        self._wanted: set[Period] = set()

    def at(self, period: Period, version: int) -> Ladder | None:
        """The ladder of that very version: ranks of one version are no ranks of another."""
        known = self._known.get(period)
        return known if known is not None and known.version == version else None

    def claim(self, period: Period) -> bool:
        """Whether the caller is to fetch it; others are answered by the database meanwhile."""
        if period in self._wanted:
            return False
        self._wanted.add(period)
        return True

    def release(self, period: Period, ladder: Ladder | None) -> None:
        """What the caller fetched, or None when it could not."""
        self._wanted.discard(period)
        if ladder is not None:
            self._known[period] = ladder


async def ladder_at(work: UnitOfWork, ladders: Ladders, period: Period, version: int) -> Ladder | None:
    """The ladder of that version, fetched by the first to ask for it; None for who is to count by another way."""
    known = ladders.at(period, version)
    if known is not None or not ladders.claim(period):
        return known
    fetched = None
    try:
        rows = await work.run(_LADDER.format(version=period.version), period.value)
        fetched = Ladder(rows[0][0], [(points, people) for _, points, people in rows if points is not None])
    finally:
        ladders.release(period, fetched)
    return fetched if fetched.version == version else None


_LADDER = """
SELECT s.{version}, h.points, h.people
FROM totals_state s LEFT JOIN score_histogram h ON h.period = $1
"""
