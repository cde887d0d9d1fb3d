"""Settings, in small frozen groups, read from the environment and an optional `.env` file.

The operations manual's names (DATABASE_URL, NODE_ENV, PGBOUNCER_ENABLED, ...) work as they stand there.
`.env.example` lists exactly the names of the groups; a test holds the two together.
"""

from elevate_api.config.partners import ClerkSettings, KajabiSettings, MachineSettings, NoticeSettings, TracingSettings
from elevate_api.config.service import (
    AppSettings,
    ConsoleSettings,
    DatabaseSettings,
    EmbeddedSettings,
    Environment,
    MemorySettings,
    RateLimitSettings,
    ReplicaSettings,
    SupabaseSettings,
)
from elevate_api.config.settings import Settings, SettingsError, setting_names
from elevate_api.config.upkeep import (
    AlertSettings,
    AttachmentSettings,
    BackupSettings,
    RetentionSettings,
    SchedulerSettings,
    SeedSettings,
)
from elevate_api.config.values import MIN_SECRET_LENGTH

__all__ = [
    "MIN_SECRET_LENGTH",
    "AlertSettings",
    "AppSettings",
    "AttachmentSettings",
    "BackupSettings",
    "ClerkSettings",
    "ConsoleSettings",
    "DatabaseSettings",
    "EmbeddedSettings",
    "Environment",
    "KajabiSettings",
    "MachineSettings",
    "MemorySettings",
    "NoticeSettings",
    "RateLimitSettings",
    "ReplicaSettings",
    "RetentionSettings",
    "SchedulerSettings",
    "SeedSettings",
    "Settings",
    "SettingsError",
    "SupabaseSettings",
    "TracingSettings",
    "setting_names",
]
