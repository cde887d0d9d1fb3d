"""Settings of the service itself: where it runs, its databases, what it keeps in memory and whom it limits."""

from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, Field, field_validator

from elevate_api.config.values import CommaList, Group, OptionalPath, OptionalSecret, OptionalText, TimeZoneName


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"


class AppSettings(Group):
    environment: Environment = Field(Environment.DEVELOPMENT, validation_alias=AliasChoices("ENVIRONMENT", "NODE_ENV"))
    site_url: OptionalText = Field(None, validation_alias=AliasChoices("SITE_URL", "NEXT_PUBLIC_SITE_URL"))
    api_url: OptionalText = Field(None, validation_alias="API_URL")
    cors_origins: CommaList = Field((), validation_alias="CORS_ORIGINS")
    program_timezone: TimeZoneName = Field("Asia/Jakarta", validation_alias="PROGRAM_TIMEZONE")
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


class ReplicaSettings(Group):
    """A standby that analytics reads and exports go to, as long as it is at most `max_lag_seconds` behind."""

    url: OptionalSecret = Field(None, validation_alias="ANALYTICS_DATABASE_URL")
    max_lag_seconds: float = Field(30, gt=0, validation_alias="ANALYTICS_MAX_LAG_SECONDS")


class EmbeddedSettings(Group):
    data_dir: OptionalPath = Field(None, validation_alias="ELEVATE_DATA_DIR")
    bindir: OptionalPath = Field(None, validation_alias="ELEVATE_PG_BINDIR")


class SupabaseSettings(Group):
    url: OptionalText = Field(None, validation_alias="SUPABASE_URL")
    secret_key: OptionalSecret = Field(
        None, validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE")
    )
    anon_key: OptionalText = Field(None, validation_alias="SUPABASE_ANON_KEY")  # accepted, unused


class RateLimitSettings(Group):
    enabled: bool = Field(True, validation_alias="RATE_LIMIT_ENABLED")
    anonymous: str = Field("300/minute", validation_alias="RATE_LIMIT_ANONYMOUS")
    reads: str = Field("600/minute", validation_alias="RATE_LIMIT_READS")
    writes: str = Field("120/minute", validation_alias="RATE_LIMIT_WRITES")
    storage: str = Field("auto", validation_alias="RATE_LIMIT_STORAGE")


class MemorySettings(Group):
    """Public answers that each process keeps; `megabytes` 0 keeps none."""

    megabytes: int = Field(16, ge=0, le=4096, validation_alias="PUBLIC_MEMORY_MB")


class ConsoleSettings(Group):
    """The pages at /console. `sign_in_url`: where people sign in to Clerk, such as its hosted page."""

    enabled: bool = Field(True, validation_alias="CONSOLE")
    sign_in_url: OptionalText = Field(None, validation_alias="CONSOLE_SIGN_IN_URL")
