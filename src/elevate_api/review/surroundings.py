"""What stands around submissions and behind their submitters: each a fixed number of statements for a whole page."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.points.rules import Standing
from elevate_api.review.schemas import HistoryOut, RejectionOut
from elevate_api.review.suspicion import Evidence, Surroundings


@dataclass(frozen=True, slots=True)
class Around:
    """What a submission's award and its warnings are judged by."""

    standing: Standing
    surroundings: Surroundings


async def surroundings_of(session: AsyncSession, submission_ids: Sequence[UUID]) -> dict[UUID, Around]:
    rows = await session.execute(_AROUND, {"ids": list(submission_ids)})
    return {
        row.id: Around(
            Standing(row.awarded, row.has_awarded_approval),
            Surroundings(
                tuple(Evidence(UUID(found["id"]), found["payload"]) for found in row.sessions),
                row.certificate_of,
                week_peers=row.peers,
                week_students=row.students,
                same_file_in=row.same_file_in,
                same_link_in=row.same_link_in,
                same_text_in=row.same_text_in,
            ),
        )
        for row in rows
    }


async def histories_of(session: AsyncSession, user_ids: Collection[str]) -> dict[str, HistoryOut]:
    """Each person's history; their submissions are read through the index on the person."""
    parameters = {"people": sorted(user_ids)}
    found = {
        row.id: HistoryOut(
            submissions={}, total_points=row.points, rejected=0, last_rejections=[], member_since=row.created_at
        )
        for row in await session.execute(_PEOPLE, parameters)
    }
    for row in await session.execute(_COUNTS, parameters):
        history = found[row.user_id]
        history.submissions.setdefault(row.activity_code, {})[row.status] = row.submissions
        history.rejected += row.submissions if row.status == "REJECTED" else 0
    for row in await session.execute(_REJECTIONS, parameters):
        found[row.user_id].last_rejections.append(
            RejectionOut(
                submission_id=row.id, activity_code=row.activity_code, note=row.review_note, reviewed_at=row.reviewed_at
            )
        )
    return found


# Per submission: what its person has been awarded in the stage, whether another one of the stage is approved with
# points, 7 days of AMPLIFY claims up to it, approved sessions of the same day, the certificate approved elsewhere, and
# copies: the oldest other submission with a file, post or text the same. Somebody's own counts only while it is PENDING
# or APPROVED, so that sending rejected work again is no copy; files only of others. Each is one look into an index.
_AROUND = text("""
    SELECT s.id,
      (SELECT coalesce(sum(l.delta_points), 0)::bigint FROM points_ledger l
       WHERE l.user_id = s.user_id AND l.activity_code = s.activity_code
         AND (l.external_event_id IS NULL OR l.external_event_id NOT LIKE 'adjustment:%')) AS awarded,
      EXISTS (SELECT FROM submissions o WHERE o.user_id = s.user_id AND o.activity_code = s.activity_code
         AND o.status = 'APPROVED' AND o.id <> s.id AND coalesce(o.points_awarded, 1) > 0) AS has_awarded_approval,
      week.peers, week.students, sessions.found AS sessions,
      (SELECT o.id FROM submissions o WHERE o.activity_code = 'LEARN' AND o.status = 'APPROVED'
         AND lower(o.payload ->> 'certificateHash') = lower(s.payload ->> 'certificateHash')
         AND o.user_id <> s.user_id LIMIT 1) AS certificate_of,
      (SELECT o.id FROM submission_attachments mine
         JOIN submission_attachments theirs ON theirs.sha256 = mine.sha256 AND theirs.completed_at IS NOT NULL
         JOIN submissions o ON o.id = theirs.submission_id
       WHERE mine.submission_id = s.id AND mine.completed_at IS NOT NULL AND o.user_id <> s.user_id
       ORDER BY o.created_at LIMIT 1) AS same_file_in,
      CASE WHEN s.activity_code = 'PRESENT' THEN (
        SELECT o.id FROM submissions o
        WHERE o.activity_code = 'PRESENT' AND evidence_link(o.payload) = evidence_link(s.payload) AND o.id <> s.id
          AND (o.user_id <> s.user_id AND o.status <> 'WITHDRAWN' OR o.status IN ('PENDING', 'APPROVED'))
        ORDER BY o.created_at LIMIT 1) END AS same_link_in,
      CASE WHEN s.activity_code = 'EXPLORE' THEN (
        SELECT o.id FROM submissions o
        WHERE o.activity_code = 'EXPLORE' AND evidence_text(o.payload) = evidence_text(s.payload) AND o.id <> s.id
          AND (o.user_id <> s.user_id AND o.status <> 'WITHDRAWN' OR o.status IN ('PENDING', 'APPROVED'))
        ORDER BY o.created_at LIMIT 1) END AS same_text_in
    FROM submissions s
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(w.peers_trained), 0)::bigint AS peers,
             coalesce(sum(w.students_trained), 0)::bigint AS students
      FROM submissions w
      WHERE s.activity_code = 'AMPLIFY' AND w.user_id = s.user_id AND w.activity_code = 'AMPLIFY'
        AND w.status IN ('PENDING', 'APPROVED')
        AND w.created_at > s.created_at - interval '7 days' AND w.created_at <= s.created_at
    ) week
    CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'payload', d.payload)), '[]') AS found
      FROM submissions d
      WHERE s.activity_code = 'AMPLIFY' AND d.user_id = s.user_id AND d.activity_code = 'AMPLIFY'
        AND d.status = 'APPROVED' AND d.id <> s.id
        AND d.payload ->> 'sessionDate' = s.payload ->> 'sessionDate'
    ) sessions
    WHERE s.id = ANY(:ids)
""")

_PEOPLE = text("""
    SELECT u.id, u.created_at, (
      SELECT coalesce(sum(delta_points), 0)::bigint FROM points_ledger WHERE user_id = u.id) AS points
    FROM users u WHERE u.id = ANY(:people)
""")

_COUNTS = text("""
    SELECT user_id, activity_code, status, count(*) AS submissions FROM submissions
    WHERE user_id = ANY(:people) GROUP BY user_id, activity_code, status ORDER BY activity_code, status
""")

_REJECTIONS = text("""
    SELECT p.id AS user_id, r.id, r.activity_code, r.review_note, r.reviewed_at
    FROM unnest(CAST(:people AS text[])) AS p (id)
    CROSS JOIN LATERAL (
      SELECT id, activity_code, review_note, reviewed_at FROM submissions
      WHERE user_id = p.id AND status = 'REJECTED' ORDER BY reviewed_at DESC, id LIMIT 3
    ) r (id, activity_code, review_note, reviewed_at)
""")
