"""What this process counts about errors and notices."""

from prometheus_client import Counter

from elevate_api.kit.metrics import REGISTRY

DATABASE_ERRORS = Counter(
    "leaps_database_errors_total", "Errors of the database, answered politely or not.", ["sqlstate"], registry=REGISTRY
)
REFUSALS = Counter(
    "leaps_quota_refusals_total", "Submissions that a limit refused, by its name.", ["limit"], registry=REGISTRY
)
NOTICES = Counter(
    "leaps_alert_notices_total", "Attempts to deliver notices of alerts.", ["channel", "outcome"], registry=REGISTRY
)
