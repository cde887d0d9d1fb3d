"""From settings to the store and the scanner of this process."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from elevate_api.attachments.local import LocalStorage
from elevate_api.attachments.scanning import Scanner, build_scanner
from elevate_api.attachments.storage import Storage
from elevate_api.attachments.supabase import SupabaseStorage
from elevate_api.config import Settings, SettingsError

FOLDER = "attachments"
MAX_INSPECTIONS = 4
"""Files looked at at once. Each holds its request's connection of the pool, so the rest are asked to come back."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the routes of evidence files work with; `app.state.evidence`."""

    storage: Storage
    scanner: Scanner | None = None
    inspections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_INSPECTIONS))


def build_evidence(settings: Settings) -> Evidence:
    """Nothing is connected or made yet; whoever builds it closes the storage. Raises SettingsError."""
    return Evidence(build_storage(settings), build_scanner(settings.attachments))


def build_storage(settings: Settings) -> Storage:
    """Supabase where its address and key are set, else this machine's disk. Raises SettingsError."""
    store, supabase = settings.attachments.store, settings.supabase
    if store == "supabase" and not (supabase.url and supabase.secret_key):
        raise SettingsError("ATTACHMENT_STORE: supabase needs SUPABASE_URL and SUPABASE_SECRET_KEY")
    if store != "local" and supabase.url and supabase.secret_key:
        return SupabaseStorage(supabase.url, supabase.secret_key.get_secret_value(), settings.attachments.bucket)
    return LocalStorage(_folder(settings))


def _folder(settings: Settings) -> Path:
    from elevate_api.postgres.paths import default_data_dir  # noqa: PLC0415  (production never loads that package)

    return settings.attachments.directory or (settings.embedded.data_dir or default_data_dir()) / FOLDER
