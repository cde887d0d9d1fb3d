"""Reads: the board from memory, and one's own rank from the database."""

from benchmarks.catalogue import benchmark
from benchmarks.client import Answer, request
from benchmarks.figures import Measured, Reach, at_least
from benchmarks.lab import BenchDatabase, Lab
from benchmarks.servers import Server, bearer

BOARD = "/api/leaderboard?limit=20"
_PEOPLE = 500
_CHECKED = 25


@benchmark("reads")
def reads(lab: Lab) -> None:
    """The board from memory (200 and 304), and own rank with neighbours."""
    with lab.database() as database, lab.service(database) as service:
        whole = _settled(lab, service)
        unmodified = {"If-None-Match": whole.header("ETag") or ""}
        _board(lab, service, "board from memory, 200", {}, 200, at_least(0.9))
        _board(lab, service, "board from memory, 304", unmodified, 304, at_least(1.0))
        _own_rank(lab, database, service)


def _settled(lab: Lab, service: Server) -> Answer:
    """The board, once it is kept: what is asked twice is answered alike."""
    lab.get(service, BOARD)
    first, second = lab.get(service, BOARD), lab.get(service, BOARD)
    same = first.status == second.status == 200 and first.body == second.body  # noqa: PLR2004
    lab.check("the board is answered", same and len(first.json()["items"]) > 0, first.body[:300])
    return first


def _board(lab: Lab, service: Server, what: str, headers: dict[str, str], status: int, reach: Reach) -> None:
    sent = request("GET", BOARD, headers=headers)
    reply = service.ask(sent)
    lab.check(f"{what} is a {status}", reply.status == status, reply)
    with lab.app("bare", reply=reply) as bare:
        answers = [server.ask(sent) for server in (service, bare)]
        shapes = [(a.status, a.body, sorted(name.lower() for name, _ in a.headers)) for a in answers]
        lab.check("the same bytes under the same headers", shapes[0] == shapes[1], shapes)

        def load(server: Server) -> Measured:
            return lab.load(server, [sent], expected=(status,), pin=True)

        lab.compare(
            what,
            ours=lambda: load(service),
            baseline=lambda: load(bare),
            baseline_name="bare ASGI app",
            unit="requests/s",
            reach=reach,
        )


def _own_rank(lab: Lab, database: BenchDatabase, service: Server) -> None:
    first = lab.dataset.staff(lab.scale) + 1
    step = max(1, (lab.scale.people - first) // (20 if lab.quick else _PEOPLE))
    people = [lab.dataset.person(number) for number in range(first, lab.scale.people, step)]
    requests = [request("GET", "/api/me/rank", headers=bearer(person)) for person in people]
    _check_ranks(lab, database, service, people[:_CHECKED])
    with lab.app("signed_in", reply=service.ask(requests[0])) as baseline:
        lab.check("the baseline lets them in", baseline.ask(requests[0]).status == 200)  # noqa: PLR2004
        lab.check("and nobody else", baseline.ask(request("GET", "/api/me/rank")).status >= 400)  # noqa: PLR2004
        lab.compare(
            "own rank with neighbours",
            ours=lambda: lab.load(service, requests),
            baseline=lambda: lab.load(baseline, requests),
            baseline_name="FastAPI route with the same sign-in, no database",
            unit="requests/s",
            reach=at_least(0.6),
        )


_RANKS = """
WITH sums AS (
  SELECT user_id, sum(delta_points)::bigint AS points FROM points_ledger GROUP BY user_id
), board AS (
  SELECT points, count(*) AS people FROM sums JOIN users u ON u.id = user_id
  WHERE points > 0 AND u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard GROUP BY points
)
SELECT p.id, coalesce(s.points, 0) AS points,
       CASE WHEN s.points > 0
            THEN 1 + (SELECT coalesce(sum(people), 0) FROM board b WHERE b.points > s.points) END AS rank
FROM unnest($1::text[]) AS p (id) LEFT JOIN sums s ON s.user_id = p.id
"""


def _check_ranks(lab: Lab, database: BenchDatabase, service: Server, people: list[str]) -> None:
    """Ranks and points against a count over plain sums."""
    for row in database.owner.rows(_RANKS, people):
        told = service.ask(request("GET", "/api/me/rank", headers=bearer(row["id"]))).json()
        same = (told["points"], told["rank"]) == (row["points"], row["rank"])
        lab.check("own rank is that of plain sums", same, (told, dict(row)))
