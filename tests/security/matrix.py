"""What each route answers to whom: a row for every route, a column for everybody of `world.CALLERS`.

anonymous, stranger, owner, reviewer, admin, superadmin, suspended, erased. Every request is complete and valid, so the
status is the decision about the caller. A route that has no row here fails the tests.
"""

Operation = tuple[str, str]

EVERYBODY = "200 200 200 200 200 200 200 200"
MACHINES = "401 401 401 401 401 401 401 401"
"""They have secrets of their own, so a person's token opens nothing, whoever it is."""


def anybody(status: int = 200) -> str:
    """Whoever is signed in, about their own things."""
    return f"401 {status} {status} {status} {status} {status} 403 403"


def reviewers(status: int = 200) -> str:
    return f"401 403 403 {status} {status} {status} 403 403"


def administrators(status: int = 200) -> str:
    return f"401 403 403 403 {status} {status} 403 403"


OWNER_ALONE = "401 404 {} 404 404 404 403 403"
"""For others it does not exist, whatever their role."""

MATRIX: dict[Operation, str] = {
    ("GET", "/api/leaderboard"): EVERYBODY,
    ("GET", "/api/stats"): EVERYBODY,
    ("GET", "/api/activities"): EVERYBODY,
    ("GET", "/api/badges"): EVERYBODY,
    ("GET", "/api/profiles/{handle}"): EVERYBODY,
    ("GET", "/health/live"): EVERYBODY,
    ("HEAD", "/health/live"): EVERYBODY,
    ("GET", "/health/ready"): EVERYBODY,
    ("HEAD", "/health/ready"): EVERYBODY,
    ("GET", "/health/database"): EVERYBODY,
    ("HEAD", "/health/database"): EVERYBODY,
    ("GET", "/api/health/database"): EVERYBODY,
    ("HEAD", "/api/health/database"): EVERYBODY,
    ("GET", "/metrics"): MACHINES,
    ("GET", "/api/cron/refresh-analytics"): MACHINES,
    ("POST", "/api/cron/refresh-analytics"): MACHINES,
    ("GET", "/api/cron/retention"): MACHINES,
    ("POST", "/api/cron/retention"): MACHINES,
    ("GET", "/api/cron/daily-health"): MACHINES,
    ("POST", "/api/cron/daily-health"): MACHINES,
    ("POST", "/api/webhooks/kajabi"): MACHINES,
    ("POST", "/api/webhooks/kajabi/{token}"): MACHINES,
    ("POST", "/api/webhooks/clerk"): MACHINES,
    ("GET", "/api/me"): anybody(),
    ("PATCH", "/api/me"): anybody(),
    ("GET", "/api/me/dashboard"): anybody(),
    ("GET", "/api/me/export"): anybody(),
    ("DELETE", "/api/me"): anybody(202),
    ("POST", "/api/me/erasure/cancel"): anybody(),
    ("GET", "/api/me/points"): anybody(),
    ("GET", "/api/me/points/entries"): anybody(),
    ("GET", "/api/me/rank"): anybody(),
    ("POST", "/api/submissions"): anybody(201),
    ("GET", "/api/submissions"): anybody(),
    ("GET", "/api/submissions/{submission_id}"): "401 404 200 200 200 200 403 403",
    ("PATCH", "/api/submissions/{submission_id}"): OWNER_ALONE.format(200),
    ("POST", "/api/submissions/{submission_id}/withdraw"): OWNER_ALONE.format(200),
    ("POST", "/api/submissions/{submission_id}/attachments"): OWNER_ALONE.format(201),
    ("POST", "/api/submissions/{submission_id}/attachments/{attachment_id}/complete"): OWNER_ALONE.format(409),
    ("GET", "/api/attachments/{attachment_id}"): "401 404 302 302 302 302 403 403",
    ("GET", "/api/review/queue"): reviewers(),
    ("POST", "/api/review/claims"): reviewers(),
    # Reviewer and administrator hold the claim that they release, the superadmin somebody else's.
    ("DELETE", "/api/review/claims/{submission_id}"): "401 403 403 204 204 404 403 403",
    ("POST", "/api/review/bulk"): reviewers(),
    ("POST", "/api/review/{submission_id}/approve"): reviewers(),
    ("POST", "/api/review/{submission_id}/reject"): reviewers(),
    ("POST", "/api/review/{submission_id}/revoke"): administrators(),
    ("POST", "/api/admin/points/adjustments"): administrators(201),
    ("GET", "/api/admin/users"): administrators(),
    ("GET", "/api/admin/users/{user_id}"): administrators(),
    ("PATCH", "/api/admin/users/{user_id}"): administrators(),
    ("GET", "/api/admin/users/{user_id}/points"): administrators(),
    ("GET", "/api/admin/badges"): administrators(),
    ("POST", "/api/admin/badges"): administrators(201),
    ("PATCH", "/api/admin/badges/{code}"): administrators(),
    ("POST", "/api/admin/badges/{code}/awards"): administrators(201),
    ("GET", "/api/admin/analytics/activities"): administrators(),
    ("GET", "/api/admin/analytics/cohorts"): administrators(),
    ("GET", "/api/admin/analytics/schools"): administrators(),
    ("GET", "/api/admin/analytics/timeseries"): administrators(),
    ("GET", "/api/admin/exports/{file}.csv"): administrators(),
    ("GET", "/api/admin/audit"): administrators(),
    ("GET", "/api/admin/kajabi/events"): administrators(),
    ("GET", "/api/admin/kajabi/events/{event_id}"): administrators(),
    ("POST", "/api/admin/kajabi/events/{event_id}/match"): administrators(),
    ("POST", "/api/admin/kajabi/events/{event_id}/replay"): administrators(),
    ("POST", "/api/admin/kajabi/events/replay"): administrators(),
    ("GET", "/api/admin/ops/backups"): administrators(),
    ("GET", "/api/admin/ops/views"): administrators(),
    ("GET", "/api/admin/ops/database"): administrators(),
    ("GET", "/api/admin/ops/connections"): administrators(),
    ("GET", "/api/admin/ops/queries"): administrators(),
    ("GET", "/api/admin/ops/indexes"): administrators(),
    ("GET", "/api/admin/ops/quota"): administrators(),
    ("GET", "/api/admin/ops/integrity"): administrators(),
    ("GET", "/api/admin/ops/anomalies"): administrators(),
    ("GET", "/api/admin/ops/migrations"): administrators(),
    ("GET", "/api/admin/ops/refreshes"): administrators(),
    ("POST", "/api/admin/ops/refresh"): administrators(),
    ("GET", "/api/admin/alerts"): administrators(),
    ("POST", "/api/admin/alerts/{alert_id}/acknowledge"): administrators(),
    ("GET", "/api/admin/alerts/silences"): administrators(),
    ("POST", "/api/admin/alerts/silences"): administrators(201),
    ("DELETE", "/api/admin/alerts/silences/{silence_id}"): administrators(204),
}

APART = {
    ("GET", "/api/leaderboard/stream"): "public and without an end: tests/leaderboards/test_live_board.py",
    ("PUT", "/api/storage/{key:path}"): "the signed link is the permission: tests/attachments",
    ("GET", "/api/storage/{key:path}"): "as above",
}
