"""What this process counts about errors and notices."""

from prometheus_client import Counter

from elevate_api.kit.metrics import REGISTRY

DATABASE_ERRORS = Counter(
    "leaps_database_errors_total", "Errors of the database, answered politely or not.", ["sqlstate"], registry=REGISTRY
)
NOTICES = Counter(
    "leaps_alert_notices_total", "Attempts to deliver notices of alerts.", ["channel", "outcome"], registry=REGISTRY
)
