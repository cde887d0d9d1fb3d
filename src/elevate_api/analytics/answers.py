"""How a refresh is answered, whoever asked for it."""

from fastapi import Response
from fastapi.responses import JSONResponse

from elevate_api.analytics.schemas import RefreshOut, RunningOut, ViewRefreshOut
from elevate_api.kit.jobs import JobResult


def answer(result: JobResult) -> Response:
    """200 with the views, 500 with them when one failed, 202 while another call refreshes."""
    if result.outcome is None:
        return _json(202, RunningOut(job_id=result.job_id, running=True))
    views = [ViewRefreshOut.model_validate(view) for view in result.outcome["views"]]
    return _json(200 if result.outcome["ok"] else 500, RefreshOut(job_id=result.job_id, views=views))


def _json(status: int, document: RefreshOut | RunningOut) -> Response:
    return JSONResponse(document.model_dump(mode="json", exclude_unset=True), status)
