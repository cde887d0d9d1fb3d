"""People for the benchmarks that write: each with a history, as in a programme that has run for a while.

Tables that were empty a moment ago are no place to measure writes in: plans that were made then stay in use, and read
whole tables that have grown since, for every contender but in different measure.
"""

from typing import Any

import asyncpg

from benchmarks.lab import Lab

REVIEWERS = 8
_STAGES = """(VALUES
  ('LEARN', 20, '{{"provider": "SPL", "courseName": "Elevate AI", "completedAt": "2025-01-10"}}', 90, 'STARTER'),
  ('AMPLIFY', 40, '{{"peersTrained": 5, "studentsTrained": 30, "sessionDate": "2025-02-10"}}', 60, 'AMPLIFIER'),
  ('AMPLIFY', 25, '{{"peersTrained": 5, "studentsTrained": 15, "sessionDate": "2025-03-10"}}', 30, NULL)
) AS done (stage, points, payload, days, badge)"""
_FILL = (
    # What the rows say is right as it is: no trigger and no look at keys, which only takes long.
    "SET session_replication_role = replica",
    """INSERT INTO users (id, handle, email, email_verified, kajabi_contact_id)
       SELECT 'user_' || n, 'teacher-' || n, 'teacher' || n || '@school.test', true,
              CASE WHEN n > {fresh} THEN n::text END
       FROM generate_series(1, {people}) AS n""",
    f"""INSERT INTO users (id, handle, role)
        SELECT 'reviewer_' || n, 'reviewer-' || n, 'REVIEWER' FROM generate_series(1, {REVIEWERS}) AS n""",
    f"""CREATE TEMPORARY TABLE history AS
        SELECT uuid_v7() AS id, 'user_' || n AS person, now() - days * interval '1 day' AS at, done.*
        FROM generate_series(1, {{people}}) AS n, {_STAGES} WHERE stage <> 'LEARN' OR {{by_form}}""",
    """INSERT INTO submissions (id, user_id, activity_code, status, payload, reviewer_id, points_awarded, reviewed_at,
                                created_at, updated_at)
       SELECT id, person, stage, 'APPROVED', payload::jsonb, 'reviewer_1', points, at, at, at FROM history""",
    """INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id, event_time,
                                  created_at)
       SELECT person, stage, 'FORM', points, 'submission:' || id || ':approved:v1', at, at FROM history""",
    """INSERT INTO earned_badges (user_id, badge_code, earned_at)
       SELECT person, badge, at FROM history WHERE badge IS NOT NULL""",
    """INSERT INTO kajabi_events (body, body_sha256, event_type, contact_id, email, tag, user_id, status,
                                  points_awarded, attempts, processed_at)
       SELECT body, sha256(body), 'tag_added', n::text, 'teacher' || n || '@school.test', 'elevate-ai-1-completed',
              'user_' || n, 'PROCESSED', 10, 1, now()
       FROM generate_series({fresh} + 1, {people}) AS n, convert_to('{{"id": ' || n || '}}', 'UTF8') AS body""",
    """INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id)
       SELECT user_id, 'LEARN', 'WEBHOOK', 10, 'kajabi:' || contact_id || '|tag:' || tag FROM kajabi_events""",
    "DROP TABLE history",
    "SELECT rebuild_totals('generated')",
    "RESET session_replication_role",
    "VACUUM (ANALYZE)",
)


def fill(lab: Lab, dsn: str, people: int, *, learners: int = 0) -> None:
    """`user_1`, `user_2` and so on, with reviewers. Each has two approved AMPLIFY sessions, and LEARN by its form.

    With `learners`, nobody has LEARN by the form: the last so many have half of it from Kajabi, and its contact.
    """
    lab.wait(_run(dsn, {"people": people, "fresh": people - learners, "by_form": learners == 0}))


async def _run(dsn: str, values: dict[str, Any]) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in _FILL:
        await connection.execute(statement.format(**values))
    await connection.close()
