"""The history of backups and drills, from the runs of their jobs."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.jobs import JobRun


async def runs(session: AsyncSession, job: str, limit: int) -> Sequence[JobRun]:
    """The newest first."""
    statement = select(JobRun).where(JobRun.name == job).order_by(JobRun.started_at.desc()).limit(limit)
    return (await session.scalars(statement)).all()
