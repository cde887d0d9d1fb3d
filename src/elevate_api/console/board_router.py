"""The public board, with the visitor's own place beside it."""

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fastapi import Response

from elevate_api.console.client import ApiRefused, together
from elevate_api.console.pages import PageRouter
from elevate_api.console.visits import Visit, Visitor

PAGE_SIZE = 25
SUGGESTIONS_FROM = 100
SUGGESTED_SECONDS = 60

router = PageRouter()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for. `q` searches: `search` would let the feature switch answer for the page."""

    period: str
    cohort: str
    school: str
    q: str
    cursor: str

    def query(self, **changes: str) -> str:
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        return urlencode(
            {name: value for name, value in values.items() if value and (name, value) != ("period", "all")}
        )


@dataclass(slots=True)
class Suggestions:
    """Cohorts and schools of those at the top of the board, to choose from; any other may be typed."""

    until: float = 0.0
    cohorts: list[str] = field(default_factory=list)
    schools: list[str] = field(default_factory=list)


@router.get("/console/board")
async def board_page(
    visit: Visitor, period: str = "all", cohort: str = "", school: str = "", q: str = "", cursor: str = ""
) -> Response:
    wanted = Wanted(period, cohort.strip(), school.strip(), q.strip(), cursor)
    (board, search_off), own, stats, badges, suggestions = await together(
        _board(visit, wanted),
        _own_rank(visit, wanted.period),
        visit.api.attempt("GET", "/api/stats"),
        visit.api.attempt("GET", "/api/badges"),
        _suggestions(visit),
    )
    values = {
        "wanted": wanted,
        "board": board,
        "search_off": search_off,
        "own": own,
        "stats": None if isinstance(stats, ApiRefused) else stats,
        "badges": {} if isinstance(badges, ApiRefused) else {badge["code"]: badge["name"] for badge in badges["items"]},
        "suggestions": suggestions,
    }
    return visit.page("board_part.html" if visit.is_fragment else "board.html", **values)


async def _board(visit: Visit, wanted: Wanted) -> tuple[Any, bool]:
    """The page of the board, and whether an operator has switched searching off."""
    query = {"period": wanted.period, "cohort": wanted.cohort, "school": wanted.school, "limit": PAGE_SIZE}
    try:
        found = await visit.api.get("/api/leaderboard", **query, search=wanted.q, cursor=wanted.cursor)
    except ApiRefused as refused:
        if refused.code != "FEATURE_DISABLED":
            raise
        return await visit.api.get("/api/leaderboard", **query), True
    return found, False


async def _own_rank(visit: Visit, period: str) -> Any:
    if visit.viewer is None:
        return None
    found = await visit.api.attempt("GET", "/api/me/rank", query={"period": period})
    return None if isinstance(found, ApiRefused) else found


async def _suggestions(visit: Visit) -> Suggestions:
    """Read once a minute, for everybody."""
    state = visit.request.app.state
    known: Suggestions = getattr(state, "console_suggestions", Suggestions())
    if known.until > time.monotonic():
        return known
    found = await visit.api.attempt("GET", "/api/leaderboard", query={"limit": SUGGESTIONS_FROM})
    if isinstance(found, ApiRefused):
        return known
    cohorts, schools = ({item[name] for item in found["items"] if item[name]} for name in ("cohort", "school"))
    made = Suggestions(time.monotonic() + SUGGESTED_SECONDS, sorted(cohorts), sorted(schools))
    state.console_suggestions = made
    return made
