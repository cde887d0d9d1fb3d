"""Facts for the rules whose facts packages above the alerts keep: invariants and backups, from the runs of their jobs.

Until there is a run of the invariants, or while no backup is scheduled, a rule does not apply.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from elevate_api.alerts.observe import Outcome, Source
from elevate_api.alerts.rules import Name
from elevate_api.backups.manifest import Kind
from elevate_api.backups.service import JOB as BACKUP
from elevate_api.config import BackupSettings, Settings
from elevate_api.ops.invariants.service import JOB as INVARIANTS

GRACE = timedelta(minutes=15)
"""A backup is due at its time, and done some time later."""


def alert_sources(settings: Settings) -> Mapping[Name, Source]:
    sources: dict[Name, Source] = {Name.INVARIANT_VIOLATED: invariants}
    if settings.backups.directory is not None:
        sources[Name.BACKUP_OVERDUE] = _Backups(settings.backups)
    return sources


async def invariants(line: Any, _now: datetime) -> Outcome | None:
    """Those of the last run that ended with results; warnings do not count."""
    outcome = await line.fetchval(_LAST_CHECK, INVARIANTS)
    if outcome is None:
        return None
    broken = {one["name"]: one["count"] for one in outcome["checks"] if not one["ok"] and one["severity"] != "warning"}
    unchecked = [one["name"] for one in outcome["checks"] if "error" in one]
    names = sorted({*broken, *unchecked})
    summary = f"violated or not checked: {', '.join(names)}" if names else "all hold"
    return Outcome(not outcome["ok"], summary, {"violated": broken, "unchecked": unchecked})


class _Backups:
    """Overdue: no dump, or no backup of any kind, within its schedule. Before the first, since the watch began."""

    def __init__(self, settings: BackupSettings) -> None:
        self._limits = {
            "dump": timedelta(seconds=settings.dump_seconds) + GRACE,
            "any": timedelta(seconds=settings.increment_seconds) + GRACE,
        }

    async def __call__(self, line: Any, now: datetime) -> Outcome:
        row = await line.fetchrow(_LAST_BACKUPS, BACKUP, str(Kind.FULL), str(Kind.INCREMENT))
        first = row["first_alert"]
        began = now if first is None else datetime.fromtimestamp((first.int >> 80) / 1000, UTC)  # UUIDv7
        ages = {kind: now - (row[f"last_{kind}"] or began) for kind in self._limits}
        overdue = sorted(kind for kind, limit in self._limits.items() if ages[kind] > limit)
        seconds = {kind: round(age.total_seconds()) for kind, age in ages.items()}
        summary = f"last dump {seconds['dump']} s ago, last backup of any kind {seconds['any']} s ago"
        return Outcome(bool(overdue), summary, {"ageSeconds": seconds, "overdue": overdue})


_LAST_CHECK = """
SELECT outcome FROM job_runs WHERE name = $1 AND finished_at IS NOT NULL AND outcome IS NOT NULL
ORDER BY started_at DESC LIMIT 1
"""

_LAST_BACKUPS = """
SELECT max(started_at) FILTER (WHERE outcome ->> 'kind' = $2) AS last_dump, max(started_at) AS last_any,
       (SELECT id FROM alerts ORDER BY id LIMIT 1) AS first_alert
FROM job_runs WHERE name = $1 AND ok AND outcome ->> 'kind' IN ($2, $3)
"""
