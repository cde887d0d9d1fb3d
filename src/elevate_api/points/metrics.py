"""The ledger, counted once a row is committed."""

from prometheus_client import Counter

from elevate_api.kit.metrics import REGISTRY

LEDGER_ROWS = Counter("leaps_ledger_rows_total", "Rows appended to the ledger.", ["source"], registry=REGISTRY)
POINTS_WRITTEN = Counter(
    "leaps_points_written_total",
    "Points appended to the ledger; those taken back count beside those given, not against them.",
    ["source", "direction"],
    registry=REGISTRY,
)


def appended(source: str, delta_points: int, rows: int = 1) -> None:
    """Count `rows` with these points in all, all given or all taken."""
    LEDGER_ROWS.labels(source).inc(rows)
    POINTS_WRITTEN.labels(source, "given" if delta_points > 0 else "taken").inc(abs(delta_points))
