"""Settings of what goes on in the background: jobs, alerts, files, backups, retention, the first administrator."""

from typing import Literal

from pydantic import Field

from elevate_api.config.values import BackupKeys, Group, OptionalPath, OptionalText


class AttachmentSettings(Group):
    """Evidence files. Without Supabase's URL and key they are kept on this machine's disk."""

    store: Literal["auto", "supabase", "local"] = Field("auto", validation_alias="ATTACHMENT_STORE")
    bucket: str = Field("evidence", pattern=r"^[A-Za-z0-9._-]{1,100}$", validation_alias="ATTACHMENT_BUCKET")
    directory: OptionalPath = Field(None, validation_alias="ATTACHMENT_DIR")
    scan_command: OptionalText = Field(None, validation_alias="ATTACHMENT_SCAN_COMMAND")
    scan_url: OptionalText = Field(None, validation_alias="ATTACHMENT_SCAN_URL")


class SchedulerSettings(Group):
    enabled: bool = Field(True, validation_alias="SCHEDULER_ENABLED")
    fold_seconds: float = Field(1, ge=0.1, le=60, validation_alias="FOLD_INTERVAL_SECONDS")
    refresh_seconds: int = Field(300, ge=1, validation_alias="ANALYTICS_REFRESH_SECONDS")
    stale_seconds: int = Field(1800, ge=1, validation_alias="VIEW_STALE_SECONDS")
    seal_seconds: int = Field(300, ge=10, validation_alias="LEDGER_SEAL_SECONDS")


class AlertSettings(Group):
    """Thresholds and durations of the alert rules, the operations manual's by default. Durations are in seconds."""

    enabled: bool = Field(True, validation_alias="ALERTS_ENABLED")
    interval: int = Field(15, ge=1, validation_alias="ALERTS_INTERVAL_SECONDS")
    reminder: int = Field(3600, ge=60, validation_alias="ALERTS_REMINDER_SECONDS")
    refresh_failure_hold: int = Field(300, ge=0, validation_alias="ALERT_REFRESH_FAILURE_HOLD_SECONDS")
    event_quiet: int = Field(900, ge=0, validation_alias="ALERT_EVENT_QUIET_SECONDS")
    slow_query: float = Field(10, gt=0, validation_alias="ALERT_SLOW_QUERY_SECONDS")
    slow_query_hold: int = Field(60, ge=0, validation_alias="ALERT_SLOW_QUERY_HOLD_SECONDS")
    pool_utilization: float = Field(0.8, gt=0, lt=1, validation_alias="ALERT_POOL_UTILIZATION")
    pool_hold: int = Field(300, ge=0, validation_alias="ALERT_POOL_HOLD_SECONDS")
    review_queue: int = Field(50, ge=1, validation_alias="ALERT_REVIEW_QUEUE")
    review_queue_hold: int = Field(3600, ge=0, validation_alias="ALERT_REVIEW_QUEUE_HOLD_SECONDS")
    submissions_drop: float = Field(0.5, gt=0, lt=1, validation_alias="ALERT_SUBMISSIONS_DROP")
    submissions_median: int = Field(20, ge=1, validation_alias="ALERT_SUBMISSIONS_MEDIAN")
    staleness_every: int = Field(3600, ge=0, validation_alias="ALERT_VIEW_STALENESS_EVERY_SECONDS")
    kajabi_events: int = Field(20, ge=0, validation_alias="ALERT_KAJABI_EVENTS")
    kajabi_age: int = Field(86_400, ge=0, validation_alias="ALERT_KAJABI_AGE_SECONDS")


class BackupSettings(Group):
    """Scheduled where there is a folder. Of several keys the first encrypts and all decrypt, for rotation."""

    directory: OptionalPath = Field(None, validation_alias="BACKUP_DIR")
    keys: BackupKeys = Field((), validation_alias="BACKUP_KEY")
    dump_seconds: int = Field(86_400, ge=600, validation_alias="BACKUP_DUMP_SECONDS")
    increment_seconds: int = Field(2700, ge=60, validation_alias="BACKUP_INCREMENT_SECONDS")
    keep_daily: int = Field(7, ge=1, le=366, validation_alias="BACKUP_KEEP_DAILY")
    keep_weekly: int = Field(4, ge=0, le=520, validation_alias="BACKUP_KEEP_WEEKLY")
    wal_archive: OptionalPath = Field(None, validation_alias="BACKUP_WAL_ARCHIVE")


class RetentionSettings(Group):
    """Months that data with an end is kept (shared/domain.md)."""

    evidence_months: int = Field(24, ge=1, le=1200, validation_alias="RETENTION_EVIDENCE_MONTHS")
    kajabi_months: int = Field(12, ge=1, le=1200, validation_alias="RETENTION_KAJABI_MONTHS")
    audit_months: int = Field(24, ge=6, le=1200, validation_alias="RETENTION_AUDIT_MONTHS")


class SeedSettings(Group):
    admin_id: OptionalText = Field(None, validation_alias="SEED_ADMIN_ID")
    admin_email: OptionalText = Field(None, validation_alias="SEED_ADMIN_EMAIL")
    admin_name: OptionalText = Field(None, validation_alias="SEED_ADMIN_NAME")
    admin_handle: OptionalText = Field(None, validation_alias="SEED_ADMIN_HANDLE")
