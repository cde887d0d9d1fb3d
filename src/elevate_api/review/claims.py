"""Taking submissions to review, so that no two reviewers work on one."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text

from elevate_api.kit.repository import Repository
from elevate_api.points.rules import ActivityCode
from elevate_api.submissions.models import ReviewClaim

CLAIM_DURATION = timedelta(minutes=15)

# SKIP LOCKED steps over what a colleague is taking this moment. Whoever was a moment slower may still see a row that
# has just been claimed: the conflict clause leaves it to its holder, and the caller asks again for what is missing.
_TAKE = text("""
    WITH free AS (
      SELECT s.id FROM submissions s
      WHERE s.status = 'PENDING' AND s.user_id <> :reviewer_id
        AND (CAST(:activity_code AS text) IS NULL OR s.activity_code = :activity_code)
        AND NOT EXISTS (SELECT FROM review_claims c WHERE c.submission_id = s.id AND c.expires_at > clock_timestamp())
      ORDER BY s.created_at, s.id LIMIT :count
      FOR NO KEY UPDATE OF s SKIP LOCKED
    )
    INSERT INTO review_claims (submission_id, reviewer_id, claimed_at, expires_at)
    SELECT id, :reviewer_id, clock_timestamp(), clock_timestamp() + :duration FROM free
    ON CONFLICT (submission_id) DO UPDATE
      SET reviewer_id = excluded.reviewer_id, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
      WHERE review_claims.expires_at <= clock_timestamp()
    RETURNING submission_id
""")
ROUNDS = 5


class ClaimRepository(Repository):
    async def take(self, reviewer_id: str, count: int, activity_code: ActivityCode | None) -> list[UUID]:
        """Claim up to `count` of the oldest free submissions that are not the reviewer's own."""
        taken: list[UUID] = []
        for _ in range(ROUNDS):
            parameters = {
                "reviewer_id": reviewer_id,
                "activity_code": activity_code,
                "count": count - len(taken),
                "duration": CLAIM_DURATION,
            }
            found = list((await self._session.execute(_TAKE, parameters)).scalars())
            taken += found
            if len(taken) == count or not found:
                break
        return taken

    async def held_by_another(self, submission_id: UUID, reviewer_id: str) -> bool:
        statement = select(ReviewClaim.reviewer_id).where(
            ReviewClaim.submission_id == submission_id,
            ReviewClaim.reviewer_id != reviewer_id,
            ReviewClaim.expires_at > func.clock_timestamp(),
        )
        return (await self._session.execute(statement)).scalar() is not None

    async def remove(self, submission_id: UUID) -> None:
        await self._session.execute(delete(ReviewClaim).where(ReviewClaim.submission_id == submission_id))

    async def release(self, submission_id: UUID, reviewer_id: str) -> bool:
        """Give back one's own live claim; False when there is none."""
        statement = (
            delete(ReviewClaim)
            .where(
                ReviewClaim.submission_id == submission_id,
                ReviewClaim.reviewer_id == reviewer_id,
                ReviewClaim.expires_at > func.clock_timestamp(),
            )
            .returning(ReviewClaim.submission_id)
        )
        return (await self._session.execute(statement)).scalar() is not None
