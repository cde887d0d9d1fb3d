"""The operator's watch: parts that renew themselves, each able to fail alone."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Response

from elevate_api.console import ops_figures
from elevate_api.console.client import ApiRefused, together
from elevate_api.console.ops_kajabi import STATUSES, events_part
from elevate_api.console.pages import PageRouter, notice
from elevate_api.console.visits import Admin, Visit
from elevate_api.kit.problems import NotFound, ValidationFailed

VIEWS = (
    "leaderboard_totals",
    "leaderboard_30d",
    "activity_metrics",
    "cohort_metrics",
    "school_metrics",
    "time_series_metrics",
)
RUNS_SHOWN = 60
SLOWEST_SHOWN = 8
BACKUPS_SHOWN = 5
SILENCE_HOURS = ("1", "4", "24")
_OPEN_FIRST = ("FIRING", "ACKNOWLEDGED", "PENDING", "RESOLVED", "OK")

router = PageRouter()


@router.get("/console/ops")
async def ops_page(visit: Admin) -> Response:
    """Health and alerts are there at once; the browser asks for the other parts."""
    health, alerts = await together(_health(visit), _alerts(visit))
    return visit.page("ops.html", health=health, **alerts)


@router.get("/console/ops/parts/{name}")
async def ops_part(visit: Admin, name: str, status: str = STATUSES[0]) -> Response:
    if name == "kajabi":
        return await events_part(visit, status)
    if name == "health":
        return visit.fragment("ops_health.html", health=await _health(visit))
    read = _PARTS.get(name)
    if read is None:
        raise NotFound
    return visit.fragment(f"ops_{name}.html", **await read(visit))


@router.post("/console/ops/refresh")
async def refresh_now(visit: Admin) -> Response:
    try:
        done = await visit.api.post("/api/admin/ops/refresh")
    except ApiRefused as refused:
        if "views" not in refused.document:
            raise
        done = refused.document
    response = visit.fragment("ops_views.html", **await _views(visit))
    failed = [view["view"] for view in done.get("views", []) if not view["ok"]]
    if failed:
        response.headers["HX-Trigger"] = notice(visit.words("ops.refresh.failed", views=", ".join(failed)), "bad")
    else:
        key = "ops.refresh.running" if done.get("running") else "ops.refresh.done"
        response.headers["HX-Trigger"] = notice(visit.words(key))
    return response


@router.post("/console/ops/alerts/{alert_id}/acknowledge")
async def acknowledge(visit: Admin, alert_id: str) -> Response:
    await visit.api.post(f"/api/admin/alerts/{alert_id}/acknowledge")
    return await _alerts_with(visit, "ops.alerts.acknowledged")


@router.post("/console/ops/silences")
async def silence(visit: Admin) -> Response:
    """`rule` empty: every rule. `hours` from now."""
    form = await visit.form()
    if form.get("hours") not in SILENCE_HOURS:
        raise ValidationFailed
    ends_at = datetime.now(UTC) + timedelta(hours=int(form["hours"]))
    body = {"rule": form.get("rule") or None, "endsAt": ends_at.isoformat(), "reason": form.get("reason", "")}
    await visit.api.post("/api/admin/alerts/silences", body)
    return await _alerts_with(visit, "ops.alerts.silenced")


@router.post("/console/ops/silences/{silence_id}/end")
async def end_silence(visit: Admin, silence_id: str) -> Response:
    await visit.api.delete(f"/api/admin/alerts/silences/{silence_id}")
    return await _alerts_with(visit, "ops.alerts.silence_ended")


@router.post("/console/ops/integrity")
async def check_now(visit: Admin) -> Response:
    """Run every check now; it may take a while on a large database."""
    report = await visit.api.get("/api/admin/ops/integrity", fresh="true")
    return visit.fragment("ops_integrity.html", report=report)


async def _health(visit: Visit) -> Any:
    """A 503 is an answer here, and what the page is for."""
    found = await visit.api.attempt("GET", "/health/database")
    return found.document if isinstance(found, ApiRefused) else found


async def _alerts(visit: Visit) -> dict[str, Any]:
    alerts, silences = await together(
        visit.api.get("/api/admin/alerts", limit=100), visit.api.get("/api/admin/alerts/silences", limit=100)
    )
    items = sorted(alerts["items"], key=lambda alert: (_OPEN_FIRST.index(alert["status"]), alert["rule"]))
    return {"alerts": items, "silences": silences["items"], "hours": SILENCE_HOURS}


async def _alerts_with(visit: Visit, told: str) -> Response:
    response = visit.fragment("ops_alerts.html", **await _alerts(visit))
    response.headers["HX-Trigger"] = notice(visit.words(told))
    return response


async def _activity(visit: Visit) -> dict[str, Any]:
    series, database = await together(
        visit.api.get("/api/admin/analytics/timeseries"), visit.api.get("/api/admin/ops/database")
    )
    limits = visit.settings.alerts
    waiting = sum(stage["pending"] for stage in database["queue"])
    days = ops_figures.days_of(series["items"], waiting, limits.submissions_drop, limits.submissions_median)
    oldest = min((stage["oldestPending"] for stage in database["queue"]), default=None)
    return {
        "days": days, "x": [ops_figures.noon(day.day) for day in days], "queue": database["queue"],
        "waiting": waiting, "oldest": oldest, "queue_limit": limits.review_queue, "as_of": series["asOf"],
    }  # fmt: skip


async def _views(visit: Visit) -> dict[str, Any]:
    views, *histories = await together(
        visit.api.get("/api/admin/ops/views"),
        *(visit.api.get("/api/admin/ops/refreshes", view=view, limit=RUNS_SHOWN) for view in VIEWS),
    )
    curves = [ops_figures.view_curve(view, runs["items"]) for view, runs in zip(VIEWS, histories, strict=True)]
    return {"views": views["items"], "curves": curves}


async def _server(visit: Visit) -> dict[str, Any]:
    connections, queries = await together(
        visit.api.get("/api/admin/ops/connections"), visit.api.get("/api/admin/ops/queries")
    )
    outliers = queries["outliers"]
    return {
        "connections": connections, "active": queries["active"],
        "outliers": outliers if outliers is None else outliers[:SLOWEST_SHOWN],
    }  # fmt: skip


async def _backups(visit: Visit) -> dict[str, Any]:
    found = await visit.api.get("/api/admin/ops/backups")
    return {"backups": found["backups"][:BACKUPS_SHOWN], "drill": next(iter(found["drills"]), None)}


async def _integrity(visit: Visit) -> dict[str, Any]:
    return {"report": await visit.api.get("/api/admin/ops/integrity")}


_PARTS: dict[str, Callable[[Visit], Awaitable[dict[str, Any]]]] = {
    "alerts": _alerts,
    "activity": _activity,
    "views": _views,
    "server": _server,
    "backups": _backups,
    "integrity": _integrity,
}
