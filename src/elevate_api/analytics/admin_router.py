"""Figures for administrators, from the views."""

from datetime import date
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.analytics import figures
from elevate_api.analytics.admin_schemas import (
    ActivityFigures,
    ActivityFiguresOut,
    DayFigures,
    DayFiguresOut,
    GroupFigures,
    GroupFiguresOut,
)
from elevate_api.kit.paging import PageParams, Paging, cut, link_next
from elevate_api.kit.replica import ReadTx
from elevate_api.kit.routing import Router
from elevate_api.points.rules import ActivityCode
from elevate_api.users.guards import AdminUser

router = Router(prefix="/api/admin/analytics", tags=["administration"])


@router.get("/activities", response_model=ActivityFiguresOut)
async def read_activity_figures(session: ReadTx, _admin: AdminUser) -> ActivityFiguresOut:
    """Every stage, all time."""
    rows = await figures.activities(session)
    as_of = await figures.as_of(session, "activity_metrics")
    return ActivityFiguresOut(as_of=as_of, items=[ActivityFigures(**row) for row in rows])


@router.get("/cohorts", response_model=GroupFiguresOut)
async def read_cohort_figures(
    request: Request, response: Response, session: ReadTx, _admin: AdminUser, paging: Paging
) -> GroupFiguresOut:
    """Cohorts, those with most points first."""
    return await _groups(request, response, session, "cohort", paging)


@router.get("/schools", response_model=GroupFiguresOut)
async def read_school_figures(
    request: Request, response: Response, session: ReadTx, _admin: AdminUser, paging: Paging
) -> GroupFiguresOut:
    """Schools, those with most points first."""
    return await _groups(request, response, session, "school", paging)


@router.get("/timeseries", response_model=DayFiguresOut)
async def read_day_figures(
    session: ReadTx,
    _admin: AdminUser,
    activity_code: Annotated[ActivityCode | None, Query(alias="activityCode")] = None,
    since: Annotated[date | None, Query(description="First day; the views hold 90.")] = None,
) -> DayFiguresOut:
    """A row for each day and stage, the oldest first."""
    rows = await figures.days(session, activity_code, since)
    as_of = await figures.as_of(session, "time_series_metrics")
    return DayFiguresOut(as_of=as_of, items=[DayFigures(**row) for row in rows])


async def _groups(
    request: Request, response: Response, session: AsyncSession, by: figures.Grouping, paging: PageParams
) -> GroupFiguresOut:
    after = paging.after(int, str)
    rows = await figures.groups(session, by, paging.fetch, after)
    shown, cursor = cut(rows, paging.limit, lambda row: (row["total_points"], row["name"]))
    link_next(request, response, cursor)
    as_of = await figures.as_of(session, f"{by}_metrics")
    return GroupFiguresOut(as_of=as_of, items=[GroupFigures(**row) for row in shown], next_cursor=cursor)
