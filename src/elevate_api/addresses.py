"""Which database address serves what.

DATABASE_URL carries the service. Migrations, dumps and LISTEN need a connection that keeps its session, so they take
whichever of DIRECT_URL and DATABASE_URL is not behind a transaction pooler (the manual flags DIRECT_URL by mistake).
"""

from elevate_api.config import Settings, SettingsError
from elevate_api.kit.bounds import Limits
from elevate_api.kit.db import Address, BadDatabaseUrl


class NoDatabaseUrl(SettingsError):
    """DATABASE_URL is not set and the caller does not start the embedded server."""


class NoDirectAddress(SettingsError):
    """Both addresses go through a transaction pooler."""


def _parse(name: str, raw: str, *, pooled: bool = False) -> Address:
    try:
        return Address.parse(raw, pooled=pooled)
    except BadDatabaseUrl as error:
        raise SettingsError(f"{name}: {error}") from error


def limits_of(settings: Settings) -> Limits:
    """How long the service's transactions may take."""
    database = settings.database
    return Limits(
        statement=database.statement_timeout,
        lock=database.lock_timeout,
        idle=database.transaction_timeout,
        transaction=database.transaction_timeout,
    )


def service_address(settings: Settings) -> Address:
    """Raises NoDatabaseUrl, or SettingsError for what is no PostgreSQL URL."""
    if settings.database.url is None:
        raise NoDatabaseUrl("DATABASE_URL is not set")
    raw = settings.database.url.get_secret_value()
    return _parse("DATABASE_URL", raw, pooled=settings.database.pgbouncer_enabled)


def replica_address(settings: Settings) -> Address | None:
    """The standby's, where there is one; raises SettingsError for what is no PostgreSQL URL."""
    url = settings.replica.url
    return None if url is None else _parse("ANALYTICS_DATABASE_URL", url.get_secret_value())


def direct_address(settings: Settings) -> Address:
    """The address for migrations, dumps and LISTEN; raises NoDatabaseUrl, NoDirectAddress or SettingsError."""
    service = service_address(settings)
    if settings.database.direct_url is not None:
        direct = _parse("DIRECT_URL", settings.database.direct_url.get_secret_value())
        if not direct.transaction_pooled:
            return direct
    if service.transaction_pooled:
        raise NoDirectAddress(
            "migrations, dumps and LISTEN need a connection that keeps its session, but DATABASE_URL and DIRECT_URL "
            "both go through a transaction pooler; set DIRECT_URL to the database itself or to a session-mode pooler"
        )
    return service
