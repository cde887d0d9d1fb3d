"""Submitting and approving over HTTP: against the same statements one by one in pgbench, and against a naive ORM route.

People submit as often as they like here and the quota is out of the way; everything else is as deployed. Each contender
has a database of its own, all with the same people and the same history, and what waits for approval is put there
before each round.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack

import asyncpg

from benchmarks.catalogue import benchmark
from benchmarks.client import request
from benchmarks.figures import Measured, at_least
from benchmarks.lab import BenchDatabase, Lab
from benchmarks.people import REVIEWERS, fill
from benchmarks.pgbench import pgbench
from benchmarks.servers import Server, bearer

EVIDENCE = {
    "reflection": "My class compared two answers of an assistant, looked for what was wrong in each, and rewrote the "
    "better one in their own words. They argued well; next time they get less time.",
    "classDate": "2025-01-20",
    "school": "SMA Negeri 1 Bandung",
}
LOT = 100
CLIENTS = 8
SUBMITTERS = 1000
WARM_UP = 150

# What the service did before it was one function, statement by statement; `person` and so on are pgbench's.
SUBMIT = f"""\\set n random(1, {{submitters}})
BEGIN;
SELECT * FROM users WHERE id = 'user_' || :n;
INSERT INTO submissions (user_id, activity_code, payload, visibility)
VALUES ('user_' || :n, 'EXPLORE', '{json.dumps(EVIDENCE).replace(": ", ":")}', 'PUBLIC') RETURNING id AS sid \\gset
SELECT * FROM submissions WHERE id = :sid;
SELECT * FROM submission_attachments WHERE submission_id = :sid AND completed_at IS NOT NULL;
INSERT INTO audit_log (actor_id, action, target_type, target_id, details, request_id)
VALUES ('user_' || :n, 'submission.create', 'submission', (:sid)::text,
        jsonb_build_object('activityCode', 'EXPLORE', 'version', 1), 'benchmark');
COMMIT;
"""
APPROVE = """\\set reviewer random(1, 8)
SELECT id AS sid, user_id AS person FROM to_approve WHERE n = (SELECT nextval('to_approve_seq')) \\gset
BEGIN;
SELECT * FROM users WHERE id = 'reviewer_' || :reviewer;
SELECT user_id FROM submissions WHERE id = :sid;
SELECT lock_person(:person);
SELECT * FROM submissions WHERE id = :sid FOR UPDATE;
SELECT reviewer_id FROM review_claims
WHERE submission_id = :sid AND reviewer_id <> 'reviewer_' || :reviewer AND expires_at > clock_timestamp();
SELECT * FROM activities WHERE code = 'EXPLORE';
SELECT coalesce(sum(delta_points), 0) FROM points_ledger WHERE user_id = :person AND activity_code = 'EXPLORE'
AND (external_event_id IS NULL OR NOT starts_with(external_event_id, 'adjustment'));
SELECT id FROM submissions WHERE user_id = :person AND activity_code = 'EXPLORE' AND status = 'APPROVED' AND id <> :sid
AND (points_awarded IS NULL OR points_awarded > 0) LIMIT 1;
UPDATE submissions SET status = 'APPROVED', reviewer_id = 'reviewer_' || :reviewer, points_awarded = 50
WHERE id = :sid AND status = 'PENDING' RETURNING *;
INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id)
VALUES (:person, 'EXPLORE', 'FORM', 50, concat_ws(chr(58), 'submission', (:sid)::text, 'approved', 'v1'))
ON CONFLICT (external_event_id) DO NOTHING;
SELECT * FROM badges WHERE active AND criteria <> '{}'
AND code NOT IN (SELECT badge_code FROM earned_badges WHERE user_id = :person) ORDER BY code;
SELECT a.code, (SELECT sum(delta_points) FROM points_ledger l WHERE l.user_id = :person AND l.activity_code = a.code),
(SELECT count(*) FROM submissions s WHERE s.user_id = :person AND s.activity_code = a.code AND s.status = 'APPROVED')
FROM activities a;
INSERT INTO earned_badges (user_id, badge_code) VALUES (:person, 'IN_CLASS_INNOVATOR') ON CONFLICT DO NOTHING;
DELETE FROM review_claims WHERE submission_id = :sid;
INSERT INTO audit_log (actor_id, action, target_type, target_id, details, request_id)
VALUES (NULL, 'badge.grant', 'user', :person, jsonb_build_object('badge', 'IN_CLASS_INNOVATOR'), 'benchmark'),
('reviewer_' || :reviewer, 'submission.approve', 'submission', (:sid)::text, jsonb_build_object('points', 50),
 'benchmark');
SELECT * FROM submission_attachments WHERE submission_id = :sid AND completed_at IS NOT NULL;
COMMIT;
"""


@benchmark("writes", own_data=True)
def writes(lab: Lab) -> None:
    """Submitting, approving and bulk approval, against pgbench and a naive ORM route."""
    people = 300 if lab.quick else 20_000
    with ExitStack() as stack:
        prepared = lab.scratch(lambda dsn: _prepare(lab, dsn, people), copies=3)
        ours, naive, plain = stack.enter_context(prepared)
        service = stack.enter_context(lab.service(ours))
        orm = stack.enter_context(lab.app("naive_writes", database=naive))
        tokens = {f"user_{n}": bearer(f"user_{n}") for n in range(1, min(people, SUBMITTERS) + 1)}
        tokens |= {f"reviewer_{n}": bearer(f"reviewer_{n}") for n in range(1, REVIEWERS + 1)}
        bench = _Writes(lab, people, tokens)
        bench.check_answers(service, orm)
        bench.submit(service, orm, plain)
        bench.approve(ours, naive, plain, service, orm)
        bench.bulk(ours, service)
        for database in (ours, naive, plain):
            _check_ledger(lab, database)


class _Writes:
    def __init__(self, lab: Lab, people: int, tokens: dict[str, dict[str, str]]) -> None:
        self._lab = lab
        self._people = people
        self._tokens = tokens
        self._first = 0
        # pgbench gets twice as long: its connections are new in each round, the others' are not.
        self._seconds = lab.seconds_per_round
        body = {"activityCode": "EXPLORE", "payload": EVIDENCE, "visibility": "PUBLIC"}
        users = [name for name in tokens if name.startswith("user_")]
        self._submissions = [request("POST", "/api/submissions", headers=tokens[name], body=body) for name in users]
        self._submitters = len(users)

    def check_answers(self, *contenders: Server) -> None:
        answers = [server.ask(self._submissions[0]) for server in contenders]
        self._lab.check("all take a submission", all(a.status == 201 for a in answers), [a.body for a in answers])  # noqa: PLR2004
        shown = [sorted(answer.json()) for answer in answers]
        self._lab.check("all answer the same members", shown[0] == shown[1], shown)

    def submit(self, service: Server, orm: Server, plain: BenchDatabase) -> None:
        script = SUBMIT.replace("{submitters}", str(self._submitters))
        for server in (service, orm):
            self._send(server, self._submissions[:WARM_UP], 201, repeat=False)
        self._compare("submit over HTTP", lambda: self._send(service, self._submissions, 201),
                      lambda: pgbench(self._lab, plain, script, clients=CLIENTS, seconds=2 * self._seconds),
                      lambda: self._send(orm, self._submissions, 201))  # fmt: skip

    def approve(
        self, ours: BenchDatabase, naive: BenchDatabase, plain: BenchDatabase, service: Server, orm: Server
    ) -> None:
        waiting: dict[str, list[bytes]] = {}

        def prepare() -> None:
            for database in (ours, naive):
                waiting[database.name] = self._approvals(self._pending(database, 1500))
            _list_pending(plain, self._pending(plain, 3000))

        prepare()
        for server, database in ((service, ours), (orm, naive)):
            self._send(server, waiting[database.name][:WARM_UP], 200, repeat=False)
        self._compare("approve over HTTP", lambda: self._send(service, waiting[ours.name], 200, repeat=False),
                      lambda: pgbench(self._lab, plain, APPROVE, clients=CLIENTS, seconds=2 * self._seconds),
                      lambda: self._send(orm, waiting[naive.name], 200, repeat=False), prepare)  # fmt: skip

    def bulk(self, ours: BenchDatabase, service: Server) -> None:
        """One reviewer, one connection: a hundred requests against one of a hundred."""
        single: list[bytes] = []
        lots: list[bytes] = []

        def prepare() -> None:
            single[:] = self._approvals(self._pending(ours, 1000))
            ids = self._pending(ours, 5000)
            lots[:] = [self._lot(ids[first : first + LOT]) for first in range(0, len(ids), LOT)]

        def in_lots() -> Measured:
            done = self._send(service, lots, 200, repeat=False, connections=1)
            return Measured(done.value * LOT, done.work * LOT, done.details)

        self._lab.compare(
            "bulk approval of 100", ours=in_lots,
            baseline=lambda: self._send(service, single, 200, repeat=False, connections=1),
            baseline_name="one by one", unit="approvals/s", reach=at_least(10), rounds=3, warm_up=False,
            prepare=prepare,
        )  # fmt: skip

    def _compare(
        self,
        what: str,
        ours: Callable[[], Measured],
        steps: Callable[[], Measured],
        orm: Callable[[], Measured],
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._lab.compare(what, ours=ours, baseline=steps, baseline_name="pgbench, the statements one by one",
                          unit="requests/s", reach=at_least(0.5), rounds=3, warm_up=False, prepare=prepare)  # fmt: skip
        self._lab.compare(what, ours=ours, baseline=orm, baseline_name="a naive ORM route",
                          unit="requests/s", reach=at_least(5), rounds=3, warm_up=False, prepare=prepare)  # fmt: skip

    def _send(
        self, server: Server, requests: list[bytes], status: int, *, repeat: bool = True, connections: int = CLIENTS
    ) -> Measured:
        return self._lab.load(server, requests, repeat=repeat, expected=(status,), connections=connections,
                              seconds=self._seconds)  # fmt: skip

    def _pending(self, database: BenchDatabase, a_second: int) -> list[str]:
        """Evidence that waits, more of it than a round decides about, of another person each as far as they go."""
        many = 300 if self._lab.quick else round(a_second * max(self._seconds, 1))
        rows = database.owner.rows(
            "INSERT INTO submissions (user_id, activity_code, payload) "
            "SELECT 'user_' || 1 + ($1 + n) % $2, 'EXPLORE', $3::jsonb FROM generate_series(1, $4) n RETURNING id",
            self._first, self._people, json.dumps(EVIDENCE), many,
        )  # fmt: skip
        self._first += many
        return [str(row["id"]) for row in rows]

    def _approvals(self, ids: list[str]) -> list[bytes]:
        return [
            request("POST", f"/api/review/{one}/approve", headers=self._tokens[f"reviewer_{place % REVIEWERS + 1}"],
                    body={"version": 1})
            for place, one in enumerate(ids)
        ]  # fmt: skip

    def _lot(self, ids: list[str]) -> bytes:
        decisions = [{"id": one, "decision": "approve", "version": 1} for one in ids]
        return request("POST", "/api/review/bulk", headers=self._tokens["reviewer_1"], body={"decisions": decisions})


def _prepare(lab: Lab, dsn: str, people: int) -> None:
    fill(lab, dsn, people)
    lab.wait(_settle_in(dsn))


async def _settle_in(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE app_settings SET value = '1000000' WHERE key = 'submissions_per_hour'")
    await connection.execute("SET ROLE elevate")
    await connection.execute("CREATE TABLE to_approve (n bigint PRIMARY KEY, id uuid NOT NULL, user_id text NOT NULL)")
    await connection.execute("CREATE SEQUENCE to_approve_seq")
    await connection.execute("GRANT SELECT ON to_approve TO elevate_app")
    await connection.execute("GRANT USAGE ON to_approve_seq TO elevate_app")
    await connection.close()


def _list_pending(plain: BenchDatabase, ids: list[str]) -> None:
    plain.owner.execute("TRUNCATE to_approve")
    plain.owner.execute("ALTER SEQUENCE to_approve_seq RESTART")
    plain.owner.execute(
        "INSERT INTO to_approve SELECT place, s.id, s.user_id FROM unnest($1::uuid[]) WITH ORDINALITY a (id, place) "
        "JOIN submissions s USING (id)",
        ids,
    )


def _check_ledger(lab: Lab, database: BenchDatabase) -> None:
    """Every approval has its row, and nobody got 50 points for a lesson twice."""
    wrong = database.owner.value("""
        SELECT count(*) FROM submissions s LEFT JOIN points_ledger l
          ON l.external_event_id = 'submission:' || s.id || ':approved:v1'
        WHERE s.status = 'APPROVED' AND coalesce(s.points_awarded, 0) <> coalesce(l.delta_points, 0)""")
    lab.check("every award is in the ledger", wrong == 0, wrong)
