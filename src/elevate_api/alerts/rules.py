"""The rules, as data. Names, severities and durations are the operations manual's ("Alerting Thresholds").

What each means, what to do first and which command helps stands in docs/alerts.md; a test holds the two together.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from elevate_api.config import AlertSettings

ALWAYS = timedelta(0)
QUIET = timedelta(minutes=15)
"""How long an event rule stays open after the last event."""


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"


class Name(StrEnum):
    DATABASE_CONNECTION_FAILURE = "database_connection_failure"
    MIGRATION_FAILURE = "migration_failure"
    VIEW_REFRESH_FAILURE = "view_refresh_failure"
    AMPLIFY_QUOTA_TRIGGER_ERROR = "amplify_quota_trigger_error"
    FOREIGN_KEY_VIOLATION = "foreign_key_violation"
    SLOW_QUERY = "slow_query"
    CONNECTION_POOL_UTILIZATION = "connection_pool_utilization"
    REVIEW_QUEUE_BACKLOG = "review_queue_backlog"
    DAILY_SUBMISSIONS_DROP = "daily_submissions_drop"
    VIEW_STALENESS = "view_staleness"
    KAJABI_BACKLOG = "kajabi_backlog"
    INVARIANT_VIOLATED = "invariant_violated"
    BACKUP_OVERDUE = "backup_overdue"


@dataclass(frozen=True, slots=True)
class Rule:
    """`hold`: how long the condition must last before it fires. `every`: how often it is looked at while all is well;
    an open alert is looked at every time, so that it clears soon. `quiet`: how long it must be over before it clears.
    """

    name: Name
    severity: Severity
    title: str
    hold: timedelta = ALWAYS
    every: timedelta = ALWAYS
    quiet: timedelta = ALWAYS


_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)

DEFAULTS: tuple[Rule, ...] = (
    Rule(Name.DATABASE_CONNECTION_FAILURE, Severity.CRITICAL, "The database cannot be used"),
    Rule(Name.MIGRATION_FAILURE, Severity.CRITICAL, "The database is not at this version's migrations"),
    Rule(Name.VIEW_REFRESH_FAILURE, Severity.CRITICAL, "A view could not be refreshed", hold=5 * _MINUTE),
    Rule(Name.AMPLIFY_QUOTA_TRIGGER_ERROR, Severity.CRITICAL, "The submissions trigger failed", quiet=QUIET),
    Rule(Name.FOREIGN_KEY_VIOLATION, Severity.CRITICAL, "A foreign key was violated", quiet=QUIET),
    Rule(Name.SLOW_QUERY, Severity.WARNING, "A statement runs too long", hold=_MINUTE),
    Rule(Name.CONNECTION_POOL_UTILIZATION, Severity.WARNING, "Connections are running out", hold=5 * _MINUTE),
    Rule(Name.REVIEW_QUEUE_BACKLOG, Severity.WARNING, "Too many submissions wait for review", hold=_HOUR),
    # The condition is about a finished day and changes once a day, whenever it is looked at.
    Rule(Name.DAILY_SUBMISSIONS_DROP, Severity.WARNING, "Far fewer submissions than usual", every=_HOUR),
    Rule(Name.VIEW_STALENESS, Severity.WARNING, "A view is old", every=_HOUR),
    Rule(Name.KAJABI_BACKLOG, Severity.WARNING, "Kajabi events are not processed"),
    Rule(Name.INVARIANT_VIOLATED, Severity.CRITICAL, "The data contradict each other"),
    Rule(Name.BACKUP_OVERDUE, Severity.CRITICAL, "The last backup is older than its schedule"),
)


def build(settings: AlertSettings) -> tuple[Rule, ...]:
    """The rules with the durations of the settings."""
    holds = {
        Name.VIEW_REFRESH_FAILURE: settings.refresh_failure_hold,
        Name.SLOW_QUERY: settings.slow_query_hold,
        Name.CONNECTION_POOL_UTILIZATION: settings.pool_hold,
        Name.REVIEW_QUEUE_BACKLOG: settings.review_queue_hold,
    }
    every = {Name.VIEW_STALENESS: settings.staleness_every}
    quiet = dict.fromkeys((Name.AMPLIFY_QUOTA_TRIGGER_ERROR, Name.FOREIGN_KEY_VIOLATION), settings.event_quiet)
    return tuple(
        replace(
            rule,
            hold=timedelta(seconds=holds[rule.name]) if rule.name in holds else rule.hold,
            every=timedelta(seconds=every[rule.name]) if rule.name in every else rule.every,
            quiet=timedelta(seconds=quiet[rule.name]) if rule.name in quiet else rule.quiet,
        )
        for rule in DEFAULTS
    )
