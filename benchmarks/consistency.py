"""Everybody's total, read through the API after a load of everything that changes totals, against plain sums.

No speed here: ten minutes of it are ``python -m benchmarks consistency --scale 1m --duration 600``.
"""

import http.client
import json
import random
import time
from collections import Counter
from typing import Any

from benchmarks.catalogue import benchmark
from benchmarks.client import request
from benchmarks.fold import PLAIN
from benchmarks.lab import BenchDatabase, Lab
from benchmarks.servers import KAJABI_TOKEN, Server, bearer
from benchmarks.webhooks import completion

RATE = 150
"""Requests a second."""
ANSWERS = (200, 201, 202, 409, 422, 429, 503)
"""Refusals are part of the day: two reviewers on one submission, a quota that is used up, too many at once."""
_SHARES = {"submit": 0.4, "approve": 0.3, "webhook": 0.15, "revoke": 0.05, "show": 0.1}
_DONE = (200, 201, 202)
_CALLERS = 2000
_SETTINGS = {"SCHEDULER_ENABLED": "true", "FOLD_INTERVAL_SECONDS": "1", "ANALYTICS_REFRESH_SECONDS": "20"}
_PATIENCE = 60


@benchmark("consistency")
def consistency(lab: Lab) -> None:
    """Totals from the API against plain sums, for everybody, after concurrent load on two processes."""
    with lab.database() as database, lab.service(database, workers=1 if lab.quick else 2, settings=_SETTINGS) as server:
        requests = _requests(lab, database)
        report = lab.load_report(
            server, requests, connections=24, seconds=lab.duration, repeat=False, expected=ANSWERS, rate=RATE
        )
        done = sum(count for status, count in report["statuses"].items() if int(status) in _DONE)
        lab.check("the load changed something", done > report["requests"] // 4, report["statuses"])
        _await_fold(lab, server, database)
        wanted, told = _sums(database), _told(server)
        different = [(handle, wanted.get(handle), told.get(handle)) for handle in wanted.keys() | told.keys()]
        different = [one for one in different if one[1] != one[2]]
        load = f"{done:,} of {report['requests']:,} changes in {lab.duration:.0f} s"
        lab.check(f"the board of {len(wanted):,} equals plain sums after {load}", not different, different[:10])
        lab.check("so do the totals of those who are not on it", database.superuser.value(PLAIN) == 0)
        _check_hidden(lab, server, database)


def _requests(lab: Lab, database: BenchDatabase) -> list[bytes]:
    choice = random.Random(2)  # noqa: S311 - what the load consists of is no secret
    total = int(RATE * lab.duration)
    counts = {name: int(total * share) for name, share in _SHARES.items()}
    first = lab.dataset.staff(lab.scale) + 1
    numbers = [choice.randint(first, lab.scale.people) for _ in range(min(_CALLERS, max(50, total // 5)))]
    headers = [bearer(lab.dataset.person(number)) for number in numbers]
    some = [
        *(_submit(headers[turn % len(headers)], choice) for turn in range(counts["submit"])),
        *_approvals(lab, database, counts["approve"]),
        *_revocations(lab, database, counts["revoke"]),
        *(_completion(choice.randint(first, lab.scale.people)) for _ in range(counts["webhook"])),
        *(_show(choice.choice(headers), choice.random() < 0.5) for _ in range(counts["show"])),  # noqa: PLR2004
    ]
    choice.shuffle(some)
    return some


def _submit(headers: dict[str, str], choice: random.Random) -> bytes:
    payload = {
        "peersTrained": choice.randint(0, 3),
        "studentsTrained": choice.randint(1, 9),
        "sessionDate": "2025-01-20",
    }
    return request("POST", "/api/submissions", headers=headers, body={"activityCode": "AMPLIFY", "payload": payload})


def _approvals(lab: Lab, database: BenchDatabase, count: int) -> list[bytes]:
    staff = [bearer(lab.dataset.person(number)) for number in range(5, 15)]
    rows = database.owner.rows(
        "SELECT id FROM submissions WHERE status = 'PENDING' ORDER BY created_at LIMIT $1", count
    )
    return [
        request("POST", f"/api/review/{row['id']}/approve", headers=staff[turn % len(staff)], body={})
        for turn, row in enumerate(rows)
    ]


def _revocations(lab: Lab, database: BenchDatabase, count: int) -> list[bytes]:
    admin = bearer(lab.dataset.person(2))
    rows = database.owner.rows(
        "SELECT id FROM submissions WHERE status = 'APPROVED' AND points_awarded > 0 ORDER BY created_at DESC LIMIT $1",
        count,
    )
    return [
        request("POST", f"/api/review/{row['id']}/revoke", headers=admin, body={"reason": "Twice."}) for row in rows
    ]


def _completion(number: int) -> bytes:
    body = completion(number, "elevate-ai-1-completed").replace(b"@school.test", b"@school.example")
    return request("POST", f"/api/webhooks/kajabi/{KAJABI_TOKEN}", body=body)


def _show(headers: dict[str, str], shown: bool) -> bytes:
    return request("PATCH", "/api/me", headers=headers, body={"showOnLeaderboard": shown})


def _await_fold(lab: Lab, server: Server, database: BenchDatabase) -> None:
    """The service folds by itself; this waits until the board says that it has."""
    now = database.owner.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')")
    deadline, as_of = time.monotonic() + _PATIENCE, ""
    while time.monotonic() < deadline:
        as_of = server.ask(request("GET", "/api/leaderboard?limit=1")).json()["asOf"] or ""
        if as_of.rstrip("Z") > now:
            break
        time.sleep(0.5)
    lab.check("the board is of after the load", as_of.rstrip("Z") > now, (as_of, now))


def _sums(database: BenchDatabase) -> dict[str, int]:
    rows = database.superuser.rows(
        """SELECT handle, l.points FROM users u
           JOIN (SELECT user_id, sum(delta_points)::bigint AS points FROM points_ledger GROUP BY user_id) l
             ON l.user_id = u.id
           WHERE l.points > 0 AND role = 'PARTICIPANT' AND erased_at IS NULL AND show_on_leaderboard"""
    )
    return {row["handle"]: row["points"] for row in rows}


def _told(server: Server) -> dict[str, int]:
    """The whole board, page by page."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    told: Counter[str] = Counter()
    path: str | None = "/api/leaderboard?limit=100"
    while path is not None:
        connection.request("GET", path)
        page: dict[str, Any] = json.loads(connection.getresponse().read())
        for item in page["items"]:
            told[item["handle"]] += item["points"]
        path = f"/api/leaderboard?limit=100&cursor={page['nextCursor']}" if page["nextCursor"] else None
    connection.close()
    return dict(told)


def _check_hidden(lab: Lab, server: Server, database: BenchDatabase) -> None:
    """Who opted out is not on the board and is told their own points."""
    rows = database.superuser.rows(
        """SELECT id, (SELECT coalesce(sum(delta_points), 0) FROM points_ledger l WHERE l.user_id = u.id) AS points
           FROM users u WHERE NOT show_on_leaderboard AND role = 'PARTICIPANT' ORDER BY updated_at DESC LIMIT 100"""
    )
    wrong = []
    for row in rows:
        answer = server.ask(request("GET", "/api/me/rank", headers=bearer(row["id"]))).json()
        if answer["points"] != row["points"]:
            wrong.append((row["id"], row["points"], answer))
    lab.check("who opted out is told their own sum", not wrong, wrong[:5])
