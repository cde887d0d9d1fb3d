"""Settings, in small frozen groups, read from the environment and an optional `.env` file.

The operations manual's names (DATABASE_URL, NODE_ENV, PGBOUNCER_ENABLED, ...) work as they stand there.
`.env.example` lists exactly the names below; a test holds the two together.
"""

import base64
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_LENGTH = 16
"""Characters; what cron services ask of CRON_SECRET, taken for every shared secret of ours."""
PLACEHOLDER = re.compile(r"change[-_ ]?me|placeholder|example|your[-_ ]|password|replace[-_ ]?me", re.IGNORECASE)
SVIX_PREFIX = "whsec_"
BACKUP_KEY_BYTES = 32


class SettingsError(Exception):
    """The settings cannot be used; the message names each variable and what is wrong, never a value."""


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"


def _split(value: Any) -> Any:
    """`a, b` -> `("a", "b")`; what is no text is left to pydantic."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _blank_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _no_url_marks(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """A token in a URL must arrive as it was written."""
    if all(re.fullmatch(r"[A-Za-z0-9._~-]+", value.get_secret_value()) for value in values):
        return values
    message = "letters, digits, '.', '_', '~' and '-' only, as tokens stand in a URL"
    raise ValueError(message)


def _svix_secrets(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for value in values:
        text = value.get_secret_value()
        try:
            key = base64.b64decode(text.removeprefix(SVIX_PREFIX), validate=True)
        except ValueError:
            key = b""
        if not text.startswith(SVIX_PREFIX) or len(key) < MIN_SECRET_LENGTH:
            message = (
                f"{SVIX_PREFIX} and the base64 of {MIN_SECRET_LENGTH} bytes or more, as Clerk's dashboard shows it"
            )
            raise ValueError(message)
    return values


def _tag_points(value: Any) -> Any:
    """`one=10, two=20` -> `{"one": 10, "two": 20}`, tags lower-cased."""
    if not isinstance(value, str):
        return value
    pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
    tags = {tag.strip().lower(): points.strip() for tag, _, points in pairs}
    if len(tags) != len(pairs) or not all(tags) or not all(re.fullmatch(r"\d{1,4}", p) for p in tags.values()):
        message = "tag=points, comma-separated, each tag once"
        raise ValueError(message)
    return {tag: int(points) for tag, points in tags.items()}


TagPoints = Annotated[int, Field(ge=1, le=1000)]
SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_to_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_to_none)]


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        message = f"no such time zone: {value!r}"
        raise ValueError(message) from error
    return value


class Group(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)


class AppSettings(Group):
    environment: Environment = Field(Environment.DEVELOPMENT, validation_alias=AliasChoices("ENVIRONMENT", "NODE_ENV"))
    site_url: OptionalText = Field(None, validation_alias=AliasChoices("SITE_URL", "NEXT_PUBLIC_SITE_URL"))
    api_url: OptionalText = Field(None, validation_alias="API_URL")
    cors_origins: CommaList = Field((), validation_alias="CORS_ORIGINS")
    program_timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "Asia/Jakarta", validation_alias="PROGRAM_TIMEZONE"
    )
    log_level: str = Field("INFO", validation_alias="LOG_LEVEL")
    max_body_bytes: int = Field(1_048_576, ge=1024, validation_alias="MAX_BODY_BYTES")

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            message = "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"
            raise ValueError(message)
        return value.upper()

    @property
    def production(self) -> bool:
        return self.environment in (Environment.PRODUCTION, Environment.STAGING)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.program_timezone)

    @property
    def browser_origins(self) -> list[str]:
        """Origins a browser may call from: the front end's, and those listed."""
        own = [self.site_url.rstrip("/")] if self.site_url else []
        return [*own, *(origin.rstrip("/") for origin in self.cors_origins)]


class DatabaseSettings(Group):
    url: OptionalSecret = Field(None, validation_alias="DATABASE_URL")
    direct_url: OptionalSecret = Field(None, validation_alias="DIRECT_URL")
    pgbouncer_enabled: bool = Field(False, validation_alias="PGBOUNCER_ENABLED")
    max_connections: int = Field(20, ge=2, le=1000, validation_alias="MAX_CONNECTIONS")
    pool_timeout: float = Field(10, gt=0, validation_alias="POOL_TIMEOUT")
    idle_timeout: float = Field(600, gt=0, validation_alias="IDLE_TIMEOUT")
    max_waiting: int = Field(40, ge=0, le=100_000, validation_alias="MAX_WAITING")
    statement_timeout: float = Field(10, ge=1, validation_alias="STATEMENT_TIMEOUT")
    lock_timeout: float = Field(3, ge=0.1, validation_alias="LOCK_TIMEOUT")
    transaction_timeout: float = Field(15, ge=2, validation_alias="TRANSACTION_TIMEOUT")


class EmbeddedSettings(Group):
    data_dir: Annotated[Path | None, BeforeValidator(_blank_to_none)] = Field(None, validation_alias="ELEVATE_DATA_DIR")
    bindir: Annotated[Path | None, BeforeValidator(_blank_to_none)] = Field(None, validation_alias="ELEVATE_PG_BINDIR")


class SupabaseSettings(Group):
    url: OptionalText = Field(None, validation_alias="SUPABASE_URL")
    secret_key: OptionalSecret = Field(
        None, validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE")
    )
    anon_key: OptionalText = Field(None, validation_alias="SUPABASE_ANON_KEY")  # accepted, unused


class ClerkSettings(Group):
    issuer: OptionalText = Field(None, validation_alias="CLERK_ISSUER")
    jwks_url: OptionalText = Field(None, validation_alias="CLERK_JWKS_URL")
    jwt_key: OptionalText = Field(None, validation_alias="CLERK_JWT_KEY")
    secret_key: OptionalSecret = Field(None, validation_alias="CLERK_SECRET_KEY")
    api_url: str = Field("https://api.clerk.com/v1", validation_alias="CLERK_API_URL")
    authorized_parties: CommaList = Field((), validation_alias="CLERK_AUTHORIZED_PARTIES")
    webhook_secrets: Annotated[SecretList, AfterValidator(_svix_secrets)] = Field(
        (), validation_alias="CLERK_WEBHOOK_SECRET"
    )

    @property
    def configured(self) -> bool:
        return bool(self.issuer or self.jwks_url or self.jwt_key)


class KajabiSettings(Group):
    """Several tokens and secrets at once, so that they can be rotated. The API's two are optional."""

    webhook_tokens: Annotated[SecretList, AfterValidator(_no_url_marks)] = Field(
        (), validation_alias="KAJABI_WEBHOOK_TOKENS"
    )
    webhook_secrets: SecretList = Field((), validation_alias="KAJABI_WEBHOOK_SECRET")
    learn_tags: Annotated[Mapping[str, TagPoints], NoDecode, BeforeValidator(_tag_points)] = Field(
        {"elevate-ai-1-completed": 10, "elevate-ai-2-completed": 10, "learn_completed": 20},
        validation_alias="KAJABI_LEARN_TAGS",
    )
    api_url: str = Field("https://api.kajabi.com/v1", validation_alias="KAJABI_API_URL")
    client_id: OptionalText = Field(None, validation_alias="KAJABI_CLIENT_ID")
    client_secret: OptionalSecret = Field(None, validation_alias="KAJABI_CLIENT_SECRET")
    site_id: OptionalText = Field(None, validation_alias="KAJABI_SITE_ID")
    pull_seconds: int = Field(3600, ge=60, validation_alias="KAJABI_PULL_SECONDS")


class MachineSettings(Group):
    cron_secret: OptionalSecret = Field(None, validation_alias="CRON_SECRET")
    metrics_token: OptionalSecret = Field(None, validation_alias="METRICS_TOKEN")


class ConsoleSettings(Group):
    """The pages at /console. `sign_in_url`: where people sign in to Clerk, such as its hosted page."""

    enabled: bool = Field(True, validation_alias="CONSOLE")
    sign_in_url: OptionalText = Field(None, validation_alias="CONSOLE_SIGN_IN_URL")


class AttachmentSettings(Group):
    """Evidence files. Without Supabase's URL and key they are kept on this machine's disk."""

    store: Literal["auto", "supabase", "local"] = Field("auto", validation_alias="ATTACHMENT_STORE")
    bucket: str = Field("evidence", pattern=r"^[A-Za-z0-9._-]{1,100}$", validation_alias="ATTACHMENT_BUCKET")
    directory: Annotated[Path | None, BeforeValidator(_blank_to_none)] = Field(None, validation_alias="ATTACHMENT_DIR")
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


class NoticeSettings(Group):
    """Who hears of alerts, besides the log. Addresses come from here only, never from a request."""

    webhook_url: OptionalSecret = Field(None, validation_alias="ALERT_WEBHOOK_URL")
    slack_url: OptionalSecret = Field(None, validation_alias="ALERT_SLACK_WEBHOOK_URL")
    email_to: CommaList = Field((), validation_alias="ALERT_EMAIL_TO")
    email_from: OptionalText = Field(None, validation_alias="ALERT_EMAIL_FROM")
    smtp_host: OptionalText = Field(None, validation_alias="SMTP_HOST")
    smtp_port: int = Field(587, ge=1, le=65535, validation_alias="SMTP_PORT")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", validation_alias="SMTP_SECURITY")
    smtp_username: OptionalText = Field(None, validation_alias="SMTP_USERNAME")
    smtp_password: OptionalSecret = Field(None, validation_alias="SMTP_PASSWORD")


class TracingSettings(Group):
    endpoint: OptionalText = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")


def _backup_keys(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for value in values:
        try:
            key = base64.b64decode(value.get_secret_value(), validate=True)
        except ValueError:
            key = b""
        if len(key) != BACKUP_KEY_BYTES:
            message = f"the base64 of {BACKUP_KEY_BYTES} random bytes, as `openssl rand -base64 32` prints"
            raise ValueError(message)
    return values


class BackupSettings(Group):
    """Scheduled where there is a folder. Of several keys the first encrypts and all decrypt, for rotation."""

    directory: Annotated[Path | None, BeforeValidator(_blank_to_none)] = Field(None, validation_alias="BACKUP_DIR")
    keys: Annotated[SecretList, AfterValidator(_backup_keys)] = Field((), validation_alias="BACKUP_KEY")
    dump_seconds: int = Field(86_400, ge=600, validation_alias="BACKUP_DUMP_SECONDS")
    increment_seconds: int = Field(2700, ge=60, validation_alias="BACKUP_INCREMENT_SECONDS")
    keep_daily: int = Field(7, ge=1, le=366, validation_alias="BACKUP_KEEP_DAILY")
    keep_weekly: int = Field(4, ge=0, le=520, validation_alias="BACKUP_KEEP_WEEKLY")
    wal_archive: Annotated[Path | None, BeforeValidator(_blank_to_none)] = Field(
        None, validation_alias="BACKUP_WAL_ARCHIVE"
    )


class RetentionSettings(Group):
    """Months that data with an end is kept (shared/domain.md)."""

    evidence_months: int = Field(24, ge=1, le=1200, validation_alias="RETENTION_EVIDENCE_MONTHS")
    kajabi_months: int = Field(12, ge=1, le=1200, validation_alias="RETENTION_KAJABI_MONTHS")
    audit_months: int = Field(24, ge=6, le=1200, validation_alias="RETENTION_AUDIT_MONTHS")


class ReplicaSettings(Group):
    """A standby that analytics reads and exports go to, as long as it is at most `max_lag_seconds` behind."""

    url: OptionalSecret = Field(None, validation_alias="ANALYTICS_DATABASE_URL")
    max_lag_seconds: float = Field(30, gt=0, validation_alias="ANALYTICS_MAX_LAG_SECONDS")


class RateLimitSettings(Group):
    enabled: bool = Field(True, validation_alias="RATE_LIMIT_ENABLED")
    anonymous: str = Field("300/minute", validation_alias="RATE_LIMIT_ANONYMOUS")
    reads: str = Field("600/minute", validation_alias="RATE_LIMIT_READS")
    writes: str = Field("120/minute", validation_alias="RATE_LIMIT_WRITES")
    storage: str = Field("auto", validation_alias="RATE_LIMIT_STORAGE")


class MemorySettings(Group):
    """Public answers that each process keeps; `megabytes` 0 keeps none."""

    megabytes: int = Field(16, ge=0, le=4096, validation_alias="PUBLIC_MEMORY_MB")


class SeedSettings(Group):
    admin_id: OptionalText = Field(None, validation_alias="SEED_ADMIN_ID")
    admin_email: OptionalText = Field(None, validation_alias="SEED_ADMIN_EMAIL")
    admin_name: OptionalText = Field(None, validation_alias="SEED_ADMIN_NAME")
    admin_handle: OptionalText = Field(None, validation_alias="SEED_ADMIN_HANDLE")


class Settings(BaseModel):
    """Everything the service can be told; a group for each concern."""

    model_config = ConfigDict(frozen=True)

    app: AppSettings = Field(default_factory=AppSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    embedded: EmbeddedSettings = Field(default_factory=EmbeddedSettings)
    supabase: SupabaseSettings = Field(default_factory=SupabaseSettings)
    clerk: ClerkSettings = Field(default_factory=ClerkSettings)
    kajabi: KajabiSettings = Field(default_factory=KajabiSettings)
    machines: MachineSettings = Field(default_factory=MachineSettings)
    console: ConsoleSettings = Field(default_factory=ConsoleSettings)
    attachments: AttachmentSettings = Field(default_factory=AttachmentSettings)
    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    notices: NoticeSettings = Field(default_factory=NoticeSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    backups: BackupSettings = Field(default_factory=BackupSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    replica: ReplicaSettings = Field(default_factory=ReplicaSettings)
    rate_limits: RateLimitSettings = Field(default_factory=RateLimitSettings)
    memory: MemorySettings = Field(default_factory=MemorySettings)
    seed: SeedSettings = Field(default_factory=SeedSettings)

    @classmethod
    def load(cls, env_file: Path | None = Path(".env")) -> Self:
        """Read the environment and the file where it exists.

        Raises SettingsError, naming every variable that is wrong; for production also what is missing or weak.
        """
        groups: dict[str, Group] = {}
        faults: list[str] = []
        for name, group in group_types().items():
            try:
                groups[name] = group(_env_file=env_file)
            except ValidationError as error:
                faults += [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        if faults:
            raise SettingsError("; ".join(faults))
        settings = cls.model_validate(groups)
        faults = production_faults(settings) if settings.app.production else []
        if faults:
            raise SettingsError("; ".join(faults))
        return settings


def group_types() -> dict[str, type[Group]]:
    """Each group's name in `Settings` and its class."""
    types = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in types.items() if isinstance(kind, type) and issubclass(kind, Group)}


def setting_names() -> list[tuple[str, ...]]:
    """The variables of every setting, the preferred name first: what `.env.example` must hold."""
    names: list[tuple[str, ...]] = []
    for group in group_types().values():
        for field in group.model_fields.values():
            alias = field.validation_alias
            choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
            names.append(tuple(str(choice) for choice in choices))
    return names


def production_faults(settings: Settings) -> list[str]:
    """What would be unsafe or unusable outside development; empty when all is well."""
    faults = []
    if settings.database.url is None:
        faults.append("DATABASE_URL: required in production, the embedded server is for development and one machine")
    if not settings.clerk.configured:
        faults.append("CLERK_ISSUER, CLERK_JWKS_URL or CLERK_JWT_KEY: one is required in production")
    if settings.clerk.configured and not settings.clerk.issuer:
        faults.append("CLERK_ISSUER: required in production, or tokens of another instance would be accepted")
    faults += notice_faults(settings.notices)
    for name, secret in weak_candidates(settings):
        if secret is not None and len(set(secret.get_secret_value())) < MIN_SECRET_LENGTH // 2:
            faults.append(f"{name}: too simple, use a random value")
        elif secret is not None and len(secret.get_secret_value()) < MIN_SECRET_LENGTH:
            faults.append(f"{name}: shorter than {MIN_SECRET_LENGTH} characters")
        elif secret is not None and PLACEHOLDER.search(secret.get_secret_value()):
            faults.append(f"{name}: a placeholder, use a random value")
    return faults


def notice_faults(notices: NoticeSettings) -> list[str]:
    """What keeps notices from going out; empty when all is well."""
    if not notices.email_to:
        return []
    wanted = {"SMTP_HOST": notices.smtp_host, "ALERT_EMAIL_FROM": notices.email_from}
    return [f"{name}: required where ALERT_EMAIL_TO is set" for name, value in wanted.items() if not value]


def weak_candidates(settings: Settings) -> list[tuple[str, SecretStr | None]]:
    return [
        ("CRON_SECRET", settings.machines.cron_secret),
        ("METRICS_TOKEN", settings.machines.metrics_token),
        *(("KAJABI_WEBHOOK_TOKENS", token) for token in settings.kajabi.webhook_tokens),
        *(("KAJABI_WEBHOOK_SECRET", secret) for secret in settings.kajabi.webhook_secrets),
        *(("CLERK_WEBHOOK_SECRET", secret) for secret in settings.clerk.webhook_secrets),
    ]
