"""The scores of a board and how many people stand above each: any rank, without asking anybody."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

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
