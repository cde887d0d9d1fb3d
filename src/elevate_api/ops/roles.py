"""The role that the service runs as: it may use the tables, and own or alter nothing."""

import base64
import hashlib
import hmac
import secrets

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.config import MIN_SECRET_LENGTH, SettingsError
from elevate_api.kit.bounds import Limits
from elevate_api.kit.sqlfiles import migrations_dir

SERVICE_ROLE = "elevate_app"
SCRAM_ITERATIONS = 4096  # PostgreSQL's own default (scram_iterations)
INSUFFICIENT_PRIVILEGE = "42501"
log = structlog.get_logger(__name__)
# The migrations' lock: the access rules are rewritten, and two of these at once would trip over each other.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('elevate:migrate', 0))")
_KNOWS_WHOLE = text("SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'transaction_timeout')")  # from 17 on
_STANDING = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = :role")


async def ensure_service_role(session: AsyncSession, password: str | None = None, limits: Limits = Limits()) -> bool:  # noqa: B008  (frozen)
    """Create the role, or give an existing one the password; then put its rights in order. True when it was created.

    `limits` become defaults of the role, so that they hold behind a transaction pooler, too.

    `password` None leaves it as it is: the embedded server trusts its socket. Run it as the owner of the tables, who
    may create roles. Raises SettingsError for a password or a role that would not do.
    """
    verifier = scram_verifier(password) if password is not None else None
    await session.execute(_LOCK)
    too_mighty: bool | None = await session.scalar(_STANDING, {"role": SERVICE_ROLE})
    if too_mighty:
        raise SettingsError(f"{SERVICE_ROLE} is a superuser or bypasses row level security; take that from it first")
    created = too_mighty is None
    if created:
        await session.execute(text(f"CREATE ROLE {SERVICE_ROLE} LOGIN"))
    if verifier is not None:
        connection = await session.connection()  # not text(): a verifier is full of colons
        await connection.exec_driver_sql(f"ALTER ROLE {SERVICE_ROLE} LOGIN PASSWORD '{verifier}'")
    await _limit(session, limits)
    await apply_access(session)
    return created


async def _limit(session: AsyncSession, limits: Limits) -> None:
    """A role that somebody else made is theirs to alter: then only a pooled service goes without the defaults."""
    values = limits.settings()
    if await session.scalar(_KNOWS_WHOLE):
        values["transaction_timeout"] = limits.whole()
    statements = [f"ALTER ROLE {SERVICE_ROLE} SET {name} = '{value}'" for name, value in values.items()]
    try:
        async with session.begin_nested():
            for statement in statements:
                await session.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != INSUFFICIENT_PRIVILEGE:
            raise
        log.warning("role_not_limited", role=SERVICE_ROLE, wanted=statements)


async def apply_access(session: AsyncSession) -> None:
    """Who may reach what, as `migrations/sql/access.sql` says; harmless to repeat."""
    connection = await session.connection()
    await connection.exec_driver_sql((migrations_dir() / "sql" / "access.sql").read_text(encoding="utf-8"))


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL stores for a password (RFC 5803), so that the password itself is in no statement and no log."""
    if len(password) < MIN_SECRET_LENGTH or not (password.isascii() and password.isprintable()):
        raise SettingsError(f"the password: at least {MIN_SECRET_LENGTH} printable ASCII characters")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    client_key, server_key = (hmac.digest(salted, label, "sha256") for label in (b"Client Key", b"Server Key"))
    stored_key = hashlib.sha256(client_key).digest()
    encoded = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return "SCRAM-SHA-256${iterations}:{0}${1}:{2}".format(*encoded, iterations=SCRAM_ITERATIONS)
