"""Who may call what: a table of every route, held against the application itself and against real calls."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from elevate_api.api import CONSOLE_ROUTERS, MANUAL_ROUTERS, ROUTERS
from elevate_api.auth.roles import Role
from elevate_api.users.guards import guard_of

SignIn = Callable[..., Awaitable[Any]]
Operation = tuple[str, str]

PUBLIC = None
P, R, A = Role.PARTICIPANT, Role.REVIEWER, Role.ADMIN

TABLE: dict[Operation, Role | None] = {
    ("GET", "/api/leaderboard"): PUBLIC,
    ("GET", "/api/leaderboard/stream"): PUBLIC,
    ("GET", "/api/stats"): PUBLIC,
    ("GET", "/api/activities"): PUBLIC,
    ("GET", "/api/badges"): PUBLIC,
    ("GET", "/api/profiles/{handle}"): PUBLIC,
    ("GET", "/health/live"): PUBLIC,
    ("HEAD", "/health/live"): PUBLIC,
    ("GET", "/health/ready"): PUBLIC,
    ("HEAD", "/health/ready"): PUBLIC,
    ("GET", "/health/database"): PUBLIC,
    ("HEAD", "/health/database"): PUBLIC,
    ("GET", "/api/health/database"): PUBLIC,
    ("HEAD", "/api/health/database"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,  # a token of its own where METRICS_TOKEN is set
    ("GET", "/api/cron/refresh-analytics"): PUBLIC,  # a secret of its own
    ("POST", "/api/cron/refresh-analytics"): PUBLIC,
    ("GET", "/api/cron/retention"): PUBLIC,
    ("POST", "/api/cron/retention"): PUBLIC,
    ("GET", "/api/cron/daily-health"): PUBLIC,
    ("POST", "/api/cron/daily-health"): PUBLIC,
    ("GET", "/api/me"): P,
    ("PATCH", "/api/me"): P,
    ("GET", "/api/me/dashboard"): P,
    ("GET", "/api/me/export"): P,
    ("DELETE", "/api/me"): P,
    ("POST", "/api/me/erasure/cancel"): P,
    ("GET", "/api/me/points"): P,
    ("GET", "/api/me/points/entries"): P,
    ("GET", "/api/me/rank"): P,
    ("POST", "/api/submissions"): P,
    ("GET", "/api/submissions"): P,
    ("GET", "/api/submissions/{submission_id}"): P,
    ("PATCH", "/api/submissions/{submission_id}"): P,
    ("POST", "/api/submissions/{submission_id}/withdraw"): P,
    ("POST", "/api/submissions/{submission_id}/attachments"): P,
    ("POST", "/api/submissions/{submission_id}/attachments/{attachment_id}/complete"): P,
    ("GET", "/api/attachments/{attachment_id}"): P,
    ("PUT", "/api/storage/{key:path}"): PUBLIC,  # the link is the permission
    ("GET", "/api/storage/{key:path}"): PUBLIC,
    ("GET", "/api/review/queue"): R,
    ("POST", "/api/review/claims"): R,
    ("DELETE", "/api/review/claims/{submission_id}"): R,
    ("POST", "/api/review/bulk"): R,
    ("POST", "/api/review/{submission_id}/approve"): R,
    ("POST", "/api/review/{submission_id}/reject"): R,
    ("POST", "/api/review/{submission_id}/revoke"): A,
    ("POST", "/api/admin/points/adjustments"): A,
    ("GET", "/api/admin/alerts"): A,
    ("POST", "/api/admin/alerts/{alert_id}/acknowledge"): A,
    ("GET", "/api/admin/alerts/silences"): A,
    ("POST", "/api/admin/alerts/silences"): A,
    ("DELETE", "/api/admin/alerts/silences/{silence_id}"): A,
    ("GET", "/api/admin/ops/backups"): A,
    ("GET", "/api/admin/ops/views"): A,
    ("GET", "/api/admin/ops/database"): A,
    ("GET", "/api/admin/ops/connections"): A,
    ("GET", "/api/admin/ops/queries"): A,
    ("GET", "/api/admin/ops/indexes"): A,
    ("GET", "/api/admin/ops/quota"): A,
    ("GET", "/api/admin/ops/integrity"): A,
    ("GET", "/api/admin/ops/anomalies"): A,
    ("GET", "/api/admin/ops/migrations"): A,
    ("GET", "/api/admin/ops/refreshes"): A,
    ("POST", "/api/admin/ops/refresh"): A,
    ("GET", "/api/admin/kajabi/events"): A,
    ("GET", "/api/admin/kajabi/events/{event_id}"): A,
    ("POST", "/api/admin/kajabi/events/{event_id}/match"): A,
    ("POST", "/api/admin/kajabi/events/{event_id}/replay"): A,
    ("POST", "/api/admin/kajabi/events/replay"): A,
    ("POST", "/api/webhooks/kajabi"): PUBLIC,  # secrets of their own
    ("POST", "/api/webhooks/kajabi/{token}"): PUBLIC,
    ("POST", "/api/webhooks/clerk"): PUBLIC,
    ("GET", "/api/admin/users"): A,
    ("GET", "/api/admin/users/{user_id}"): A,
    ("PATCH", "/api/admin/users/{user_id}"): A,
    ("GET", "/api/admin/users/{user_id}/points"): A,
    ("GET", "/api/admin/badges"): A,
    ("POST", "/api/admin/badges"): A,
    ("PATCH", "/api/admin/badges/{code}"): A,
    ("POST", "/api/admin/badges/{code}/awards"): A,
    ("GET", "/api/admin/analytics/activities"): A,
    ("GET", "/api/admin/analytics/cohorts"): A,
    ("GET", "/api/admin/analytics/schools"): A,
    ("GET", "/api/admin/analytics/timeseries"): A,
    ("GET", "/api/admin/exports/{file}.csv"): A,
    ("GET", "/api/admin/audit"): A,
}


HIDDEN = {("PUT", "/api/storage/{key:path}"), ("GET", "/api/storage/{key:path}")}
"""Links of the local file store: opaque to clients, so no part of the contract."""

MANUAL = {("GET", "/docs"), ("GET", "/docs/manual.css")}
"""The contract as a page, for everybody."""

CONSOLE = {
    ("GET", "/console"),
    ("GET", "/console/"),
    ("GET", "/console/board"),
    ("GET", "/console/language/{code}"),
    ("GET", "/console/review"),
    ("POST", "/console/review/claims"),
    ("DELETE", "/console/review/claims/{submission_id}"),
    ("GET", "/console/review/recent"),
    ("GET", "/console/review/submissions/{submission_id}"),
    ("GET", "/console/ops"),
    ("POST", "/console/ops/alerts/{alert_id}/acknowledge"),
    ("POST", "/console/ops/integrity"),
    ("POST", "/console/ops/kajabi/replay"),
    ("POST", "/console/ops/kajabi/{event_id}/match"),
    ("POST", "/console/ops/kajabi/{event_id}/replay"),
    ("GET", "/console/ops/parts/{name}"),
    ("POST", "/console/ops/refresh"),
    ("POST", "/console/ops/silences"),
    ("POST", "/console/ops/silences/{silence_id}/end"),
    ("GET", "/console/sign-in"),
    ("POST", "/console/sign-in"),
    ("POST", "/console/sign-out"),
    ("GET", "/console/static/{version}/{name:path}"),
    ("GET", "/console/{path:path}"),
}
"""Pages. None has a guard of its own: what they show and do, they ask of the routes above, as their visitor."""


def operations() -> Iterator[tuple[Operation, APIRoute]]:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in sorted(route.methods or ()):
                yield (method, route.path), route


def test_every_page_is_listed_and_reaches_no_database_by_itself() -> None:
    pages = [route for router in CONSOLE_ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert {(method, route.path) for route in pages for method in route.methods or ()} == CONSOLE
    manual = [route for router in MANUAL_ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert {(method, route.path) for route in manual for method in route.methods or ()} == MANUAL
    pages += manual
    assert [route.path for route in pages if guard_of(route.dependant) is not None or route.include_in_schema] == []


def test_every_route_stands_in_the_table_with_its_guard() -> None:
    assert {operation: guard_of(route.dependant) for operation, route in operations()} == TABLE


def test_the_document_shows_every_route_and_no_other(app: FastAPI) -> None:
    shown = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
    assert shown == {operation for operation in TABLE if operation[0] != "HEAD"} - HIDDEN


def concrete(path: str) -> str:
    some_id = "0198f2a4-7c1e-7b3a-9d54-2f6f0f3a1c11"
    known = {"submission_id": some_id, "attachment_id": some_id, "user_id": "nobody", "event_id": some_id}
    known |= {"alert_id": some_id, "silence_id": some_id}
    known |= {"code": "NONE", "file": "users"}
    return path.format(**known) if "{" in path else path


@pytest.mark.parametrize(("operation", "least"), [(op, role) for op, role in TABLE.items() if role is not None])
async def test_a_route_is_closed_to_those_below(
    as_user: SignIn, client: Any, operation: Operation, least: Role
) -> None:
    method, path = operation
    answer = await client.request(method, concrete(path))
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    for role in Role:
        caller = await as_user(role)
        answer = await caller.request(method, concrete(path))
        refused = answer.status_code == 403 and answer.json()["code"] == "FORBIDDEN"
        assert refused is not role.includes(least), (role, answer.text)
        assert answer.headers["cache-control"] == "private, no-store"
