"""The manual's monitoring queries, for a console."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from elevate_api.analytics import service as analytics
from elevate_api.analytics.answers import answer
from elevate_api.analytics.queries import VIEWS, history
from elevate_api.analytics.rebuild import standing
from elevate_api.analytics.schemas import RefreshOut, RunningOut
from elevate_api.kit.db import Tx, database_of
from elevate_api.kit.jobs import JobNotObserved
from elevate_api.kit.paging import Page, Paging, cut, link_next
from elevate_api.kit.problems import DatabaseUnavailable, responses
from elevate_api.kit.routing import Router
from elevate_api.ops import migrations, schemas
from elevate_api.ops.anomalies import unusual
from elevate_api.ops.inspect import indexes, sessions, statements, storage, trends
from elevate_api.ops.invariants import service as invariants
from elevate_api.ops.invariants.points_are_usual import days_of_points
from elevate_api.users.guards import AdminUser

router = Router(prefix="/api/admin/ops", tags=["operations"])

SHOWN_DAYS = 7


@router.get("/views", response_model=schemas.ViewsOut)
async def views(session: Tx, _admin: AdminUser) -> schemas.ViewsOut:
    """How each analytics view stands: there, filled, size, age and outcome of its last refresh."""
    return schemas.ViewsOut.model_validate({"items": await standing(session)})


@router.get("/database", response_model=schemas.DatabaseOut)
async def database(session: Tx, _admin: AdminUser) -> schemas.DatabaseOut:
    """Sizes, activity of the last 24 hours, and the review queue by stage."""
    names = schemas.RelationOut.model_fields
    sizes = [{name: row[name] for name in names} for row in await storage.SIZES.rows(session)]
    hours, queue = await trends.HOURS.rows(session), await trends.QUEUE.rows(session)
    return schemas.DatabaseOut.model_validate({"relations": sizes, "hours": hours, "queue": queue})


@router.get("/connections", response_model=schemas.ConnectionsOut)
async def connections(session: Tx, _admin: AdminUser) -> schemas.ConnectionsOut:
    """Connections of the whole server against what it has."""
    capacity = (await sessions.CAPACITY.rows(session))[0]
    return schemas.ConnectionsOut.model_validate({**capacity, "items": await sessions.CONNECTIONS.rows(session)})


@router.get("/queries", response_model=schemas.QueriesOut)
async def queries(session: Tx, _admin: AdminUser) -> schemas.QueriesOut:
    """Statements that run now, and those that took most time in all."""
    active = await sessions.ACTIVITY.rows(session)
    return schemas.QueriesOut.model_validate({"active": active, "outliers": await statements.outliers(session)})


@router.get("/indexes", response_model=schemas.IndexesOut)
async def all_indexes(session: Tx, _admin: AdminUser) -> schemas.IndexesOut:
    """Use of every index, and what is wrong with them."""
    found = await indexes.findings(session)
    return schemas.IndexesOut.model_validate({"findings": found, "usage": await indexes.USAGE.rows(session)})


@router.get("/quota", response_model=schemas.QuotasOut)
async def quota(session: Tx, _admin: AdminUser) -> schemas.QuotasOut:
    """Who is near or over AMPLIFY's limits."""
    return schemas.QuotasOut.model_validate({"items": await trends.QUOTA.rows(session)})


@router.get("/integrity", response_model=schemas.IntegrityOut, responses=responses(DatabaseUnavailable))
async def integrity(
    request: Request,
    session: Tx,
    _admin: AdminUser,
    fresh: Annotated[bool, Query(description="Check now instead of answering what the last run found.")] = False,
) -> schemas.IntegrityOut:
    """What the data quality checks found: the daily run's results, or with `fresh` those of a run now."""
    if fresh:
        try:
            await invariants.run(database_of(request), "admin")
        except JobNotObserved as error:
            raise DatabaseUnavailable("A check is about to start elsewhere. Try again shortly.") from error
    last = await invariants.last_run(session)
    if last is None:
        return schemas.IntegrityOut(job_id=None, checked_at=None, ok=None, checks=[])
    ok = all(one["ok"] or invariants.is_warning(one) for one in last.checks)
    known = {"jobId": last.job_id, "checkedAt": last.finished_at, "ok": ok, "checks": last.checks}
    return schemas.IntegrityOut.model_validate(known)


@router.get("/anomalies", response_model=schemas.AnomaliesOut)
async def anomalies(session: Tx, _admin: AdminUser) -> schemas.AnomaliesOut:
    """Points by day, and which days stand out."""
    days = await days_of_points(session, SHOWN_DAYS * 2)
    odd = {day.day for day in unusual(days)}
    items = [{**asdict(day), "unusual": day.day in odd} for day in days[-SHOWN_DAYS:]]
    return schemas.AnomaliesOut.model_validate({"items": items})


@router.get("/migrations", response_model=schemas.MigrationStateOut)
async def migration_state(session: Tx, _admin: AdminUser) -> schemas.MigrationStateOut:
    """Where the database's schema stands against this code."""
    return schemas.MigrationStateOut.model_validate(migrations.state_of(await migrations.read_current(session)))


@router.get("/refreshes", response_model=Page[schemas.RefreshRunOut])
async def refreshes(
    request: Request,
    response: Response,
    session: Tx,
    _admin: AdminUser,
    paging: Paging,
    view: Annotated[schemas.View | None, Query()] = None,
) -> Page[schemas.RefreshRunOut]:
    """History of refreshes, the newest first."""
    runs = await history(session, [view] if view else VIEWS, paging.fetch, paging.after(datetime, UUID))
    shown, cursor = cut(runs, paging.limit, lambda run: (run.started_at, run.id))
    link_next(request, response, cursor)
    items = [{name: getattr(run, name) for name in schemas.RefreshRunOut.model_fields} for run in shown]
    return Page(items=[schemas.RefreshRunOut.model_validate(item) for item in items], next_cursor=cursor)


_REFRESH: dict[int | str, dict[str, Any]] = {
    **responses(DatabaseUnavailable),
    202: {"model": RunningOut, "description": "A refresh is under way already; this is its run."},
    500: {"model": RefreshOut, "description": "A view could not be refreshed; the others were."},
}


@router.post("/refresh", response_model=RefreshOut, responses=_REFRESH)
async def refresh(request: Request, _admin: AdminUser, wanted: schemas.RefreshRequest | None = None) -> Response:
    """Refresh the analytics views now, or those named."""
    chosen = wanted.views if wanted is not None else None
    try:
        return answer(await analytics.refresh(database_of(request), "admin", chosen))
    except JobNotObserved as error:
        raise DatabaseUnavailable("A refresh is about to start elsewhere. Try again shortly.") from error
