"""What commands share: settings, and the database that they name or that lives in the data directory."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from pydantic import SecretStr, ValidationError

from elevate_api.addresses import direct_address, service_address
from elevate_api.backups import wal
from elevate_api.config import AppSettings, Settings, SettingsError
from elevate_api.kit.bounds import NO_LIMITS
from elevate_api.kit.db import Address, Database
from elevate_api.ops.roles import SERVICE_ROLE
from elevate_api.postgres import EmbeddedServer

EMBEDDED_DATABASE = "elevate"


def load_settings(data_dir: Path | None = None) -> Settings:
    """The environment and `.env`; `data_dir` wins over ELEVATE_DATA_DIR. Raises SettingsError."""
    settings = Settings.load()
    if data_dir is None:
        return settings
    embedded = settings.embedded.model_copy(update={"data_dir": data_dir.absolute()})
    return settings.model_copy(update={"embedded": embedded})


def development_only(command: str) -> None:
    """Raises SettingsError in staging and production, before whatever else may be wrong with their settings."""
    with suppress(ValidationError):  # a bad ENVIRONMENT is named when the settings are loaded
        app = AppSettings(_env_file=Path(".env"))
        if app.production:
            raise SettingsError(f"ENVIRONMENT is {app.environment}: {command} is for development")


@contextmanager
def embedded_server(settings: Settings) -> Iterator[EmbeddedServer]:
    """The data directory's server, with a database for the service: the one that runs, or one for this block.

    Enter it from the main thread, as the server ends with the thread that started it. Raises EmbeddedPostgresError.
    """
    archive = settings.backups.wal_archive
    options = None if archive is None else wal.archive_settings(archive)
    server = EmbeddedServer(settings.embedded.data_dir, settings=options)
    if archive is not None:
        wal.prepare_archive(archive, server.layout.cluster)
    with server:
        server.ensure_database(EMBEDDED_DATABASE)
        yield server


def with_database_url(settings: Settings, dsn: str, owner_dsn: str) -> Settings:
    """The same settings for a service on that database; its owner makes the backups."""
    urls = {"url": SecretStr(dsn), "direct_url": SecretStr(owner_dsn)}
    database = settings.database.model_copy(update=urls)
    return settings.model_copy(update={"database": database})


@contextmanager
def command_address(settings: Settings, *, direct: bool = True) -> Iterator[Address]:
    """The database that a command works on: that of the settings, else the embedded one.

    `direct`: as the owner, on a connection that keeps its session; otherwise as the service goes. Raises SettingsError
    or EmbeddedPostgresError.
    """
    if settings.database.url is not None:
        yield direct_address(settings) if direct else service_address(settings)
        return
    with embedded_server(settings) as server:
        dsn = server.dsn(EMBEDDED_DATABASE) if direct else server.dsn(EMBEDDED_DATABASE, SERVICE_ROLE)
        yield Address.parse(dsn)


@asynccontextmanager
async def command_database(settings: Settings, *, direct: bool = True) -> AsyncIterator[Database]:
    """As `command_address`, ready for sessions."""
    with command_address(settings, direct=direct) as address:
        async with opened(address) as database:
            yield database


@asynccontextmanager
async def opened(address: Address) -> AsyncIterator[Database]:
    """A connection for each session, closed at the end: what a command of a few statements needs."""
    database = Database(address, pooled=False, limits=NO_LIMITS)
    try:
        yield database
    finally:
        await database.dispose()
