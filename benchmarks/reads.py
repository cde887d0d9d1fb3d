"""Reading the board: from memory, a person's own rank, and every page that reaches the database.

Statements are those that the service sends, taken down on their way and sent again by the driver alone.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from sqlalchemy import event

from benchmarks.catalogue import benchmark
from benchmarks.client import request
from benchmarks.figures import Measured, Reach, at_least, at_most
from benchmarks.lab import BenchDatabase, Lab, connect_unbound
from benchmarks.servers import bearer
from elevate_api.kit.db import Address, Database
from elevate_api.kit.work import UnitOfWork
from elevate_api.leaderboards import queries
from elevate_api.leaderboards.board import Filters, read_board
from elevate_api.leaderboards.ladder import Ladders
from elevate_api.leaderboards.queries import Period, Place

BOARD = "/api/leaderboard?limit=20"
LIMIT = 21
CALLERS = 200
TIMES = 30
SECONDS = 0.3
"""What a round of one read may take; one that takes longer is measured once."""

Read = Callable[[UnitOfWork], Awaitable[Any]]
Statement = tuple[str, tuple[Any, ...]]


@benchmark("reads")
def reads(lab: Lab) -> None:
    """The board from memory (200 and 304), the own rank, and pages, filters and search in the database."""
    with lab.database() as database:
        database.service.execute("SELECT * FROM fold_totals(true)")
        _memory(lab, database)
        _own_rank(lab, database)
        _statements(lab, database)


def _memory(lab: Lab, database: BenchDatabase) -> None:
    with lab.service(database) as server:
        lab.get(server, BOARD)
        time.sleep(1)  # the first look at the versions
        lab.get(server, BOARD)
        whole = lab.get(server, BOARD)
        tag = dict(whole.headers)["etag"]
        known = {"If-None-Match": tag}
        unmodified = lab.get(server, BOARD, known)
        lab.check("a 304 has no body", (unmodified.status, unmodified.body) == (304, b""), unmodified)
        plain, conditional = request("GET", BOARD), request("GET", BOARD, headers=known)
        with lab.app("bare", reply=whole) as bare, lab.app("bare", reply=unmodified) as bare_304:
            lab.check("same bytes", lab.get(bare, BOARD).body == whole.body)

            def ours(sent: bytes, status: int) -> Callable[[], Measured]:
                return lambda: lab.load(server, [sent], expected=[status], pin=True)

            def theirs() -> Measured:
                return lab.load(bare, [plain], pin=True)

            name = "bare ASGI app, the 200's bytes and headers"
            _http(lab, "board from memory, 200", ours(plain, 200), theirs, name, at_least(0.9))
            _http(lab, "board from memory, 304", ours(conditional, 304), theirs, name, at_least(1.0))
            _http(
                lab, "board from memory, 304, against a 304", ours(conditional, 304),
                lambda: lab.load(bare_304, [conditional], expected=[304], pin=True),
                "bare ASGI app, the 304's headers and no body", None,
            )  # fmt: skip


def _own_rank(lab: Lab, database: BenchDatabase) -> None:
    first = lab.dataset.staff(lab.scale) + 1
    step = max(1, (lab.scale.people - first) // CALLERS)
    people = [lab.dataset.person(number) for number in range(first, lab.scale.people, step)][:CALLERS]
    callers = [bearer(person) for person in people]
    ours = [request("GET", "/api/me/rank", headers=caller) for caller in callers]
    theirs = [request("GET", "/baseline", headers=caller) for caller in callers]
    with lab.service(database) as server:
        answer = lab.get(server, "/api/me/rank", callers[0])
        lab.check("the caller has a standing", answer.status == 200, answer)  # noqa: PLR2004
        with lab.app("signed_in_service", reply=answer) as baseline:
            _http(
                lab, "own rank with neighbours", lambda: lab.load(server, ours), lambda: lab.load(baseline, theirs),
                "a route of the service, same layers and sign-in, no database", at_least(0.6),
            )  # fmt: skip
        with lab.app("signed_in", reply=answer) as baseline:
            _http(
                lab, "own rank with neighbours", lambda: lab.load(server, ours), lambda: lab.load(baseline, theirs),
                "a FastAPI route without any layer, same sign-in, no database", None,
            )  # fmt: skip


def _http(
    lab: Lab,
    what: str,
    ours: Callable[[], Measured],
    baseline: Callable[[], Measured],
    baseline_name: str,
    reach: Reach | None,
) -> None:
    lab.compare(
        what, ours=ours, baseline=baseline, baseline_name=baseline_name, unit="requests/s", reach=reach,
        rounds=7 if reach else 3,
    )  # fmt: skip


def _statements(lab: Lab, database: BenchDatabase) -> None:
    """Each at the median of rounds that alternate with the baseline's, as everywhere, on one connection."""
    connection = lab.wait(connect_unbound(database.dsn()))
    sent = Sent(database)
    try:
        for what, read, naive, reach in lab.wait(_wanted(connection)):
            ours, baseline = lab.wait(sent.by(read)), [(naive, ())]
            lab.compare(
                what,
                ours=partial(_median, lab, connection, ours),
                baseline=partial(_median, lab, connection, baseline),
                baseline_name="plain SQL on the view: OFFSET, ILIKE, rank() over all",
                unit="s",
                reach=reach,
                note=f"a round is the median of up to {TIMES} in {SECONDS:g} s, prepared, on one connection",
            )
    finally:
        lab.wait(connection.close())
        lab.wait(sent.close())


def _median(lab: Lab, connection: Any, statements: list[Statement]) -> Measured:
    times: list[float] = []
    while len(times) < (3 if lab.quick else TIMES) and sum(times) < SECONDS:
        times.append(lab.wait(_time(connection, statements)))
    return Measured(statistics.median(times), len(times))


async def _wanted(connection: Any) -> list[tuple[str, Read, str, Reach | None]]:
    """What is read, and what the same would cost by plain SQL over the ledger's sums in a view."""
    deep = await connection.fetchrow(
        "SELECT total_points, reached_at, user_id FROM user_totals WHERE on_board AND total_points > 0"
        " ORDER BY total_points DESC, reached_at, user_id OFFSET (SELECT count(*) / 4 FROM user_totals) LIMIT 1"
    )
    one = await connection.fetchrow(
        "SELECT cohort, school FROM user_totals WHERE on_board AND cohort IS NOT NULL AND school IS NOT NULL LIMIT 1"
    )
    name = await connection.fetchval("SELECT name FROM users WHERE name <> '' ORDER BY md5(id) LIMIT 1")
    rare = await connection.fetchval("SELECT handle FROM users ORDER BY md5(id) LIMIT 1")
    board = "SELECT * FROM leaderboard_totals b JOIN users u ON u.id = b.user_id"
    order = "ORDER BY b.total_points DESC, b.reached_at, b.user_id"
    place = Place(*deep)

    ladders = Ladders()

    def page(after: Place | None = None, **filters: Any) -> Read:
        return lambda work: read_board(work, ladders, Period.ALL, limit=LIMIT, filters=Filters(**filters), after=after)

    def naive(where: str = "true", rest: str = "") -> str:
        return f"{board} WHERE {where} {order} {rest} LIMIT {LIMIT}"

    def scan(part: str) -> str:
        pattern = f"'%{_quoted(part)}%'"
        return f"(u.name ILIKE {pattern} OR u.handle ILIKE {pattern} OR b.school ILIKE {pattern})"

    cohort, school, word = one["cohort"], one["school"], name.split()[0]
    ranks = "SELECT user_id, rank() OVER (ORDER BY total_points DESC) FROM leaderboard_totals"
    return [
        ("top 20", page(), naive(), None),
        ("page a quarter down", page(place), naive(rest="OFFSET (SELECT count(*) / 4 FROM users)"), None),
        ("top 20 of a cohort", page(cohort=cohort), naive(f"u.cohort = '{_quoted(cohort)}'"), None),
        ("top 20 of a school", page(school=school), naive(f"u.school = '{_quoted(school)}'"), None),
        ("search, a common name", page(search=word), naive(scan(word)), None),
        ("search, a rare handle", page(search=rare), naive(scan(rare)), at_most(0.5)),
        (
            "standing of one person",
            lambda work: _standing(work, place.user_id),
            f"SELECT rank FROM ({ranks}) r WHERE user_id = '{_quoted(place.user_id)}'",
            None,
        ),
    ]


async def _standing(work: UnitOfWork, person: str) -> None:
    await queries.standing(await work.session(), person, Period.ALL)


def _quoted(value: str) -> str:
    return value.replace("'", "''")


class Sent:
    """Takes down what a read sends."""

    def __init__(self, database: BenchDatabase) -> None:
        self._database = Database(Address.parse(database.dsn()), pool_size=1)
        self._seen: list[Statement] = []
        event.listen(self._database.engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        self._seen.append((statement, tuple(parameters)))

    async def by(self, read: Read) -> list[Statement]:
        self._seen.clear()
        async with UnitOfWork(self._database) as work:
            await read(work)
        return [one for one in self._seen if "score_histogram h ON" not in one[0]]  # fetched once a version

    async def close(self) -> None:
        await self._database.dispose()


async def _time(connection: Any, statements: list[Statement]) -> float:
    await asyncio.sleep(0)
    async with connection.transaction():
        started = time.perf_counter()
        for statement, parameters in statements:
            await connection.fetch(statement, *parameters)
        return time.perf_counter() - started
