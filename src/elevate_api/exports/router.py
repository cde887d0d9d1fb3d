"""Whole tables for administrators."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from elevate_api.audit.service import record
from elevate_api.config import Settings
from elevate_api.exports.csvcopy import csv_of
from elevate_api.exports.csvfiles import CsvFile, query_of
from elevate_api.exports.download import SnapshotDownload
from elevate_api.exports.errors import ExportsBusy
from elevate_api.kit.clock import local_date
from elevate_api.kit.db import Tx
from elevate_api.kit.problems import DatabaseUnavailable, responses
from elevate_api.kit.replica import read_database_of
from elevate_api.kit.routing import Router
from elevate_api.leaderboards.queries import Period
from elevate_api.users.guards import AdminUser

router = Router(prefix="/api/admin/exports", tags=["administration"])

_CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, streamed; cut short without an end when something fails on the way.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    },
    **responses(ExportsBusy, DatabaseUnavailable),
}


@router.get("/{file}.csv", response_class=Response, responses=_CSV)
async def export_csv(
    request: Request,
    file: CsvFile,
    session: Tx,
    admin: AdminUser,
    bom: Annotated[bool, Query(description="Begin with a byte order mark, for spreadsheets.")] = False,
    period: Annotated[Period, Query(description="Of the leaderboard.")] = Period.ALL,
) -> Response:
    """One snapshot of the whole table, oldest first (the leaderboard: best first), however long it is.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    settings: Settings = request.app.state.settings
    record(session, actor_id=admin.id, action="export.download", target_type="export", target_id=file.value)
    return SnapshotDownload(
        await read_database_of(request).choose(),
        request.app.state.exports,
        csv_of(query_of(file, period), bom=bom),
        filename=f"{file.value}-{local_date(settings.app.zone):%Y-%m-%d}.csv",
        media_type="text/csv",
    )
