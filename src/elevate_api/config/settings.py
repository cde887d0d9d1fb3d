"""All groups together, and how they are read."""

from pathlib import Path
from typing import Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from elevate_api.config.faults import production_faults
from elevate_api.config.partners import ClerkSettings, KajabiSettings, MachineSettings, NoticeSettings, TracingSettings
from elevate_api.config.service import (
    AppSettings,
    ConsoleSettings,
    DatabaseSettings,
    EmbeddedSettings,
    MemorySettings,
    RateLimitSettings,
    ReplicaSettings,
    SupabaseSettings,
)
from elevate_api.config.upkeep import (
    AlertSettings,
    AttachmentSettings,
    BackupSettings,
    RetentionSettings,
    SchedulerSettings,
    SeedSettings,
)
from elevate_api.config.values import Group


class SettingsError(Exception):
    """The settings cannot be used; the message names each variable and what is wrong, never a value."""


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
